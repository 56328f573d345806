"""Mostly hard, sometimes any: hard draws whose probability is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, hardest_slots, masked, needed, resampled
from negatives.types import Candidates, Catalogue, Context, Negatives

LIST = 20
"""Length of the list where nobody says."""
SHORTEST = 5
"""A shorter list is taken for one of this length: the very top holds right answers that nobody has marked."""


@dataclass(slots=True)
class Defensive(Selection):
    """``k`` draws, each uniform among the ``t`` hardest of the candidates or, with chance ``ε``, any.

    The slot of rank ``r`` (0 is the hardest) of ``m`` is drawn with chance ``π = ε/m + (1 - ε)/t`` for ``r < t`` and
    ``ε/m`` otherwise, scaled to sum to one over the allowed slots. So ``log_q = log q + log(m π)``, where slots that
    are not allowed count in ``m``, keeps the promise of :class:`negatives.types.Negatives`: hard draws serve pairwise
    losses and a corrected softmax alike.

    ``t = max(1, round(m ρ))`` and ``ρ = min(1, c K/N)^h`` with the hardness ``h`` from 0 (any candidate) to 1. A list
    of ``K`` out of ``N`` items is decided among the ``c K`` items at the top; draws from the top share ``ρ`` optimise a
    one-way partial AUC of that width, so the smaller ``K/N``, the harder the draw. Where the top is the whole
    catalogue, as among 169 products, nothing is singled out: there the hardest are right answers that nobody has seen.

    Differs from DNS(M, N): the top is a share that follows ``K`` and ``N``; with chance ``ε`` a slot is any candidate,
    which gives every candidate a probability.

    Args:
        k: Negatives per row, drawn with replacement.
        hardness: ``h``, from 0 to 1; a knob.
        any: ``ε``, above 0 and at most 1; a knob.
        at: ``K``, length of the list that is judged; left out, at least 5 of what the data's catalogue says (in a run
            the metric that is watched: 20 for ``recall@20``, 1 for ``mrr``), or 20 where it does not say.
        lists: ``c``, how many such lists the top is wide, above 0.
        n_items: ``N``; that of the training data when left out.

    Raises:
        ConfigError: A number does not fit; on a draw, a knob has left its range, or ``N`` is not known.

    Source: Shi et al., On the Theories Behind Hard Negative Sampling for Recommendation, WWW 2023; the chance of any
    from defensive importance sampling, Hesterberg, Technometrics 1995.
    """

    k: int = 1
    hardness: Knob = 1.0
    any: Knob = 0.05
    at: int | None = None
    lists: float = 8.0
    n_items: int = 0
    _given: bool = field(default=False, init=False, repr=False, compare=False)
    _top: int = field(default=LIST, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_count("k", self.k)
        if self.at is not None:
            check_count("at", self.at)
        check_count("n_items", self.n_items, 0)
        if not self.lists > 0.0:
            raise ConfigError(f"lists is {self.lists!r}; it must be above zero")
        self._given = self.n_items > 0

    def bind(self, catalogue: Catalogue) -> None:
        """Take the number of items and the length of the list from the data, unless they were given."""
        self._top = max(SHORTEST, catalogue.top or LIST)
        if not self._given:
            self.n_items = catalogue.n_items

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        ranked = masked(needed(difficulty, "defensive", "a difficulty"), candidates.ok)
        hardness, rate = value_of(self.hardness, context.progress), value_of(self.any, context.progress)
        if not (0.0 <= hardness <= 1.0 and 0.0 < rate <= 1.0):
            raise ConfigError(f"defensive: hardness is {hardness:g}, any is {rate:g}; 0 <= hardness <= 1, 0 < any <= 1")
        if self.n_items < 1:
            raise ConfigError("defensive does not know how many items there are; give n_items=... or bind the sampler")
        m = ranked.shape[1]
        share = min(1.0, self.lists * (self.at or self._top) / self.n_items) ** hardness
        top = min(max(1, round(m * share)), m)
        logits = torch.full_like(ranked, math.log(rate / m))
        logits.scatter_(1, hardest_slots(ranked, top), math.log(rate / m + (1.0 - rate) / top))
        return resampled(context, candidates, logits, self.k, key)
