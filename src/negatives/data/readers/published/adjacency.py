"""Adjacency lists, as networkx writes them: ``node neighbour neighbour ...``; asked for by ``reading.format``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.frames import Block, Frames
from negatives.data.readers.schema import Options, Schema
from negatives.data.readers.sniff import COMMENTS, NAMES
from negatives.errors import InputError


class Adjacency(TableReader):
    """A node, then those that it is linked to; ``#`` begins a comment."""

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        names = [role.name for role in schema.needed][:2]
        if len(names) < 2:
            raise InputError(f"an adjacency list holds no {schema.what}s", path=path, hint="leave the format out")
        return Neighbours(path, names, options)


class Neighbours(Frames):
    """Each link of the lists as a row."""

    def __init__(self, path: Path, names: Sequence[str], options: Options) -> None:
        self._encoding = options.encoding
        self._separator = NAMES.get(options.separator or "blank", options.separator)
        self._names = list(names)
        self.lonely = 0
        first = next((frame for frame, _ in self._links(path, 1 << 18)), None)
        sample = pl.DataFrame(schema=dict.fromkeys(names, pl.String)) if first is None else first.head(1000)
        super().__init__(path, names, sample, (f"{path.name}: lines '{names[0]} {names[1]} {names[1]} ...'",))

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        self.lonely = 0
        for frame, lines in self._links(self.path):
            yield Block(frame.select(columns), lambda lines=lines: lines)  # type: ignore[misc]
        if self.lonely:
            self.notes.append(f"{self.path.name}: {self.lonely:,} lines with a {self._names[0]} alone skipped")

    def _links(self, path: Path, size: int = 1 << 24) -> Iterator[tuple[pl.DataFrame, np.ndarray]]:
        for line, block in blocks(path, size, encoding=self._encoding):
            text = pl.Series(block.decode().split("\n")[:-1]).str.strip_chars()
            said = text != ""
            for mark in COMMENTS:
                said &= ~text.str.starts_with(mark)
            blank = self._separator in (" ", None)
            cells = text.str.extract_all(r"\S+") if blank else text.str.split(self._separator or " ")
            self.lonely += int((said & (cells.list.len() == 1)).sum())
            frame = pl.DataFrame({"line": np.arange(line, line + len(text)), "cells": cells}).filter(
                said & (cells.list.len() > 1)
            )
            frame = frame.select(
                "line", pl.col("cells").list.first().alias("node"), pl.col("cells").list.slice(1).alias("other")
            ).explode("other")
            pair = frame.select(pl.col("node").alias(self._names[0]), pl.col("other").alias(self._names[1]))
            yield pair, frame["line"].to_numpy()
