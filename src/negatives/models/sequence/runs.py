"""Runs of items of different lengths side by side, packed so that padding costs little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SLACK = 2.0
"""How many times the length of the shortest run of a block its longest has at most, or one more."""


@dataclass(frozen=True, slots=True)
class Block:
    """Runs of nearly one length.

    Args:
        places: ``(runs, length)`` int64 token at each place; runs are filled from the left, 0 stands after their end.
        there: ``(runs, length)`` bool, where there is one.
    """

    places: Tensor
    there: Tensor


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of items as one row of tokens, the shorter runs first.

    Whatever looks at one token at a time works on ``(tokens, dim)``, without padding. Whatever looks along a run asks
    for :meth:`padded` blocks and puts its results together by :meth:`flat`.

    Args:
        places: ``(tokens,)`` int64, where each token stands in the row of items that the runs were cut from.
        starts: ``(runs,)`` int64, first token of each run, in the order in which the runs were given.
        blocks: Tokens by run.
    """

    places: Tensor
    starts: Tensor
    blocks: Sequence[Block]

    def padded(self, values: Tensor) -> list[Tensor]:
        """Values ``(tokens, ...)`` as blocks ``(runs, length, ...)``; what stands after the end of a run is any token.

        >>> runs = Runs.cut(torch.tensor([0, 4]), torch.tensor([3, 5]))
        >>> [block.tolist() for block in runs.padded(runs.places)]
        [[[4]], [[0, 1, 2]]]
        """
        return [values[block.places] for block in self.blocks]

    def flat(self, parts: Sequence[Tensor]) -> Tensor:
        """Blocks ``(runs, length, ...)`` as values ``(tokens, ...)``."""
        return torch.cat([part[block.there] for part, block in zip(parts, self.blocks, strict=True)])

    @staticmethod
    def cut(first: Tensor, stop: Tensor) -> Runs:
        """Runs ``first .. stop - 1`` of a row of items; empty ones have no token.

        Args:
            first: ``(runs,)`` int64.
            stop: ``(runs,)`` int64.
        """
        lengths, order, begins = _ordered(stop - first)
        total = int(begins[-1] + lengths[-1]) if begins.numel() else 0
        each = torch.arange(total, device=first.device)
        shift = torch.repeat_interleave(first[order] - begins, lengths, output_size=total)
        return Runs(each + shift, _in_place(begins, order), _blocks(begins, lengths))


def starts_of(lengths: Tensor) -> Tensor:
    """Where runs of ``lengths`` ``(runs,)`` begin in a row of tokens in which the shorter ones come first.

    >>> starts_of(torch.tensor([3, 1, 3])).tolist()
    [1, 0, 4]
    """
    _, order, begins = _ordered(lengths)
    return _in_place(begins, order)


def _in_place(values: Tensor, order: Tensor) -> Tensor:
    """Values ``(n,)`` put where they came from, which ``order`` ``(n,)`` says."""
    return torch.empty_like(values).scatter_(0, order, values)


def _ordered(lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lengths, ascending, the run that has each, and where it begins; all ``(runs,)``."""
    ordered, order = torch.sort(lengths, stable=True)
    return ordered, order, ordered.cumsum(0) - ordered


def _blocks(begins: Tensor, lengths: Tensor) -> list[Block]:
    """Blocks of runs that begin at ``begins`` ``(runs,)`` and are ``lengths`` ``(runs,)`` long, ascending."""
    found = []
    for at, stop, length in _similar(lengths.tolist()):
        steps = torch.arange(length, device=begins.device)
        there = steps < lengths[at:stop, None]
        places = (begins[at:stop, None] + steps).where(there, 0)
        found.append(Block(places, there))
    return found


def _similar(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """Ranges of ascending ``lengths`` that differ little, each with its greatest; zeros are left out.

    >>> _similar([0, 1, 2, 2, 3, 9])
    [(1, 4, 2), (4, 5, 3), (5, 6, 9)]
    """
    found, at = [], next((place for place, length in enumerate(lengths) if length), len(lengths))
    while at < len(lengths):
        most, stop = max(lengths[at] + 1, int(lengths[at] * SLACK)), at
        while stop < len(lengths) and lengths[stop] <= most:
            stop += 1
        found.append((at, stop, lengths[stop - 1]))
        at = stop
    return found


def taken(outputs: Tensor, empty: Tensor, at: Tensor) -> Tensor:
    """Rows ``(n, dim)`` of ``outputs`` ``(tokens, dim)`` at ``at`` ``(n,)``; below 0 ``empty`` ``(dim,)``.

    >>> taken(torch.eye(2), torch.zeros(2), torch.tensor([-1, 1])).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    return functional.embedding(at + 1, torch.cat([empty[None], outputs]))
