"""What the data of pairs holds beside the pairs: features of users and items, and given negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from negatives.data.features import Features
from negatives.data.ids import Ids, codes_of
from negatives.data.loading.features import SideTable, features_of
from negatives.data.loading.given import BY_TIME, given_sets
from negatives.data.pairs import Pairs, SparseFeatures
from negatives.data.table import Table
from negatives.types import Csr


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the pairs, before users and items are numbered.

    Args:
        sides: Tables by side, ``item`` or ``user``.
        given: Rows of given negatives, or None.
        content: Content of the items that the format itself brings, or None.
    """

    sides: Mapping[str, SideTable]
    given: Table | None = None
    content: SparseFeatures | None = None

    def names(self) -> dict[str, Ids]:
        """Names of users and items that have a row here; such may be asked for and answered without a pair."""
        found = {side: table.ids for side, table in self.sides.items()}
        if self.given is not None:
            items = self.given.ids("item")
            found["item"] = Ids.joined([found["item"], items]) if "item" in found else items
        return found

    def knows(self, names: pl.Series) -> Tensor:
        """``(n,)`` bool, users of whom something is known without a pair."""
        if "user" not in self.sides:
            return torch.zeros(len(names), dtype=torch.bool)
        table = self.sides["user"].ids
        rows = codes_of(table, names)
        return torch.zeros(len(names), dtype=torch.bool).index_fill_(0, torch.from_numpy(rows[rows >= 0].copy()), True)

    def features(self, names: tuple[pl.Series, pl.Series], notes: list[str]) -> dict[str, Features | None]:
        """Features of the users and of the items by their number; None where nothing is known of them.

        Args:
            names: Names of the users and of the items.
            notes: Takes what each column became.
        """
        found: dict[str, Features | None] = {"user": None, "item": None}
        for side, of in zip(found, names, strict=True):
            if side in self.sides:
                found[side] = features_of(self.sides[side], of, side, notes)
        if self.content is not None:
            own, more = Features.of_bag(self.content), found["item"]
            found["item"] = own if more is None else Features(own.n_rows, (*own.columns, *more.columns))
        return found

    def given_sets(
        self, parts: Mapping[str, Pairs], names: tuple[pl.Series, pl.Series], split: str, notes: list[str]
    ) -> Csr | None:
        """Given negatives of each user; see :func:`negatives.data.loading.given.given_sets`."""
        return given_sets(self.given, parts, names, split in BY_TIME, notes)
