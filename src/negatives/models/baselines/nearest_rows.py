"""Nearest rows: a row has the labels of the training rows that are most like it (Cover and Hart, 1967)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from negatives.data.neighbours import Neighbours
from negatives.data.pairs import SparseFeatures
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.kept_rows import kept_rows
from negatives.types import Csr


class NearestRows(CountedModel):
    """``s(x, l) = sum_i c_i^3 [l in y_i] / sum_i c_i^3`` over the ``k`` training rows of largest cosine ``c_i``.

    Args:
        features: Features of all rows, one row per query.
        known: Labels of the training rows; other rows have none.
        neighbours: ``k``, training rows that are asked.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"neighbours": (50, 20, 100)}

    def __init__(self, features: SparseFeatures, known: Csr, neighbours: int = 50) -> None:
        super().__init__(known.n_rows, known.n_cols)
        self._rows, self.neighbours = Neighbours(features.unit(), known), neighbours

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 2e-8 * sizes.examples * min(sizes.n_queries, 20_000)

    def encode_rows(self, features: SparseFeatures) -> Tensor:
        """The scores ``(rows, n_items)`` of rows that came after training."""
        return self._rows.votes_of(features.unit(), self.neighbours)

    def kept(self) -> dict[str, Any]:
        """Training rows alone."""
        return kept_rows(self.given, votes=True)

    def score_all(self, queries: Tensor) -> Tensor:
        return self._rows.votes(queries, self.neighbours)
