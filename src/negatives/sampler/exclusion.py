"""What the guards together want the proposal itself to leave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from negatives.errors import ConfigError
from negatives.guards.base import Guard
from negatives.types import Csr


@dataclass(slots=True)
class Exclusion:
    """The union of the guards' excluded items; one table alone is handed on as it is, which costs nothing."""

    _of: tuple[Csr, ...] = ()
    _union: Csr | None = None

    def by(self, guards: Sequence[Guard]) -> Csr | None:
        """Items that the guards exclude per query, or None where no guard excludes any.

        Raises:
            ConfigError: Two guards speak of other numbers of queries or items.
        """
        tables: list[Csr] = []
        for guard in guards:
            table = guard.excluded()
            if table is not None and not any(table is one for one in tables):
                tables.append(table)
        if len(tables) < 2:
            return tables[0] if tables else None
        if len(tables) != len(self._of) or any(one is not two for one, two in zip(tables, self._of, strict=True)):
            self._of, self._union = tuple(tables), union(tables)
        return self._union


def union(tables: Sequence[Csr]) -> Csr:
    """Per row, the columns that stand in any of the tables.

    Raises:
        ConfigError: They have other numbers of rows or columns.

    >>> one, two = (Csr.from_pairs(torch.tensor([0]), torch.tensor([item]), 1, 4) for item in (3, 1))
    >>> union([one, two]).row(0).tolist()
    [1, 3]
    """
    shapes = {(one.n_rows, one.n_cols) for one in tables}
    if len(shapes) > 1:
        raise ConfigError(
            f"guards exclude items from tables of queries by items {sorted(shapes)}; build all from one data"
        )
    n_rows, n_cols = shapes.pop()
    rows = [torch.repeat_interleave(one.lengths()) for one in tables]
    return Csr.from_pairs(torch.cat(rows), torch.cat([one.indices for one in tables]), n_rows, n_cols)
