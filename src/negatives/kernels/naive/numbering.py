"""Numbers for keys of 128 bits."""

from __future__ import annotations

from torch import Tensor


def number_(
    first: Tensor, second: Tensor, keys: Tensor, numbers: Tensor, found: Tensor, fresh: Tensor, start: int, count: int
) -> tuple[int, int]:
    size, begin = numbers.numel(), count
    for row in range(start, first.numel()):
        key = int(first[row]), int(second[row])
        at = key[0] % size
        while int(numbers[at]) >= 0 and tuple(keys[at].tolist()) != key:
            at = (at + 1) % size
        if int(numbers[at]) < 0:
            if 4 * count >= 3 * size:
                return row, count
            keys[at, 0], keys[at, 1], numbers[at] = key[0], key[1], count
            fresh[count - begin] = row
            count += 1
        found[row] = numbers[at]
    return first.numel(), count


def move(keys: Tensor, numbers: Tensor, wide_keys: Tensor, wide_numbers: Tensor) -> None:
    size = wide_numbers.numel()
    for key, number in zip(keys.tolist(), numbers.tolist(), strict=True):
        if number >= 0:
            at = key[0] % size
            while int(wide_numbers[at]) >= 0:
                at = (at + 1) % size
            wide_keys[at, 0], wide_keys[at, 1], wide_numbers[at] = key[0], key[1], number
