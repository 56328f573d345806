"""Few non-zero features of each row, compressed by rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, slots=True)
class SparseFeatures:
    """Content of items, rows or texts: few non-zero features of each, compressed by rows.

    Args:
        indptr: ``(n_rows + 1,)`` int64, start of each row.
        indices: ``(nnz,)`` int32 feature ids, int64 for the tokens of texts.
        values: ``(nnz,)`` float32.
        n_cols: Number of features.
    """

    indptr: Tensor
    indices: Tensor
    values: Tensor
    n_cols: int

    @property
    def n_rows(self) -> int:
        return self.indptr.numel() - 1

    def row(self, index: int) -> tuple[Tensor, Tensor]:
        """Feature ids ``(n,)`` and values ``(n,)`` of one item."""
        span = slice(int(self.indptr[index]), int(self.indptr[index + 1]))
        return self.indices[span], self.values[span]

    def pick(self, rows: Tensor) -> SparseFeatures:
        """Some rows ``(n,)`` int64 one after another; ``indptr[:-1]`` is where each begins.

        >>> x = SparseFeatures(torch.tensor([0, 1, 3]), torch.tensor([5, 6, 7], dtype=torch.int32), torch.ones(3), 8)
        >>> x.pick(torch.tensor([1, 0])).indices.tolist()
        [6, 7, 5]
        """
        start, lengths = self.indptr[rows], self.indptr[rows + 1] - self.indptr[rows]
        indptr = pad(lengths.cumsum(0), (1, 0))
        at = torch.repeat_interleave(start - indptr[:-1], lengths)
        at += torch.arange(at.numel(), device=at.device)
        return SparseFeatures(indptr, self.indices[at], self.values[at], self.n_cols)

    @property
    def owners(self) -> Tensor:
        """``(nnz,)`` int64, the row of each value."""
        return torch.repeat_interleave(self.indptr.diff())

    def to(self, device: torch.device | str) -> SparseFeatures:
        """The same features on another device."""
        return SparseFeatures(self.indptr.to(device), self.indices.to(device), self.values.to(device), self.n_cols)

    def unit(self) -> SparseFeatures:
        """Rows of unit length; rows without features stay so.

        >>> x = SparseFeatures(torch.tensor([0, 2]), torch.tensor([0, 1], dtype=torch.int32), torch.tensor([3., 4.]), 2)
        >>> x.unit().values.tolist()
        [0.6000000238418579, 0.800000011920929]
        """
        values, rows = self.values, self.owners
        squares = torch.zeros(self.n_rows).index_add_(0, rows, values * values)
        return replace(self, values=values / squares.sqrt().clamp_min(1e-12)[rows])

    def normalised(self) -> SparseFeatures:
        """Rows of unit length after weighting ``v_ij = tf_ij (1 + log((1 + n) / (1 + df_j)))``."""
        return replace(self, values=self.values * self.rarity()[self.indices.long()]).unit()

    def rarity(self) -> Tensor:
        """``(n_cols,)`` float32: ``1 + log((1 + n) / (1 + df_j))`` of each feature, the more the fewer rows have it."""
        df = torch.bincount(self.indices.long(), minlength=self.n_cols).to(torch.float32)
        return 1 + torch.log((1 + self.n_rows) / (1 + df))
