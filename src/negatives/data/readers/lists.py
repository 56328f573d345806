"""Lines ``user item item ...`` of whole numbers, as LightGCN and many benchmarks publish them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np

from negatives.data.ids import Ids
from negatives.data.readers.base import Reader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.gather import gathered
from negatives.data.readers.numbers import Ints, parse_numbers
from negatives.data.readers.published.adjacency import Neighbours
from negatives.data.readers.schema import Options, Schema
from negatives.data.readers.sniff import first_lines, without_comments
from negatives.data.table import Table
from negatives.errors import InputError

RATED = re.compile(r"\d+:\d+(?:\.\d+)?")
"""An item with a rating behind it is not the name of an item."""


class Lists(Reader):
    """Lines ``user item item ...``; no name tells them, their content does. Names are numbers or text."""

    gives: ClassVar[frozenset[str] | None] = frozenset(("user", "item"))

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        first = without_comments(first_lines(path))[:1]
        words = first[0].split() if first else []
        if not all(word.isdecimal() or RATED.fullmatch(word) for word in words):
            return gathered(Neighbours(path, [role.name for role in schema.needed][:2], options), schema, options)
        return read_lists(path)


def first_and_rest(values: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """First number of each non-empty line, how many follow it, and all that follow, in order."""
    filled = counts[counts > 0]
    heads = np.cumsum(filled) - filled
    tail = np.ones(values.size, dtype=bool)
    tail[heads] = False
    return values[heads], filled - 1, values[tail]


def read_lists(path: Path) -> Table:
    """Read ``user item item ...``: one user per line, then the user's items.

    Raises:
        InputError: Text stands where an id belongs, or no line has an item.
    """
    users: list[Ints] = []
    items: list[Ints] = []
    lonely = blank = lines = 0
    for line, block in blocks(path):
        values, counts = parse_numbers(path, line, block)
        first, sizes, rest = first_and_rest(values, counts)
        users.append(np.repeat(first, sizes))
        items.append(rest)
        lines += first.size
        blank += int((counts == 0).sum())
        lonely += int((sizes == 0).sum())
    if not any(part.size for part in items):
        hint = "each line must be 'user item item ...'"
        raise InputError("no user has an item", path=path, line=1, hint=hint)
    notes = [f"{path.name}: {lines:,} lines 'user item item ...', {sum(p.size for p in items):,} pairs"]
    if lonely:
        notes.append(f"{path.name}: {lonely:,} users without items skipped")
    if blank:
        notes.append(f"{path.name}: {blank:,} blank lines skipped")
    columns = {"user": Ids(np.concatenate(users)), "item": Ids(np.concatenate(items))}
    return Table(columns, tuple(notes))
