"""A training that does not learn is told early, with the likely cause; a healthy one is left in peace."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from negatives.training.watcher import LOOK_AT, Watcher, carries_over
from negatives.types import Csr

NOISE = torch.linspace(-0.1, 0.1, 200)


def watched(
    losses: list[float],
    before: float,
    after: float,
    carried: float | None = None,
    total: int = 100,
    cheap: float | None = None,
    signals: dict[str, float] | None = None,
) -> Watcher:
    """Let a training of made-up losses run for eight hundredths."""
    values = iter([before, after])
    taken = [0]

    def look() -> tuple[float, Tensor]:
        value = next(values)
        return value, value + NOISE.roll(int(value * 1000))

    method = None if cheap is None else lambda: (cheap, cheap + NOISE.roll(int(cheap * 1000)))
    watcher = Watcher(look, lambda: carried, "recall@20", lambda: taken[0] / total, lr=0.5, cheap=method)
    watcher.begin()
    for loss in losses:
        taken[0] += 1
        step: Any = SimpleNamespace(loss=loss, signals=signals or {})
        watcher.on_step(step)
    return watcher


FALLS, RISES, FLAT = [2.0 - 0.1 * at for at in range(8)], [2.0 + 0.5 * at for at in range(8)], [2.0] * 8


def test_a_healthy_training_is_left_in_peace() -> None:
    assert watched(FALLS, 0.1, 0.3).told is None
    assert watched(FALLS, 0.3, 0.2, carried=9.0).told is None  # a good beginning may be left behind
    assert watched([2.0, *([2.1] * 7)], 0.3, 0.4, carried=9.0).told is None


def test_a_loss_that_rises_means_a_smaller_step() -> None:
    found = watched(RISES, 0.3, 0.4, carried=9.0)
    assert found.too_large
    assert found.told is not None
    assert "the loss has risen (loss 2 to 5)" in found.told
    assert "try --set optimiser.lr=0.05" in found.told


def test_a_loss_that_rises_as_the_negatives_grow_harder_is_no_fault() -> None:
    """A curriculum's loss rises by itself; the validation value says whether something is wrong."""
    curriculum = {"control.candidates": 2.0}
    assert watched(RISES, 0.3, 0.4, signals=curriculum).told is None
    for after in (0.3, 0.2):
        assert watched(RISES, 0.3, after, signals=curriculum).too_large
    assert watched(RISES, 0.3, 0.4, signals={"violation_rate": 0.2}).too_large


def test_a_value_that_falls_with_a_loss_that_does_not() -> None:
    found = watched([2.0, *([2.2] * 7)], 0.3, 0.2)
    assert found.too_large
    assert found.told is not None
    assert "it has fallen from 0.3" in found.told


def test_what_does_not_carry_over_points_at_the_data() -> None:
    assert watched(FALLS, 0.1, 0.3, carried=0.5).told is None  # it has learned what is popular
    found = watched(FALLS, 0.3, 0.29, carried=0.5)
    assert not found.too_large
    assert found.told is not None
    assert "queries and items of the data belong together" in found.told


def test_what_is_learned_must_be_more_than_what_knows_no_query() -> None:
    assert watched(FALLS, 0.1, 0.3, carried=0.5, cheap=0.2).told is None
    assert watched(FALLS, 0.1, 0.3, carried=9.0, cheap=0.4).told is None  # slow, but it carries over
    assert watched(FALLS, 0.1, 0.3, cheap=0.4).told is None  # nothing is hidden, and it has risen
    found = watched(FALLS, 0.1, 0.3, carried=0.5, cheap=0.295)
    assert not found.too_large
    assert found.told is not None
    assert "hidden positives score no higher" in found.told


def test_a_good_beginning_is_no_fault_where_it_beats_the_cheap_method() -> None:
    assert watched(FALLS, 0.3, 0.3, cheap=0.1).told is None
    assert watched(FALLS, 0.3, 0.3, cheap=0.3).told is not None


def test_a_value_that_stays_at_nothing_is_told_where_nothing_is_hidden() -> None:
    found = watched(FLAT, 0.001, 0.002)
    assert found.told is not None
    assert "it does not move" in found.told


@pytest.mark.parametrize(("steps", "told"), [(6, False), (7, True)])
def test_it_is_told_within_the_first_tenth(steps: int, told: bool) -> None:
    assert LOOK_AT < 0.1
    assert (watched(RISES[:steps], 0.3, 0.4).told is not None) is told


def test_numbers_that_are_none_are_told_and_few_large_steps_are_not_judged() -> None:
    assert "no number any more" in str(watched([2.0] * 6 + [float("nan")] * 2, 0.3, 0.3).told)
    assert watched(RISES, 0.3, 0.4, total=2).told is None


class Table(nn.Module):
    """Scores are the entries of a table."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)

    def refresh(self) -> None:
        pass

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        return self.scores[queries, items]


def carried(scores: Tensor, n: int = 100) -> float | None:
    model: Any = Table(scores)
    return carries_over(model, Csr.from_pairs(torch.arange(n), torch.arange(n) * 7 % 300, 300, 300))


def test_popularity_does_not_carry_over_and_a_match_does() -> None:
    noise = torch.randn(300, 300, generator=torch.Generator().manual_seed(3))
    popular = noise + 10 * torch.rand(300, generator=torch.Generator().manual_seed(4))
    found = carried(popular)
    assert found is not None
    assert abs(found) < 3
    match = popular.clone()
    match[torch.arange(300), torch.arange(300) * 7 % 300] += 2.0
    assert carried(match) == pytest.approx(15, abs=3)
    assert carried(match, n=49) is None
