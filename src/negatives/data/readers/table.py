"""Which reader takes which file."""

from __future__ import annotations

from pathlib import Path

from negatives.data.readers.formats import reader_of, registry
from negatives.data.readers.sniff import looks_like_lines
from negatives.data.table import Columns, Table
from negatives.errors import ConfigError, InputError
from negatives.registry import suggest


def read_file(path: Path, columns: Columns) -> Table:
    """Read one file; the format follows from ``columns.layout``, the file's name or the first lines.

    Raises:
        InputError: The file cannot be used.
        ConfigError: The layout is not known.
    """
    if columns.layout is not None and columns.layout not in registry:
        raise ConfigError(f"no layout is called {columns.layout!r}; {suggest(columns.layout, registry)}")
    if columns.missing not in ("error", "drop"):
        raise ConfigError(f"missing is {columns.missing!r}; choose error or drop")
    if not path.exists():
        raise InputError("no such file", path=path, hint="check the path")
    reader = registry.build(columns.layout) if columns.layout is not None else reader_of(path)
    if reader is None:
        reader = registry.build("lines" if looks_like_lines(path) else "delimited")
    return reader.read(path, columns)
