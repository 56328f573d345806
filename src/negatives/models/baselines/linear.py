"""One linear function for each label, fitted by least squares (ridge regression; Hoerl and Kennard, 1970)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, matrix_of_features, matrix_of_sets
from negatives.models.kept_rows import kept_rows
from negatives.models.restoring import is_restoring
from negatives.types import Csr

MOST = 20_000
"""Features, or training rows where these are fewer, up to which the system is solved."""
CELLS = 1 << 28
"""Most weights."""


class Linear(CountedModel):
    """``s(x, l) = <w_l, (x, 1)>``, ``W`` minimising ``|X W - Y|^2 + l2 |W|^2`` for targets 1 of right labels, else 0.

    All labels share one matrix, so that one Cholesky factor serves them, of features or of rows, whichever are fewer.
    Differs from one-vs-all with a logistic or hinge loss in the loss alone.

    Args:
        features: Features of all rows, one row per query.
        known: Labels of the training rows; other rows have none.
        l2: Factor of the penalty on large weights.

    Raises:
        ConfigError: ``l2`` is not above 0, or there are too many features, rows or labels.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"l2": (1.0, 3.0, 0.3, 10.0)}
    weights: Tensor

    def __init__(self, features: SparseFeatures, known: Csr, l2: float = 1.0) -> None:
        super().__init__(known.n_rows, known.n_cols)
        if not l2 > 0:
            raise ConfigError(f"l2 is {l2}; it must be above 0")
        self._rows = _with_one(features)
        self.register_buffer("weights", self._solved(known, l2))

    def _solved(self, known: Csr, l2: float) -> Tensor:
        """Weights ``(n_features + 1, n_items)``."""
        if is_restoring():
            return torch.empty(self._rows.shape[1], known.n_cols)
        train = (known.lengths() > 0).nonzero()[:, 0].numpy()
        x, y = self._rows[train], matrix_of_sets(known)[train]
        n, width = x.shape
        if min(n, width) > MOST or width * known.n_cols > CELLS:
            raise ConfigError(f"{n:,} rows, {width:,} features and {known.n_cols:,} labels are too many for linear")
        if width <= n:
            factor = _factor((x.T @ x).toarray(), l2)
            weights = torch.cholesky_solve(torch.from_numpy((x.T @ y).toarray()), factor)
        else:
            dual = torch.cholesky_solve(torch.from_numpy(y.toarray()), _factor((x @ x.T).toarray(), l2))
            weights = torch.from_numpy(x.T @ dual.numpy())
        return weights.float().contiguous()

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        size = min(sizes.features, sizes.examples)
        if size > MOST or sizes.features * sizes.n_items > CELLS:
            return float("inf")
        return 1e-11 * size**3 + 1e-10 * size**2 * sizes.n_items

    def encode_rows(self, features: SparseFeatures) -> Tensor:
        """The scores ``(rows, n_items)`` of rows that came after training."""
        return torch.from_numpy(_with_one(features) @ self.weights.numpy())

    def kept(self) -> dict[str, Any]:
        """No rows: the weights are part of the state."""
        return kept_rows(self.given, votes=False)

    def score_all(self, queries: Tensor) -> Tensor:
        return torch.from_numpy(self._rows[queries.cpu().numpy()] @ self.weights.numpy())


def _with_one(features: SparseFeatures) -> Matrix:
    """The rows with a last column of ones."""
    ones = np.ones((features.n_rows, 1), np.float32)
    return sparse.csr_array(sparse.hstack([matrix_of_features(features), ones]))


def _factor(gram: np.ndarray[tuple[int, int], np.dtype[np.float32]], l2: float) -> Tensor:
    whole = torch.from_numpy(gram)
    whole.diagonal().add_(l2)
    factor: Tensor = torch.linalg.cholesky(whole)
    return factor
