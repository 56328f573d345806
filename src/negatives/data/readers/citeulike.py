"""The citeulike folder: ``users.dat`` with the items of each user, ``mult.dat`` with the words of each item.

Both start each line with a count. The line's index is the user or the item.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from negatives.data.ids import Ids
from negatives.data.readers.base import Reader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.numbers import Ints, parse_numbers
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

if TYPE_CHECKING:
    from negatives.data.pairs import SparseFeatures


def read_citeulike(folder: Path) -> Table:
    """Read ``users.dat`` and, where it stands, ``mult.dat``.

    Raises:
        InputError: A count does not match its line, an item has no line in ``mult.dat``, or nothing is there.
    """
    path = folder / "users.dat"
    sizes, items = counted(path, 1)
    if items.size == 0:
        raise InputError("no user has an item", path=path, line=1, hint="each line must be 'count item item ...'")
    users = np.repeat(np.arange(sizes.size), sizes)
    notes = [f"users.dat: {sizes.size:,} users, {items.size:,} pairs"]
    if (sizes == 0).any():
        notes.append(f"users.dat: {int((sizes == 0).sum()):,} users without items skipped")
    catalogue, features = None, None
    if (folder / "mult.dat").is_file():
        features = read_words(folder / "mult.dat")
        if items.max() >= features.n_rows:
            line = int(users[items.argmax()]) + 1
            message = f"item {items.max()} is beyond the {features.n_rows:,} lines of mult.dat"
            raise InputError(message, path=path, line=line, hint="take both files from the same data set")
        catalogue = Ids(np.arange(features.n_rows))
        empty = int((features.indptr.diff() == 0).sum())
        notes.append(f"mult.dat: {features.n_rows:,} items, {features.n_cols:,} words, {empty:,} items without words")
    return Table({"user": Ids(users), "item": Ids(items)}, tuple(notes), None, catalogue, features)


def read_words(path: Path) -> SparseFeatures:
    """Bags of words: lines ``count word:frequency word:frequency ...``, one per item."""
    import torch

    from negatives.data.pairs import SparseFeatures

    sizes, numbers = counted(path, 2)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    words, values = numbers[::2], numbers[1::2]
    return SparseFeatures(
        torch.from_numpy(indptr),
        torch.from_numpy(words.astype(np.int32)),
        torch.from_numpy(values.astype(np.float32)),
        int(words.max()) + 1 if words.size else 0,
    )


def counted(path: Path, width: int) -> tuple[Ints, Ints]:
    """Counts of the lines and all numbers after them, ``width`` per counted thing."""
    sizes: list[Ints] = []
    rest: list[Ints] = []
    hint = f"each line must be 'count {'item' if width == 1 else 'word:frequency'} ...'"
    for line, block in blocks(path):
        values, counts = parse_numbers(path, line, block, b":" if width == 2 else b"")
        heads = np.cumsum(counts) - counts
        stated = np.zeros(counts.size, dtype=np.int64)
        stated[counts > 0] = values[heads[counts > 0]]
        wrong = np.flatnonzero((counts > 0) & (stated * width != counts - 1))
        if wrong.size:
            found = (int(counts[wrong[0]]) - 1) // width
            message = f"the count is {stated[wrong[0]]} but {found} follow"
            raise InputError(message, path=path, line=line + int(wrong[0]), hint=hint)
        tail = np.ones(values.size, dtype=bool)
        tail[heads[counts > 0]] = False
        sizes.append(stated)
        rest.append(values[tail])
    return np.concatenate(sizes), np.concatenate(rest)


class Citeulike(Reader):
    """A folder with ``users.dat`` and perhaps ``mult.dat``."""

    marker = "users.dat"
    gives: ClassVar[frozenset[str] | None] = frozenset(("user", "item"))

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        return read_citeulike(path)
