"""Questions from a table in any format that the data layer reads, block by block.

A column is a field of the run's forms by its own name, by the names under which training data has it, or as the caller
says. A table of one column, and a text whose first line names no field, hold questions of the first form.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from negatives.answering import Form
from negatives.answering.forms import Field
from negatives.data.readers import Options, Role, Schema
from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import blocks as line_blocks
from negatives.data.readers.formats import BINARY, reader_for, registry
from negatives.data.readers.frames import Block, Frames, counted
from negatives.data.readers.opening import at_rest, faults_told, inner_suffix, open_bytes
from negatives.data.readers.roles import find_roles
from negatives.data.readers.schema import Kind, plain
from negatives.data.readers.values import ids as names_of
from negatives.data.readers.values import text_lists, texts
from negatives.errors import ConfigError, InputError
from negatives.registry import suggest

TEXT_SUFFIXES = ("", ".txt", ".text", ".list")
"""Endings of files that may hold a question a line."""
DIVIDES = re.compile(r"[\t,;|]")
Whole = Callable[[str, str], bool]
"""Whether a text, for a kind of things, is the name of one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Some questions of a table.

    Args:
        questions: Value by field; a field whose cell is empty is left out.
        lines: Line or row of each, from one.
    """

    questions: list[dict[str, Any]]
    lines: Sequence[int]


class QuestionTable:
    """The questions of one file.

    Args:
        path: A file in any format of tables, compressed or not; ``-`` for standard input.
        forms: What the run can be asked.
        columns: Column by field; what is left out is found.
        known: The task's schemas, whose names of columns count as well.
        whole: Whether a cell of a list is one name, so that blanks in it divide nothing.

    Raises:
        InputError: It cannot be read, or it is not clear which column is which.
        ConfigError: A field is not known.
    """

    def __init__(
        self,
        path: Path,
        forms: Sequence[Form],
        columns: Mapping[str, str] | None = None,
        known: Sequence[Schema] = (),
        whole: Whole = lambda kind, text: False,
    ) -> None:
        self.given, self.path = path, at_rest(path)
        self._fields = {one.name: one for form in forms for one in form.fields}
        self._whole = whole
        columns = dict(columns or {})
        for name in columns:
            if name not in self._fields:
                raise ConfigError(f"a question has no field {name!r}; {suggest(name, self._fields)}")
        schema = _schema(forms, known)
        self._frames = _frames(self.path, forms[0], schema, Options(columns=columns))
        self.columns = self._found(schema, Options(columns=columns), forms[0])
        self.unit = self._frames.unit

    def __str__(self) -> str:
        taken = ", ".join(f"{field} = {column}" for field, column in self.columns.items())
        skipped = [one for one in self._frames.names if one not in self.columns.values()]
        return f"{self.given}: {taken}" + (f"; skipped: {', '.join(skipped[:8])}" if skipped else "")

    def blocks(self, size: int) -> Iterator[Asked]:
        """The questions, at most so many at a time.

        Raises:
            InputError: The file is damaged, or a row has none; names the line.
        """
        wanted = list(dict.fromkeys(self.columns.values()))
        for block in self._frames.blocks(wanted):
            lines = block.line()
            for start in range(0, len(block.frame), size):
                part = block.frame.slice(start, size)
                yield Asked(self._questions(part), lines[start : start + size].tolist())

    def _questions(self, frame: pl.DataFrame) -> list[dict[str, Any]]:
        cells = {name: self._cells(self._fields[name], frame[column]) for name, column in self.columns.items()}
        return [
            {name: value for name, value in zip(cells, row, strict=True) if value is not None}
            for row in zip(*cells.values(), strict=True)
        ]

    def _cells(self, field: Field, column: pl.Series) -> list[Any]:
        if not field.many:
            found = texts(column) if field.kind is None else names_of(column).cast(pl.String)
            return found.to_list()
        if column.dtype.is_nested():
            return [some or None for some in text_lists(column).to_list()]
        return [None if cell is None else self._divided(field, cell) for cell in texts(column).to_list()]

    def _divided(self, field: Field, cell: str) -> list[str]:
        """The names of a list that is written as text."""
        cell = cell.strip()
        if (listed := _written_list(cell)) is not None:
            return listed
        if "," in cell:
            return [one for part in cell.split(",") if (one := part.strip())]
        if field.kind is not None and self._whole(field.kind, cell):
            return [cell]
        return cell.split()

    def _found(self, schema: Schema, options: Options, first: Form) -> dict[str, str]:
        frames = self._frames
        found = dict(find_roles(frames, schema, options).columns)
        if found:
            return found
        needed = [one.name for one in first.fields if not one.optional]
        if len(needed) == len(frames.names):
            return dict(zip(needed, frames.names, strict=True))
        if not frames.names:
            raise InputError("no column holds texts or lists of them", path=self.given, hint=f"give {schema.example}")
        fields, first_row = " or ".join(self._fields), frames.sample.head(1).transpose().to_series()
        if frames.header:
            fault, hint = f"no column is called {fields}; there are {', '.join(frames.names[:12])}", "say which"
        else:
            fault = f"no column is called {fields}; the first line holds {', '.join(map(str, first_row[:12]))}"
            hint = "say which, by its name there or its place"
        hint += f": --columns {needed[0]}={frames.names[0]}"
        raise InputError(fault, path=self.given, line=1, hint=hint)


class Lines(Frames):
    """A text that holds a question on each line that is not blank."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, [name], pl.DataFrame({name: [""]}), header=False)

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        for first, block in line_blocks(self.path):
            lines = block.decode().split("\n")[:-1]
            frame = pl.DataFrame({self.names[0]: [one.removesuffix("\r") for one in lines]})
            numbers = counted(first, len(lines))()
            full = (frame[self.names[0]].str.strip_chars() != "").to_numpy()
            yield Block(frame.filter(pl.Series(full)), lambda kept=numbers[full]: kept)  # type: ignore[misc]


