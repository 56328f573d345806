"""Random orders."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.dispatch import serve


def shuffled(key: int, n: int) -> Tensor:
    """A random order of ``0..n-1``, ``(n,)`` int64 on the CPU, by swaps (Fisher and Yates); a function of ``key``.

    >>> sorted(shuffled(7, 5).tolist())
    [0, 1, 2, 3, 4]
    """
    found: Tensor = serve("order").shuffled(key, n)
    return found
