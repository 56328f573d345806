"""JSON Lines: one object per line; and a file that is one list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import advised, blocks, objects, whole_characters
from negatives.data.readers.frames import Block, Frames, InMemory, counted
from negatives.data.readers.opening import inner_suffix, open_bytes
from negatives.data.readers.schema import Options, Schema
from negatives.data.readers.values import message
from negatives.errors import InputError

SUFFIXES = (".jsonl", ".ndjson", ".json")
SAMPLE = 1000
DEEPEST = 100
INNER = ("id", "_id", "key")
"""What names an object inside another."""
LARGEST = 1 << 28
"""Bytes of a file that is one JSON value, which must be held whole."""


class JsonLines(TableReader):
    """One JSON object per line, or a list of objects."""

    suffixes = SUFFIXES

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        hint = f"write one JSON object per line with {schema.example}"
        for _, block in blocks(path, 1 << 16, encoding=options.encoding):
            single = block.count(b"\n") < 2 and len(block) < 1 << 16
            if block.lstrip()[:1] == b"[" or (inner_suffix(path) == ".json" and (single or not _is_object(block))):
                return InMemory(path, *_listed(path, hint))
            break
        return ObjectFrames(path, hint, options.encoding)


class ObjectFrames(Frames):
    """The keys of JSON objects; a key that some object lacks is null there."""

    def __init__(self, path: Path, hint: str, encoding: str | None) -> None:
        self._hint, self._encoding = hint, encoding
        rows: list[dict[str, Any]] = []
        for line, block in blocks(path, 1 << 18, encoding=encoding):
            text = block.decode().split("\n")
            rows += [_flat(row) for _, row in objects(path, enumerate(text[:SAMPLE], line), hint)]
            if rows:
                break
        self._types = _types(rows)
        self._nested = any(_is_nested(value) for row in rows for value in row.values())
        super().__init__(path, list(self._types), _frame(rows, self._types))

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        schema = {name: self._types[name] for name in columns}
        inner = any("." in name for name in columns)
        for line, block in blocks(self.path, encoding=self._encoding):
            text = block.split(b"\n")
            kept = np.array([place for place, one in enumerate(text) if one.strip()], np.int64)
            if not kept.size:
                continue
            frame = None if inner or self._nested or _needs_care(block) else _fast(block, schema)
            if frame is None or len(frame) != kept.size or _hides_lists(frame):
                lines = enumerate(block.decode().split("\n"), line)
                rows = [_flat(row) for _, row in objects(self.path, lines, self._hint)]
                lists = {name: kind for name, kind in _types(rows).items() if kind != pl.String}
                frame = _frame(rows, {name: lists.get(name, kind) for name, kind in schema.items()})
            every = kept.size == len(text) - 1
            yield Block(frame, counted(line, len(frame)) if every else lambda line=line, kept=kept: line + kept)  # type: ignore[misc]


def _is_object(block: bytes) -> bool:
    """Whether the first line is a whole object, as in JSON Lines."""
    try:
        return isinstance(json.loads(block.lstrip().split(b"\n", 1)[0]), dict)
    except (ValueError, RecursionError):
        return False


def _needs_care(block: bytes) -> bool:
    """Whether the fast parser may mistake something: halves of characters, or deep nesting."""
    return b"\\u" in block or b"[" * DEEPEST in block or b'{"' * 3 in block


def _fast(block: bytes, schema: dict[str, Any]) -> pl.DataFrame | None:
    try:
        return pl.read_ndjson(block, schema=schema)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


def _hides_lists(frame: pl.DataFrame) -> bool:
    """Whether a text may be a list or an object that was written as text: keys may change their type."""
    return any(
        bool(column.str.starts_with("[").any()) or bool(column.str.starts_with("{").any())
        for column in frame.iter_columns()
        if column.dtype == pl.String
    )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """An object whose inner objects are named by their ids.

    >>> _flat({"user": {"id": 5, "age": 40}})
    {'user': {'id': 5, 'age': 40}, 'user.id': 5}
    """
    inner = {
        f"{key}.{name}": value[name]
        for key, value in row.items()
        if isinstance(value, dict)
        for name in INNER
        if name in value
    }
    return row | inner if inner else row


def _types(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each key as text, or as a list of texts where some object has a list there; what is nested is left out.

    A list of chat messages is a text.
    """
    found: dict[str, Any] = {}
    nested: set[str] = set()
    for row in rows:
        for key, value in row.items():
            if isinstance(value, list) and not _is_chat(value):
                if any(isinstance(one, (list, dict)) and not _is_chat(one) for one in value):
                    nested.add(key)
                found[key] = pl.List(pl.String)
            elif not isinstance(value, dict):
                found.setdefault(key, pl.String)
    return {key: kind for key, kind in found.items() if key not in nested}


