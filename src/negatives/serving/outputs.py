"""Tables of answers written block by block, in the format that the ending of a file names, or to the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl

from negatives.answering.base import SCHEMA
from negatives.errors import ConfigError, clipped
from negatives.runs.aligned import aligned
from negatives.temporary import folder_in
from negatives.training.targets import check_target, filling

NARROWEST = 8
"""Columns that a text keeps when a table is made to fit."""
Write = Callable[[pl.DataFrame], object]
"""Takes the next rows."""
Sink = Callable[[pl.LazyFrame, Path], object]

FORMATS: Mapping[str, Sink] = {
    ".csv": lambda frame, path: frame.sink_csv(path),
    ".tsv": lambda frame, path: frame.sink_csv(path, separator="\t"),
    ".parquet": lambda frame, path: frame.sink_parquet(path),
    ".jsonl": lambda frame, path: frame.sink_ndjson(path),
    ".arrow": lambda frame, path: frame.sink_ipc(path),
}
"""What writes a file by its ending."""


@contextmanager
def to_file(path: Path, overwrite: bool = False, inputs: Sequence[Path] = ()) -> Iterator[Write]:
    """Takes tables of answers; the file is there when the block ends well, and not before.

    The tables lie beside it meanwhile, so that memory holds one of them, and one may have a column that others lack.

    Args:
        path: Its ending names the format.
        overwrite: Whether a file that exists is replaced.
        inputs: Files and folders that are read meanwhile and never replaced.

    Raises:
        ConfigError: The ending is not known.
        InputError: The file may not be written.
    """
    check_out(path, overwrite, inputs)
    with (
        filling(path.parent, overwrite=overwrite, inputs=inputs) as staging,
        folder_in(path.parent, path.name) as beside,
    ):
        numbers = count()
        yield lambda frame: frame.write_ipc(beside / f"{next(numbers):09}.arrow")
        parts = [pl.scan_ipc(one) for one in sorted(beside.iterdir())]
        whole = pl.concat(parts, how="diagonal") if parts else pl.LazyFrame(schema=SCHEMA)
        FORMATS[path.suffix.lower()](whole, staging / path.name)


@contextmanager
def to_terminal(format: str = "table", width: int | None = None) -> Iterator[Write]:
    """Takes tables of answers and prints them.

    Args:
        format: One of :data:`PRINTED`.
        width: Columns in which a table should fit; None for as many as it needs.
    """
    numbers = count()
    yield lambda frame: print(PRINTED[format](frame, next(numbers) == 0, width), flush=True)


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


def check_out(path: Path, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse a file that cannot or must not be written, before anything is computed.

    Raises:
        ConfigError: The ending is not known.
        InputError: It exists and is not to be replaced, or is what is read.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out {path}: the ending must be one of {', '.join(FORMATS)}")
    check_target(path, overwrite=overwrite, inputs=inputs)


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
