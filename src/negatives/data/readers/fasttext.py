"""fastText's files of labelled texts: ``__label__sport __label__news text ...``, one text a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.frames import Block, Frames, counted
from negatives.data.readers.schema import Options, Schema

PREFIX = "__label__"
GLUED = re.compile(rf"\s*,\s*{PREFIX}")
"""A comma between two labels belongs to neither."""


class FastText(TableReader):
    """Lines with labels that begin with ``__label__``; their first bytes tell."""

    def recognises(self, head: bytes) -> bool:
        lines = [line.lstrip() for line in head.splitlines() if line.strip()][:10]
        return bool(lines) and all(line.startswith(PREFIX.encode()) for line in lines)

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        return FastTextFrames(path, options)


class FastTextFrames(Frames):
    """The columns ``text`` and ``labels``; a label is a word that begins with ``__label__``, wherever it stands."""

    def __init__(self, path: Path, options: Options) -> None:
        self._encoding = options.encoding
        sample = next((_frame(block)[0] for _, block in blocks(path, 1 << 18, encoding=options.encoding)), None)
        sample = _frame(b"")[0] if sample is None else sample.head(1000)
        super().__init__(path, ("text", "labels"), sample, (f"{path.name}: fastText's labels {PREFIX}...",))

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        for first, block in blocks(self.path, encoding=self._encoding):
            frame, kept = _frame(block)
            every = len(frame) == block.count(b"\n")
            lines = first + kept
            yield Block(frame.select(columns), counted(first, len(frame)) if every else lambda lines=lines: lines)  # type: ignore[misc]


def _frame(block: bytes) -> tuple[pl.DataFrame, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Texts and labels of whole lines, and which lines these are."""
    texts, labels, kept = [], [], []
    for place, line in enumerate(block.decode().split("\n")):
        words = GLUED.sub(" " + PREFIX, line).split()
        if not words:
            continue
        marks = [word for word in words if word.startswith(PREFIX)]
        texts.append(" ".join(word for word in words if not word.startswith(PREFIX)))
        labels.append([mark.removeprefix(PREFIX).removesuffix(",") for mark in marks])
        kept.append(place)
    columns = [pl.Series("text", texts, dtype=pl.String), pl.Series("labels", labels, dtype=pl.List(pl.String))]
    return pl.DataFrame(columns), np.array(kept, np.int64)
