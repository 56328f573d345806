"""The package's own threads: kernels are serial loops over chunks that release the interpreter lock.

Numba's own threading layers abort under concurrent use or break forked workers, so they are not used.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import numpy as np
import torch

LEAST = 1 << 17
"""Elementary steps that are worth a thread of their own."""
SPREAD = 4
"""Chunks per thread, so that uneven rows even out."""

LINE = 16
"""float32 numbers in a cache line."""

Chunk = Callable[[int, int], object]
_state: dict[str, int] = {"threads": 0, "owner": 0}
_pools: dict[int, ThreadPoolExecutor] = {}


def threads() -> int:
    """How many threads the kernels use; at first the number of processors this process may use."""
    if not _state["threads"]:
        _state["threads"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _state["threads"]


def set_threads(n: int) -> None:
    """Use ``n`` threads from now on.

    Raises:
        ValueError: ``n`` is below one.
    """
    if n < 1:
        raise ValueError("threads must be at least 1")
    _state["threads"] = n


def flush_denormals() -> None:
    """Take numbers below the smallest normal one for zero, in this thread and in those that it starts from now on.

    Processors compute with them in steps: a recurrent model whose gates saturate takes ten times as long. Nothing that
    is learnt hangs on them. Call it before anything is computed, for threads that are there already stay as they are.
    """
    for kind in (np.float16, np.float32, np.float64):
        np.finfo(kind)  # NumPy measures its numbers once, and would warn of what it finds later
    torch.set_flush_denormal(True)


def _pool(n: int) -> ThreadPoolExecutor:
    if _state["owner"] != os.getpid():  # a forked child must not wait for its parent's threads
        _pools.clear()
        _state["owner"] = os.getpid()
    if n not in _pools:
        _pools[n] = ThreadPoolExecutor(n, thread_name_prefix="negatives")
    return _pools[n]


def _run(run: Chunk, bounds: Sequence[int], n: int) -> None:
    """Run all chunks; the calling thread works too, so that it never waits for a helper to start."""
    left = deque((a, b) for a, b in pairwise(bounds) if a < b)

    def work() -> None:
        while left:
            try:
                a, b = left.popleft()
            except IndexError:  # another thread was faster
                return
            run(a, b)

    helpers = [_pool(n - 1).submit(work) for _ in range(n - 1)]
    try:
        work()
    finally:
        left.clear()
        busy = [helper for helper in helpers if not helper.cancel()]
        wait(busy)
    for helper in busy:
        helper.result()


def by_chunks(run: Chunk, rows: int, cost: int = 1) -> None:
    """Call ``run(start, stop)`` on equal chunks of ``rows``, each row of about ``cost`` elementary steps."""
    n = min(threads(), max(1, rows * max(cost, 1) // LEAST))
    if n == 1:
        run(0, rows)
        return
    chunks = min(rows, n * SPREAD)
    _run(run, [rows * i // chunks for i in range(chunks + 1)], n)


def by_columns(run: Chunk, columns: int, cost: int = 1) -> None:
    """Call ``run(start, stop)`` once per thread, on equal runs of whole cache lines of float32 columns.

    Args:
        run: What to do with the columns from ``start`` to ``stop``.
        columns: Their number.
        cost: Elementary steps per column.
    """
    lines = -(-columns // LINE)
    n = max(1, min(threads(), lines, columns * max(cost, 1) // LEAST))
    _run(run, [min(columns, LINE * (lines * i // n)) for i in range(n + 1)], n)


def by_weight(run: Chunk, starts: Any, cost: int = 1) -> None:
    """Call ``run(start, stop)`` on chunks of groups with about equal numbers of entries.

    Args:
        run: What to do with the groups from ``start`` to ``stop``.
        starts: ``(groups + 1,)`` NumPy int64, where the entries of each group begin.
        cost: Elementary steps per entry.
    """
    import numpy as np

    groups, entries = len(starts) - 1, int(starts[-1])
    n = min(threads(), max(1, entries * max(cost, 1) // LEAST))
    if n == 1:
        run(0, groups)
        return
    wanted = np.arange(1, n * SPREAD) * (entries / (n * SPREAD))
    _run(run, [0, *np.searchsorted(starts, wanted).clip(0, groups).tolist(), groups], n)
