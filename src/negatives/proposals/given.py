"""Items that the data itself says a query does not go with: shown and not taken, disliked, judged to be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.sets import AllowedShares, draw_members, members_log_prob, with_log_q
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Given(Proposal):
    """Draw uniformly among the given negatives of the query.

    ``q(i | u) = 1 / |G_u|`` for ``i`` in ``G_u``, the given negatives of query ``u``, and 0 elsewhere. Most queries
    have few of them or none: mix with ``uniform``, which then draws for those that have none.

    Source: impressions as negatives in Ma et al., 2018, "Entire space multi-task model" and in the task of the MIND
    data, Wu et al., ACL 2020, there those of the same impression; here those of the same query.

    Args:
        sets: Given negatives per query; those of the data when left out.

    Raises:
        ConfigError: The data has no given negatives.

    >>> import torch
    >>> proposal = Given(Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([2, 4]), 2, 6))
    >>> context = Context(torch.tensor([0, 1]), torch.tensor([1, 1]), torch.tensor([0, 1]))
    >>> proposal.log_prob(torch.tensor([[2, 3, 4], [2, 3, 4]]), context).exp().tolist()
    [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    >>> proposal.empty(context).tolist()
    [False, True]
    """

    sets: Csr | None = None
    _own: bool = field(init=False, repr=False, compare=False)
    _shares: AllowedShares = field(default_factory=AllowedShares, init=False, repr=False)

    def __post_init__(self) -> None:
        self._own = self.sets is not None

    @property
    def conditional(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Take the given negatives of the data, unless they were handed over."""
        if not self._own:
            if catalogue.given is None:
                raise ConfigError(
                    "given needs given negatives, and this data has none: say with reading.shown or reading.dislike "
                    "which rows are, or choose another sampler"
                )
            self.sets = catalogue.given
        sets, self._shares = self._ready(), AllowedShares()
        if (sets.n_rows, sets.n_cols) != (catalogue.n_queries, catalogue.n_items):
            raise ConfigError(
                f"given was handed sets of {sets.n_rows} queries over {sets.n_cols} items, where the data has "
                f"{catalogue.n_queries} and {catalogue.n_items}; leave them out to take those of the data"
            )

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        sets, owners = self._ready(), context.queries
        ids = draw_members(sets, owners, context, k, key, exclude)
        log_rest = None if exclude is None else self.log_allowed(context, exclude)
        return with_log_q(ids, members_log_prob(sets, owners, ids.clamp(min=0)), log_rest)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`."""
        return members_log_prob(self._ready(), context.queries, ids)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries without given negatives."""
        empty: Tensor = self._ready().lengths()[context.queries] == 0
        return empty

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`; remembered per query."""
        return self._shares.get(self._ready(), context.queries, exclude, context.queries)

    def _ready(self) -> Csr:
        if self.sets is None:
            raise ConfigError("given has no given negatives; hand over sets=..., or bind the sampler to the data")
        return self.sets
