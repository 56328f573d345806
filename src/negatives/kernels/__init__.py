"""The façade over all compiled kernels; only :mod:`negatives.kernels.jit` imports Numba.

Tensors and integer codes in, tensors out. Three implementations give the same answers:

* ``numba``: compiled loops over zero-copy NumPy views, in chunks on the package's own threads (CPU);
* ``torch``: plain tensor operations, for tensors on any other device;
* ``numpy``: naive twins, slow and obvious, for tests.

``NEGATIVES_KERNELS`` or :func:`use` chooses; by default CPU tensors go to Numba and all others to PyTorch.
Results do not depend on the number of threads. Integer results are the same bits on every path.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

from negatives.kernels.alias import AliasTable, build_alias
from negatives.kernels.threads import set_threads, threads
from negatives.types import Csr

_MODULES = {
    "numba": "negatives.kernels.jit",
    "torch": "negatives.kernels.torch_path",
    "numpy": "negatives.kernels.naive",
}
_forced: list[str] = [os.environ["NEGATIVES_KERNELS"]] if "NEGATIVES_KERNELS" in os.environ else []


@contextmanager
def use(implementation: str) -> Iterator[None]:
    """Run the block with one implementation: ``numba``, ``torch`` or ``numpy``."""
    if implementation not in _MODULES:
        raise ValueError(f"{implementation!r} is none of {', '.join(_MODULES)}")
    _forced.append(implementation)
    try:
        yield
    finally:
        _forced.pop()


def _for(tensor: Tensor) -> ModuleType:
    """The module that serves this tensor."""
    name = _forced[-1] if _forced else ("numba" if tensor.device.type == "cpu" else "torch")
    return importlib.import_module(_MODULES[name])


def _same(left: object, right: object, what: str) -> None:
    if left != right:
        raise ValueError(f"{what} must have the same size, not {left} and {right}")


def _check(rows: int, queries: Tensor | None, known: Csr | None, n_items: int) -> None:
    if queries is not None:
        _same(queries.numel(), rows, "queries and rows")
    if queries is None and known is not None:
        raise ValueError("known sets need the queries that own them; give queries too")
    if known is not None and known.n_cols > n_items:
        raise ValueError(f"the known sets name up to {known.n_cols} items, but there are {n_items}")


def draw_uniform(
    examples: Tensor,
    k: int,
    n_items: int,
    key: int,
    *,
    queries: Tensor | None = None,
    known: Csr | None = None,
    tries: int = 16,
) -> Tensor:
    """Uniform draws with replacement, never a known item of the row's query.

    Draw ``(row, slot)`` hashes ``(key, examples[row], slot + k * try)``. A known item is redrawn up to ``tries``
    times; then one more hash picks among the allowed items by enumeration. Both steps draw from the uniform
    distribution over the allowed items, so the whole does.

    Args:
        examples: ``(rows,)`` int64.
        k: Draws per row.
        n_items: Number of items, below 2^31.
        key: Random stream.
        queries: ``(rows,)`` int64 rows of ``known``.
        known: Items to exclude per query.
        tries: Draws before enumeration.

    Returns:
        ids ``(rows, k)`` int64; -1 for a query that knows every item.

    Raises:
        ValueError: ``n_items`` is out of range, or the known sets do not fit.
        IndexError: A query has no row in ``known``.

    >>> import torch
    >>> draw_uniform(torch.arange(2), 3, 10, key=7).shape
    torch.Size([2, 3])
    """
    if not 0 < n_items < 1 << 31:
        raise ValueError(f"n_items must lie between 1 and 2^31 - 1, not {n_items}")
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    _check(examples.numel(), queries, known, n_items)
    found: Tensor = _for(examples).draw_uniform(examples, k, n_items, key, queries, known, tries)
    return found


def draw_alias(
    table: AliasTable,
    examples: Tensor,
    k: int,
    key: int,
    *,
    queries: Tensor | None = None,
    known: Csr | None = None,
    tries: int = 16,
) -> Tensor:
    """Draws from an alias table; the arguments and the exclusion are those of :func:`draw_uniform`.

    Returns:
        ids ``(rows, k)`` int64; -1 where no allowed item has a weight above zero.
    """
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    _check(examples.numel(), queries, known, table.alias.numel())
    found: Tensor = _for(examples).draw_alias(table, examples, k, key, queries, known, tries)
    return found


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    """``(rows, k)`` bool: is ``ids[row, j]`` among the known items of ``queries[row]``?"""
    _same(queries.numel(), ids.shape[0], "queries and rows of ids")
    found: Tensor = _for(ids).contains(known, queries, ids)
    return found


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    """``(rows, m)`` bool: is ``pool[j]``, ``(m,)``, among the known items of ``queries[row]``?"""
    found: Tensor = _for(pool).contains_pool(known, queries, pool)
    return found


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    """``(rows,)`` float64: total probability ``(n_items,)`` of the known items of each row's query."""
    found: Tensor = _for(queries).excluded_mass(known, queries, probability)
    return found


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    """Inner products ``(rows, k)`` of query rows ``(n_q, d)`` and item rows ``(n_i, d)``, streamed."""
    _same(queries.numel(), ids.shape[0], "queries and rows of ids")
    _same(query_table.shape[1], item_table.shape[1], "vectors of queries and items")
    found: Tensor = _for(ids).gather_scores(query_table.detach(), item_table.detach(), queries, ids)
    return found


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of :func:`gather_scores` from ``grad`` ``(rows, k)``; slots with gradient zero are skipped.

    Returns:
        The gradient of each row's query vector ``(rows, d)``; the touched items ``(u,)`` int64 in order of
        first use; and their summed gradients ``(u, d)``.
    """
    _same(queries.numel(), ids.shape[0], "queries and rows of ids")
    _same(query_table.shape[1], item_table.shape[1], "vectors of queries and items")
    _same(grad.shape, ids.shape, "gradient and ids")
    tables = query_table.detach(), item_table.detach()
    found: tuple[Tensor, Tensor, Tensor] = _for(ids).score_backward(*tables, queries, ids, grad)
    return found


def sum_rows(index: Tensor, values: Tensor, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Sum the rows of ``values`` ``(n, d)`` that share an ``index`` ``(n,)`` below ``size``.

    Returns:
        The distinct indices ``(u,)`` int64 in order of first use and the sums ``(u, d)``.

    >>> import torch
    >>> sum_rows(torch.tensor([4, 1, 4]), torch.tensor([[1.0], [2.0], [3.0]]))
    (tensor([4, 1]), tensor([[4.],
            [2.]]))
    """
    _same(index.numel(), values.shape[0], "index and values")
    if size is None:
        size = int(index.max()) + 1 if index.numel() else 0
    found: tuple[Tensor, Tensor] = _for(index).sum_rows(index, values, size)
    return found


