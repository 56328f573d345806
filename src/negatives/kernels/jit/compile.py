"""The one place that decides how kernels are compiled, and how tensors become their arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba
import numba.core.config
import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit import cache
from negatives.kernels.jit.kept import KeptKernel

log = logging.getLogger(__name__)

compiler: Any = numba
Array = np.ndarray[Any, Any]
FAST = {"reassoc", "contract"}


def kernel(
    function: Callable[..., Any], *, fast: set[str] | None = None, inline: bool = False, counted: bool = True
) -> Any:
    """Compile at the first call, without the interpreter lock, with a cache on disk where the disk allows it.

    Args:
        function: The loop: arrays and numbers in, arrays out.
        fast: Liberties that the compiler may take with floating-point numbers; none by default.
        inline: Put the body into each caller.
        counted: Count references to arrays, which a kernel that makes arrays has to.
    """
    # A division by zero gives infinity, as in NumPy; Python's exception would keep loops from being vectorised.
    flags = {"nogil": True, "fastmath": fast or False, "error_model": "numpy", "forceinline": inline, "_nrt": counted}
    compiled = compiler.njit(**flags)(function)
    folder = cache.location()
    if folder is None or compiled is function:  # with NUMBA_DISABLE_JIT it is
        return compiled
    config = compiler.core.config
    before, config.CACHE_DIR = config.CACHE_DIR, folder
    try:
        compiled._cache = KeptKernel(function)
    except (OSError, RuntimeError) as error:  # no source file, or the folder has just gone
        log.debug("%s is not kept: %s", function.__name__, error)
    finally:
        config.CACHE_DIR = before
    return compiled


def inner_kernel(function: Callable[..., Any]) -> Any:
    """:func:`kernel` that makes no arrays, for loops over short rows.

    Numba counts references with atomic operations wherever one kernel hands arrays to another, ten or so in each turn
    of a loop, which costs more than a short row's work. Without counting there are none.
    """
    return kernel(function, counted=False)


def inline_kernel(function: Callable[..., Any]) -> Any:
    """:func:`inner_kernel` that is part of its callers: for what a loop asks for each element."""
    return kernel(function, inline=True, counted=False)


def fast_kernel(function: Callable[..., Any]) -> Any:
    """:func:`inner_kernel` with reordered sums; for inner products and sums only."""
    return kernel(function, fast=FAST, counted=False)


def largest_kernel(function: Callable[..., Any]) -> Any:
    """:func:`inner_kernel` that may find a maximum in any order; NaN may be overlooked."""
    return kernel(function, fast={"reassoc", "nnan", "nsz"}, counted=False)


def array(tensor: Tensor, dtype: Any) -> Array:
    """A contiguous NumPy view of one type, so that each kernel compiles once."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:  # NumPy has no such numbers
        tensor = tensor.float()
    return np.require(tensor.numpy(), dtype=dtype, requirements=["C", "A"])


def index(tensor: Tensor, size: int, what: str) -> Array:
    """int64 view of ids that a kernel will follow without looking.

    Raises:
        IndexError: An id lies outside ``[0, size)``.
    """
    found = array(tensor, np.int64)
    if tensor.numel():
        low, high = (int(end) for end in torch.aminmax(tensor))
        if low < 0 or high >= size:
            raise IndexError(f"{what} must lie in [0, {size}); found {low} to {high}: leave out or replace such ids")
    return found


def in_place(table: Tensor) -> Array:
    """The memory of a table that a kernel is to change.

    Raises:
        ValueError: The table is not contiguous float32, so that a copy would be changed instead.
    """
    if not table.is_contiguous() or table.dtype != torch.float32:
        raise ValueError("a table that is changed in place must be contiguous float32")
    return table.detach().numpy()