def _schema(forms: Sequence[Form], known: Sequence[Schema]) -> Schema:
    """The fields of the forms as roles that columns may play."""
    fields = {one.name: one for form in forms for one in form.fields}
    roles = []
    for name, one in fields.items():
        same = (role.names for schema in known for role in schema if role.name == name)
        names = [plain(name), *(other for some in same for other in some)]
        kind: Kind = "texts" if one.many else ("text" if one.kind is None else "id")
        roles.append(Role(name, kind, tuple(dict.fromkeys(names)), needed=False, guess=False))
    first = [one.name for one in forms[0].fields if not one.optional]
    return Schema("question", tuple(roles), f"columns called {', '.join(first)}", layouts=(tuple(first),))


def _frames(path: Path, first: Form, schema: Schema, options: Options) -> Frames:
    if path.is_dir():
        raise InputError("a folder where a file of questions is expected", path=path, hint="name the file in it")
    needed = [one.name for one in first.fields if not one.optional]
    if len(needed) == 1 and not options.columns and inner_suffix(path) in TEXT_SUFFIXES and _is_lines(path, schema):
        return Lines(path, needed[0])
    reader = reader_for(path, schema, options)
    if not isinstance(reader, TableReader):
        reader.parts(path, schema, options)  # what is refused by name says why
        hint = "give CSV, TSV, JSON Lines, Parquet, Arrow, or a text with a question on each line"
        raise InputError("holds no table of questions", path=path, hint=hint)
    return reader.frames(path, schema, options)


def _is_lines(path: Path, schema: Schema) -> bool:
    """Whether a text is questions line by line: no table in another guise, and no names of fields on top."""
    with faults_told(path), open_bytes(path) as file:
        head = file.read(1 << 12).removeprefix(b"\xef\xbb\xbf")
    if b"\0" in head or head.startswith(tuple(BINARY)) or head.lstrip()[:1] in (b"{", b"["):
        return False
    if any(reader.recognises(head) for reader in map(registry.build, registry)):
        return False
    first = head.lstrip().split(b"\n", 1)[0].decode(errors="replace")
    return not any(plain(cell.strip().strip('"')) in schema.known for cell in DIVIDES.split(first))


def _written_list(cell: str) -> list[str] | None:
    """A list as JSON or Python writes it, ``["a", "b"]``; None for other text."""
    if not (cell.startswith("[") and cell.endswith("]")) or len(cell) > 1 << 20:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(one, (str, int)) for one in found):
            return [str(one) for one in found]
    return None
