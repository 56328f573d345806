"""What proposals that draw a cluster and then an item of it share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.proposals.base import Proposal
from negatives.proposals.cluster_index import ClusterIndex
from negatives.proposals.two_level import draw_two_level, two_level_log_allowed, two_level_log_prob
from negatives.types import Catalogue, Context, Csr, Scorer, State


@dataclass(slots=True)
class Clustered(Proposal, ABC):
    """Draws in two levels; who inherits makes the index and says how likely each cluster is for each row."""

    _index: ClusterIndex = field(init=False, repr=False)
    _of: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)
    _chance: Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False)

    @abstractmethod
    def chances(self, context: Context) -> Tensor:
        """``(rows, n_clusters)`` float64 chance of each cluster; sums to 1 in each row, 0 for empty clusters."""

    @property
    def conditional(self) -> bool:
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Lay items out by their number until a model is seen."""
        self._index.bind(catalogue)
        self._of = None

    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Find the clusters anew when it is time, and take the vectors of the batch."""
        self._index.refresh(context, scorer)
        self._of = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        return draw_two_level(self._index.now(), self._remembered(context), context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the clusters as they stand."""
        return two_level_log_prob(self._index.now(), self._remembered(context), ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return two_level_log_allowed(self._index.now(), self._remembered(context), context, exclude)

    def state(self) -> State:
        """The clusters."""
        return self._index.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._index.load_state(state)
        self._of = None

    def _remembered(self, context: Context) -> Tensor:
        """:meth:`chances`, those of the last batch remembered."""
        asked = self._of
        if asked is None or asked[0] is not context.queries or asked[1] is not context.positives:
            self._chance = self.chances(context)
            self._of = context.queries, context.positives
        return self._chance
