"""Every schedule and controller through the contract; their builder, and the signals they read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from tables import pairs
from torch import Tensor

from negatives import proposals
from negatives.control import BackOff, Constant, Hold, Knob, Linear, Schedule, build_part, knob, registry, value_of
from negatives.control.signals import false_negative_signals, signals
from negatives.errors import ConfigError
from negatives.guards import KnownPositives
from negatives.proposals.base import Proposal
from negatives.registry import Registry
from negatives.sampler import Sampler
from negatives.selection import registry as selections
from negatives.testing.control import CONTROLLER_CHECKS, SCHEDULE_CHECKS, ControllerCase, ScheduleCase
from negatives.types import Catalogue, Context, Csr, Negatives

Strength = Knob | None
SCHEDULES = {
    "constant": ({"value": 2.0}, (2.0, 2.0, 2.0)),
    "linear": ({"start": 1.0, "stop": 3.0}, (1.0, 2.0, 3.0)),
    "cosine": ({"start": 4.0, "stop": 0.0}, (4.0, 2.0, 0.0)),
    "exponential": ({"start": 1.0, "stop": 100.0}, (1.0, 10.0, 100.0)),
    "step": ({"values": [1, 2, 5], "at_progress": [0.5, 0.9]}, (1.0, 2.0, 5.0)),
    "warm_up": ({"value": 3.0, "share": 0.5}, (0.0, 3.0, 3.0)),
}
CONTROLLERS = {
    "hold": {"signal": "gap", "target": 0.5, "start": 1.0, "low": 0.1, "high": 10.0},
    "back_off": {"signal": "gap", "start": 4.0, "low": 0.5},
    "competence": {
        "signal": "gap",
        "start": 1.0,
        "stop": 8.0,
        "mastered": 0.2,
        "lost": 0.6,
        "levels": 4,
        "patience": 5,
    },
    "bandit": {"signal": "gap", "arms": [0.5, 2.0, 8.0], "stay": 3},
    "adaptive_temperature": {"signal": "gap", "density": 0.01, "start": 0.5, "low": 0.05, "high": 0.5},
}
BOUNDS = {
    "hold": (0.1, 10.0),
    "back_off": (0.5, 4.0),
    "competence": (1.0, 8.0),
    "bandit": (0.5, 8.0),
    "adaptive_temperature": (0.05, 0.5),
}


OF_SCHEDULE = {
    name: ScheduleCase(partial(knob, {"schedule": name} | values)) for name, (values, _) in SCHEDULES.items()
}


def controller(name: str, values: dict[str, Any]) -> ControllerCase:
    made = partial(registry.build, {"name": name} | values)
    return ControllerCase(made, "gap", *BOUNDS[name])


OF_CONTROLLER = {name: controller(name, values) for name, values in CONTROLLERS.items()} | {
    "hold of what falls": controller("hold", CONTROLLERS["hold"] | {"rises": False, "smoothing": 0.0}),
    "competence downwards": controller("competence", CONTROLLERS["competence"] | {"start": 8.0, "stop": 1.0}),
}


def test_every_entry_has_a_row() -> None:
    assert set(registry) == set(SCHEDULES) | set(CONTROLLERS)


@pairs(OF_SCHEDULE, SCHEDULE_CHECKS, {})
def test_promise_of_a_schedule(case: ScheduleCase, check: Callable[[ScheduleCase], None]) -> None:
    check(case)


@pairs(OF_CONTROLLER, CONTROLLER_CHECKS, {})
def test_promise_of_a_controller(case: ControllerCase, check: Callable[[ControllerCase], None]) -> None:
    check(case)


def test_back_off_does_not_retreat_from_a_signal_that_stays() -> None:
    back = BackOff("y", start=4.0, low=0.5)
    for _ in range(50):
        back.observe({"y": -1.0})
    assert back.value == 4.0


def test_hold_smooths_towards_the_old_value() -> None:
    """The share ``smoothing`` of the old signal stays: after 1 and then 0 the signal held is ``smoothing``."""
    hold = Hold("y", target=0.9, start=1.0, low=0.1, high=10.0, smoothing=0.9)
    hold.observe({"y": 1.0})
    before = hold.value
    hold.observe({"y": 0.0})
    assert hold.value == pytest.approx(before)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_values(name: str) -> None:
    values, expected = SCHEDULES[name]
    made = knob({"schedule": name} | values)
    assert isinstance(made, Schedule)
    assert [made.at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx(expected)
    assert made == knob({"schedule": name} | values)


def test_schedule_flat_outside_its_span() -> None:
    line = Linear(1.0, 3.0, begin=0.2, end=0.4)
    assert [line.at(p) for p in (0.0, 0.3, 0.9)] == pytest.approx([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"schedule": "liner", "start": 0, "stop": 1}, "linear"),
        ({"schedule": "linear", "start": 0}, "stop"),
        ({"schedule": "linear", "start": math.nan, "stop": 1}, "finite"),
        ({"schedule": "linear", "start": "a", "stop": 1}, "number"),
        ({"schedule": "linear", "start": 0, "stop": 1, "begin": 0.5, "end": 0.5}, "begin"),
        ({"schedule": "exponential", "start": 0, "stop": 1}, "above zero"),
        ({"schedule": "step", "values": [1], "at_progress": [0.5]}, "values"),
        ({"schedule": "step", "values": 1, "at_progress": [0.5]}, "list"),
        ({"schedule": "step", "values": [1, 2, 3], "at_progress": [0.5, 0.2]}, "rise"),
        ({"schedule": "hold"}, "controller"),
        ({"hold": "gap", "target": 1}, "start"),
        ({"hold": "gap", "target": 1, "start": 0, "low": 0, "high": 1}, "low"),
        ({"hold": "", "target": 1, "start": 1, "low": 1, "high": 1}, "signal"),
        ({"hold": "gap", "target": 1, "start": 1, "low": 1, "high": 1, "rate": 0}, "rate"),
        ({"back_off": "gap", "start": 1, "low": 2}, "low"),
        ({"back_off": "gap", "start": 2, "low": 1, "drop": 1.5}, "drop"),
        ({}, "not a number"),
        ("fast", "not a number"),
        (True, "not a number"),
        (math.inf, "not a number"),
    ],
)
def test_wrong_knobs_are_named(spec: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        knob(spec)


def test_knob_passes_numbers_and_knobs_through() -> None:
    made = Constant(1.0)
    assert knob(made) is made
    assert knob(3) == 3
    assert value_of(knob({"back_off": "gap", "start": 2.0, "low": 1.0}), 0.3) == 2.0


def test_build_part_turns_fields_into_knobs() -> None:
    part = build_part(selections, {"name": "softmax", "k": 3, "temperature": {"schedule": "constant", "value": 2}})
    assert part.temperature == Constant(2)
    assert part.k == 3
    with pytest.raises(ConfigError, match=r"softmax\.temperature.*not a number"):
        build_part(selections, {"name": "softmax", "temperature": "hot"})
    with pytest.raises(ConfigError, match="softmax"):
        build_part(selections, {"name": "sofmax"})
    assert build_part(selections, "all") == selections.build("all")


@pytest.mark.parametrize(("rises", "power"), [(True, 1.0), (False, -1.0), (True, 0.3)])
def test_hold_brings_a_noisy_plant_to_its_target(rises: bool, power: float) -> None:
    hold = Hold("y", target=0.2, start=1.0, low=1e-3, high=1e3, rises=rises)
    noise = torch.randn(400, generator=torch.Generator().manual_seed(1)).tolist()
    plant = [0.03 * hold.value**power]
    for shock in noise:
        hold.observe({"y": plant[-1] * (1.0 + 0.1 * shock)})
        plant.append(0.03 * hold.value**power)
    assert sum(plant[-100:]) / 100 == pytest.approx(0.2, rel=0.05)


def test_hold_stays_in_bounds_and_ignores_nan() -> None:
    hold = Hold("y", target=1.0, start=1.0, low=0.5, high=2.0)
    for bad in ({"y": math.nan}, {"y": math.inf}, {"other": 3.0}, {}):
        hold.observe(bad)
    assert hold.value == 1.0
    for _ in range(50):
        hold.observe({"y": 0.0})
    assert hold.value == 2.0
    for _ in range(200):
        hold.observe({"y": 50.0})
    assert hold.value == 0.5


def test_back_off_halves_at_a_collapse_and_recovers() -> None:
    back = BackOff("y", start=8.0, low=1.0, smoothing=0.0)
    back.observe({"y": 1.0})
    back.observe({"y": 0.3})
    assert back.value == 4.0
    for _ in range(100):
        back.observe({"y": 0.3})
    assert back.value == 8.0
    level = 0.3
    for _ in range(9):
        level *= 0.3
        back.observe({"y": level})
    assert back.value == 1.0


def test_back_off_takes_a_signal_below_zero_for_one_collapse() -> None:
    back = BackOff("y", start=8.0, low=1.0, smoothing=0.0, recovery=1.0)
    for value in (-1.0, -2.0, -0.5):
        back.observe({"y": value})
    assert back.value == 8.0
    for value in (1.0, -1.0, -1.0, -3.0):
        back.observe({"y": value})
    assert back.value == 4.0
    for value in (2.0, 0.5):
        back.observe({"y": value})
    assert back.value == 2.0


def _negatives(ids: list[list[int]], ok: list[list[bool]], weight: list[list[float]] | None = None) -> Negatives:
    return Negatives(torch.tensor(ids), None, torch.tensor(ok), None if weight is None else torch.tensor(weight))


def test_signals_by_hand() -> None:
    neg = _negatives([[1, 1, 2], [3, 4, 5]], [[True, True, False], [True, False, False]])
    positive, negative = torch.tensor([1.0, 0.0]), torch.tensor([[2.0, 0.0, 9.0], [-1.0, 9.0, math.nan]])
    found = signals(positive, negative, neg, pool_scores=torch.tensor([[0.0, 2.0], [-1.0, 1.0]]))
    sigma = [1 / (1 + math.exp(-x)) for x in (1.0, -1.0, -1.0)]
    assert found["violation_rate"] == pytest.approx(1 / 3)
    assert found["gap"] == pytest.approx((-1.0 + 1.0) / 2)
    assert found["gradient_share"] == pytest.approx(sum(sigma) / 3)
    assert found["effective_sample_size"] == pytest.approx(1.0)
    assert found["ok_share"] == pytest.approx(0.5)
    assert found["duplicate_share"] == pytest.approx(1 / 6)
    assert found["hardness"] == pytest.approx((1 - 1 - 1) / 3 / math.sqrt(2))
    weighted = _negatives(neg.ids.tolist(), neg.ok.tolist(), [[3.0, 1.0, 7.0], [0.0, 1.0, 1.0]])
    found = signals(positive, negative, weighted)
    assert found["violation_rate"] == pytest.approx(3 / 4)
    assert found["effective_sample_size"] == pytest.approx(16 / (2 * 10))
    assert "hardness" not in found


def test_signals_of_no_allowed_negative_are_nan() -> None:
    found = signals(torch.zeros(1), torch.zeros(1, 2), _negatives([[0, 0]], [[False, False]]))
    assert math.isnan(found["violation_rate"])
    assert math.isnan(found["gap"])
    assert found["ok_share"] == 0.0


def _context(queries: torch.Tensor) -> Context:
    return Context(queries, torch.zeros_like(queries), torch.arange(queries.numel()))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_false_negatives_against_brute_force(shared: bool, weights: bool) -> None:
    made = torch.Generator().manual_seed(5)
    rows, k, n_items = 40, 12, 30
    canaries = Csr.from_pairs(
        torch.randint(0, 10, (25,), generator=made), torch.randint(0, n_items, (25,), generator=made), 12, n_items
    )
    queries = torch.randint(0, 12, (rows,), generator=made)
    ids = torch.randint(0, n_items, (1 if shared else rows, k), generator=made).expand(rows, k)
    ok = torch.rand(rows, k, generator=made) < 0.8
    weight = torch.rand(rows, k, generator=made) if weights else None
    found = false_negative_signals(Negatives(ids, None, ok, weight), _context(queries), canaries, n_items, 0.1)
    hits = total = expected = 0.0
    count = 0
    for r in range(rows):
        own = set(canaries.row(int(queries[r])).tolist())
        for j in range(k):
            w = float(ok[r, j]) * (1.0 if weight is None else float(weight[r, j]))
            total += w
            expected += w * len(own) / n_items
            hits += w * (int(ids[r, j]) in own)
            count += bool(ok[r, j]) and int(ids[r, j]) in own
    assert count > 0
    assert found["canary_hits"] == count
    assert found["false_negative_rate"] == pytest.approx(hits / total / 0.1, rel=1e-5)
    assert found["false_negative_lift"] == pytest.approx(hits / expected, rel=1e-5)


@pytest.mark.parametrize("pool", [False, True])
def test_lift_is_one_of_a_uniform_sampler_that_excludes_much(pool: bool) -> None:
    """Query 0 knows 30 of 40 items and query 1 none, and each has two canaries."""
    known = Csr.from_pairs(torch.zeros(30), torch.arange(30), 2, 40)
    canaries = Csr.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([33, 38, 4, 5]), 2, 40)
    sampler = Sampler(proposals.Uniform(40), guards=[KnownPositives(known)], **{"pool" if pool else "candidates": 4000})
    sampler.bind(Catalogue(2, 40, torch.ones(40, dtype=torch.int64), known))
    sampler.canaries, rows = canaries, torch.arange(60)
    context = Context(rows % 2, torch.where(rows % 2 == 0, 3, 39), rows)
    neg = sampler.sample(context)
    found = sampler.observe(context, neg, torch.zeros(60), torch.zeros(60, neg.k))
    assert found["false_negative_lift"] == pytest.approx(1.0, abs=0.15 if pool else 0.03)


def test_lift_of_uniform_draws_is_one_and_a_large_batch_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    made = torch.Generator().manual_seed(6)
    n_items, rows, k = 50, 4000, 16
    canaries = Csr(torch.arange(0, 61, 3), torch.tensor([1, 7, 30] * 20, dtype=torch.int32), n_items)
    neg = Negatives(torch.randint(0, n_items, (rows, k), generator=made), None, torch.ones(rows, k, dtype=torch.bool))
    context = _context(torch.randint(0, 20, (rows,), generator=made))
    whole = false_negative_signals(neg, context, canaries, n_items)
    assert whole["false_negative_lift"] == pytest.approx(1.0, abs=0.06)
    assert "false_negative_rate" not in whole
    monkeypatch.setattr("negatives.control.signals.LOOKUPS", 9600)
    part = false_negative_signals(neg, context, canaries, n_items)
    assert 0 < part["canary_hits"] < whole["canary_hits"]
    assert part["false_negative_lift"] == pytest.approx(1.0, abs=0.3)


@dataclass(slots=True)
class Turned(Proposal):
    """A part that holds parts and a knob, declared in ways that the text of an annotation would not tell."""

    inner: Sequence[Proposal | None]
    speed: Strength = 1.0
    limit: int = 3

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        raise NotImplementedError


def test_knobs_and_inner_parts_are_known_by_their_types() -> None:
    table: Registry[Proposal] = Registry("things", [("turned", f"{__name__}:Turned"), *proposals.ROWS])
    line = {"schedule": "linear", "start": 0, "stop": 1}
    bigram = {"name": "bigram", "weight": line}
    mixed = {"name": "mixed", "parts": [bigram, "uniform"]}
    made = build_part(table, {"name": "turned", "inner": [mixed, "uniform", None], "speed": line, "limit": 4})
    assert made.speed == made.inner[0].parts[0].weight == Linear(0, 1)
    assert (made.inner[1], made.inner[2], made.limit) == (proposals.Uniform(), None, 4)
    assert proposals.Mixed([bigram, "uniform"]).parts[0].weight == Linear(0, 1)
    with pytest.raises(ConfigError, match=r"turned\.speed: 'fast' is not a number"):
        build_part(table, {"name": "turned", "inner": [], "speed": "fast"})
    with pytest.raises(ConfigError, match=r"bigram\.weight"):
        build_part(table, {"name": "turned", "inner": [{"name": "bigram", "weight": "much"}]})


@dataclass(slots=True)
class Unreadable:
    """A part whose types exist for a type checker alone."""

    speed: Nowhere = 1.0  # type: ignore[name-defined]  # noqa: F821


def test_types_that_cannot_be_read_are_told() -> None:
    table: Registry[Unreadable] = Registry("things", [("unreadable", f"{__name__}:Unreadable")])
    with pytest.raises(ConfigError, match=r"Nowhere.*outside TYPE_CHECKING"):
        build_part(table, {"name": "unreadable", "speed": 1.0})
