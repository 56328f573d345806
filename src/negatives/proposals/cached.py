"""A cache of hard items for each query, refreshed by the model's own scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import contains, draw_uniform
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import conditional_log_q, derived
from negatives.randomness import Purpose, bits, bounded, stream, uniforms
from negatives.scoring import first_rows, scores_of
from negatives.types import Catalogue, Context, Csr, Scorer, State


@dataclass(slots=True)
class Cached(Proposal):
    """Draw uniformly from the query's cache of ``size`` items (NSCaching).

    Before a query is trained on, ``fresh`` uniform items join its cache, and ``size`` of all are kept, drawn without
    replacement with chances that follow ``exp(s / T)`` (by adding Gumbel noise to the scores). So the cache follows
    the model without being its argmax. ``q(i | u)`` is the share of the cache's slots that hold ``i``, known exactly
    for the cache as it stands; items outside have no chance, so mix with ``uniform`` for estimates over all items.
    Ranks tell one another the caches that they renew.

    Differs from the paper: one cache per query, which for reciprocal relations is one for heads and one for tails;
    known positives never enter a cache.

    Source: Zhang et al., 2019, "NSCaching: simple and efficient negative sampling for knowledge graph embedding".

    Args:
        size: Items of a cache, ``N_1``.
        fresh: Uniform items that compete at each refresh, ``N_2``.
        every: Steps from one refresh to the next; queries of the steps between draw from their cache as it is.
        temperature: ``T``; small keeps the hardest.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "size": Range(10, 500, whole=True),
        "temperature": Range(0.1, 10.0, relative=True),
    }
    size: int = 50
    fresh: int = 50
    every: int = 1
    temperature: float = 1.0
    _known: Csr | None = field(default=None, init=False, repr=False)
    _n_items: int = field(default=0, init=False, repr=False)
    _cache: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("size", "fresh", "every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"cached: {name} is {getattr(self, name)}; it must be at least 1")
        if not self.temperature > 0:
            raise ConfigError(f"cached: temperature is {self.temperature}; it must be above 0")

    @property
    def conditional(self) -> bool:
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Make room for a cache of each query."""
        self._known, self._n_items = catalogue.known, catalogue.n_items
        self._cache = torch.full((catalogue.n_queries, self.size), -2, dtype=torch.int32)

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Let fresh items compete with those of the caches of this batch's queries."""
        some = context.take(first_rows(context.queries))
        queries = some.queries
        old = self._rows(queries, context.seed)
        if context.step % self.every:
            return
        key = stream(context.seed, Purpose.CACHE, context.step)
        new = self._uniform(queries, self.fresh, derived(key, 0))
        union = torch.cat([old, new], 1)
        scores = scores_of(scorer, some, union.clamp(min=0)) / self.temperature
        chance = uniforms(
            derived(key, 1),
            queries[:, None],
            torch.arange(union.shape[1], device=queries.device),
        ).clamp(min=1e-300)
        value = scores.double() - (-chance.log()).log()
        value.masked_fill_(_repeated(union) | (union < 0), -torch.inf)
        kept = union.gather(1, value.topk(self.size, dim=1).indices)
        both = torch.cat([queries[:, None], kept], 1)
        both = context.ranks.gathered(both)  # where two ranks have a query, both have found the same
        self._ready()[both[:, 0]] = both[:, 1:].to(torch.int32)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        rows = self._rows(context.queries, context.seed)
        allowed = self._allowed(rows, context.queries, exclude)
        counts = allowed.sum(1)
        slots = torch.arange(k, device=context.device)
        nth = bounded(bits(key, context.examples[:, None], slots), counts[:, None])
        if bool((counts == self.size).all()):
            places = nth
        else:
            order = torch.argsort((~allowed).to(torch.int8), dim=1, stable=True)  # allowed slots first
            places = order.gather(1, nth)
        ids = torch.where(counts[:, None] > 0, rows.gather(1, places), -1)
        log_prob = self._log_prob(ids.clamp(min=0), rows)
        log_rest = torch.zeros(context.rows, device=context.device)
        if exclude is not None:
            log_rest = (counts.double() / (rows >= 0).sum(1).clamp(min=1)).log().float().clamp(min=-1e30)
        return ids, conditional_log_q(log_prob, log_rest, ids)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the caches as they stand."""
        return self._log_prob(ids, self._rows(context.queries, context.seed))

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries that know every item."""
        return self._rows(context.queries, context.seed)[:, 0] < 0

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        rows = self._rows(context.queries, context.seed)
        counts = self._allowed(rows, context.queries, exclude).sum(1)
        return (counts.double() / (rows >= 0).sum(1).clamp(min=1)).log().float()

    def state(self) -> State:
        """The caches."""
        return {"cache": self._ready().clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._cache = state["cache"].clone()

    def _ready(self) -> Tensor:
        if self._cache is None:
            raise ConfigError("cached has no caches; bind the sampler to the data")
        return self._cache

    def _rows(self, queries: Tensor, seed: int) -> Tensor:
        """The caches ``(rows, size)`` int64 of ``queries``; a first use fills them with uniform items."""
        cache = self._ready()
        empty = torch.unique(queries[cache[queries, 0] == -2])
        if empty.numel():
            cache[empty] = self._uniform(empty, self.size, derived(stream(seed, Purpose.CACHE), 2)).to(torch.int32)
        return cache[queries].to(torch.int64)

    def _uniform(self, queries: Tensor, k: int, key: int) -> Tensor:
        owners = None if self._known is None else queries
        return draw_uniform(queries, k, self._n_items, key, queries=owners, known=self._known)

    def _allowed(self, rows: Tensor, queries: Tensor, exclude: Csr | None) -> Tensor:
        """Slots ``(rows, size)`` that hold an item which is not excluded; what is known never entered."""
        if exclude is None or exclude is self._known:
            return rows >= 0
        return (rows >= 0) & ~contains(exclude, queries, rows.clamp(min=0))

    def _log_prob(self, ids: Tensor, rows: Tensor) -> Tensor:
        filled = (rows >= 0).sum(1, keepdim=True).clamp(min=1).double()
        times = torch.zeros(ids.shape, dtype=torch.int64, device=ids.device)
        for slot in range(rows.shape[1]):
            times += ids == rows[:, slot : slot + 1]
        return (times / filled).log().float()


def _repeated(ids: Tensor) -> Tensor:
    """``(rows, n)`` bool, True where an earlier slot of the row holds the same id."""
    ordered, order = ids.sort(dim=1, stable=True)
    same = torch.zeros_like(ordered, dtype=torch.bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(same).scatter_(1, order, same)
