"""JSON Lines: one object per line."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from negatives.data.readers.base import Reader
from negatives.data.readers.blocks import blocks, objects
from negatives.data.readers.gather import Gather
from negatives.data.readers.roles import guess_roles
from negatives.data.table import Columns, Table
from negatives.errors import InputError

HINT = "write one JSON object with a user and an item per line"


def read_jsonl(path: Path, columns: Columns) -> Table:
    """Read one pair per line from JSON objects.

    Raises:
        InputError: A line is not a JSON object, ids are missing, or no pair is left.
    """
    gather: Gather | None = None
    for line, block in blocks(path):
        try:
            frame = pl.read_ndjson(block, infer_schema_length=None)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            for _ in objects(path, enumerate(block.decode().split("\n"), line), HINT):
                pass  # names the line that is none
            reason = str(error).partition("\n")[0]
            raise InputError(f"cannot be read ({reason})", path=path, line=line, hint=HINT) from error
        if gather is None:
            gather = Gather(path, guess_roles(path, frame.head(1000), columns), columns)
        lost = [name for name in gather.wanted() if name not in frame.columns]
        if lost:
            raise InputError(f"the key {lost[0]!r} is missing from here on", path=path, line=line, hint=HINT)
        gather.add(frame.select(gather.wanted()), line)
    assert gather is not None
    return gather.table()


class JsonLines(Reader):
    """One JSON object per line."""

    suffixes = (".jsonl", ".ndjson", ".json")

    def read(self, path: Path, columns: Columns) -> Table:
        return read_jsonl(path, columns)
