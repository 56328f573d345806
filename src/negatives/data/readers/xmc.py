"""The format of the extreme-classification repository: a header, then ``label,label feature:value feature:value``.

The header is ``rows features labels``; a row without labels begins with a blank.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from negatives.data.labelled import LabelledTable
from negatives.data.pairs import SparseFeatures
from negatives.data.readers.blocks import blocks
from negatives.errors import InputError

Longs = npt.NDArray[np.int64]
HEADER = re.compile(rb"\s*(\d+)[ \t]+(\d+)[ \t]+(\d+)\s*$")
HINT = "write 'label,label feature:value feature:value ...' with whole numbers from 0 for labels and features"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_LABELS = re.compile(r"(?:\d+(?:,\d+)*)?$")
_PAIR = re.compile(rf"(\d+):({_NUMBER})$")


@dataclass(frozen=True, slots=True)
class Header:
    """Sizes that the first line states."""

    rows: int
    features: int
    labels: int


def is_xmc(path: Path) -> bool:
    """True where the first line is three whole numbers and the second has ``feature:value`` pairs.

    Raises:
        InputError: The file cannot be read.
    """
    for _, block in blocks(path):
        lines = block.split(b"\n", 2)
        return HEADER.match(lines[0]) is not None and (len(lines) < 2 or b":" in lines[1] or not lines[1].strip())
    return False


def read_xmc(path: Path) -> LabelledTable:
    """Read rows, features and labels.

    Raises:
        InputError: The header is missing, a label or a feature is out of range, a line is malformed, or the number of
            rows is not that of the header.
    """
    header: Header | None = None
    pieces: list[tuple[Longs, Longs, Longs, Longs, npt.NDArray[np.float32]]] = []
    rows = 0
    for line, block in blocks(path):
        if header is None:
            header = _header(path, block)
            block, line = block.split(b"\n", 1)[1], line + 1
        pieces.append(parsed(path, range(line, line + block.count(b"\n")), block, header))
        rows += len(pieces[-1][0])
        if rows > header.rows:
            at = line + header.rows - (rows - len(pieces[-1][0]))
            raise InputError(f"more rows than the {header.rows:,} of the header", path=path, line=at, hint="correct it")
    assert header is not None
    if rows < header.rows:
        hint = "correct the header, or fetch the file again"
        raise InputError(f"{rows:,} rows where the header states {header.rows:,}", path=path, line=1, hint=hint)
    many, labels, sizes, features, values = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    indptr = torch.from_numpy(np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]))
    found = SparseFeatures(
        indptr, torch.from_numpy(features.astype(np.int32)), torch.from_numpy(values), header.features
    )
    note = f"{path.name}: {rows:,} rows, {header.features:,} features, {header.labels:,} labels, {labels.size:,} pairs"
    owners = np.repeat(np.arange(rows), many)
    return LabelledTable(owners, pl.Series("label", labels), found, (note,), header.labels)


def _header(path: Path, block: bytes) -> Header:
    first = block.split(b"\n", 1)[0]
    match = HEADER.match(first)
    if match is None:
        hint = "begin the file with 'rows features labels', three whole numbers"
        raise InputError(f"no header: {first[:40].decode()!r}", path=path, line=1, hint=hint)
    return Header(*(int(one) for one in match.groups()))


def parsed(
    path: Path, lines: Sequence[int], block: bytes, header: Header
) -> tuple[Longs, Longs, Longs, Longs, npt.NDArray[np.float32]]:
    """Labels per row, labels, features per row, features and values of whole lines.

    Args:
        path: File, for errors.
        lines: Where each line of the block stands in it.
        block: Lines, each ended by a line feed.
        header: Sizes that bound the numbers.

    Raises:
        InputError: A line is malformed or out of bounds; names it.
    """
    raw = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(raw == 10)
    blank = np.flatnonzero((raw == 32) | (raw == 9) | (raw == 10) | (raw == 13))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if ends.size else ends
    cut = blank[np.searchsorted(blank, starts)]
    labelled = np.zeros(raw.size + 1, np.int64)
    np.add.at(labelled, starts, 1)
    np.add.at(labelled, cut, -1)
    in_labels = labelled.cumsum()[:-1].astype(bool)
    commas, colons = (raw == 44) & in_labels, raw == 58
    before = np.concatenate([np.zeros(1, np.int64), commas.cumsum()])
    many = np.where(cut > starts, before[cut] - before[starts] + 1, 0)
    seen = np.concatenate([np.zeros(1, np.int64), colons.cumsum()])
    sizes = seen[ends] - seen[starts]
    label_text, pair_text = raw.copy(), raw.copy()
    label_text[~in_labels | commas] = 32
    pair_text[in_labels | colons] = 32
    stray = bool((colons & in_labels).any()) or bool(((raw == 44) & ~in_labels).any())
    labels, pairs = _numbers(label_text, np.int64), _numbers(pair_text, np.float64)
    if stray or labels is None or pairs is None or labels.size != many.sum() or pairs.size != 2 * sizes.sum():
        _refuse(path, lines, block, header)
        raise InputError("the lines cannot be read", path=path, line=lines[0], hint=HINT)
    features = pairs[::2]
    inside = (features == np.floor(features)) & (features >= 0) & (features < header.features)
    if not inside.all() or bool((labels < 0).any() or (labels >= header.labels).any()):
        _refuse(path, lines, block, header)
    if not np.isfinite(pairs[1::2]).all():
        _refuse(path, lines, block, header)
    return many, labels, sizes, features.astype(np.int64), pairs[1::2].astype(np.float32)


def _numbers(text: npt.NDArray[np.uint8], kind: type[Any]) -> npt.NDArray[Any] | None:
    """All numbers of a text, None where it holds something else."""
    if not ((text >= 48) & (text <= 57)).any():
        return np.empty(0, kind) if not ((text > 32) & (text < 127)).any() else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found: npt.NDArray[Any] = np.fromstring(text.tobytes(), kind, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return found


def _refuse(path: Path, lines: Sequence[int], block: bytes, header: Header) -> None:
    """Find the first fault and name it."""
    for at, text in zip(lines, block.decode().split("\n")[:-1], strict=True):
        labels, _, rest = text.rstrip("\r").partition(" ") if " " in text else text.rstrip("\r").partition("\t")
        if _LABELS.match(labels) is None:
            raise InputError(f"{labels[:40]!r} stands where labels are expected", path=path, line=at, hint=HINT)
        for label in filter(None, labels.split(",")):
            if int(label) >= header.labels:
                message = f"label {label} is out of range: the header states {header.labels:,} labels"
                raise InputError(message, path=path, line=at, hint="number labels from 0, or correct the header")
        for pair in rest.split():
            match = _PAIR.match(pair)
            if match is None:
                raise InputError(f"{pair[:40]!r} is not 'feature:value'", path=path, line=at, hint=HINT)
            if int(match[1]) >= header.features:
                message = f"feature {match[1]} is beyond the {header.features:,} features of the header"
                raise InputError(message, path=path, line=at, hint="number features from 0, or correct the header")
            if not np.isfinite(float(match[2])):
                raise InputError(f"{pair[:40]!r} has no finite value", path=path, line=at, hint=HINT)
