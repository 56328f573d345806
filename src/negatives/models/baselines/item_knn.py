"""ItemKNN: items that the same people took (Sarwar et al., 2001; Deshpande and Karypis, 2004)."""

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
from negatives.models.baselines.sparse import dense_rows, matrix_of_sets, strongest
from negatives.types import Csr


class ItemKnn(CountedModel):
    """``s(u, i) = sum over j in N_u of c_ij`` with ``c_ij = n_ij / (sqrt(n_i n_j) + h)`` for the ``k`` nearest ``j``.

    ``n_ij`` queries took both items, ``n_i`` the one; ``h`` shrinks what rests on few (Bell and Koren, 2007). Each item
    keeps the similarities to its ``k`` nearest items.

    Args:
        known: Known pairs of the training part.
        neighbours: ``k``, nearest items that an item keeps.
        shrinkage: ``h``, added to the norms.

    Raises:
        ConfigError: ``neighbours`` is below 1 or ``shrinkage`` below 0.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"neighbours": (100, 20, 400), "shrinkage": (10.0, 0.0, 50.0)}

    def __init__(self, known: Csr, neighbours: int = 100, shrinkage: float = 10.0) -> None:
        super().__init__(known.n_rows, known.n_cols)
        if neighbours < 1 or shrinkage < 0:
            raise ConfigError(
                f"neighbours is {neighbours} and shrinkage {shrinkage}; they must be at least 1 and at least 0"
            )
        history = matrix_of_sets(known)
        both = sparse.csr_array(history.T @ history)
        counts = both.diagonal()
        rows = np.repeat(np.arange(known.n_cols), np.diff(both.indptr))
        values = both.data / (np.sqrt(counts[rows] * counts[both.indices]) + shrinkage)
        values[rows == both.indices] = 0.0
        near = sparse.csr_array((values.astype(np.float32), both.indices, both.indptr), shape=both.shape)
        near.eliminate_zeros()
        self._near = sparse.csr_array(strongest(near, neighbours).T)
        self._history = history

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 1e-7 * sizes.squares

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the histories; similarities stay."""
        self._history = matrix_of_sets(known)

    def fold_in(self, histories: Histories) -> Tensor:
        """The scores ``(rows, n_items)``."""
        return dense_rows(matrix_of_sets(histories.known()), torch.arange(histories.n_queries), self._near)

    def score_all(self, queries: Tensor) -> Tensor:
        return dense_rows(self._history, queries, self._near)

    def similarities(self) -> Tensor:
        """``(n_items, n_items)`` dense: the row of an item holds what it keeps of its neighbours."""
        return torch.from_numpy(self._near.T.toarray())
