"""Tables of users and items that lie beside the interactions, or are named: one row for each, under a header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from negatives.data.features import Features
from negatives.data.ids import Ids, codes_of
from negatives.data.loading.cell_types import plain_columns
from negatives.data.loading.cells import described, feature, says_something
from negatives.data.loading.kinds import SKIP, TYPED, chosen, least_of
from negatives.data.loading.named import named
from negatives.data.loading.nested import deeper, rows_of
from negatives.data.readers import values
from negatives.data.readers.base import TableReader
from negatives.data.readers.formats import reader_for
from negatives.data.readers.frames import Frames
from negatives.data.readers.jsonl import ObjectFrames
from negatives.data.readers.memory import frames_of
from negatives.data.readers.opening import inner_suffix, open_bytes
from negatives.data.readers.parts import side_files
from negatives.data.readers.schema import ITEMS, USERS, Options, Schema, plain
from negatives.errors import InputError

SCHEMAS = {"item": ITEMS, "user": USERS}
ALIKE = {"item": ("item", "items"), "user": ("user", "users")}


@dataclass(frozen=True, slots=True)
class SideTable:
    """What a table says of users or items, as it stands.

    Args:
        ids: Name of each row.
        frame: The other columns.
        asked: Kind by column, where one was asked for.
        name: Of the file, for notes.
        path: The file, for errors.
        column: Name of the column of names.
        notes: What was left out.
    """

    ids: Ids
    frame: pl.DataFrame
    asked: Mapping[str, str]
    name: str
    path: Path
    column: str = "id"
    notes: tuple[str, ...] = ()


def side_tables(data: Any, options: Options) -> tuple[Any, dict[str, SideTable]]:
    """The data without its tables of users and items, and these by side.

    Args:
        data: A path, or a table in memory; a mapping may hold ``items`` and ``users`` beside the parts.
        options: Where the tables are, what their columns are, and their encoding.

    Raises:
        InputError: A table cannot be used; names the file, the line and what to do.
    """
    found: dict[str, Any] = {}
    if isinstance(data, Mapping):
        found = {side: data[name] for side, names in ALIKE.items() for name in names if _is_table(data.get(name))}
        rest = {name: one for name, one in data.items() if not any(one is other for other in found.values())}
        data = rest if found and any(_is_table(one) for one in rest.values()) else data
        found = found if data is rest else {}
    elif isinstance(data, (str, Path)) and Path(data).is_dir():
        found = dict(side_files(Path(data)))
    for side, path in options.tables.items():
        found[side] = _located(path, data)
    for side in options.kinds:
        if side not in found:
            hint = f"name it with --set reading.{side}s=PATH"
            raise InputError(f"there is no table of {side}s", path=named(data), hint=hint)
    return data, {side: _read(one, side, options.kinds.get(side, {}), options) for side, one in found.items()}


def _is_table(value: Any) -> bool:
    """Whether a value of a mapping is a table of its own, and no column."""
    return isinstance(value, Mapping) or (hasattr(value, "__arrow_c_stream__") and not isinstance(value, pl.Series))


def _located(path: str, data: Any) -> Path:
    """A path that was asked for, beside the data where it is not there otherwise."""
    if Path(path).exists() or not isinstance(data, (str, Path)):
        return Path(path)
    folder = Path(data) if Path(data).is_dir() else Path(data).parent
    return folder / path if (folder / path).exists() else Path(path)


def _read(source: Any, side: str, asked: Mapping[str, str], options: Options) -> SideTable:
    schema = SCHEMAS[side]
    own = Options(header=True, encoding=options.encoding)
    if isinstance(source, Path):
        path = source
        if not path.is_file():
            raise InputError("no such file", path=path, hint=f"name a table of {side}s")
        frame = _attributes(path)
        if frame is None:
            frame = _frame(path, schema, own)
    else:
        path = Path(f"the table of {side}s")
        frame = _joined(frames_of(source, schema)["train"])
    frame = plain_columns(frame)
    column = _id_column(frame, schema, asked, path)
    for name in asked:
        if name not in frame.columns and not any(one.partition(":")[0] == name for one in frame.columns):
            raise InputError(f"no column is called {name!r}", path=path, hint=f"there are {', '.join(frame.columns)}")
    frame, notes = _distinct(frame, column, side, path)
    return SideTable(Ids.of(values.ids(frame[column])), frame.drop(column), asked, path.name, path, column, notes)


def _distinct(frame: pl.DataFrame, column: str, side: str, path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """One row for each name, and a note of rows that came again.

    Raises:
        InputError: There is no row, one has no name, or two rows of one name say different things.
    """
    if not len(frame):
        raise InputError("there is a header and no row", path=path, hint=f"give one row for each {side}")
    if frame[column].dtype.is_nested():
        hint = f"name a column with one name in each row, --set reading.{side}_columns=NAME:id"
        raise InputError(f"the column {column!r} of {side}s holds lists", path=path, hint=hint)
    names = values.ids(frame[column])
    if names.null_count():
        line = int(names.is_null().arg_true()[0]) + 2
        raise InputError(f"empty {side} ({column})", path=path, line=line, hint="mend or remove such rows")
    if names.n_unique() == len(names):
        return frame, ()
    kept = frame.with_columns(names.alias(column)).unique(maintain_order=True)
    again = kept[column].is_duplicated()
    if bool(again.any()):
        twice = kept[column].filter(again)[0]
        raise InputError(f"the {side} {twice!r} has two rows that differ", path=path, hint="keep one")
    return kept, (f"{path.name}: rows left out that stand there twice: {len(frame) - len(kept):,}",)


def _frame(path: Path, schema: Schema, options: Options) -> pl.DataFrame:
    reader = reader_for(path, schema, options)
    if not isinstance(reader, TableReader):
        raise InputError("no table with names of columns", path=path, hint="give CSV, Parquet or JSON Lines")
    frames = reader.frames(path, schema, options)
    frame = _joined(frames)
    if isinstance(frames, ObjectFrames):
        frame = frame.with_columns(deeper(rows_of(path, options.encoding), frame.columns))
    return frame


def _joined(frames: Frames) -> pl.DataFrame:
    blocks = [block.frame for block in frames.blocks(frames.names)]
    return pl.concat(blocks, how="vertical_relaxed") if blocks else pl.DataFrame({name: [] for name in frames.names})


def _attributes(path: Path) -> pl.DataFrame | None:
    """A JSON object by name, of lists, ``{"item": [attribute, ...]}``, objects or values; None for other files."""
    if inner_suffix(path) != ".json":
        return None
    with open_bytes(path) as file:
        try:
            value = json.loads(file.read())
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict) or len(value) < 2 or any(plain(name) in ITEMS.known | USERS.known for name in value):
        return None
    if all(isinstance(one, dict) for one in value.values()):
        rows = pl.DataFrame(list(value.values()), strict=False, infer_schema_length=None)
        return rows.insert_column(0, pl.Series("id", list(value), dtype=pl.String))
    if all(isinstance(one, list) for one in value.values()):
        lists = [[str(entry) for entry in one if entry is not None] for one in value.values()]
        return pl.DataFrame({"id": list(value), "attributes": pl.Series(lists, dtype=pl.List(pl.String))})
    if all(one is None or isinstance(one, (str, int, float)) for one in value.values()):
        return pl.DataFrame({"id": list(value), "attribute": pl.Series(list(value.values()), strict=False)})
    return None


def _id_column(frame: pl.DataFrame, schema: Schema, asked: Mapping[str, str], path: Path) -> str:
    """The column of names: as asked for, by its name, else the first."""
    named = [name for name, kind in asked.items() if kind == "id"]
    if named:
        found = [one for one in frame.columns if named[0] in (one, one.partition(":")[0])]
        if not found:
            raise InputError(
                f"no column is called {named[0]!r}", path=path, hint=f"there are {', '.join(frame.columns)}"
            )
        return str(found[0])
    known = schema.roles[0].names
    hits = sorted((known.index(plain(name)), name) for name in frame.columns if plain(name) in known)
    return hits[0][1] if hits else frame.columns[0]


def features_of(table: SideTable, names: pl.Series, side: str, notes: list[str]) -> Features:
    """The features of the users or items of a numbering; of those that the table lacks nothing is known.

    Args:
        table: What was read.
        names: Name of each, by number.
        side: ``item`` or ``user``.
        notes: Takes what each column became.
    """
    columns, told, least = [], [], least_of(len(table.frame))
    notes.extend(table.notes)
    for cells in table.frame.iter_columns():
        kind, mark = chosen(cells, table.asked)
        name, _, typed = cells.name.partition(":")
        cells = cells.alias(name) if typed in TYPED else cells
        if kind in (SKIP, "id"):
            continue
        found = feature(cells, kind, mark, least)
        if kept := says_something(found):
            columns.append(found)
        elif name in table.asked:
            raise InputError(
                f"the column {name!r} was asked to be a {kind}, and says nothing as one",
                path=table.path, hint=f"{name}:{SKIP} leaves it out",
            )  # fmt: skip
        told.append(described(found, cells) if kept else f"{cells.name} says nothing")
    option = f"reading.{side}_columns"
    what = ", ".join(told) or f"no column beside {table.column}"
    notes.append(f"{table.name}: {len(table.ids):,} {side}s; {what}; --set {option}=NAME:KIND says otherwise")
    rows = torch.full((len(names),), -1, dtype=torch.int64)
    places = torch.from_numpy(codes_of(table.ids, names))
    rows[places[places >= 0]] = torch.arange(len(places))[places >= 0]
    if lacking := int((rows < 0).sum()):
        notes.append(f"{table.name}: {lacking:,} of {len(names):,} {side}s have no row, so nothing is known of them")
    return replace(Features(len(table.frame), tuple(columns)).pick(rows), n_rows=len(names))
