"""What a reader returns: columns by the role that they play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.data.ids import Ids

if TYPE_CHECKING:
    from negatives.data.pairs import SparseFeatures  # which imports PyTorch

Floats = npt.NDArray[np.float64]
Column = Ids | pl.Series | Floats
"""Names to be numbered; texts or lists of labels; numbers or times."""


@dataclass(frozen=True, slots=True)
class Source:
    """How the columns of a file were understood.

    Args:
        columns: Column of each role.
        why: Why each was taken: ``asked``, ``name``, ``order`` or ``content``.
        skipped: Columns that no role has.
        first: The first rows as they stand, all columns.
    """

    columns: Mapping[str, str]
    why: Mapping[str, str]
    skipped: tuple[str, ...]
    first: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as they stand in one part of the data.

    Args:
        columns: Columns of one length by role.
        notes: What was taken for what, skipped and dropped.
        lines: ``(n,)`` int64, where each row stands, counted from one; None where nobody asked.
        catalogue: Names of all items in order, when the format lists them, else None.
        features: Content of the items of ``catalogue``, or None.
        path: The file, the first of several; None for what was in memory or mined.
        source: How the columns were understood; None where the format alone decides.
        named: Column of the file by role, where its columns have names.
    """

    columns: Mapping[str, Column]
    notes: tuple[str, ...] = ()
    lines: npt.NDArray[np.int64] | None = None
    catalogue: Ids | None = None
    features: SparseFeatures | None = None
    path: Path | None = None
    source: Source | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def ids(self, role: str) -> Ids:
        """Names of a role."""
        found = self.columns[role]
        assert isinstance(found, Ids)
        return found

    def texts(self, role: str) -> pl.Series:
        """Texts of a role, or lists of labels."""
        found = self.columns[role]
        assert isinstance(found, pl.Series)
        return found

    def numbers(self, role: str) -> Floats | None:
        """Numbers or times of a role, ``(n,)`` float64; None where the data has none."""
        found = self.columns.get(role)
        assert found is None or isinstance(found, np.ndarray)
        return found


def joined(tables: Sequence[Table], notes: Sequence[str] = ()) -> Table:
    """The rows of several tables; roles that one of them lacks are left out.

    Args:
        tables: At least one.
        notes: In place of those of the tables.
    """
    first = tables[0]
    columns: dict[str, Column] = {}
    for role in first.columns:
        if not all(role in table.columns for table in tables):
            continue
        parts = [table.columns[role] for table in tables]
        if isinstance(parts[0], Ids):
            columns[role] = Ids.joined([table.ids(role) for table in tables])
        elif isinstance(parts[0], pl.Series):
            columns[role] = pl.concat([table.texts(role) for table in tables])
        else:
            columns[role] = np.concatenate([np.asarray(part) for part in parts])
    origin = first.path, first.source, first.named
    return Table(columns, tuple(notes), None, first.catalogue, first.features, *origin)
