"""Linear propagation over the graph of queries and items, with its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from negatives import kernels
from negatives.data.pairs import SparseFeatures
from negatives.types import Csr


@dataclass(frozen=True, slots=True)
class Operator:
    """A sparse matrix ``A`` ``(n, m)`` and its transpose, by rows.

    Args:
        forward: indptr ``(n + 1,)`` int64, indices int32, values float32 of ``A``.
        backward: The same of its transpose.
    """

    forward: tuple[Tensor, Tensor, Tensor]
    backward: tuple[Tensor, Tensor, Tensor]

    def to(self, device: torch.device | str) -> Operator:
        """The same matrix on another device."""
        move = [tuple(part.to(device) for part in side) for side in (self.forward, self.backward)]
        return Operator(*move)  # type: ignore[arg-type]

    @staticmethod
    def by_rows(indptr: Tensor, indices: Tensor, values: Tensor, n_cols: int) -> Operator:
        """``A`` from indptr ``(n + 1,)``, indices and values ``(nnz,)``; the transpose is computed."""
        rows = torch.repeat_interleave(indptr.diff())
        order = torch.argsort(indices, stable=True)
        starts = functional.pad(torch.bincount(indices, minlength=n_cols).cumsum(0), (1, 0))
        turned = starts, rows[order].to(torch.int32), values[order]
        return Operator((indptr, indices.to(torch.int32), values), turned)

    def transposed(self) -> Operator:
        """``A^T``."""
        return Operator(self.backward, self.forward)

    def __matmul__(self, dense: Tensor) -> Tensor:
        """``A x`` for ``x`` ``(m, dim)``, differentiable in ``x``."""
        result: Tensor = _Product.apply(self, dense)  # type: ignore[no-untyped-call]
        return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, operator: Operator, dense: Tensor) -> Tensor:
        ctx.operator = operator
        indptr, indices, values = operator.forward
        return kernels.spmm(indptr, indices, values, dense)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        indptr, indices, values = ctx.operator.backward
        return None, kernels.spmm(indptr, indices, values, grads[0])


def bipartite(known: Csr, query_power: float = 0.5, item_power: float = 0.5) -> Operator:
    """``D_q^-a B D_i^-b`` for the matrix ``B`` of known pairs ``(n_queries, n_items)``.

    Both powers one half give LightGCN's symmetric normalisation, ``(1, 0)`` the mean over a query's items.

    Args:
        known: The pairs.
        query_power: ``a``, the power of the query's degree.
        item_power: ``b``, the power of the item's degree.
    """
    degrees = known.lengths()
    rows = torch.repeat_interleave(degrees)
    cols = known.indices.to(torch.int64)
    item_degrees = torch.bincount(cols, minlength=known.n_cols)
    values = edge_weights(degrees[rows], item_degrees[cols], query_power, item_power)
    return Operator.by_rows(known.indptr, known.indices, values, known.n_cols)


def edge_weights(own: Tensor, other: Tensor, own_power: float, other_power: float) -> Tensor:
    """What an edge weighs, ``own^-a other^-b``, float32, from the degrees of who receives and who sends, ``(n,)``.

    A degree of 0, of one who had no edge before, counts as 1.
    """
    own, other = own.clamp(min=1).double(), other.clamp(min=1).double()
    return (own**-own_power * other**-other_power).float()


def received(histories: Csr, degrees: Tensor, own_power: float, other_power: float) -> Operator:
    """What new nodes receive from those that they are linked to, ``(n_rows, n_cols)``; these stay as they were.

    Args:
        histories: Links of each new node.
        degrees: ``(n_cols,)`` degrees of those that send.
        own_power: Power of the degree of who receives.
        other_power: Power of the degree of who sends.
    """
    own, other = histories.lengths(), degrees[histories.indices.long()]
    weights = edge_weights(own.repeat_interleave(own), other, own_power, other_power)
    return Operator.by_rows(histories.indptr, histories.indices, weights, histories.n_cols)


def matrix_of(features: SparseFeatures) -> Operator:
    """Sparse content as a matrix ``(n_rows, n_cols)``."""
    return Operator.by_rows(features.indptr, features.indices, features.values, features.n_cols)


def smooth(
    to_queries: Operator, to_items: Operator, weights: Sequence[float], queries: Tensor, items: Tensor
) -> tuple[Tensor, Tensor]:
    """``sum_l w_l Â^l E`` for the graph of queries and items, differentiable in both tables.

    The sum is nested as ``w_0 E + Â (w_1 E + Â (w_2 E + ...))``, so that one buffer per side is enough. The gradient
    is the same sum with the transposed operators.

    Args:
        to_queries: ``(n_queries, n_items)``, what queries receive from items.
        to_items: ``(n_items, n_queries)``, what items receive from queries.
        weights: ``w_0 ... w_L``.
        queries: ``(n_queries, dim)``.
        items: ``(n_items, dim)``.
    """
    found: tuple[Tensor, Tensor] = _Smooth.apply(to_queries, to_items, weights, queries, items)  # type: ignore[no-untyped-call]
    return found


class _Smooth(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, to_queries: Operator, to_items: Operator, weights: Sequence[float], queries: Tensor, items: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.operators, ctx.weights = (to_queries, to_items), weights
        return _nested(to_queries.forward, to_items.forward, weights, queries, items)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, None, Tensor, Tensor]:
        to_queries, to_items = ctx.operators
        return (None, None, None, *_nested(to_items.backward, to_queries.backward, ctx.weights, *grads))


Rows = tuple[Tensor, Tensor, Tensor]


def _nested(
    to_queries: Rows, to_items: Rows, weights: Sequence[float], queries: Tensor, items: Tensor
) -> tuple[Tensor, Tensor]:
    sum_q, sum_i = queries * weights[-1], items * weights[-1]
    for weight in weights[-2::-1]:
        next_q, next_i = kernels.spmm(*to_queries, sum_i), kernels.spmm(*to_items, sum_q)
        sum_q, sum_i = next_q.add_(queries, alpha=weight), next_i.add_(items, alpha=weight)
    return sum_q, sum_i
