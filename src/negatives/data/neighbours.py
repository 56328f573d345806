"""What the nearest training rows are labelled, as features of a row."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from negatives import kernels
from negatives.data.pairs import SparseFeatures
from negatives.types import Csr

BLOCK = 512
"""Rows whose neighbours are looked up at a time."""
POWER = 3.0
WEIGHT = 0.7


def with_votes(features: SparseFeatures, known: Csr, k: int = 50, weight: float = WEIGHT) -> SparseFeatures:
    """The features with one more column for each label: how much of the row's neighbourhood has it.

    ``v_l = weight * sum_i c_i^3 [l in y_i] / sum_i c_i^3`` over the ``k`` training rows ``i`` of largest inner product
    ``c_i`` with the row, itself left out. With rows of unit length that is the cosine. Time and scratch memory grow
    with the product of all rows and the training rows.

    Args:
        features: Features of all rows.
        known: Labels of the training rows; other rows have none.
        k: Number of neighbours.
        weight: Factor on the new features.
    """
    near = Neighbours(features, known)
    blocks = torch.split(torch.arange(features.n_rows), BLOCK)
    return beside(features, (near.votes(some, k) for some in blocks), known.n_cols, weight)


def beside(features: SparseFeatures, votes: Iterable[Tensor], n: int, weight: float = WEIGHT) -> SparseFeatures:
    """The features with ``n`` more columns behind them.

    Args:
        features: Features of the rows.
        votes: Blocks ``(rows, n)`` of what the columns hold, in the order of the rows.
        n: Their number.
        weight: Factor on them.
    """
    sizes, indices = [torch.empty(0, dtype=torch.int64)], [torch.empty(0, dtype=torch.int32)]
    values = [torch.empty(0)]
    for one in votes:
        found = one * weight
        at = found.nonzero()
        sizes.append(torch.bincount(at[:, 0], minlength=len(one)))
        indices.append(at[:, 1].int())
        values.append(found[at[:, 0], at[:, 1]])
    return _beside(features, torch.cat(sizes), torch.cat(indices), torch.cat(values), n)


class Neighbours:
    """Training rows, to look up those nearest to any row.

    Args:
        features: Features of all rows.
        known: Labels of the training rows; other rows have none.
    """

    def __init__(self, features: SparseFeatures, known: Csr) -> None:
        self._features, self._known = features, known
        self._train = (known.lengths() > 0).nonzero()[:, 0]
        self._rows = features.pick(self._train)
        self._place = torch.full((features.n_rows,), -1)
        self._place[self._train] = torch.arange(self._train.numel())

    def votes(self, some: Tensor, k: int) -> Tensor:
        """``(rows, n_labels)``: ``v_l`` of :func:`with_votes` with the factor 1.

        Args:
            some: ``(rows,)`` int64 rows.
            k: Number of neighbours.
        """
        close = self._close(self._features.pick(some))
        own = self._place[some]
        close[torch.arange(some.numel())[own >= 0], own[own >= 0]] = 0.0
        return self._voted(close, some, k)

    def votes_of(self, features: SparseFeatures, k: int) -> Tensor:
        """:meth:`votes` for rows that are not among them.

        Args:
            features: Of the rows.
            k: Number of neighbours.
        """
        blocks = torch.split(torch.arange(features.n_rows), BLOCK)
        found = [self._voted(self._close(features.pick(some)), some, k) for some in blocks]
        return torch.cat(found) if found else torch.empty(0, self._known.n_cols)

    def _close(self, features: SparseFeatures) -> Tensor:
        """Inner products ``(rows, n_train)`` with all training rows."""
        rows = self._rows
        return kernels.spmm(rows.indptr, rows.indices, rows.values, _dense(features)).T

    def _voted(self, close: Tensor, some: Tensor, k: int) -> Tensor:
        nearest, cosines = kernels.top_k(close, min(k, self._train.numel()), queries=some)
        strength = cosines.clamp(min=0) ** POWER
        strength = strength / strength.sum(1, keepdim=True).clamp(min=1e-12)
        return _votes(strength, self._train[nearest], self._known)


def _dense(some: SparseFeatures) -> Tensor:
    """Rows as columns ``(n_cols, rows)`` float32."""
    dense = torch.zeros(some.n_cols, some.n_rows)
    return dense.index_put_((some.indices.long(), some.owners), some.values, accumulate=True)


def _votes(strength: Tensor, neighbours: Tensor, known: Csr) -> Tensor:
    """``(rows, n_labels)``: the strengths ``(rows, k)`` summed over the neighbours that have a label."""
    lengths = known.lengths()[neighbours].reshape(-1)
    start = torch.repeat_interleave(known.indptr[neighbours.reshape(-1)] - (lengths.cumsum(0) - lengths), lengths)
    labels = known.indices[start + torch.arange(start.numel())].long()
    pair = torch.repeat_interleave(torch.arange(lengths.numel()), lengths)
    votes = torch.zeros(len(strength), known.n_cols)
    row = pair // strength.shape[1]
    return votes.index_put_((row, labels), strength.reshape(-1)[pair], accumulate=True)


def _beside(features: SparseFeatures, sizes: Tensor, indices: Tensor, values: Tensor, n: int) -> SparseFeatures:
    """The features with ``n`` more columns behind them."""
    old, total = features.indptr.diff(), features.indptr.diff() + sizes
    indptr = torch.zeros(total.numel() + 1, dtype=torch.int64)
    indptr[1:] = total.cumsum(0)
    before = torch.repeat_interleave(indptr[:-1] - features.indptr[:-1], old) + torch.arange(int(old.sum()))
    after = torch.repeat_interleave(indptr[:-1] + old - (sizes.cumsum(0) - sizes), sizes)
    after = after + torch.arange(int(sizes.sum()))
    index = torch.empty(int(indptr[-1]), dtype=torch.int32)
    value = torch.empty(int(indptr[-1]))
    index[before], index[after] = features.indices, indices + features.n_cols
    value[before], value[after] = features.values, values
    return SparseFeatures(indptr, index, value, features.n_cols + n)
