"""Sequential rules: what came soon after the items of a history (Ludewig and Jannach, UMUAI 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, dense_rows


class SequentialRules(CountedModel):
    """``s(u, i) = sum over the last r items j of u, d places back, of c_ji / (d n_j)``, ``d`` = 1 for the last.

    ``c_ji`` sums ``1 / e`` over all places of the training histories where ``i`` stands ``e <= reach`` places after
    ``j``, ``n_j`` counts the places of ``j``. With ``reach`` and ``recent`` 1 it is a Markov chain of order one.

    Differs from the source in that more items than the last may vote.

    Args:
        histories: Of the training part.
        reach: Places after an item that count.
        recent: ``r``, items of a history that vote.

    Raises:
        ConfigError: ``reach`` or ``recent`` is below 1.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"reach": (10, 5, 1), "recent": (1, 3)}

    def __init__(self, histories: Histories, reach: int = 10, recent: int = 1) -> None:
        super().__init__(histories.n_queries, histories.n_items)
        if reach < 1 or recent < 1:
            raise ConfigError(f"reach is {reach} and recent {recent}; both must be at least 1")
        self.recent = recent
        self._rules = _rules(histories, reach)
        self._votes = self._of(histories)

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 3e-6 * sizes.pairs + 1e-9 * sizes.n_queries * sizes.n_items

    def extend_histories(self, histories: Histories) -> None:
        """Take them as the histories; the rules stay."""
        self._votes = self._of(histories)

    def fold_in(self, histories: Histories) -> Tensor:
        """The scores ``(rows, n_items)``."""
        return dense_rows(self._of(histories), torch.arange(histories.n_queries), self._rules)

    def score_all(self, queries: Tensor) -> Tensor:
        return dense_rows(self._votes, queries, self._rules)

    def _of(self, histories: Histories) -> Matrix:
        """What the last items of each history count, ``(n_queries, n_items)``."""
        items, there = histories.last(torch.arange(histories.n_queries), self.recent)
        rows, columns = there.nonzero(as_tuple=True)
        votes = 1 / (self.recent - columns).float()
        shape = (histories.n_queries, histories.n_items)
        return sparse.csr_array((votes.numpy(), (rows.numpy(), items[there].numpy())), shape=shape)


def _rules(histories: Histories, reach: int) -> Matrix:
    """``c_ji / n_j``, ``(n_items, n_items)`` float32."""
    items, owners, n = histories.items, histories.owners(), histories.n_items
    found = sparse.csr_array((n, n), dtype=np.float32)
    for step in range(1, min(reach, len(histories) - 1) + 1):
        before, after = items[:-step], items[step:]
        same = (owners[:-step] == owners[step:]) & (before != after)
        weights = np.full(int(same.count_nonzero()), 1 / step, np.float32)
        found = found + sparse.csr_array((weights, (before[same].numpy(), after[same].numpy())), shape=(n, n))
    counts = torch.bincount(items, minlength=n).clamp(min=1).float().numpy()
    return sparse.csr_array(found.multiply(1 / counts[:, None]))
