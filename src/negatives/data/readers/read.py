"""Read data in whatever form it comes: a path, standard input, or a table that is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negatives.data.readers.formats import asked_reader, reader_for, reader_of
from negatives.data.readers.gather import gathered
from negatives.data.readers.memory import frames_of
from negatives.data.readers.opening import at_rest
from negatives.data.readers.parts import find_parts
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table, joined
from negatives.errors import InputError


def read(data: Any, schema: Schema, options: Options | None = None) -> dict[str, Table]:
    """Tables by part, ``train`` always among them.

    Args:
        data: A file, compressed or not; a folder with parts or in a format of its own; ``-`` for standard input; or a
            table in memory: what offers ``__arrow_c_stream__`` (pandas, polars, pyarrow, ``datasets``), a SciPy sparse
            matrix, a tensor ``(2, n)``, tuples; or a mapping of parts to such tables.
        schema: What the task wants of a row.
        options: What the caller says about the data.

    Raises:
        InputError: The data cannot be used; names the file, the line and what to do.
        ConfigError: An option is not known.
    """
    options = options or Options()
    if not isinstance(data, (str, Path)):
        return {part: gathered(frames, schema, options) for part, frames in frames_of(data, schema).items()}
    path = at_rest(Path(data))
    whole = asked_reader(options) or (reader_of(path) if path.is_dir() else None)
    if path.is_dir() and whole is not None and whole.takes(path):
        return dict(whole.parts(path, schema, options))
    if not path.is_dir():
        return dict(reader_for(path, schema, options).parts(path, schema, options))
    found = find_parts(path, schema.what, schema.sides)
    return {part: _part(files, schema, options) for part, files in found.items()}


def _part(files: list[Path], schema: Schema, options: Options) -> Table:
    """The table of one part, which may lie in several files."""
    tables = []
    for file in files:
        parts: Mapping[str, Table] = reader_for(file, schema, options).parts(file, schema, options)
        if list(parts) != ["train"]:
            raise InputError("holds several parts", path=file, hint="name the folder")
        tables.append(parts["train"])
    if len(tables) == 1:
        return tables[0]
    notes = [*tables[0].notes, f"{files[0].name} and {len(files) - 1} more: {sum(map(len, tables)):,} rows together"]
    return joined(tables, notes)
