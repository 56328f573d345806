"""The numbers of a sampler, its loss and its optimiser, chosen on the validation part by successive halving.

All candidates begin the run's whole schedule; after a share of it the better ones go on from where they are, the last
two to its end. So each sampler's search costs the same, and a curriculum is judged by how it ends.

Source: Karnin et al., ICML 2013, and Jamieson and Talwalkar, AISTATS 2016, with candidates from a scrambled Sobol
sequence (Owen, 1998), of which the recipe's own values are always one. There a share of the budget is split over the
rounds; here a round is a share of the schedule, and at most :data:`ROUNDS` are held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch.quasirandom import SobolEngine

from negatives.config import RunConfig, Values
from negatives.randomness import Purpose, stream
from negatives.runs.numbers import numbers, with_numbers

ROUNDS = 4
"""Rounds at most, the first of which trains an eighth of the schedule."""

WIDTH = 32
"""Numbers of a point; a sampler with fewer takes the first ones."""

Judge = Callable[[int, RunConfig, float], float]
"""Trains the candidate of a number until a share of its schedule, from where it was, and gives its best validation
value; minus infinity where it diverged."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round of halving.

    Args:
        share: Share of the schedule that is done at its end.
        trials: Candidates that take part.
    """

    share: float
    trials: int


def rounds(trials: int, forms: int = 1) -> list[Round]:
    """The rounds for so many candidates; none for one, which has nobody to lose to.

    A sampler in several forms tries one candidate more for each further form, so that it tries the numbers which others
    try. Later rounds take fewer in turn: the search costs no more than that of one form.

    >>> rounds(8)
    [Round(share=0.25, trials=8), Round(share=0.5, trials=4), Round(share=1.0, trials=2)]
    >>> rounds(8, forms=3)
    [Round(share=0.25, trials=10), Round(share=0.5, trials=4), Round(share=1.0, trials=1)]
    """
    depth = min(ROUNDS, math.ceil(math.log2(trials))) if trials > 1 else 0
    left = [trials, *(2 ** (depth - step) for step in range(1, depth))]
    plan = [Round(0.5 ** (depth - 1 - step), left[step]) for step in range(depth)]
    return _begun_with(trials + forms - 1, plan) if forms > 1 and depth > 1 else plan


def _begun_with(first: int, plan: Sequence[Round]) -> list[Round]:
    """Rounds at the same cost that begin with up to ``first`` candidates; one at least comes to the end."""
    own, rest = plan[0].share, cost(plan)
    left = [min(first, int((rest - 1.0 + own) / own))]
    rest -= left[0] * own
    for before, one in pairwise(plan):
        left.append(min(one.trials, int((rest - 1.0 + one.share) / (one.share - before.share))))
        rest -= left[-1] * (one.share - before.share)
    return [Round(one.share, trials) for one, trials in zip(plan, left, strict=True)]


def cost(plan: Sequence[Round]) -> float:
    """Whole runs that rounds are worth together.

    >>> [cost(rounds(trials)) for trials in (0, 2, 4, 8)], cost(rounds(8, forms=3))
    ([0.0, 2.0, 3.0, 4.0], 4.0)
    """
    shares = [0.0, *(one.share for one in plan)]
    return math.fsum(one.trials * (one.share - before) for one, before in zip(plan, shares, strict=False))


@dataclass(slots=True)
class Trial:
    """One candidate.

    Args:
        config: The filled configuration with its numbers.
        values: The numbers, by the key that ``--set`` takes.
        share: Share of the schedule that it was given.
        valid: Its best validation value so far.
    """

    config: RunConfig
    values: dict[str, float]
    share: float = 0.0
    valid: float = -math.inf

    def told(self) -> Values:
        """The trial for compare.json."""
        return _told(self.config) | {"values": self.values, "share": self.share, "valid": self.valid}


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning found.

    Args:
        best: Place of the best candidate; the first, which is the recipe's own, where nothing was tried.
        trials: All candidates.
    """

    best: int
    trials: Sequence[Trial]

    @property
    def config(self) -> RunConfig:
        """The configuration with the values that did best."""
        return self.trials[self.best].config

    def told(self) -> Values:
        """The choice for compare.json."""
        best = self.trials[self.best]
        tried = [{"number": place} | one.told() for place, one in enumerate(self.trials) if one.share]
        return _told(self.config) | {"values": best.values, "trial": self.best if tried else None, "trials": tried}


def _told(config: RunConfig) -> Values:
    lr, decay = config.optimiser.lr, config.optimiser.weight_decay
    return {"lr": lr, "weight_decay": decay, "loss": config.part("loss").name}


def planned(forms: Sequence[RunConfig], trials: int, asked: RunConfig | None = None) -> list[Round]:
    """The rounds of :func:`tuned` for a sampler in these forms; where it has no numbers to search, among the forms."""
    some = min(len(forms), max(1, trials))
    return rounds(trials, some) if any(numbers(form, asked) for form in forms) else rounds(some)


def candidates(config: RunConfig, trials: int, asked: RunConfig | None = None) -> list[Trial]:
    """The configuration's own numbers and ``trials - 1`` others; more trials keep those of fewer.

    All samplers try the same step sizes and regularisations. Where ``asked``, what the user gave, holds all numbers,
    there are no others.
    """
    found = numbers(config, asked)
    own = [Trial(config, {path: one.own for path, one in found.items()})]
    if trials < 2 or not found:
        return own
    seed = stream(config.seed, Purpose.TUNING) >> 1
    width = max(WIDTH, len(found))  # of equal width, so that the same places of all points are the same
    points = SobolEngine(width, scramble=True, seed=seed).draw(trials - 1).double()  # type: ignore[no-untyped-call]
    for point in points[:, : len(found)].tolist():
        values = {path: one.range.at(share, one.own) for (path, one), share in zip(found.items(), point, strict=True)}
        own.append(Trial(with_numbers(config, values), values))
    return own


def tuned(
    config: RunConfig,
    trials: int,
    judge: Judge,
    asked: RunConfig | None = None,
    others: Sequence[RunConfig] = (),
) -> Tuned:
    """Search the numbers of a filled configuration; of equal candidates the earlier goes on.

    With ``others`` the sampler has several forms. All begin with their own numbers, and that which is ahead after the
    first round's share gets all further candidates.

    Args:
        config: A filled configuration.
        trials: How many candidates; below 2 the configuration's own is taken.
        judge: See :data:`Judge`.
        asked: What the user gave; its numbers stay.
        others: Other filled configurations of the same sampler.
    """
    forms = [config, *others][: max(1, trials)]
    tried = [candidates(form, 1, asked)[0] for form in forms]

    def best(places: Sequence[int], n: int) -> list[int]:
        return sorted(places, key=lambda place: (-tried[place].valid, place))[:n]

    def run(places: Sequence[int], share: float) -> None:
        for place in sorted(places):
            tried[place].valid = judge(place, tried[place].config, share)
            tried[place].share = share

    left: Sequence[int] = range(len(forms))
    for turn, one in enumerate(planned(forms, trials, asked)):
        left = best(left, one.trials)
        run(left, one.share)
        if turn == 0:
            (ahead,) = best(left, 1)
            tried += candidates(forms[ahead], one.trials - len(forms) + 1, asked)[1:]
            run(range(len(forms), len(tried)), one.share)
            left = range(len(tried))
    return Tuned(best(left, 1)[0], tried)