def shuffled(key: int, n: int) -> Tensor:
    """A random order of ``0..n-1``, ``(n,)`` int64 on the CPU, by swaps (Fisher and Yates); a function of ``key``.

    >>> sorted(shuffled(7, 5).tolist())
    [0, 1, 2, 3, 4]
    """
    found: Tensor = _for(torch.empty(0)).shuffled(key, n)
    return found


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """Product ``y = A x``, float32, of a sparse matrix ``A`` ``(n, m)`` by rows and a dense ``x`` ``(m, d)``.

    Args:
        indptr: ``(n + 1,)`` int64, where the entries of each row begin.
        indices: ``(nnz,)`` int32 columns.
        values: ``(nnz,)`` float32; entries of value zero are skipped.
        dense: ``(m, d)`` float32.
    """
    _same(indices.numel(), values.numel(), "columns and values")
    _same(int(indptr[-1]), values.numel(), "the last row's end and values")
    found: Tensor = _for(dense).spmm(indptr, indices, values, dense.detach())
    return found


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float = 0.0) -> None:
    """``x -= lr (g + weight_decay x)`` on the distinct ``rows`` ``(u,)`` of ``table``, in place."""
    _same(grad.shape, (rows.numel(), table.shape[1]), "gradient and touched rows")
    _for(rows).sgd_rows_(table.detach(), rows, grad, lr, weight_decay)


