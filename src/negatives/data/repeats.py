"""What is said twice counts once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Once:
    """Distinct things among rows, each with the highest of its values.

    Args:
        rows: ``(n,)`` int64, the first row of each, in order.
        values: ``(n,)`` its highest value.
        repeated: Rows that are left out.
        differing: Distinct things that were given several values.
    """

    rows: Tensor
    values: Tensor
    repeated: int
    differing: int

    def notes(self, part: str, things: str, values: str) -> list[str]:
        """One line where rows are left out, else none.

        Args:
            part: The part or file that holds the rows.
            things: What is said, in the plural.
            values: What is said of it, in the plural.
        """
        if not self.repeated:
            return []
        highest = f"; {self.differing:,} have several {values}, of which the highest counts" if self.differing else ""
        return [f"{part}: {self.repeated:,} repeated {things} left out{highest}"]


def once(codes: Tensor, values: Tensor) -> Once:
    """Each code once.

    Args:
        codes: ``(m,)`` int64, what each row speaks of.
        values: ``(m,)`` what it says.

    >>> found = once(torch.tensor([7, 3, 7, 7]), torch.tensor([1, 2, 3, 1]))
    >>> found.rows.tolist(), found.values.tolist(), found.repeated, found.differing
    ([0, 1], [3, 2], 2, 1)
    """
    distinct, place = torch.unique(codes, return_inverse=True)
    if distinct.numel() == codes.numel():
        return Once(torch.arange(codes.numel(), device=codes.device), values, 0, 0)
    new = torch.full_like(distinct, codes.numel())
    first = new.scatter_reduce(0, place, torch.arange(codes.numel(), device=codes.device), "amin")
    start = values[first]
    highest = start.scatter_reduce(0, place, values, "amax")
    differing = int((start.scatter_reduce(0, place, values, "amin") != highest).sum())
    rows, order = first.sort()
    return Once(rows, highest[order], codes.numel() - distinct.numel(), differing)
