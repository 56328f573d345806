"""Numbers for keys of 128 bits."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from torch import Tensor

from negatives.kernels.jit.compile import array, inner_kernel


@inner_kernel
def _number(first, second, keys, numbers, found, fresh, start, count):
    """Stops before the row whose key is new when the table is full enough; gives that row and the keys so far."""
    mask, begin = numbers.size - 1, count
    for row in range(start, first.size):
        one, two = first[row], second[row]
        at = one & mask
        while numbers[at] >= 0 and (keys[at, 0] != one or keys[at, 1] != two):
            at = (at + 1) & mask
        if numbers[at] < 0:
            if 4 * count >= 3 * numbers.size:
                return row, count
            keys[at, 0], keys[at, 1], numbers[at] = one, two, count
            fresh[count - begin] = row
            count += 1
        found[row] = numbers[at]
    return first.size, count


@inner_kernel
def _move(keys, numbers, wide_keys, wide_numbers):
    mask = wide_numbers.size - 1
    for i in range(numbers.size):
        if numbers[i] >= 0:
            at = keys[i, 0] & mask
            while wide_numbers[at] >= 0:
                at = (at + 1) & mask
            wide_keys[at, 0], wide_keys[at, 1], wide_numbers[at] = keys[i, 0], keys[i, 1], numbers[i]


def number_(
    first: Tensor, second: Tensor, keys: Tensor, numbers: Tensor, found: Tensor, fresh: Tensor, start: int, count: int
) -> tuple[int, int]:
    columns = (array(one, np.int64) for one in (first, second))
    tables = (one.numpy() for one in (keys, numbers, found, fresh))
    done, count = _number(*columns, *tables, start, count)
    return int(done), int(count)


def move(keys: Tensor, numbers: Tensor, wide_keys: Tensor, wide_numbers: Tensor) -> None:
    _move(*(one.numpy() for one in (keys, numbers, wide_keys, wide_numbers)))