def sgd_pairs_(
    query_table: Tensor,
    item_table: Tensor,
    queries: Tensor,
    ids: Tensor,
    grad: Tensor,
    lr: float,
    weight_decay: float = 0.0,
) -> None:
    """Plain gradient descent on both tables in place: :func:`score_backward`, sums and :func:`sgd_rows_` in one.

    All gradients are those of the tables as they were. A row is touched where one of its slots has a gradient other
    than zero; only touched rows decay.
    """
    _same(queries.numel(), ids.shape[0], "queries and rows of ids")
    _same(grad.shape, ids.shape, "gradient and ids")
    tables = query_table.detach(), item_table.detach()
    _for(ids).sgd_pairs_(*tables, queries, ids, grad, lr, weight_decay)


def async_pairs_(
    query_table: Tensor,
    item_table: Tensor,
    queries: Tensor,
    positives: Tensor,
    ids: Tensor,
    *,
    ok: Tensor | None = None,
    weight: Tensor | None = None,
    loss: tuple[str, float, bool],
    lr: float,
    weight_decay: float = 0.0,
) -> Tensor:
    """Score, differentiate and update row by row, in place, each row on the tables as they are by then (CPU only).

    With several threads rows are taken without locks, and the last digits differ from run to run.

    Args:
        query_table: ``(n_q, d)`` float32.
        item_table: ``(n_i, d)`` float32.
        queries: ``(rows,)`` int64.
        positives: ``(rows,)`` int64.
        ids: ``(rows, k)`` int64 negatives.
        ok: ``(rows, k)`` bool; None for all.
        weight: ``(rows, k)`` float32; None for ones.
        loss: ``bpr``, ``hinge`` or ``logistic``, its margin, and whether the negatives are averaged.
        lr: Step size.
        weight_decay: L2 factor; a row decays once for every pair that moves it.

    Returns:
        Scores ``(rows, 1 + k)`` before each row's update, the positive's first.
    """
    _same(queries.numel(), ids.shape[0], "queries and rows of ids")
    _same(queries.numel(), positives.numel(), "queries and positives")
    tables = query_table.detach(), item_table.detach()
    path = importlib.import_module(_MODULES["numpy" if _forced and _forced[-1] == "numpy" else "numba"])
    found: Tensor = path.async_pairs_(*tables, queries, positives, ids, ok, weight, loss, lr, weight_decay)
    return found


def adagrad_rows_(
    table: Tensor,
    accumulator: Tensor,
    rows: Tensor,
    grad: Tensor,
    lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
) -> None:
    """Adagrad (Duchi et al., 2011) on the distinct ``rows`` of ``table``, in place."""
    _same(grad.shape, (rows.numel(), table.shape[1]), "gradient and touched rows")
    _same(accumulator.shape, table.shape, "accumulator and table")
    _for(rows).adagrad_rows_(table.detach(), accumulator, rows, grad, lr, weight_decay, eps)


