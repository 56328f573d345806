"""Which rows of each query are held back: rows stand query by query, so no row is sorted."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.dispatch import serve


def lowest_of_each(starts: Tensor, want: Tensor, key: int) -> Tensor:
    """The ``want[s]`` rows of lowest hashed bits in each segment ``starts[s]..starts[s + 1]``; of equal ones the first.

    The bits of row ``i`` are bits 32 to 62 of :func:`negatives.randomness.bits` for example ``i`` and slot 0.

    Args:
        starts: ``(segments + 1,)`` int64, growing, from 0 to the number of rows ``n``.
        want: ``(segments,)`` int64, at most the segment's size; nothing is chosen where it is below 1.
        key: A key from :func:`negatives.randomness.stream`.

    Returns:
        ``(n,)`` bool.

    >>> import torch
    >>> lowest_of_each(torch.tensor([0, 3, 5]), torch.tensor([1, 2]), 7).tolist()
    [True, False, False, True, True]
    """
    found: Tensor = serve("division").lowest_of_each(starts, want, key)
    return found


def latest_of_each(starts: Tensor, times: Tensor, key: int) -> Tensor:
    """Place of the latest row of each segment, -1 in an empty one; of equal times the lowest hashed bits decide.

    Args:
        starts: ``(segments + 1,)`` int64, growing, from 0 to the number of rows ``n``.
        times: ``(n,)`` float64.
        key: A key from :func:`negatives.randomness.stream`.

    Returns:
        ``(segments,)`` int64.

    >>> import torch
    >>> latest_of_each(torch.tensor([0, 3, 3, 5]), torch.tensor([1.0, 9.0, 2.0, 4.0, 3.0]), 7).tolist()
    [1, -1, 3]
    """
    found: Tensor = serve("division").latest_of_each(starts, times, key)
    return found


def move_up_(values: Tensor, kept: Tensor) -> Tensor:
    """The kept values in their order, at the front of the memory of all, which is overwritten.

    Args:
        values: ``(n,)`` of eight bytes each, contiguous, on the CPU.
        kept: ``(n,)`` bool.

    Raises:
        ValueError: The values are not eight bytes wide and contiguous.

    >>> import torch
    >>> move_up_(torch.tensor([4, 5, 6]), torch.tensor([True, False, True])).tolist()
    [4, 6]
    """
    if values.element_size() != 8 or not values.is_contiguous() or kept.shape != values.shape:
        raise ValueError("values must be contiguous and eight bytes wide, with one mark each")
    count: int = serve("division").move_up_(values, kept)
    return values[:count]
