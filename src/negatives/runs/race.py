"""A race: from one start several contenders share a part of the budget, and the better half goes on from its state.

Successive halving (Jamieson and Talwalkar, AISTATS 2016) with three differences. A contender follows the schedule of
its whole training from the first step, so that the winner is trained as if it had been alone. A later contender must be
better by more than the noise, paired over questions; of two that are as good, the one that stands first stays. And one
that cannot be trained is out at once, whatever the round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from negatives.errors import NonFiniteScores
from negatives.evaluation import Metrics, standard_error

NOISE = 1.0
"""Standard errors of a paired difference within which two contenders count as equally good."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good a contender is.

    Args:
        mean: Value of the watched metric.
        per_query: ``(n,)`` its terms, the same questions for all; None where the metric is no mean over questions.
    """

    mean: float
    per_query: Tensor | None = None

    @staticmethod
    def of(metrics: Metrics, watch: str) -> Score:
        """The watched one of some metrics."""
        return Score(metrics.mean[watch], metrics.per_query.get(watch))

    @property
    def error(self) -> float:
        """Standard error of the mean; zero where it is not known."""
        return standard_error(self.per_query)

    def over(self, other: Score) -> tuple[float, float]:
        """Gain over another score, and the standard error of that difference, paired over questions."""
        if self.per_query is None or other.per_query is None:
            return self.mean - other.mean, 0.0
        return self.mean - other.mean, standard_error(self.per_query.double() - other.per_query.double())

    def beats(self, other: Score, noise: float = NOISE) -> bool:
        """Whether it is better by more than ``noise`` standard errors."""
        gain, error = self.over(other)
        return gain > noise * error


class Contender(Protocol):
    """What a race runs."""

    @property
    def name(self) -> str:
        """Told in decisions."""

    def run(self, share: float) -> None:
        """Train until the share of the plan is done.

        Raises:
            NonFiniteScores: It cannot be trained.
        """

    def score(self) -> Score:
        """How good it is now."""


C = TypeVar("C", bound=Contender)
Tell = Callable[[str, Mapping[str, object], str, float], None]
"""Told of a decision: what it is, what was seen, what was changed, and the gain."""


def best_of(scores: Mapping[str, Score]) -> str:
    """The name that wins: a later one must beat the best so far by more than the noise.

    >>> best_of({"first": Score(0.5), "second": Score(0.5), "third": Score(0.6)})
    'third'
    """
    names = iter(scores)
    best = next(names)
    for name in names:
        if scores[name].beats(scores[best]):
            best = name
    return best


def ranking(scores: Mapping[str, Score]) -> list[str]:
    """All names, the winner first, then who wins without it, and so on."""
    left, order = dict(scores), []
    while left:
        order.append(best_of(left))
        del left[order[-1]]
    return order


def rungs(n: int, share: float) -> list[tuple[int, float]]:
    """How many contenders run in each round, and to which share of their plan.

    Each round spends the same, so that all rounds together spend ``share`` of one plan.

    >>> [(alive, round(until, 3)) for alive, until in rungs(4, 0.24)]
    [(4, 0.03), (2, 0.09)]
    """
    found, until = [], 0.0
    rounds = math.ceil(math.log2(n)) if n > 1 else 0
    for _ in range(rounds):
        until += share / rounds / n
        found.append((n, until))
        n = math.ceil(n / 2)
    return found


def halve(contenders: Sequence[C], share: float, tell: Tell) -> C:
    """The contender that is left; it stands where the last round left it.

    Args:
        contenders: In order; the first wins where none is better.
        share: Share of one plan that all of them spend together.
        tell: Told of every decision.

    Raises:
        NonFiniteScores: None of them can be trained.
    """
    alive = list(contenders)
    for index, (_, until) in enumerate(rungs(len(contenders), share)):
        if len(alive) == 1:
            break
        scores = _round(alive, until, tell)
        order = ranking(scores)
        kept = set(order[: 1 if index + 1 == len(rungs(len(contenders), share)) else math.ceil(len(alive) / 2)])
        alive = [one for one in alive if one.name in kept]
        _tell_round(scores, order, alive, tell)
    return alive[0]


def _round(alive: list[C], until: float, tell: Tell) -> dict[str, Score]:
    """Run everyone; who cannot be trained leaves ``alive``."""
    scores: dict[str, Score] = {}
    for one in list(alive):
        try:
            one.run(until)
            scores[one.name] = one.score()
        except NonFiniteScores as fault:
            alive.remove(one)
            if not alive:
                raise
            tell("out of the race", {one.name: str(fault)}, f"{one.name} is dropped", 0.0)
    return scores


def _tell_round(scores: Mapping[str, Score], order: Sequence[str], alive: Sequence[Contender], tell: Tell) -> None:
    left = ", ".join(one.name for one in alive)
    others = [name for name in order if name != order[0]]
    gain, error = scores[order[0]].over(scores[others[0]]) if others else (0.0, 0.0)
    seen: dict[str, object] = {name: score.mean for name, score in scores.items()}
    tell("race", seen | {"error of the difference": error}, f"goes on with {left}", gain)
