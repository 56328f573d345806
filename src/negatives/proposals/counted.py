"""A distribution that follows from the items' counts alone: what `popularity`, `log_uniform` and `seen` are made of."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.static import StaticTable, check_counts, counts_from
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Counted(Proposal):
    """Draws from a table of weights of the counts, which is built at the first draw.

    Args:
        counts: ``(n_items,)`` counts; those of the training data when left out.

    Raises:
        ConfigError: On the first draw, when there are no counts, or they leave no item to draw.
    """

    name: ClassVar[str]
    """As in the registry, for messages."""
    counts: Tensor | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    _table: StaticTable | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.counts is not None

    @abstractmethod
    def weights(self, counts: Tensor) -> Tensor:
        """Weights ``(n_items,)``, not negative, of checked counts."""

    def bind(self, catalogue: Catalogue) -> None:
        """Take the counts from the training data, unless they were given."""
        self.counts = counts_from(self.counts if self._given else None, catalogue, self.name)
        self._table = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        return self._ready().draw(context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; -inf for items of weight zero."""
        return self._ready().mass.log_prob(ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._ready().mass.log_allowed(context, exclude)

    def _ready(self) -> StaticTable:
        if self._table is None:
            if self.counts is None:
                raise ConfigError(f"{self.name} has no counts; give counts=... or bind the sampler to the data")
            self._table = StaticTable.of(self.weights(check_counts(self.counts, self.name)), self.name)
        return self._table
