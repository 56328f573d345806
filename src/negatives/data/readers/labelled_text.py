"""Texts with labels: JSON Lines, or a table of text with a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from negatives.data.labelled import LabelledTable
from negatives.data.readers.blocks import blocks, inner_suffix, lines, objects
from negatives.errors import InputError

JSONL = (".jsonl", ".ndjson", ".json")
TEXTS = ("text", "content", "sentence", "document", "doc", "body", "abstract", "title", "query", "utterance")
LABELS = ("labels", "label", "tags", "tag", "categories", "category", "classes", "class", "intent", "target")
SEPARATORS = ("|", ";", ",")


@dataclass(frozen=True, slots=True)
class Fields:
    """Which column or key is what; what is None is guessed and told.

    Args:
        text: Name of the text.
        labels: Name of the labels.
        separator: What stands between the labels of a row.
    """

    text: str | None = None
    labels: str | None = None
    separator: str | None = None


def read_labelled_text(path: Path, fields: Fields) -> LabelledTable:
    """Read one text with its labels from each line.

    Raises:
        InputError: No text or no labels are found, or a line is malformed.
    """
    hint = "write one JSON object with a text and labels per line"
    rows = objects(path, lines(path), hint) if inner_suffix(path) in JSONL else _table(path)
    names: tuple[str, str] | None = None
    separator: str | None = fields.separator
    texts: list[str] = []
    given: list[list[str]] = []
    for line, row in rows:
        if names is None:
            names = _choose(path, line, row, fields)
        text, labels = (row.get(name) for name in names)
        if not isinstance(text, str):
            hint = "give every row a text, or name another column with --set reading.text=..."
            raise InputError(f"no text under {names[0]!r}", path=path, line=line, hint=hint)
        if separator is None and isinstance(labels, str):
            separator = next((one for one in SEPARATORS if one in labels), None)
        texts.append(text)
        given.append(_labels(path, line, labels, separator))
    if names is None:
        raise InputError("the file holds no row", path=path, hint="give rows with a text and labels")
    if not any(given):
        raise InputError("no row has a label", path=path, hint="name their column with --set reading.labels=...")
    owners = np.repeat(np.arange(len(given)), [len(one) for one in given])
    labels = pl.Series("label", [label for one in given for label in one], dtype=pl.String)
    between = "" if separator is None else f", labels between {separator!r}"
    notes = [f"{path.name}: text from {names[0]!r}, labels from {names[1]!r}{between}"]
    notes.append(f"{path.name}: {len(texts):,} rows, {len(labels):,} labels, {labels.n_unique():,} different ones")
    shown = pl.Series("row", [" ".join(text.split())[:80] for text in texts], dtype=pl.String)
    return LabelledTable(owners, labels, pl.Series("text", texts, dtype=pl.String), tuple(notes), names=shown)


def _labels(path: Path, line: int, value: Any, separator: str | None) -> list[str]:
    if isinstance(value, list):
        if any(isinstance(one, (dict, list)) or one is None for one in value):
            hint = "give a list of names or numbers"
            raise InputError("a label is neither text nor a number", path=path, line=line, hint=hint)
        found = [str(one).strip() for one in value]
    elif value is None:
        found = []
    elif isinstance(value, dict):
        hint = "give a text or a list of texts"
        raise InputError("the labels are an object", path=path, line=line, hint=hint)
    else:
        found = [one.strip() for one in (str(value).split(separator) if separator else [str(value)])]
    return list(dict.fromkeys(one for one in found if one))


def _choose(path: Path, line: int, row: dict[str, Any], fields: Fields) -> tuple[str, str]:
    """The names of the text and of the labels."""
    found = []
    for what, asked, usual in (("text", fields.text, TEXTS), ("labels", fields.labels, LABELS)):
        known = {str(name).lower(): str(name) for name in row}
        name = asked if asked in row else next((known[one] for one in usual if one in known and not asked), None)
        if name is None:
            fault = f"there is no {asked!r}" if asked else f"which one holds the {what} is not clear"
            have = ", ".join(repr(str(one)) for one in row)
            hint = f"name it with --set reading.{what}=...; there are {have}"
            raise InputError(fault, path=path, line=line, hint=hint)
        found.append(name)
    return found[0], found[1]


def _table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    names: list[str] | None = None
    separator = ","
    for line, block in blocks(path):
        if names is None:
            first = block.split(b"\n", 1)[0].decode()
            separator = "\t" if "\t" in first else ","
            names = [name.strip().strip('"') for name in first.rstrip("\r").split(separator)]
            if len(names) < 2:
                hint = "begin with a line of column names, text and labels among them, between commas or tabs"
                raise InputError("one column where a text and labels are expected", path=path, line=1, hint=hint)
            block, line = block.split(b"\n", 1)[1], line + 1
        yield from _rows(path, line, block, names, separator)


def _rows(
    path: Path, line: int, block: bytes, names: list[str], separator: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    quoted = re.search(rb'(^|[,\t])"', block, re.MULTILINE) is not None
    schema = dict.fromkeys(names, pl.String)
    try:
        frame = pl.read_csv(
            block, has_header=False, separator=separator, quote_char='"' if quoted else None, schema=schema
        )
    except pl.exceptions.PolarsError as error:
        if block.strip() == b"":
            return
        hint = f"give every row {len(names)} columns, and quote a text that holds {separator!r} or a line feed"
        at = next((i for i, one in enumerate(block.split(b"\n")) if one.count(separator.encode()) >= len(names)), 0)
        raise InputError("not a table", path=path, line=line + at, hint=hint) from error
    at = line
    for row in frame.iter_rows(named=True):
        yield at, row
        at += 1 + sum(value.count("\n") for value in row.values() if value)
