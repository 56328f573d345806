"""Names and their numbers, both ways."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property

import polars as pl
import torch
from torch import Tensor

from negatives.errors import UnknownName

FEW = 16
"""Names up to which each is looked up by itself, which needs no index over all."""
SEARCHED = 20_000
"""Names among which one that is misspelt is looked for."""
ALIKE = 3
"""First letters that a name shares with what was meant, at least."""
SHOWN = 3
"""Similar names that a message names."""


class Names:
    """The names of one kind of thing.

    Args:
        kind: What they are called, for messages: ``user``, ``entity``.
        series: ``(n,)`` text, by id; of names that stand there twice the first counts.
    """

    def __init__(self, kind: str, series: pl.Series) -> None:
        self.kind, self.series = kind, series

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: int) -> str:
        return str(self.series[index])

    def of(self, ids: Tensor) -> pl.Series:
        """The names of ids ``(n,)``; null for -1."""
        index = pl.Series(ids.reshape(-1).numpy())
        return self.series.gather(index.set(index < 0, None))

    @cached_property
    def _lower(self) -> pl.Series:
        return self.series.str.to_lowercase()

    def find(self, names: Sequence[str]) -> Tensor:
        """Ids ``(n,)`` int64 of names; -1 for those that are not there.

        >>> Names("item", pl.Series(["a", "b"])).find(["b", "x"]).tolist()
        [1, -1]
        """
        if len(names) <= FEW:
            found = [self.series.index_of(name) for name in names]
            return torch.tensor([-1 if one is None else one for one in found], dtype=torch.int64)
        asked = pl.DataFrame({"name": pl.Series(names, dtype=pl.String)})
        index = pl.int_range(len(self.series), eager=True, dtype=pl.Int64)
        known = pl.DataFrame({"name": self.series, "index": index}).unique("name", keep="first")
        ids = asked.join(known, "name", "left", maintain_order="left")["index"].fill_null(-1)
        return torch.from_numpy(ids.to_numpy().copy())

    def ids(self, names: Sequence[str]) -> Tensor:
        """Ids ``(n,)`` int64.

        Raises:
            UnknownName: One is not known; names the first, how many there are, and names like it.
        """
        found = self.find(names)
        missing = (found < 0).nonzero()[:, 0].tolist()
        if missing:
            raise UnknownName(self.unknown([names[at] for at in missing]), hint=self.like(names[missing[0]]))
        return found

    def unknown(self, names: Sequence[str]) -> str:
        """A sentence about names that are not there."""
        more = f", nor are {len(names) - 1:,} more" if len(names) > 1 else ""
        return f"no {self.kind} is called {names[0]!r}{more}"

    def like(self, name: str) -> str:
        """What to do about a name that is not there: names like it, else some that are there."""
        near = self.starting(name, SHOWN)
        if not near and len(self) <= SEARCHED:
            near = difflib.get_close_matches(name, self.series.to_list(), n=SHOWN)
        if not near:
            near = self._beginning_as(name)
        if near:
            return "did you mean " + " or ".join(map(repr, near)) + "?"
        return f"known are for instance {', '.join(map(repr, self.series.head(SHOWN).to_list()))}"

    def _beginning_as(self, name: str) -> list[str]:
        """Names that share the most first letters with one, at least :data:`ALIKE`; the shortest first."""
        for length in range(len(name) - 1, ALIKE - 1, -1):
            found = self.series.filter(self._lower.str.starts_with(name[:length].lower()))
            if len(found):
                return sorted(found.unique().to_list(), key=lambda one: (len(one), one))[:SHOWN]
        return []

    def starting(self, text: str, most: int) -> list[str]:
        """Names that begin with a text, else those that hold it, whatever the case; the shortest first."""
        lower, wanted = self._lower, text.strip().lower()
        if not wanted:
            return self.series.head(most).to_list()
        for mask in (lower.str.starts_with(wanted), lower.str.contains(wanted, literal=True)):
            found = self.series.filter(mask).unique(maintain_order=True)
            if len(found):
                return found.gather(found.str.len_chars().arg_sort()).head(most).to_list()
        return []
