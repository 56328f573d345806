"""What the guards together want the proposal itself to leave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from negatives.guards.base import Guard
from negatives.types import Csr, union


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
