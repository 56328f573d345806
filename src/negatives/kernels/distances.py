"""The façade over the kernels that compare composed queries with items: inner products and three distances.

``s(v, t)`` is, by kind: ``dot`` ``<v, t>``; ``l1`` ``-|v - t|_1``; ``l2`` ``-|v - t|_2``; ``modulus``
``-sum_c |v_c - t_c|`` over complex numbers whose real parts stand in the first half of a vector and whose imaginary
parts in the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve

KINDS = ("dot", "l1", "l2", "modulus")


def _check(kind: str, left: Tensor, right: Tensor) -> None:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"vectors of length {left.shape[1]} and {right.shape[1]} cannot be compared")
    if kind == "modulus" and left.shape[1] % 2:
        raise ValueError(f"complex vectors need an even length, not {left.shape[1]}")


def compare(left: Tensor, right: Tensor, kind: str) -> Tensor:
    """Scores ``(...)`` of vectors ``(..., d)`` that broadcast; differentiable."""
    if kind == "dot":
        product: Tensor = (left * right).sum(-1)
        return product
    gap = left - right
    if kind == "modulus":
        real, imaginary = gap.chunk(2, dim=-1)
        return -torch.hypot(real, imaginary).sum(-1)
    distance: Tensor = gap.abs().sum(-1) if kind == "l1" else gap.norm(dim=-1)
    return -distance


def pair_scores(vectors: Tensor, table: Tensor, ids: Tensor, kind: str) -> Tensor:
    """Scores ``(rows, k)`` of ``vectors`` ``(rows, d)`` with the rows ``ids`` ``(rows, k)`` of ``table`` ``(n, d)``.

    >>> import torch
    >>> pair_scores(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 5.0]]), torch.tensor([[0]]), "l2").tolist()
    [[-5.0]]
    """
    _check(kind, vectors, table)
    found: Tensor = serve("distances", ids).pair_scores(vectors.detach(), table.detach(), ids, kind)
    return found


def pool_scores(vectors: Tensor, pool: Tensor, kind: str) -> Tensor:
    """Scores ``(rows, m)`` of ``vectors`` ``(rows, d)`` with all of ``pool`` ``(m, d)``.

    One matrix product for ``dot``, and for ``l2`` where there are many.
    """
    _check(kind, vectors, pool)
    if kind == "dot":
        return vectors.detach() @ pool.detach().T
    if kind == "l2":
        return -torch.cdist(vectors.detach(), pool.detach())
    found: Tensor = serve("distances", vectors).pool_scores(vectors.detach(), pool.detach(), kind)
    return found


def pair_backward(
    vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str, spare: int = 0
) -> tuple[Tensor, Sums]:
    """Gradients of :func:`pair_scores` from that of the scores.

    Args:
        vectors: ``(rows, d)``.
        table: ``(n, d)``.
        ids: ``(rows, k)`` int64.
        scores: ``(rows, k)``, what :func:`pair_scores` gave.
        grad: ``(rows, k)``; slots with gradient zero add nothing.
        kind: How vectors are compared.
        spare: Further rows of ``table`` for which :meth:`Sums.with_rows` is to find room.

    Returns:
        The gradient of ``vectors`` ``(rows, d)``, and the sums for all rows of ``table`` that ``ids`` names.
    """
    _check(kind, vectors, table)
    tables = vectors.detach(), table.detach()
    per_row, items, sums, n = serve("distances", ids).pair_backward(*tables, ids, scores, grad, kind, spare)
    return per_row, Sums(items, sums, n, len(table))


@dataclass(frozen=True, slots=True)
class Sums:
    """Summed gradients of some rows of a table.

    Args:
        items: ``(n + spare,)`` int64 distinct rows, in order of first use; what follows the first ``n`` is unset.
        sums: ``(n + spare, d)`` their sums.
        n: How many.
        size: Rows of the table.
    """

    items: Tensor
    sums: Tensor
    n: int
    size: int

    def with_rows(self, ids: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The sums with ``rows`` ``(m, d)`` added to the rows ``ids`` ``(m,)``; uses up this object.

        Returns:
            Distinct rows of the table ``(u,)`` int64 and their sums ``(u, d)``.

        Raises:
            ValueError: There is no room for so many.
        """
        if self.n + ids.numel() > len(self.sums):
            raise ValueError(f"room for {len(self.sums) - self.n} more rows, not for {ids.numel()}; raise spare")
        found: tuple[Tensor, Tensor] = serve("distances", ids).add_rows(
            self.items, self.sums, self.n, ids, rows.detach(), self.size
        )
        return found
