"""The façade over the kernels of co-occurrence cells: count them in a text, and fit vectors to them (GloVe)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve
from negatives.types import Negatives


@dataclass(frozen=True, slots=True)
class Cells:
    """Some cells of the table of co-occurrence.

    Args:
        rows: ``(n,)`` int64 words.
        cols: ``(n,)`` int64 words near them.
        target: ``(n,)`` float32, what the score is to be, ``log x``.
        weight: ``(n,)`` float32, how much it matters, ``f(x)``.
    """

    rows: Tensor
    cols: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class Zeros:
    """How cells that hold nothing are fitted: a score above ``target`` costs ``weight (s - target)^2 / 2``."""

    target: float
    weight: float


def count_cells_(tokens: Tensor, bounds: Tensor, window: int, n_words: int, keys: Tensor, values: Tensor) -> int:
    """Add ``1 / distance`` to the cell of each pair of words at most ``window`` apart in a sentence.

    Args:
        tokens: ``(n,)`` int32.
        bounds: ``(sentences + 1,)`` int64.
        window: Largest distance.
        n_words: Size of the vocabulary.
        keys: ``(slots,)`` int64 hash table, a power of two long, -1 where free; the key of the cell of ``a <= b`` is
            ``a * n_words + b``. It must have room for all new cells.
        values: ``(slots,)`` float32.

    Returns:
        Number of new cells.
    """
    slots = keys.numel()
    if slots & (slots - 1) or values.numel() != slots:
        raise ValueError("the table of cells must be a power of two long")
    return int(serve("cells", tokens).count_cells_(tokens, bounds, window, n_words, keys, values))


def insert_cells_(codes: Tensor, counts: Tensor, keys: Tensor, values: Tensor) -> None:
    """Put distinct cells ``codes`` ``(n,)`` int64 with their ``counts`` into a hash table that has room for them."""
    serve("cells", codes).insert_cells_(codes, counts, keys, values)


def fit_cells_(
    tables: tuple[Tensor, Tensor],
    squares: tuple[Tensor, Tensor],
    cells: Cells,
    negatives: Negatives | None,
    zeros: Zeros,
    lr: float,
) -> None:
    """One pass of row-wise Adagrad over cells and their sampled zero cells, in place and without locks.

    ``f (s - log x)^2 / 2 + zeros.weight sum_j weight_j max(0, s_j - zeros.target)^2 / 2`` with ``s = <w, c>``. The last
    two columns are the biases: those of rows stand in the last but one, those of columns in the last, each beside a
    constant 1 in the other table, which does not move.

    Args:
        tables: ``(n, d + 2)`` of rows and of columns.
        squares: ``(n, 2)`` for each table: sums of the mean squared gradient of a vector, and of its bias.
        cells: The cells.
        negatives: ``(n, k)`` columns that are zero in the same rows; None for none.
        zeros: How zero cells are fitted.
        lr: Step size.
    """
    free = [table.detach() for table in (*tables, *squares)]
    serve("cells", cells.rows).fit_cells_((free[0], free[1]), (free[2], free[3]), cells, negatives, zeros, lr)


def empty_table(slots: int) -> tuple[Tensor, Tensor]:
    """A hash table of ``slots`` free places."""
    return torch.full((slots,), -1, dtype=torch.int64), torch.zeros(slots)
