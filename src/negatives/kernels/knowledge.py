"""The façade over the kernels that compare composed queries with items: inner products and three distances.

``s(v, t)`` is, by kind: ``dot`` ``<v, t>``; ``l1`` ``-|v - t|_1``; ``l2`` ``-|v - t|_2``; ``modulus``
``-sum_c |v_c - t_c|`` over complex numbers whose real parts stand in the first half of a vector and whose imaginary
parts in the second.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from torch import Tensor

from negatives import kernels

KINDS = ("dot", "l1", "l2", "modulus")
_MODULES = {
    "negatives.kernels.jit": "negatives.kernels.jit.distances",
    "negatives.kernels.torch_path": "negatives.kernels.torch_distances",
    "negatives.kernels.naive": "negatives.kernels.naive_distances",
}


def _for(tensor: Tensor) -> ModuleType:
    return importlib.import_module(_MODULES[kernels._for(tensor).__name__])


def _check(kind: str, left: Tensor, right: Tensor) -> None:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"vectors of length {left.shape[1]} and {right.shape[1]} cannot be compared")
    if kind == "modulus" and left.shape[1] % 2:
        raise ValueError(f"complex vectors need an even length, not {left.shape[1]}")


def pair_scores(vectors: Tensor, table: Tensor, ids: Tensor, kind: str) -> Tensor:
    """Scores ``(rows, k)`` of ``vectors`` ``(rows, d)`` with the rows ``ids`` ``(rows, k)`` of ``table`` ``(n, d)``.

    >>> import torch
    >>> pair_scores(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 5.0]]), torch.tensor([[0]]), "l2").tolist()
    [[-5.0]]
    """
    _check(kind, vectors, table)
    found: Tensor = _for(ids).pair_scores(vectors.detach(), table.detach(), ids, kind)
    return found


def pool_scores(vectors: Tensor, pool: Tensor, kind: str) -> Tensor:
    """Scores ``(rows, m)`` of ``vectors`` ``(rows, d)`` with all of ``pool`` ``(m, d)``; one product for ``dot``."""
    _check(kind, vectors, pool)
    if kind == "dot":
        return vectors.detach() @ pool.detach().T
    found: Tensor = _for(vectors).pool_scores(vectors.detach(), pool.detach(), kind)
    return found


def rows_backward(vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str) -> Tensor:
    """Gradient ``(rows, d)`` of ``vectors`` from that of the scores, ``grad`` ``(rows, k)``.

    Args:
        vectors: ``(rows, d)``.
        table: ``(n, d)``.
        ids: ``(rows, k)`` int64.
        scores: ``(rows, k)``, what :func:`pair_scores` gave.
        grad: ``(rows, k)``; slots with gradient zero are skipped.
        kind: How vectors are compared.
    """
    _check(kind, vectors, table)
    found: Tensor = _for(ids).rows_backward(vectors.detach(), table.detach(), ids, scores, grad, kind)
    return found


def items_backward(
    vectors: Tensor,
    table: Tensor,
    ids: Tensor,
    scores: Tensor,
    grad: Tensor,
    kind: str,
    extra_ids: Tensor,
    extra: Tensor,
) -> tuple[Tensor, Tensor]:
    """Summed gradients of the touched rows of ``table``, with further gradients added to them.

    Args:
        vectors: As in :func:`rows_backward`, and so are the next five.
        table: ``(n, d)``.
        ids: ``(rows, k)`` int64.
        scores: ``(rows, k)``.
        grad: ``(rows, k)``.
        kind: How vectors are compared.
        extra_ids: ``(m,)`` int64 rows of ``table`` that have a gradient from elsewhere.
        extra: ``(m, d)``, that gradient.

    Returns:
        The touched rows ``(u,)`` int64 in order of first use and their summed gradients ``(u, d)``.
    """
    _check(kind, vectors, table)
    tables = vectors.detach(), table.detach()
    module = _for(ids)
    found: tuple[Tensor, Tensor] = module.items_backward(*tables, ids, scores, grad, kind, extra_ids, extra)
    return found


__all__ = ["KINDS", "items_backward", "pair_scores", "pool_scores", "rows_backward"]
