"""N-Triples and N-Quads (W3C, 2014): one statement a line; Turtle that keeps to this is read too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.frames import Block, Frames
from negatives.data.readers.opening import inner_suffix
from negatives.data.readers.schema import HEAD, RELATION, TAIL, Options, Schema
from negatives.errors import InputError

NODE = r"<[^<>\"{}|^`\s]*>|_:[^\s<>\"]+"
LITERAL = r'"(?:[^"\\]|\\.)*"(?:@[A-Za-z0-9\-]+|\^\^<[^<>\s]*>)?|[+-]?\d[\d.]*|true|false'
STATEMENT = rf"^\s*(?P<s>{NODE})\s*(?P<p><[^<>\s]*>)\s*(?P<o>{NODE}|{LITERAL})\s*(?P<g>{NODE})?\s*\.\s*(?:#.*)?$"
ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
TURTLE = (".ttl", ".turtle")
COLUMNS = {HEAD: "s", RELATION: "p", TAIL: "o"}


class NTriples(TableReader):
    """``<subject> <predicate> <object> .``; a literal is no entity, such lines are skipped and counted."""

    suffixes = (".nt", ".nq", ".ntriples", ".nquads", ".ttl", ".turtle")

    def takes(self, path: Path) -> bool:
        return super().takes(path) and not path.is_dir()

    def recognises(self, head: bytes) -> bool:
        lines = [line for line in head.decode(errors="replace").split("\n")[:-1] if _says(line)][:20]
        return bool(lines) and all(re.match(STATEMENT, line) for line in lines)

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        return StatementFrames(path, options)


class StatementFrames(Frames):
    """Head, relation and tail of statements, IRIs without their angles."""

    def __init__(self, path: Path, options: Options) -> None:
        self._encoding = options.encoding
        self._path = path
        self.literals = self.quads = 0
        sample = next((block for block, _ in self._statements(path, 1 << 18) if len(block)), None)
        if sample is None:
            hint = "give statements '<subject> <predicate> <object> .' whose object is no literal"
            raise InputError("no statement between two entities", path=path, line=1, hint=hint)
        super().__init__(path, list(COLUMNS), sample.head(1000), (f"{path.name}: N-Triples",))

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        self.literals = self.quads = 0
        for frame, at in self._statements(self.path):
            yield Block(frame.select(columns), lambda at=at: at)  # type: ignore[misc]
        if self.literals:
            self.notes.append(f"{self.path.name}: {self.literals:,} statements skipped, their object is a literal")
        if self.quads:
            self.notes.append(f"{self.path.name}: the graph that {self.quads:,} statements name is not used")

    def _statements(self, path: Path, size: int = 1 << 24) -> Iterator[tuple[pl.DataFrame, np.ndarray]]:
        for line, block in blocks(path, size, encoding=self._encoding):
            text = pl.Series(block.decode().split("\n")[:-1]).str.strip_chars()
            said = (text != "") & ~text.str.starts_with("#")
            frame = _terms(text)
            wrong = (said & frame["s"].is_null()).arg_true()
            if len(wrong):
                shown = text[int(wrong[0])][:40]
                hint = "write '<subject> <predicate> <object> .'; the file may be cut off"
                if inner_suffix(path) in TURTLE:
                    hint = "Turtle is not read; convert it: rdflib.Graph().parse(file).serialize('x.nt', 'nt')"
                raise InputError(f"{shown!r} is no statement", path=path, line=line + int(wrong[0]), hint=hint)
            literal = ~frame["o"].str.contains("^(?:<|_:)").fill_null(True)
            self.literals += int((literal & said).sum())
            self.quads += int((frame["g"].is_not_null() & said).sum())
            kept = said & ~literal
            found = {role: _named(frame[column].filter(kept)) for role, column in COLUMNS.items()}
            yield pl.DataFrame(found), kept.arg_true().to_numpy().astype(np.int64) + line


def _terms(text: pl.Series) -> pl.DataFrame:
    """The terms ``s``, ``p``, ``o`` and ``g`` of lines, null where a line is no statement.

    Most lines are three names between single blanks, which are divided faster than the grammar says.
    """
    cells = text.str.split_exact(" ", 4).struct.unnest()
    names = [cells.to_series(at) for at in range(3)]
    plain = (cells.to_series(3) == ".") & cells.to_series(4).is_null()
    for name in names:
        plain &= name.str.starts_with("<") & name.str.ends_with(">") & ~name.str.contains(r"[^>]>.|.<|[\"\s]")
    plain = plain.fill_null(False)
    rest = text.filter(~plain).str.extract_groups(STATEMENT).struct.unnest()
    if not plain.any():
        return rest
    found = pl.DataFrame({key: one.filter(plain) for key, one in zip("spo", names, strict=True)}).with_columns(
        g=pl.lit(None, pl.String)
    )
    order = pl.concat([(~plain).arg_true(), plain.arg_true()])
    return pl.concat([rest, found]).with_columns(order.alias("at")).sort("at").drop("at")


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _named(column: pl.Series) -> pl.Series:
    """Names without angles and escapes."""
    bare = column.str.strip_prefix("<").str.strip_suffix(">")
    if not bool(bare.str.contains("\\", literal=True).any()):
        return bare
    return pl.Series([ESCAPE.sub(_character, one) for one in bare], dtype=pl.String)


def _character(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else found[0]
