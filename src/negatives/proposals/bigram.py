"""Noise that depends on the item before: a bigram model mixed with a unigram, its weight learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.popularity import power_weights
from negatives.proposals.rejection import derived, draw_allowed, log_allowed
from negatives.proposals.static import StaticTable
from negatives.randomness import uniforms
from negatives.types import Catalogue, Context, Csr, State

MOST = 0.999
"""Largest weight of the bigrams."""


@dataclass(slots=True)
class Bigram(Proposal):
    """Draw what follows the row's anchor in the training data, or any item by its count.

    ``q(i | a) = w n(a, i) / n(a) + (1 - w) u(i)`` with ``n(a, i)`` how often item ``i`` is a positive of a query about
    ``a``, and ``u(i)`` proportional to ``count(i)^alpha``. For language the anchor is the word before. An anchor
    without data has ``w = 0``, as has a query without an anchor.

    The weight may be a schedule or a controller: noise that begins as a unigram and comes nearer to the text.
    With ``adapt`` it is learned while training, by expectation maximisation on the positives that pass by:
    ``w <- (1 - adapt) w + adapt mean P(bigram | a, positive)``. The pair that is being predicted is left out of the
    counts, else every positive would look as if the bigrams knew it.

    Source: noise conditional on the context for NCE: Zoph et al., Simple, Fast Noise-Contrastive Estimation, NAACL
    2016; sampling from n-grams that adapt: Bengio and Senécal, IEEE TNN 2008, whose proposal mixes n-grams of several
    orders with learned weights.

    Args:
        weight: ``w``, or where it begins if it is learned; a knob.
        adapt: Share by which each batch moves the weight; 0 keeps it.
        alpha: Power of the counts in ``u``.

    Raises:
        ConfigError: A value is out of range, or the data names no anchors.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "weight": Range(0.05, 0.95, log=False),
        "alpha": Range(0.0, 1.25, log=False),
    }
    weight: Knob = 0.5
    adapt: float = 0.0
    alpha: float = 1.0
    _anchors: Tensor | None = field(default=None, init=False, repr=False)
    _starts: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64), init=False, repr=False)
    _following: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64), init=False, repr=False)
    _codes: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64), init=False, repr=False)
    _unigram: StaticTable | None = field(default=None, init=False, repr=False)
    _now: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.adapt and not isinstance(self.weight, (int, float)):
            raise ConfigError("bigram: a weight that is learned begins at a number; leave out adapt or the schedule")
        start = value_of(self.weight, 0.0)
        if not 0.0 <= start < 1.0 or not 0.0 <= self.adapt <= 1.0:
            raise ConfigError(f"bigram: weight and adapt lie between 0 and 1, not {start} and {self.adapt}")
        self._now = start

    @property
    def conditional(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Count which items follow which anchors.

        Raises:
            ConfigError: The data has no anchors or no known positives, or none of a query with an anchor.
        """
        if catalogue.query_anchors is None or catalogue.known is None:
            raise ConfigError("bigram needs queries about an item (the word before); this data names none")
        known, n = catalogue.known, catalogue.n_items
        self._anchors, self._now = catalogue.query_anchors, value_of(self.weight, 0.0)
        anchors = self._anchors[torch.repeat_interleave(known.lengths())]
        items = known.indices.long()[anchors >= 0]
        if not items.numel():
            raise ConfigError("bigram: no query of this data is about an item and has a positive; choose popularity")
        self._codes = (anchors[anchors >= 0] * n + items).sort().values
        self._following = self._codes % n
        counts = torch.bincount(self._codes // n, minlength=n)
        self._starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self._unigram = StaticTable.of(power_weights(catalogue.counts, self.alpha, 0.0, "bigram"), "bigram")

    def observe(self, context: Context) -> None:
        """Learn the weight from one batch, that of all ranks."""
        if self.adapt == 0.0:
            return
        _, pair, size = self._counted(context.positives[:, None], context)
        own = (pair[:, 0] > 0).double()
        usable = size[:, 0] > own
        bigram = ((pair[:, 0] - own) / (size[:, 0] - own).clamp(min=1))[usable]
        unigram = self._table().mass.log_prob(context.positives[usable]).exp().double()
        joint = self._now * bigram
        share = joint / (joint + (1 - self._now) * unigram).clamp(min=1e-300)
        total, n = context.ranks.summed(torch.stack([share.sum(), usable.sum().double()])).tolist()
        if n:
            self._now = min(MOST, (1 - self.adapt) * self._now + self.adapt * total / n)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        if exclude is not None:
            return draw_allowed(self, context, k, key, exclude)
        ids, _ = self._table().draw(context, k, derived(key, 1), None)
        slots = torch.arange(k, device=context.device)
        anchors = self._of(context)
        start, stop = self._starts[anchors.clamp(min=0)], self._starts[anchors + 1]
        chosen = uniforms(derived(key, 2), context.examples[:, None], slots) < self._weight(context)
        chosen &= (stop > start)[:, None] & (anchors >= 0)[:, None]
        place = uniforms(derived(key, 3), context.examples[:, None], slots) * (stop - start)[:, None]
        at = (start[:, None] + place.long()).clamp(max=self._following.numel() - 1)
        ids = torch.where(chosen, self._following[at], ids)
        return ids, self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; with the weight as it is now."""
        _, pair, size = self._counted(ids, context)
        unigram = self._table().mass.log_prob(ids).exp().double()
        weight = self._weight(context)
        mixed = weight * pair / size.clamp(min=1) + (1 - weight) * unigram
        return torch.where(size > 0, mixed, unigram).log().float()

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`; by the probabilities of what is excluded."""
        lengths = exclude.lengths()[context.queries]
        width = int(lengths.max()) if lengths.numel() else 0
        if width > 64:
            return log_allowed(self, context, exclude)
        place = torch.arange(width, device=context.device)
        at = (exclude.indptr[context.queries][:, None] + place).clamp(max=max(0, exclude.nnz - 1))
        gone = torch.where(place < lengths[:, None], exclude.indices.long()[at] if exclude.nnz else -1, -1)
        mass = self.log_prob(gone.clamp(min=0), context).double().exp() * (gone >= 0)
        rest = 1.0 - mass.sum(1)
        exact = rest < 0.1  # 1 - x would lose digits
        found = rest.clamp(min=1e-300).log().float()
        if bool(exact.any()):
            rows = exact.nonzero()[:, 0]
            found[rows] = log_allowed(self, context.take(rows), exclude)
        return found

    def state(self) -> State:
        """The learned weight."""
        return {"weight": self._now}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._now = float(state["weight"])

    def _weight(self, context: Context) -> float:
        """The weight now; below one, so that every item can be drawn."""
        if self.adapt:
            return self._now
        return min(max(value_of(self.weight, context.progress), 0.0), MOST)

    def _counted(self, ids: Tensor, context: Context) -> tuple[Tensor, Tensor, Tensor]:
        """Anchors ``(rows,)``, ``n(a, i)`` ``(rows, k)`` and ``n(a)`` ``(rows, 1)``, float64, 0 without an anchor."""
        anchors, n = self._of(context), self._table().n_items
        codes = anchors[:, None] * n + ids.clamp(min=0)
        pair = torch.searchsorted(self._codes, codes, right=True) - torch.searchsorted(self._codes, codes)
        size = (self._starts[anchors + 1] - self._starts[anchors.clamp(min=0)]) * (anchors >= 0)
        return anchors, (pair * (anchors >= 0)[:, None]).double(), size[:, None].double()

    def _of(self, context: Context) -> Tensor:
        if self._anchors is None:
            raise ConfigError("bigram has counted nothing yet; bind the sampler to the data")
        return self._anchors[context.queries]

    def _table(self) -> StaticTable:
        if self._unigram is None:
            raise ConfigError("bigram has counted nothing yet; bind the sampler to the data")
        return self._unigram
