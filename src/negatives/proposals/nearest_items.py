"""Items whose vectors lie nearest to an item of the row, in the model as it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.precision import in_float32
from negatives.parameters import Range
from negatives.proposals import sets
from negatives.proposals.base import Proposal
from negatives.proposals.seen_batch import all_vectors
from negatives.types import Catalogue, Context, Csr, Scorer, State

CELLS = 1 << 25
"""Cosines that are computed at a time."""


@dataclass(slots=True)
class NearestItems(Proposal):
    """Draw uniformly from the ``n`` nearest neighbours of the row's positive, or of the item its query is about.

    ``q(i | row) = 1/n`` for the neighbours of the anchor ``a`` by ``cos(v_i, v_a)``, itself left out, and 0 for all
    else; a query that is about no item draws nothing. Every ``every`` steps the neighbours of all items are found anew
    by blocked matrix products, so they lag behind the model by at most so many steps. Items outside have no chance:
    mix with another proposal.

    Until the model can tell items apart (all its vectors are zero) every item's neighbours are the most frequent.

    Source: after the nearest-neighbour negatives of Guo et al., 2018, and ANCE, Xiong et al., ICLR 2021, with exact
    neighbours of the positive in place of an approximate index of the query's.

    Args:
        n: Neighbours of each item.
        every: Steps between two searches.
        among: Only so many of the most frequent items are neighbours of any.
        around: ``positive``, or ``anchor``: the item the query is about.
        skip: The nearest so many are left out: they may well be right answers.

    Raises:
        ConfigError: A value is out of range, or the data is not known, has no anchors where they are asked for, or so
            few items that ``skip`` leaves none.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"n": Range(20, 500, whole=True)}
    n: int = 50
    every: int = 200
    among: int = 20_000
    around: Literal["anchor", "positive"] = "positive"
    skip: int = 0
    _popular: Tensor | None = field(default=None, init=False, repr=False)
    _anchors: Tensor | None = field(default=None, init=False, repr=False)
    _table: Tensor | None = field(default=None, init=False, repr=False)
    _sets: Csr | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, least in (("n", 1), ("every", 1), ("among", 2), ("skip", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"nearest_items: {name} is {getattr(self, name)}; it must be at least {least}")
        if self.around not in ("positive", "anchor"):
            raise ConfigError(f"nearest_items: around is {self.around!r}; choose positive or anchor")

    @property
    def conditional(self) -> bool:
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Learn which items are frequent, and what queries are about."""
        if self.around == "anchor" and catalogue.query_anchors is None:
            raise ConfigError("nearest_items: the queries of this data are not about items; set around=positive")
        self._popular = torch.argsort(catalogue.counts, descending=True, stable=True)[: self.among]
        self._anchors = catalogue.query_anchors
        n = min(self.n, self._popular.numel() - 1 - self.skip)
        if n < 1:
            raise ConfigError(
                f"nearest_items: skip is {self.skip} but an item has only {self._popular.numel() - 1} neighbours; "
                "lower skip, or raise among"
            )
        table = self._popular[:n].repeat(catalogue.n_items, 1)
        table[self._popular[:n], torch.arange(n, device=table.device)] = self._popular[n]  # none is its own neighbour
        self._keep(table)

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Find the neighbours of all items anew, at every so many-th step."""
        if context.step % self.every:
            return
        popular, table = self._ready()
        n_items, n = table.shape
        vectors = all_vectors(scorer, n_items, context.device)
        unit = torch.nn.functional.normalize(vectors, dim=1)
        near = unit[popular].T.contiguous()
        place = torch.full((n_items,), -1, device=context.device)
        place[popular] = torch.arange(popular.numel(), device=context.device)
        found = torch.empty(n_items, n, dtype=torch.int64, device=context.device)
        step = max(1, CELLS // popular.numel())
        for at in range(0, n_items, step):
            with in_float32(unit):
                cosines = unit[at : at + step] @ near
            own = place[at : at + step]
            rows = (own >= 0).nonzero()[:, 0]
            cosines[rows, own[rows]] = -torch.inf
            best = cosines.topk(n + self.skip, dim=1).indices[:, self.skip :]
            found[at : at + step] = popular[best]
        if bool(vectors.any()):
            self._keep(found)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        owners, members = self._owners(context), self._members()
        ids = sets.draw_members(members, owners, context, k, key, exclude)
        rest = None if exclude is None else sets.allowed_share(members, owners, exclude, context.queries)
        log_prob = torch.full(ids.shape, -math.log(members.indptr[1]), device=ids.device)
        return sets.with_log_q(ids, log_prob, rest)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the neighbours as they were last found."""
        return sets.members_log_prob(self._members(), self._owners(context), ids)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries that are about no item."""
        return None if self.around == "positive" else self._owners(context) == self._members().n_rows - 1

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        members = self._members()
        return sets.allowed_share(members, self._owners(context), exclude, context.queries)

    def state(self) -> State:
        """The neighbours."""
        return {"table": self._ready()[1].clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._keep(state["table"])

    def _keep(self, table: Tensor) -> None:
        """Hold neighbours ``(n_items, n)`` as sorted sets; one more, empty, is for queries about no item."""
        n_items, n = table.shape
        self._table = table.sort(1).values.to(torch.int32)
        indptr = torch.arange(n_items + 2, device=table.device).clamp(max=n_items) * n
        self._sets = Csr(indptr, self._table.reshape(-1), n_items)

    def _ready(self) -> tuple[Tensor, Tensor]:
        if self._popular is None or self._table is None:
            raise ConfigError("nearest_items does not know the items; bind the sampler to the data")
        return self._popular, self._table

    def _members(self) -> Csr:
        self._ready()
        assert self._sets is not None
        return self._sets

    def _owners(self, context: Context) -> Tensor:
        self._ready()
        if self.around == "positive":
            return context.positives
        assert self._anchors is not None
        anchors = self._anchors[context.queries]
        return torch.where(anchors >= 0, anchors, self._members().n_rows - 1)
