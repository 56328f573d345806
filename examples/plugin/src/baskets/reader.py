"""Lines ``user item item ...``, each a basket, the oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from negatives.data.ids import Ids
from negatives.data.readers import Options, Reader, Schema
from negatives.data.readers.blocks import blocks
from negatives.data.table import Table
from negatives.errors import InputError


class BasketLines(Reader):
    """Files ``*.baskets``: a user, then the items of one basket of the user; lines that begin with ``#`` are comments.

    The number of a basket is the time of its items.
    """

    suffixes = (".baskets",)
    gives = frozenset(("user", "item", "time"))

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        """See :meth:`Reader.read`."""
        lines = (
            (first + offset, text)
            for first, block in blocks(path)
            for offset, text in enumerate(block.decode().split("\n"))
        )
        return table(path, lines, options.missing)


def table(path: Path, lines: Iterable[tuple[int, str]], missing: str = "error") -> Table:
    """The table of numbered lines.

    Args:
        path: Where they stand, for notes and errors.
        lines: Numbers and lines.
        missing: ``"error"`` refuses a basket without items, ``"drop"`` drops and counts it.

    Raises:
        InputError: A basket is empty, or there is none.
    """
    users: list[str] = []
    items: list[str] = []
    times: list[float] = []
    baskets = empty = 0
    for number, line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) == 1:
            empty += 1
            if missing == "error":
                raise InputError(
                    f"the basket of {words[0]} is empty",
                    path=path,
                    line=number,
                    hint="add items, or drop such baskets: --set reading.missing=drop",
                )
            continue
        baskets += 1
        users += words[:1] * (len(words) - 1)
        items += words[1:]
        times += [float(baskets)] * (len(words) - 1)
    if not baskets:
        raise InputError("there is no basket", path=path, line=1, hint="write lines 'user item item ...'")
    notes = [f"{path.name}: {baskets:,} baskets, {len(items):,} items in them"]
    if empty:
        notes.append(f"{path.name}: {empty:,} empty baskets dropped")
    columns = {"user": Ids.of(users), "item": Ids.of(items), "time": np.array(times)}
    return Table(columns, tuple(notes))


__all__ = ["BasketLines", "table"]