def _is_chat(value: Any) -> bool:
    """Whether a value is a list of messages, each with its content."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "content" in one for one in value)


def _is_nested(value: Any) -> bool:
    """Whether a value is a list of lists or of objects, of which the fast parser makes text."""
    return isinstance(value, list) and any(isinstance(one, (list, dict)) for one in value)


def _frame(rows: Sequence[dict[str, Any]], types: dict[str, Any]) -> pl.DataFrame:
    data = {}
    for name, kind in types.items():
        values = [row.get(name) for row in rows]
        data[name] = [_texts(value) for value in values] if kind != pl.String else [_text(value) for value in values]
    return pl.DataFrame(data, schema=types)


def _text(value: Any) -> str | None:
    """A value as text: numbers as JSON writes them, whole ones without a point."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if _is_chat(value):
        return message(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    return [_text(one) for one in value] if isinstance(value, list) else [_text(value)]


def _listed(path: Path, hint: str) -> tuple[pl.DataFrame, tuple[str]]:
    """The objects of a file that is one JSON value, and a note."""
    with open_bytes(path) as file:
        whole = file.read(LARGEST + 1)
    if len(whole) > LARGEST:
        fault = f"one JSON value of more than {LARGEST >> 20} MB"
        raise InputError(fault, path=path, hint="write one object per line")
    try:
        value = json.loads(whole)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        hint = advised(whole[:100].decode(errors="replace"), hint)
        raise InputError(f"not JSON ({reason})", path=path, line=line, hint=hint) from error
    if b"\\u" in whole:
        whole_characters(path, 1, value, hint)
    rows, told = _rows(value)
    if not rows or not all(isinstance(one, dict) for one in rows):
        raise InputError("neither JSON Lines nor a list of objects", path=path, line=1, hint=hint)
    rows = [_flat(row) for row in rows]
    return _frame(rows, _types(rows)), (f"{path.name}: {told}",)


def _rows(value: Any) -> tuple[list[Any], str]:
    """The objects of one JSON value, and what it is.

    pandas writes an object of columns, ``{"user": {"0": 1}}``, or with ``orient="split"`` names beside rows; others
    write an object of lists of one length, or put the list of objects into an object.

    >>> _rows({"columns": ["a"], "data": [[1], [2]]})
    ([{'a': 1}, {'a': 2}], 'column names beside rows')
    """
    if isinstance(value, list):
        return value, "a list of JSON objects"
    if not isinstance(value, dict) or not value:
        return [], ""
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, names), row, strict=False)) for row in data], "column names beside rows"
    columns = list(value.values())
    if all(isinstance(one, dict) for one in columns) and len({tuple(one) for one in columns}) == 1:
        return [{name: one[key] for name, one in value.items()} for key in columns[0]], "an object of columns"
    lists = [one for one in columns if isinstance(one, list)]
    if len(lists) == 1 and lists[0] and all(isinstance(one, dict) for one in lists[0]):
        return lists[0], "a list of JSON objects"
    if len(lists) == len(columns) > 1 and len({len(one) for one in lists}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)], "an object of columns"
    return [value], "one JSON object"
