"""Sets and sparse features as SciPy matrices, for products of sparse by sparse."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.randomness import tie_words, ties
from negatives.types import Csr

Matrix = sparse.csr_array


def matrix_of_sets(sets: Csr) -> Matrix:
    """``(n_rows, n_cols)`` float32, 1 where an item is in a row's set."""
    ones = np.ones(sets.nnz, np.float32)
    return sparse.csr_array((ones, sets.indices.numpy(), sets.indptr.numpy()), shape=(sets.n_rows, sets.n_cols))


def matrix_of_features(features: SparseFeatures) -> Matrix:
    """``(n_rows, n_cols)`` float32."""
    parts = features.values.numpy(), features.indices.numpy(), features.indptr.numpy()
    return sparse.csr_array(parts, shape=(features.n_rows, features.n_cols))


def dense_rows(left: Matrix, rows: Tensor, right: Matrix) -> Tensor:
    """``(rows, m)`` float32: some rows of ``left`` times ``right``."""
    found = (left[rows.cpu().numpy()] @ right).toarray()
    return torch.from_numpy(np.ascontiguousarray(found, np.float32)).to(rows.device)


def strongest(matrix: Matrix, k: int) -> Matrix:
    """The ``k`` largest entries of each row; equal ones stand in a random order that never changes."""
    sizes = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    owners, columns = (torch.from_numpy(of.astype(np.int64)) for of in (rows, matrix.indices))
    order = np.lexsort((ties(tie_words(owners), columns).numpy(), -matrix.data, rows))
    rank = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], sizes)
    kept = order[rank < k]
    kept = kept[np.lexsort((matrix.indices[kept], rows[kept]))]
    indptr = np.concatenate([[0], np.cumsum(np.minimum(sizes, k))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
