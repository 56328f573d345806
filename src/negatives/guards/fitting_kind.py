"""Only items of the kind that a query asks for can be its negatives: products for a customer, not other customers."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import pad

from negatives.errors import ConfigError
from negatives.guards.base import Guard
from negatives.types import Candidates, Catalogue, Context, Csr, shared_pool

CELLS = 1 << 23
"""Pairs of a query and an item up to which the proposal itself leaves out what does not fit."""


@dataclass(slots=True)
class FittingKind(Guard):
    """Mark candidates of another kind than the query asks for.

    Keeps candidate ``i`` of query ``u`` when ``kind_i = asked_u``, or where ``asked_u = -1``. With up to :data:`CELLS`
    pairs of a query and an item, draws per row hold fitting items only; with more, others are drawn and marked.

    Source: the corruption of heads and tails by type in Krompaß et al., 2015, "Type-constrained representation
    learning in knowledge graphs"; in a bipartite graph the kinds are the two sides.

    Raises:
        ConfigError: The data has no kinds.
    """

    _asked: Tensor | None = field(default=None, init=False, repr=False)
    _kinds: Tensor | None = field(default=None, init=False, repr=False)
    _misfits: Csr | None = field(default=None, init=False, repr=False)

    def bind(self, catalogue: Catalogue) -> None:
        """Take the kinds of the data."""
        self._asked, self._kinds, self._misfits = catalogue.query_kinds, catalogue.item_kinds, None
        asked, kinds = self._ready()
        if asked.numel() * kinds.numel() <= CELLS:
            wrong = (asked[:, None] >= 0) & (kinds != asked[:, None])
            indptr = pad(wrong.sum(1).cumsum(0), (1, 0))
            self._misfits = Csr(indptr, wrong.nonzero()[:, 1].int(), kinds.numel())

    def excluded(self) -> Csr | None:
        """Items of other kinds, where a table of them is small."""
        return self._misfits

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        asked, kinds = self._ready()
        wanted, pool = asked[context.queries][:, None], shared_pool(candidates.ids)
        return (wanted < 0) | ((kinds[candidates.ids] if pool is None else kinds[pool][None]) == wanted)

    def _ready(self) -> tuple[Tensor, Tensor]:
        if self._asked is None or self._kinds is None:
            raise ConfigError("fitting_kind has no kinds; bind the sampler to data whose queries and items have kinds")
        return self._asked, self._kinds
