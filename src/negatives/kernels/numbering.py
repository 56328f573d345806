"""Numbers for keys of 128 bits, given as the keys come."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve

SMALLEST = 1 << 12
"""Places of a table that is new."""


@dataclass(slots=True)
class Numbering:
    """Which number each key has: a table with open addressing, of which at most three quarters are filled.

    Args:
        count: Keys so far; the next one gets this number.
        keys: ``(size, 2)`` int64, both halves of each key; ``size`` is a power of two.
        numbers: ``(size,)`` int32, the key's number, -1 where the place is free.
    """

    count: int = 0
    keys: Tensor = field(default_factory=lambda: torch.empty(SMALLEST, 2, dtype=torch.int64))
    numbers: Tensor = field(default_factory=lambda: torch.full((SMALLEST,), -1, dtype=torch.int32))

    @property
    def room(self) -> int:
        """How many more keys the table takes."""
        return 3 * self.numbers.numel() // 4 - self.count

    def grow(self) -> None:
        """Move to a table of twice the size."""
        size = 2 * self.numbers.numel()
        keys, numbers = torch.empty(size, 2, dtype=torch.int64), torch.full((size,), -1, dtype=torch.int32)
        serve("numbering").move(self.keys, self.numbers, keys, numbers)
        self.keys, self.numbers = keys, numbers


def number_(numbering: Numbering, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of keys, in order of first appearance; new keys are added to the table, which grows as it must.

    Args:
        numbering: What is known; changed.
        first: ``(n,)`` int64, half of each key, which says where it is looked for: bits that are well mixed.
        second: ``(n,)`` int64, the other half.

    Returns:
        The number of each key, ``(n,)`` int64, and the rows in which new keys stand first, ``(new,)`` int64.

    >>> import torch
    >>> known, zeros = Numbering(), torch.zeros(3, dtype=torch.int64)
    >>> [found.tolist() for found in number_(known, torch.tensor([9, 4, 9]), zeros)]
    [[0, 1, 0], [0, 1]]
    >>> [found.tolist() for found in number_(known, torch.tensor([4, 8, 8]), zeros)]
    [[1, 2, 2], [1]]
    """
    before, done = numbering.count, 0
    found, fresh = torch.empty_like(first), []
    while done < first.numel():
        if numbering.room == 0:
            numbering.grow()
        rows = torch.empty(min(numbering.room, first.numel() - done), dtype=torch.int64)
        start, count = done, numbering.count
        done, numbering.count = serve("numbering").number_(
            first, second, numbering.keys, numbering.numbers, found, rows, start, count
        )
        fresh.append(rows[: numbering.count - count].clone())
    return found, torch.cat(fresh) if numbering.count > before else torch.empty(0, dtype=torch.int64)
