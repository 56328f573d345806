"""The façade over columns of text: cells as whole numbers, or as positions in the list of their distinct texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from negatives.kernels.dispatch import serve

Bytes = npt.NDArray[np.uint8]
LONGEST = 4
"""Bytes of the longest text that may mean that nothing stands there."""


def packed(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Short lower-case texts as numbers, ``(n,)``, the form in which kernels compare them.

    >>> packed(["", "na"]).tolist() == [0, ord("n") + 256 * ord("a")]
    True
    """
    return np.array([int.from_bytes(text.encode(), "little") for text in texts], dtype=np.int64)


@dataclass(slots=True)
class Names:
    """Distinct texts in order of first appearance, which grow as blocks are read.

    Args:
        missing: Lower-case texts of at most four bytes that stand for no name, :func:`packed`.
    """

    missing: npt.NDArray[np.int64]
    count: int = 0
    used: int = 0
    slots: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((1 << 12, 2), np.int64))
    arena: Bytes = field(default_factory=lambda: np.zeros(1 << 16, np.uint8))

    def texts(self) -> list[str]:
        """All texts, ``count`` of them."""
        return self.arena[: self.used].tobytes().decode().split("\n")[:-1] if self.count else []


def whole_numbers(raw: Tensor, separator: int, width: int, place: int) -> Tensor | None:
    """A column of whole lines as whole numbers.

    Args:
        raw: ``(bytes,)`` uint8, lines that each end with a line feed, perhaps after a carriage return.
        separator: Byte between two cells.
        width: Cells of each line.
        place: Which of them, from 0.

    Returns:
        ``(lines,)`` int64; None where a cell is no plainly written whole number of at most 18 digits, or a line has
        another number of cells.
    """
    found: Tensor | None = serve("fields", raw).whole_numbers(raw, separator, width, place)
    return found


def coded(raw: Tensor, separator: int, width: int, place: int, names: Names) -> Tensor | None:
    """A column of whole lines as positions in the list of its distinct texts.

    Blanks around a text do not belong to it.

    Args:
        raw: ``(bytes,)`` uint8, as :func:`whole_numbers` takes it.
        separator: Byte between two cells.
        width: Cells of each line.
        place: Which of them, from 0.
        names: The texts so far; new ones are added.

    Returns:
        ``(lines,)`` int32, -1 where nothing stands; None where a line has another number of cells.
    """
    found: Tensor | None = serve("fields", raw).coded(raw, separator, width, place, names)
    return found
