"""OpenKE's folders: ``train2id.txt`` with a line of its count, then ``head tail relation`` as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from negatives.data.ids import Ids
from negatives.data.readers.base import Reader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.numbers import Ints, parse_numbers
from negatives.data.readers.schema import HEAD, RELATION, TAIL, Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

FILES = {"train": "train2id.txt", "valid": "valid2id.txt", "test": "test2id.txt"}
NAMES = {"entity": "entity2id.txt", "relation": "relation2id.txt"}
COUNT = "the first line must be the number of lines that follow"


class OpenKE(Reader):
    """``train2id.txt``, perhaps ``valid2id.txt`` and ``test2id.txt``; names from ``entity2id.txt`` and its like."""

    marker = "train2id.txt"
    gives: ClassVar[frozenset[str] | None] = frozenset((HEAD, RELATION, TAIL))

    def takes(self, path: Path) -> bool:
        return super().takes(path) or (path.name in FILES.values() and path.is_file())

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        if not path.is_dir():
            return {"train": self.read(path, schema, options)}
        files = {part: path / name for part, name in FILES.items() if (path / name).is_file()}
        return {part: self.read(file, schema, options) for part, file in files.items()}

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        path = path / FILES["train"] if path.is_dir() else path
        names = {what: _names(path.parent / file) for what, file in NAMES.items() if (path.parent / file).is_file()}
        rows, lines = _triples(path)
        columns = {}
        for role, place, what in ((HEAD, 0, "entity"), (RELATION, 2, "relation"), (TAIL, 1, "entity")):
            ids, known = rows[:, place], names.get(what)
            if known is not None and ids.max() >= len(known):
                line = int(lines[int(ids.argmax())])
                fault = f"{what} {ids.max()} is beyond the {len(known):,} of {NAMES[what]}"
                raise InputError(fault, path=path, line=line, hint="take all files from the same data set")
            columns[role] = Ids(ids, known)
        told = f"{path.name}: OpenKE, {len(rows):,} lines 'head tail relation'"
        return Table(columns, (told + ("" if names else "; without names, as numbers"),), lines)


def _triples(path: Path) -> tuple[Ints, Ints]:
    """Heads, tails and relations ``(n, 3)`` and the line of each."""
    found: list[Ints] = []
    at: list[Ints] = []
    stated: int | None = None
    for line, block in blocks(path):
        values, counts = parse_numbers(path, line, block)
        numbers = np.arange(line, line + counts.size)[counts > 0]
        counts = counts[counts > 0]
        if stated is None and counts.size:
            if counts[0] != 1:
                raise InputError(f"{counts[0]} numbers where a count is expected", path=path, line=1, hint=COUNT)
            stated, values, counts, numbers = int(values[0]), values[1:], counts[1:], numbers[1:]
        wrong = np.flatnonzero(counts != 3)
        if wrong.size:
            fault = f"{counts[wrong[0]]} numbers where head, tail and relation are expected"
            raise InputError(fault, path=path, line=int(numbers[wrong[0]]), hint="the file may be cut off")
        found.append(values.reshape(-1, 3))
        at.append(numbers)
    rows = np.concatenate(found)
    if stated != len(rows):
        fault = f"the count is {stated:,} but {len(rows):,} triples follow"
        raise InputError(fault, path=path, line=1, hint="the file may be cut off; fetch it again")
    if not len(rows):
        raise InputError("no triple follows", path=path, line=1, hint="give a file with at least one")
    return rows, np.concatenate(at)


def _names(path: Path) -> pl.Series:
    """Names in the order of their numbers, from lines ``name number`` below their count."""
    names: list[pl.Series] = []
    at: list[pl.Series] = []
    for line, block in blocks(path):
        text = pl.Series(block.decode().split("\n")[:-1]).str.strip_chars()
        fields = text.str.extract_groups(r"^(.*\S)\s+(\d{1,18})$")
        name, number = fields.struct.field("1"), fields.struct.field("2").cast(pl.Int64)
        wrong = (name.is_null() & (text != "")).arg_true()
        wrong = wrong.filter(wrong + line > 1)
        if len(wrong):
            fault = f"{text[int(wrong[0])][:40]!r} stands where a name and a number are expected"
            raise InputError(fault, path=path, line=line + int(wrong[0]), hint="write 'name number'")
        names.append(name.drop_nulls())
        at.append(number.drop_nulls())
    found, places = pl.concat(names), pl.concat(at).to_numpy()
    order = np.argsort(places, kind="stable")
    if not np.array_equal(places[order], np.arange(len(places))) or found.n_unique() != len(found):
        hint = f"each name and each number from 0 to {len(places) - 1:,} must stand once"
        raise InputError("names and numbers do not match one to one", path=path, line=1, hint=hint)
    return found.gather(order)
