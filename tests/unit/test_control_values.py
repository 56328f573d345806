"""Schedules, controllers and signals at points worked out by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch

from negatives.control import BackOff, Cosine, Exponential, Hold, Knob, Linear, Step, WarmUp, value_of
from negatives.control.base import controllers_in
from negatives.control.history import LIMIT, append
from negatives.control.signals import false_negative_signals, signals
from negatives.types import Context, Csr, Negatives, Part


def test_schedules_between_and_outside_their_bounds() -> None:
    linear = Linear(1.0, 3.0, begin=0.2, end=0.6)
    assert [linear.at(p) for p in (0.0, 0.2, 0.3, 0.6, 1.0)] == pytest.approx([1.0, 1.0, 1.5, 3.0, 3.0])
    cosine = Cosine(2.0, 4.0)
    assert [cosine.at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 3.0, 4.0])
    growth = Exponential(1.0, 16.0)
    assert [growth.at(p) for p in (0.0, 0.25, 1.0)] == pytest.approx([1.0, 2.0, 16.0])
    warm = WarmUp(8.0, share=0.5, start=4.0)
    assert [warm.at(p) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([4.0, 6.0, 8.0, 8.0])


def test_stairs_change_at_their_boundary() -> None:
    stairs = Step((1.0, 2.0, 3.0), (0.5, 0.75))
    assert [stairs.at(p) for p in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


def test_a_knob_follows_progress() -> None:
    assert value_of(Linear(0.0, 4.0), 0.75) == 3.0
    assert value_of(Hold("gap", target=1.0, start=2.0, low=1.0, high=3.0), 0.75) == 2.0


def test_hold_smooths_pushes_by_the_relative_error_and_stays_in_its_bounds() -> None:
    hold = Hold("rate", target=0.5, start=1.0, low=0.9, high=1.2, rate=0.1, smoothing=0.75)
    hold.observe({"rate": 0.25})
    assert hold.value == pytest.approx(math.exp(0.1 * 0.5))
    hold.observe({"rate": 0.65})  # smoothed to 0.25 + 0.25 * 0.4 = 0.35
    assert hold.value == pytest.approx(math.exp(0.05 + 0.1 * 0.3))
    for _ in range(9):
        hold.observe({"rate": -99.0})
    assert hold.value == 1.2
    for _ in range(99):
        hold.observe({"rate": 99.0})
    assert hold.value == 0.9


def test_hold_turns_round_where_a_larger_number_lowers_the_signal() -> None:
    up, down = (Hold("rate", target=0.5, start=1.0, low=0.1, high=9.0, rises=rises) for rises in (True, False))
    for one in (up, down):
        one.observe({"rate": 0.0})
    assert up.value == pytest.approx(math.exp(0.1))
    assert down.value == pytest.approx(math.exp(-0.1))


def test_back_off_halves_once_for_one_collapse_and_creeps_back_to_its_start() -> None:
    back = BackOff("size", start=4.0, low=0.5, drop=0.5, factor=0.5, recovery=1.5, smoothing=0.0)
    values = []
    for size in (1.0, 0.4, 0.4, 0.4, 0.4, 0.1):
        back.observe({"size": size})
        values.append(back.value)
    assert values == pytest.approx([4.0, 2.0, 3.0, 4.0, 4.0, 2.0])
    for size in (0.04, 0.01, 0.004):
        back.observe({"size": size})
    assert back.value == 0.5


def test_back_off_compares_the_smoothed_signal() -> None:
    back = BackOff("size", start=4.0, low=0.5, smoothing=0.8)
    for size in (1.0, 0.0):  # smoothed to 0.8, no collapse
        back.observe({"size": size})
    assert back.value == 4.0


@pytest.mark.parametrize("kind", ["hold", "back_off"])
def test_a_restored_controller_goes_on_as_if_nothing_had_happened(kind: str) -> None:
    def made() -> Hold | BackOff:
        if kind == "hold":
            return Hold("size", target=0.5, start=2.0, low=0.1, high=9.0)
        return BackOff("size", start=4.0, low=0.1, smoothing=0.5)

    first, second = made(), made()
    for size in (1.0, 0.9, 0.2):
        first.observe({"size": size})
    second.load_state(first.state())
    for size in (0.2, 0.1, 0.8, 0.05):
        first.observe({"size": size})
        second.observe({"size": size})
        assert second.value == first.value
    assert second.state() == first.state()


def test_a_full_record_keeps_its_first_entry_and_every_second_one() -> None:
    record: list[tuple[int, float]] = []
    for count in range(LIMIT + 1):
        append(record, count, float(count))
    assert [count for count, _ in record] == [*range(0, LIMIT, 2), LIMIT]


@dataclass(slots=True)
class Outer(Part):
    inner: list[Part]
    knob: Knob = 1.0


@dataclass(slots=True)
class Inner(Part):
    knob: Knob = field(default_factory=lambda: Hold("gap", target=1.0, start=1.0, low=0.5, high=2.0))


def test_controllers_are_found_in_parts_of_parts() -> None:
    outer = Outer([Inner(2.0), Inner()], Hold("gap", target=1.0, start=1.0, low=0.5, high=2.0))
    assert [path for path, _ in controllers_in(outer)] == ["inner.1.knob", "knob"]


OK = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])


def negatives(weight: torch.Tensor | None = None, ids: torch.Tensor | None = None) -> Negatives:
    return Negatives(torch.tensor([[1, 1, 2], [3, 4, 5], [6, 7, 6]]) if ids is None else ids, None, OK, weight)


def test_signals_of_a_small_batch() -> None:
    positive = torch.tensor([1.0, 0.0, 0.0])
    negative = torch.tensor([[1.0, -1.0, 9.0], [4.0, 9.0, 9.0], [9.0, 9.0, 9.0]])
    pool = torch.tensor([[0.0, 2.0], [2.0, 4.0], [0.0, 1.0]])
    found = signals(positive, negative, negatives(), pool)
    assert found["violation_rate"] == pytest.approx(2 / 3)  # an equal score violates
    assert found["gap"] == pytest.approx((0.0 - 4.0) / 2)  # a row without an allowed negative has no gap
    sigmoids = [1 / (1 + math.exp(-lead)) for lead in (0.0, -2.0, 4.0)]
    assert found["gradient_share"] == pytest.approx(sum(sigmoids) / 3)
    assert found["effective_sample_size"] == pytest.approx(1.0)
    assert found["ok_share"] == pytest.approx(3 / 9)
    assert found["duplicate_share"] == pytest.approx(2 / 9)
    deviations = [(1.0 - 1.0) / math.sqrt(2), (-1.0 - 1.0) / math.sqrt(2), (4.0 - 3.0) / math.sqrt(2)]
    assert found["hardness"] == pytest.approx(sum(deviations) / 3)


def test_signals_count_weights() -> None:
    weight = torch.tensor([[3.0, 1.0, 5.0], [2.0, 5.0, 5.0], [5.0, 5.0, 5.0]])
    negative = torch.tensor([[1.0, -1.0, 9.0], [-2.0, 9.0, 9.0], [9.0, 9.0, 9.0]])
    found = signals(torch.zeros(3), negative, negatives(weight))
    assert found["violation_rate"] == pytest.approx(3 / 6)
    assert found["effective_sample_size"] == pytest.approx((16 / (2 * 10) + 1.0) / 2)


def test_false_negatives_are_the_canaries_among_allowed_slots() -> None:
    canaries = Csr.from_pairs(torch.tensor([0, 0, 2, 5]), torch.tensor([1, 2, 6, 3]), 6, 10)
    context = Context(torch.tensor([0, 5, 2]), torch.tensor([7, 7, 7]), torch.arange(3))
    found = false_negative_signals(negatives(), context, canaries, 10, canary_share=0.25)
    # of three allowed slots, those of item 1 (row 0, twice) and of item 3 (row 1) hold a canary
    assert found["canary_hits"] == 3.0
    assert found["false_negative_rate"] == pytest.approx(1.0 / 0.25)
    expected = (2 * 2 + 1 * 1 + 0 * 1) / (3 * 10)
    assert found["false_negative_lift"] == pytest.approx(1.0 / expected)
    weight = torch.tensor([[0.0, 1.0, 9.0], [3.0, 9.0, 9.0], [9.0, 9.0, 9.0]])
    other = negatives(weight, torch.tensor([[1, 0, 2], [3, 4, 5], [6, 6, 6]]))
    found = false_negative_signals(other, context, canaries, 10, canary_share=0.5)
    assert found["false_negative_rate"] == pytest.approx((3 / 4) / 0.5)
    assert found["false_negative_lift"] == pytest.approx((3 / 4) / ((1 * 2 + 3 * 1) / (4 * 10)))
