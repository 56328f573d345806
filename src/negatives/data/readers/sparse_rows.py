"""Rows of sparse features with labels, without a header: libsvm's and svmlight's files, and XMC's that lack theirs.

A line is ``label,label feature:value feature:value``; ``qid:7`` is left out, and ``#`` begins a comment. All parts have
as many features as the largest number among them asks for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from negatives.data.labelled import LabelledTable
from negatives.data.pairs import SparseFeatures
from negatives.data.readers.blocks import blocks
from negatives.data.readers.sniff import first_lines
from negatives.data.readers.xmc import HEADER, HINT, Header, is_xmc, parsed, read_xmc
from negatives.errors import InputError

Longs = npt.NDArray[np.int64]
WIDEST = (1 << 31) - 1
PEEK = 20
COMMENT = re.compile(rb"[ \t]*#[^\n]*")
QUERY = re.compile(rb"(?<=[ \t])qid:\S*")
SPACED = re.compile(rb"(?<=\d),[ \t]+(?=[+-]?\d+(?:[,. \t]|$))")
PAIR = re.compile(r"\d+:[+-]?(?:\d|\.\d)\S*$")
FORMATS = ("xmc", "libsvm")


def is_sparse(path: Path) -> bool:
    """Whether most of the first lines are labels and pairs ``feature:value``, with or without a header above.

    Raises:
        InputError: The file cannot be read.
    """
    if is_xmc(path):
        return True
    lines = [line for one in first_lines(path)[:PEEK] if (line := one.partition("#")[0]).strip()]
    cells = [[cell for cell in line.split() if not cell.startswith("qid:")] for line in lines]
    rows = [pairs for row in cells if (pairs := row[_labels_of(row) :])]
    return 2 * sum(all(map(PAIR.match, row)) for row in rows) >= max(1, len(rows))


def _labels_of(row: list[str]) -> int:
    """How many of the first cells of a line are labels: one, or numbers with commas between."""
    count = 0
    while count < len(row) and ":" not in row[count] and (count == 0 or row[count - 1].endswith(",")):
        count += 1
    return count


def read_sparse(files: Mapping[str, Path]) -> dict[str, LabelledTable]:
    """Rows by part.

    Raises:
        InputError: A line is malformed; names it. Or one part has a header and another has none.
    """
    stated = {part: _has_header(path) for part, path in files.items()}
    if all(stated.values()):
        return {part: read_xmc(path) for part, path in files.items()}
    if any(stated.values()):
        bare = next(part for part, header in stated.items() if not header)
        hint = "begin it with 'rows features labels' as the other parts, or take those of the others away"
        raise InputError("no header, but another part has one", path=files[bare], line=1, hint=hint)
    found = {part: _read(path) for part, path in files.items()}
    width = max(one.width for one in found.values())
    first = min(one.first for one in found.values())
    told = f"{width:,} features, numbered from {1 if first >= 1 else 0}"
    return {part: one.table(part, width, told) for part, one in found.items()}


def _has_header(path: Path) -> bool:
    return HEADER.match(first_lines(path)[0].encode()) is not None


@dataclass(frozen=True, slots=True)
class _Rows:
    """What stands in one file.

    Args:
        owners: ``(n,)`` row of each label.
        labels: ``(n,)`` names.
        content: Features of the rows.
        width: One more than the largest number of a feature.
        first: The smallest number of a feature; 0 where there is none.
    """

    owners: Longs
    labels: pl.Series
    content: SparseFeatures
    width: int
    first: int

    def table(self, part: str, width: int, told: str) -> LabelledTable:
        rows = self.content.n_rows
        note = f"{part}: {rows:,} rows, {told}, {len(self.labels):,} labels, {self.labels.n_unique():,} different ones"
        return LabelledTable(self.owners, self.labels, replace(self.content, n_cols=width), (note,))


def _read(path: Path) -> _Rows:
    header = Header(0, WIDEST, 0)
    owners: list[int] = []
    labels: list[str] = []
    sizes, features, values = [], [], []
    rows = 0
    for line, block in blocks(path):
        bare = QUERY.sub(b"", COMMENT.sub(b"", block)) if b"#" in block or b"qid:" in block else block
        kept, lines = [], []
        for offset, text in enumerate(bare.split(b"\n")[:-1]):
            if not text.strip():
                continue
            head, rest = _cut(text)
            for label in filter(None, head.decode().split(",")):
                owners.append(rows)
                labels.append(_label(path, line + offset, label))
            kept.append(b" " + rest + b"\n")
            lines.append(line + offset)
            rows += 1
        if kept:
            piece = parsed(path, lines, b"".join(kept), header)
            sizes.append(piece[2])
            features.append(piece[3])
            values.append(piece[4])
    if not rows:
        raise InputError("holds no row", path=path, line=1, hint=HINT)
    index = np.concatenate(features)
    indptr = torch.from_numpy(np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))]))
    width = int(index.max()) + 1 if index.size else 1
    content = SparseFeatures(
        indptr, torch.from_numpy(index.astype(np.int32)), torch.from_numpy(np.concatenate(values)), width
    )
    first = int(index.min()) if index.size else 0
    return _Rows(np.array(owners, np.int64), pl.Series("label", labels, dtype=pl.String), content, width, first)


def _cut(text: bytes) -> tuple[bytes, bytes]:
    """The labels of a line and the rest; a line that begins with a blank or a pair has none."""
    text = SPACED.sub(b",", text)
    parts = text.split(None, 1)
    if text[:1] in b" \t" or b":" in parts[0]:
        return b"", text.strip()
    return parts[0], parts[1] if len(parts) > 1 else b""


def _label(path: Path, line: int, label: str) -> str:
    """A class as it is plainly written: ``+1`` and ``1.0`` are ``1``.

    Raises:
        InputError: It is a number with a fraction, which is no class.
    """
    try:
        number = float(label)
    except ValueError:
        return label
    if not math.isfinite(number):
        return label
    if number != round(number):
        hint = "the file may be of regression; classify needs whole numbers or names"
        raise InputError(f"the label {label!r} is no class", path=path, line=line, hint=hint)
    return str(int(number))
