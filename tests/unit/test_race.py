"""Races of made-up contenders: who wins, who is dropped, what it costs, and that the winner goes on from its state."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from negatives.errors import NonFiniteScores
from negatives.runs.race import Score, best_of, halve, ranking, rungs

Line = tuple[str, dict[str, object], str, float]


class Runner:
    """Its value grows at its own speed; questions differ by a fixed pattern."""

    def __init__(self, name: str, speed: float, breaks: bool = False) -> None:
        self.name, self.speed, self.breaks, self.shares = name, speed, breaks, [0.0]

    def run(self, share: float) -> None:
        assert share > self.shares[-1]
        if self.breaks:
            raise NonFiniteScores("the loss is nan")
        self.shares.append(share)

    def score(self) -> Score:
        terms = torch.full((64,), self.speed * self.shares[-1]) + torch.linspace(0, 1, 64)
        return Score(float(terms.mean()), terms)


def race(*runners: Runner, share: float = 0.24) -> tuple[Runner, list[Line]]:
    told: list[Line] = []

    def tell(what: str, seen: Mapping[str, object], changed: str, gain: float) -> None:
        told.append((what, dict(seen), changed, gain))

    return halve(runners, share, tell), told


def test_the_best_wins_and_the_worse_half_is_dropped_in_each_round() -> None:
    runners = [Runner("a", 1.0), Runner("b", 4.0), Runner("c", 2.0), Runner("d", 3.0)]
    winner, told = race(*runners)
    assert winner.name == "b"
    assert [len(one.shares) - 1 for one in runners] == [1, 2, 1, 2]
    assert [line[2] for line in told] == ["goes on with b, d", "goes on with b"]
    assert told[1][3] == pytest.approx((4 - 3) * 0.09, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_all_contenders_together_spend_the_share_at_most(n: int) -> None:
    runners = [Runner(str(index), float(index)) for index in range(n)]
    race(*runners, share=0.3)
    assert sum(one.shares[-1] for one in runners) == pytest.approx(0.3, rel=1e-6)
    assert rungs(n, 0.3)[0][0] == n


def test_one_contender_runs_no_round() -> None:
    alone = Runner("a", 1.0)
    assert race(alone)[0] is alone
    assert alone.shares == [0.0]


def noisy(mean: float, seed: int) -> Score:
    terms = torch.randn(400, generator=torch.Generator().manual_seed(seed)) + mean
    return Score(float(terms.mean()), terms)


def test_of_equals_the_first_wins_and_noise_does_not_count() -> None:
    equal = {"first": Score(0.5, torch.ones(9)), "second": Score(0.5, torch.ones(9))}
    assert best_of(equal) == "first"
    first = noisy(0.0, 1)
    assert first.error == pytest.approx(1 / 20, rel=0.1)
    assert not Score(first.mean + 0.03, first.per_query.flip(0) + 0.03).beats(first)  # type: ignore[union-attr]
    assert Score(first.mean + 0.03, first.per_query + 0.03).beats(first)  # type: ignore[operator]


def test_a_later_one_wins_by_more_than_the_paired_noise() -> None:
    base = torch.linspace(0, 1, 100)
    better = {"first": Score(0.5, base), "second": Score(0.52, base + 0.02)}  # paired: no noise at all
    assert best_of(better) == "second"
    assert ranking(better | {"third": Score(0.51, base + 0.01)}) == ["second", "third", "first"]


def test_who_cannot_be_trained_is_out_and_the_others_go_on() -> None:
    winner, told = race(Runner("a", 9.0, breaks=True), Runner("b", 1.0), Runner("c", 2.0))
    assert winner.name == "c"
    assert told[0] == ("out of the race", {"a": "the loss is nan"}, "a is dropped", 0.0)
    with pytest.raises(NonFiniteScores):
        race(Runner("a", 1.0, breaks=True), Runner("b", 1.0, breaks=True))
