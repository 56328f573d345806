"""Items that give the same answer as the positive are right as well."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from negatives.errors import ConfigError
from negatives.guards.base import Guard
from negatives.types import Candidates, Catalogue, Context


@dataclass(slots=True)
class SameAnswer(Guard):
    """Mark candidates of the positive's group: copies of a document, paraphrases, products that differ in colour.

    Keeps candidate ``i`` of a row with positive ``p`` when ``g_i != g_p`` or ``g_i = -1``, which stands for no group.

    Source: answer matching as in Karpukhin et al., 2020, "Dense passage retrieval for open-domain question answering".

    Args:
        groups: ``(n_items,)`` int64 group of each item, -1 for none; those of the data when left out.

    Raises:
        ConfigError: There are no groups, or not one for each item.
    """

    needs_queries = False
    groups: Tensor | None = None
    _given: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._given = self.groups is not None

    def bind(self, catalogue: Catalogue) -> None:
        """Take the groups of the data, unless they were given."""
        if not self._given:
            self.groups = catalogue.item_groups
        if self._table().numel() != catalogue.n_items:
            raise ConfigError(f"same_answer has {self._table().numel()} groups for {catalogue.n_items} items")

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        groups = self._table()
        found = groups[candidates.ids]
        return (found != groups[context.positives][:, None]) | (found < 0)

    def _table(self) -> Tensor:
        if self.groups is None:
            raise ConfigError("same_answer has no groups; give groups=... or data whose items have groups")
        return self.groups
