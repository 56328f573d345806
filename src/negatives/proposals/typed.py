"""Items seen with the query's group: entities that fit the slot of a relation, products of a category."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.sets import AllowedShares, draw_members, members_log_prob, with_log_q
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Typed(Proposal):
    """Draw uniformly among the items that are a positive of some query of the same group.

    ``q(i | u) = 1 / |S_g|`` for ``i`` in ``S_g``, the training positives of all queries of group ``g(u)``, and 0
    elsewhere; mix with ``uniform`` where every item must have a chance. In a knowledge graph the group is the directed
    relation, so ``S_g`` holds the entities seen in the slot that is asked for.

    Source: Socher et al., 2013, "Reasoning with neural tensor networks for knowledge base completion"; Krompaß et
    al., 2015, "Type-constrained representation learning in knowledge graphs" (local closed world).

    Raises:
        ConfigError: The data has no groups of queries, or no known positives.

    >>> known = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([2, 4]), 2, 6)
    >>> proposal = Typed()
    >>> proposal.bind(Catalogue(2, 6, torch.ones(6), known, query_groups=torch.tensor([0, 0])))
    >>> context = Context(torch.tensor([0]), torch.tensor([2]), torch.tensor([0]))
    >>> proposal.log_prob(torch.tensor([[2, 3, 4]]), context).exp().tolist()
    [[0.5, 0.0, 0.5]]
    """

    _groups: Tensor | None = field(default=None, init=False, repr=False)
    _sets: Csr | None = field(default=None, init=False, repr=False)
    _shares: AllowedShares = field(default_factory=AllowedShares, init=False, repr=False)

    @property
    def conditional(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Gather the items of each group from the training data."""
        if catalogue.query_groups is None or catalogue.known is None:
            raise ConfigError("typed needs queries with groups, and this data has none; choose another sampler")
        known, groups = catalogue.known, catalogue.query_groups
        rows = torch.repeat_interleave(groups, known.lengths())
        n_groups = int(groups.max()) + 1 if groups.numel() else 0
        self._groups, self._shares = groups, AllowedShares()
        self._sets = Csr.from_pairs(rows, known.indices, n_groups, catalogue.n_items)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        sets, owners = self._ready(context)
        ids = draw_members(sets, owners, context, k, key, exclude)
        log_rest = None if exclude is None else self.log_allowed(context, exclude)
        return with_log_q(ids, members_log_prob(sets, owners, ids.clamp(min=0)), log_rest)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`."""
        return members_log_prob(*self._ready(context), ids)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries whose group has no item."""
        sets, owners = self._ready(context)
        return sets.lengths()[owners] == 0

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`; remembered per query."""
        return self._shares.get(*self._ready(context), exclude, context.queries)

    def _ready(self, context: Context) -> tuple[Csr, Tensor]:
        if self._sets is None or self._groups is None:
            raise ConfigError("typed does not know the groups of the queries; bind the sampler to the data")
        return self._sets, self._groups[context.queries]
