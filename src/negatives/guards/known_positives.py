"""Items known to be right answers of the query are not negatives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.errors import ConfigError, NoNegativeLeft
from negatives.guards.base import Guard
from negatives.kernels import contains, contains_pool
from negatives.types import Candidates, Catalogue, Context, Csr, shared_pool


@dataclass(slots=True)
class KnownPositives(Guard):
    """Rule out every known positive of the query, exactly.

    Draws per row never hold one: the sampler passes ``known`` to the proposal, which draws from the
    distribution conditional on the other items. In a pool that the batch shares, they are marked.

    A query that knows every item has no negative. By default its slots are marked and counted, and the rest of
    the training goes on, for a few such queries are common in small or filtered data and cost nothing. With
    ``strict`` they are an error, raised when the table is given or bound.

    Source: Rendle et al., 2009, BPR, which draws among the items the user has not chosen.

    Args:
        known: Known positives per query; those of the data when left out.
        strict: Refuse data in which a query knows every item.

    Raises:
        NoNegativeLeft: ``strict`` and a query knows every item; the message names the query.
        ConfigError: No table of known positives, or one over another number of items.

    >>> import torch
    >>> known = Csr.from_pairs(torch.tensor([0]), torch.tensor([2]), n_rows=1, n_cols=4)
    >>> context = Context(torch.tensor([0]), torch.tensor([2]), torch.tensor([0]))
    >>> drawn = Candidates(torch.tensor([[1, 2]]), None, torch.ones(1, 2, dtype=torch.bool))
    >>> KnownPositives(known).allow(context, drawn)
    tensor([[ True, False]])
    """

    known: Csr | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.known is not None:
            self.check()

    def bind(self, catalogue: Catalogue) -> None:
        """Take the known positives of the data, unless they were given."""
        self.known = self.known or catalogue.known
        if self._table().n_cols != catalogue.n_items:
            raise ConfigError(
                f"known_positives was given a table over {self._table().n_cols} items but the data has "
                f"{catalogue.n_items}; leave it out to take that of the data"
            )
        self.check()

    def check(self) -> None:
        """Raise :class:`NoNegativeLeft` if ``strict`` and a query knows every item."""
        if not self.strict:
            return
        known = self._table()
        full = (known.lengths() >= known.n_cols).nonzero()[:, 0]
        if full.numel():
            more = "" if full.numel() == 1 else f" (and {full.numel() - 1} more)"
            raise NoNegativeLeft(
                f"query {int(full[0])}{more} knows all {known.n_cols} items, so no negative exists for it; "
                "leave it out of the data, or set strict=False to have its slots marked"
            )

    def excluded(self) -> Csr | None:
        """The known positives."""
        return self._table()

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        known, pool = self._table(), shared_pool(candidates.ids)
        if pool is not None:
            return contains_pool(known, context.queries, pool).logical_not_()
        return contains(known, context.queries, candidates.ids).logical_not_()

    def _table(self) -> Csr:
        if self.known is None:
            raise ConfigError(
                "known_positives has no table; give known=Csr.from_pairs(...) or bind the sampler to data that has one"
            )
        return self.known
