"""Which reader takes which file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from negatives.data.readers.blocks import inner_suffix
from negatives.data.readers.delimited import read_delimited
from negatives.data.readers.jsonl import read_jsonl
from negatives.data.readers.lines import read_lines
from negatives.data.readers.parquet import read_parquet
from negatives.data.readers.sniff import looks_like_lines
from negatives.data.table import Columns, Table
from negatives.errors import ConfigError, InputError
from negatives.registry import suggest

Reader = Callable[[Path, Columns], Table]

READERS: dict[str, Reader] = {
    "delimited": read_delimited,
    "jsonl": read_jsonl,
    "lines": read_lines,
    "parquet": read_parquet,
}
EXTENSIONS: dict[str, str] = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".inter": "delimited",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
PLAIN_TEXT = (".txt", ".dat", ".data", "")


def read_file(path: Path, columns: Columns) -> Table:
    """Read one file; the layout follows from ``columns.layout``, the extension or the first lines.

    Raises:
        InputError: The file cannot be used.
        ConfigError: The layout is not known.
    """
    if columns.layout is not None and columns.layout not in READERS:
        raise ConfigError(f"no layout is called {columns.layout!r}; {suggest(columns.layout, READERS)}")
    if columns.missing not in ("error", "drop"):
        raise ConfigError(f"missing is {columns.missing!r}; choose error or drop")
    if not path.exists():
        raise InputError("no such file", path=path, mend="check the path")
    layout = columns.layout or EXTENSIONS.get(inner_suffix(path))
    if layout is None:
        layout = "lines" if looks_like_lines(path) else "delimited"
    return READERS[layout](path, columns)
