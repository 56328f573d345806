"""The extreme-classification repository's newer folders: features and labels as two matrices, ``trn_X_Xf.txt`` and
``trn_X_Y.txt``, with ``tst_*`` beside them. Each begins with ``rows columns``; a line is ``column:value column:value``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch

from negatives.data.labelled import LabelledTable
from negatives.data.pairs import SparseFeatures
from negatives.data.readers.blocks import blocks
from negatives.data.readers.xmc import Header, parsed
from negatives.errors import InputError

FEATURES, LABELS = "trn_X_Xf.txt", "trn_X_Y.txt"
HINT = "begin the file with 'rows columns', two whole numbers"


def read_matrices(folder: Path) -> dict[str, LabelledTable]:
    """Rows by part.

    Raises:
        InputError: A file is missing or malformed, or both of a part have different numbers of rows.
    """
    found = {}
    for part, mark in (("train", "trn"), ("test", "tst")):
        names = FEATURES.replace("trn", mark), LABELS.replace("trn", mark)
        if part == "train" or (folder / names[0]).is_file():
            features, labels = (_matrix(folder / name) for name in names)
            if features.n_rows != labels.n_rows:
                fault = f"{labels.n_rows:,} rows where {names[0]} has {features.n_rows:,}"
                raise InputError(fault, path=folder / names[1], line=1, hint="take both files from the same data set")
            owners = torch.repeat_interleave(torch.arange(labels.n_rows), labels.indptr.diff())
            sizes = f"{features.n_rows:,} rows, {features.n_cols:,} features, {labels.n_cols:,} labels"
            found[part] = LabelledTable(
                owners.numpy(), pl.Series("label", labels.indices.long().numpy()), features,
                (f"{names[0]}, {names[1]}: {sizes}",), n_labels=labels.n_cols,
            )  # fmt: skip
    return found


def _matrix(path: Path) -> SparseFeatures:
    rows = cols = -1
    sizes, indices, values = [], [], []
    for line, block in blocks(path):
        if rows < 0:
            first, _, block = block.partition(b"\n")
            cells = first.split()
            if len(cells) != 2 or not all(cell.isdigit() for cell in cells):
                raise InputError(f"no header: {first[:40].decode()!r}", path=path, line=1, hint=HINT)
            rows, cols = (int(cell) for cell in cells)
            line += 1
        lines = range(line, line + block.count(b"\n"))
        bare = b"".join(b" " + text + b"\n" for text in block.split(b"\n")[:-1])
        _, _, some, index, worth = parsed(path, lines, bare, Header(rows, cols, 0))
        sizes.append(some)
        indices.append(index)
        values.append(worth)
    counted = np.concatenate(sizes)
    if counted.size != rows:
        hint = "correct the header, or fetch the file again"
        raise InputError(f"{counted.size:,} rows where the header states {rows:,}", path=path, line=1, hint=hint)
    indptr = torch.from_numpy(np.concatenate([np.zeros(1, np.int64), np.cumsum(counted)]))
    columns = torch.from_numpy(np.concatenate(indices).astype(np.int32))
    return SparseFeatures(indptr, columns, torch.from_numpy(np.concatenate(values)), cols)
