"""Features of nodes: a first line ``rows columns``, then the non-zero columns of each node on a line of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from negatives.data.pairs import SparseFeatures
from negatives.data.readers.blocks import blocks
from negatives.data.readers.numbers import Ints, parse_numbers
from negatives.errors import InputError

HINT = "the first line is 'rows columns', then each node has a line with its non-zero columns"


def read_node_features(path: Path) -> SparseFeatures:
    """Read binary features; the node of line ``i + 2`` is node ``i``.

    Raises:
        InputError: The first line is not two numbers, a column is out of range, or the number of rows is another.
    """
    values: list[Ints] = []
    counts: list[Ints] = []
    shape: tuple[int, int] | None = None
    for line, block in blocks(path):
        if shape is None:
            head, _, block = block.partition(b"\n")
            numbers, _ = parse_numbers(path, line, head + b"\n")
            if numbers.size != 2:
                raise InputError(f"{numbers.size} numbers where two are expected", path=path, line=line, hint=HINT)
            shape = int(numbers[0]), int(numbers[1])
            line += 1
        found, per_line = parse_numbers(path, line, block)
        _check_columns(path, line, found, per_line, shape[1])
        values.append(found)
        counts.append(per_line)
    assert shape is not None  # an empty file is an error of its own
    sizes = np.concatenate(counts)
    if sizes.size != shape[0]:
        raise InputError(
            f"{sizes.size:,} rows of features, where the first line promises {shape[0]:,}", path=path, line=1, hint=HINT
        )
    return _features(np.concatenate(values), sizes, shape[1])


def _check_columns(path: Path, line: int, found: Ints, per_line: Ints, columns: int) -> None:
    wrong = np.flatnonzero(found >= columns)
    if wrong.size:
        at = int(np.searchsorted(per_line.cumsum(), wrong[0], side="right"))
        raise InputError(
            f"the column {int(found[wrong[0]])}, where the first line promises {columns:,} columns counted from 0",
            path=path,
            line=line + at,
            hint=HINT,
        )


def _features(values: Ints, sizes: Ints, columns: int) -> SparseFeatures:
    """Sorted distinct columns per row, all of value one."""
    rows = np.repeat(np.arange(sizes.size), sizes)
    codes = np.unique(rows * columns + values)
    indptr = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(np.bincount(codes // columns, minlength=sizes.size), out=indptr[1:])
    indices = torch.from_numpy((codes % columns).astype(np.int32))
    return SparseFeatures(torch.from_numpy(indptr), indices, torch.ones(indices.numel()), columns)