def adam_rows_(
    table: Tensor,
    moments: tuple[Tensor, Tensor],
    rows: Tensor,
    grad: Tensor,
    lr: float,
    step: int,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> None:
    """Lazy Adam as in ``torch.optim.SparseAdam``: only the touched ``rows`` and their moments move.

    Args:
        table: ``(n, d)``.
        moments: First and second moments, each ``(n, d)``.
        rows: ``(u,)`` distinct rows.
        grad: ``(u, d)``.
        lr: Step size.
        step: Number of this update, counted from one, for the bias correction.
        weight_decay: L2 factor added to the gradient.
        betas: Decay of the moments.
    """
    _same(grad.shape, (rows.numel(), table.shape[1]), "gradient and touched rows")
    for moment in moments:
        _same(moment.shape, table.shape, "moment and table")
    _for(rows).adam_rows_(table.detach(), moments, rows, grad, lr, step, weight_decay, betas)


def exp_rows(
    scores: Tensor, scale: float, bias: Tensor | None = None, ok: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """``e_j = exp(scale x_j + b_j - t)`` per row, ``t`` the row's largest exponent, zero where not ok.

    Args:
        scores: ``(rows, k)`` float32.
        scale: Factor on all scores.
        bias: ``(rows, k)``, or ``(k,)`` for all rows alike.
        ok: ``(rows, k)`` bool; None for all.

    Returns:
        ``e`` ``(rows, k)``, its sums ``(rows, 1)``, and ``t`` ``(rows, 1)``, which is 0 in rows without any ok slot.

    >>> exp_rows(torch.tensor([[1.0, 3.0]]), 2.0)[2]
    tensor([[6.]])
    """
    if bias is not None:
        _same(bias.shape[-1], scores.shape[1], "bias and scores")
    found: tuple[Tensor, Tensor, Tensor] = _for(scores).exp_rows(scores.detach(), scale, bias, ok)
    return found


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    """Draw ``k`` slots of each row, with replacement, with chances ``softmax(logits)`` over the allowed slots.

    Draw ``(row, i)`` inverts the running sum, in float64, of the exponentials at a uniform number that hashes
    ``(key, examples[row], i)``. Where that number falls on the border of two slots to within the rounding of the
    exponentials, implementations may choose differently.

    Args:
        logits: ``(rows, m)`` float32.
        ok: ``(rows, m)`` bool; None for all.
        examples: ``(rows,)`` int64.
        k: Draws per row.
        key: Random stream.

    Returns:
        Slots ``(rows, k)`` int64 and their chances ``(rows, k)`` float32. In rows without any allowed slot they are
        ``m - 1`` and 0.

    >>> import torch
    >>> resample(torch.tensor([[0.0, 99.0]]), None, torch.tensor([0]), 2, 7)
    (tensor([[1, 1]]), tensor([[1., 1.]]))
    """
    _same(examples.numel(), logits.shape[0], "examples and rows of logits")
    if ok is not None:
        _same(ok.shape, logits.shape, "ok and logits")
    found: tuple[Tensor, Tensor] = _for(logits).resample(logits.detach(), ok, examples, k, key)
    return found


def top_k(
    scores: Tensor, k: int, *, exclude: Csr | None = None, queries: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The ``k`` best columns of ``scores`` ``(rows, n)``, in descending order; ties go to the smaller id.

    A score of -inf or NaN marks a column as excluded.

    Args:
        scores: ``(rows, n)`` float32.
        k: How many.
        exclude: Columns to skip, per query.
        queries: ``(rows,)`` int64 rows of ``exclude``.

    Returns:
        ids ``(rows, k)`` int64 and values ``(rows, k)``; -1 and -inf where fewer are left.

    >>> import torch
    >>> top_k(torch.tensor([[0.5, 2.0, 2.0, 1.0]]), 3)[0].tolist()
    [[1, 2, 3]]
    """
    _check(scores.shape[0], queries, exclude, scores.shape[1])
    found: tuple[Tensor, Tensor] = _for(scores).top_k(scores.detach(), k, exclude, queries)
    return found


__all__ = [
    "AliasTable",
    "adagrad_rows_",
    "adam_rows_",
    "async_pairs_",
    "build_alias",
    "contains",
    "contains_pool",
    "draw_alias",
    "draw_uniform",
    "excluded_mass",
    "exp_rows",
    "gather_scores",
    "resample",
    "score_backward",
    "set_threads",
    "sgd_pairs_",
    "sgd_rows_",
    "shuffled",
    "spmm",
    "sum_rows",
    "threads",
    "top_k",
    "use",
]
