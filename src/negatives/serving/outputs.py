"""Tables of answers written block by block, in the format that the ending of a file names, or to the terminal."""

from __future__ import annotations

import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from negatives.answering.base import SCHEMA
from negatives.errors import ConfigError, InputError, clipped
from negatives.runs.aligned import aligned
from negatives.training.files import replacing

NARROWEST = 8
"""Columns that a text keeps when a table is made to fit."""
Sink = Callable[[pl.LazyFrame, Path], object]

FORMATS: Mapping[str, Sink] = {
    ".csv": lambda frame, path: frame.sink_csv(path),
    ".tsv": lambda frame, path: frame.sink_csv(path, separator="\t"),
    ".parquet": lambda frame, path: frame.sink_parquet(path),
    ".jsonl": lambda frame, path: frame.sink_ndjson(path),
    ".arrow": lambda frame, path: frame.sink_ipc(path),
}
"""What writes a file by its ending."""


class Output(ABC):
    """Takes tables of answers one after another."""

    @abstractmethod
    def write(self, frame: pl.DataFrame) -> None:
        """Take the next rows."""

    @abstractmethod
    def close(self) -> None:
        """All rows are there."""

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()


class FileOutput(Output):
    """A file that is there when all rows are, and not before.

    The blocks lie beside it meanwhile, so that memory holds one of them, and one may have a column that others lack.

    Args:
        path: Its ending names the format.
        overwrite: Whether a file that exists is replaced.
        source: A file that is read meanwhile and never replaced.

    Raises:
        ConfigError: The ending is not known.
        InputError: The file exists.
    """

    def __init__(self, path: Path, overwrite: bool = False, source: Path | None = None) -> None:
        check_target(path, overwrite, source)
        self._path, self._n = path, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._parts = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))

    def write(self, frame: pl.DataFrame) -> None:
        frame.write_ipc(self._parts / f"{self._n:09}.arrow")
        self._n += 1

    def close(self) -> None:
        parts = [pl.scan_ipc(one) for one in sorted(self._parts.iterdir())]
        whole = pl.concat(parts, how="diagonal") if parts else pl.LazyFrame(schema=SCHEMA)
        with replacing(self._path) as temporary:
            FORMATS[self._path.suffix.lower()](whole, temporary)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            super().__exit__(kind, *rest)
        finally:
            shutil.rmtree(self._parts, ignore_errors=True)


class PrintedOutput(Output):
    """Rows on standard output.

    Args:
        format: One of :data:`PRINTED`.
        file: Where to; standard output when left out.
        width: Columns in which a table should fit; None for as many as it needs.
    """

    def __init__(self, format: str = "table", file: TextIO | None = None, width: int | None = None) -> None:
        self._format, self._file = format, file or sys.stdout
        self._width, self._n = width, 0

    def write(self, frame: pl.DataFrame) -> None:
        print(PRINTED[self._format](frame, self._n == 0, self._width), file=self._file)
        self._n += 1

    def close(self) -> None:
        self._file.flush()


def _as_table(frame: pl.DataFrame, first: bool, width: int | None) -> str:
    return ("" if first else "\n") + table(frame, width)


def _as_lines(frame: pl.DataFrame, first: bool, width: int | None) -> str:
    return frame.write_ndjson().removesuffix("\n")


def _as_csv(separator: str) -> Callable[[pl.DataFrame, bool, int | None], str]:
    return lambda frame, first, width: frame.write_csv(separator=separator, include_header=first).removesuffix("\n")


PRINTED: Mapping[str, Callable[[pl.DataFrame, bool, int | None], str]] = {
    "table": _as_table,
    "json": _as_lines,
    "csv": _as_csv(","),
    "tsv": _as_csv("\t"),
}
"""How a block is printed: aligned columns, a JSON object a row, or cells with a separator."""


def check_target(path: Path, overwrite: bool, source: Path | None = None) -> None:
    """Refuse a file that cannot or must not be written, before anything is computed.

    Raises:
        ConfigError: The ending is not known.
        InputError: It exists and is not to be replaced, or is what is read.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out {path}: the ending must be one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise InputError("is a folder", path=path, hint="give the name of a file to --out")
    if source is not None and source.exists() and path.exists() and path.samefile(source):
        raise InputError("is what the questions are read from", path=path, hint="give another name to --out")
    if path.exists() and not overwrite:
        raise InputError("exists already", path=path, hint="give another name to --out, or --overwrite to replace it")


def table(frame: pl.DataFrame, width: int | None = None) -> str:
    """Answers as aligned columns; where they do not fit, the longest texts are cut.

    >>> print(table(pl.DataFrame({"query": ["ann"], "rank": [1], "item": ["tea"], "score": [0.5]})))
    query  item  rank   score
    ann    tea      1  0.5000
    """
    plain = [name for name in frame.columns if name != "known" or frame["known"].any()]
    frame = frame.select(plain)
    texts = [name for name, kind in frame.schema.items() if kind == pl.String and name != "text"]
    others = [name for name in plain if name not in texts and name != "text"]
    order = [*texts, *others, *(["text"] if "text" in plain else [])]
    cells = {name: [name, *map(_cell, frame[name].to_list())] for name in order}
    if width is not None:
        _narrow(cells, [name for name in order if name in texts or name == "text"], width)
    if "text" in cells:  # at the end and at its left edge
        head = aligned(list(zip(*(cells[name] for name in order[:-1]), strict=True)), len(texts)).split("\n")
        longest = max(map(len, head))
        return "\n".join(f"{a:<{longest}}  {b}".rstrip() for a, b in zip(head, cells["text"], strict=True))
    return aligned(list(zip(*cells.values(), strict=True)), len(texts))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    text = str(value)
    return clipped(text, max(len(text), 3))


def _narrow(cells: dict[str, list[str]], texts: list[str], width: int) -> None:
    """Cut the widest texts until all columns fit, or none is left to cut."""
    widths = {name: max(map(len, column)) for name, column in cells.items()}
    least = {name: min(widths[name], max(NARROWEST, len(name))) for name in texts}
    over = sum(widths.values()) + 2 * (len(widths) - 1) - width
    while over > 0 and (wide := [name for name in texts if widths[name] > least[name]]):
        name = max(wide, key=widths.__getitem__)
        others = [widths[one] for one in wide if one != name]
        by = min(over, widths[name] - max(least[name], max(others, default=0) - 1))
        widths[name], over = widths[name] - by, over - by
    for name in texts:
        cells[name] = [_cut(cell, widths[name]) for cell in cells[name]]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."
