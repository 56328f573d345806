"""A retrieval collection with its parts: texts, and which document answers which query, with grades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from negatives.data.pairs import Rows
from negatives.types import Catalogue, Csr


@dataclass(frozen=True, slots=True)
class Judgements(Rows):
    """Judged pairs of one part.

    Args:
        queries: ``(n,)`` int64 query ids.
        items: ``(n,)`` int64 document ids.
        grades: ``(n,)`` int64; above zero is relevant.
    """

    queries: Tensor
    items: Tensor
    grades: Tensor


@dataclass(frozen=True, slots=True)
class RetrievalData:
    """Queries, documents and judgements under one numbering.

    Args:
        name: Short name of the data.
        query_names: Names by query id.
        query_texts: Texts by query id; those behind the judged queries are titles that stand for their documents.
        item_names: Names by document id.
        item_texts: Texts by document id.
        parts: ``train``, ``valid``, ``test``, ``canaries``; and ``titles``, pairs of a title and its document.
        notes: What was read and what was skipped.
    """

    name: str
    query_names: pl.Series
    query_texts: list[str]
    item_names: pl.Series
    item_texts: list[str]
    parts: Mapping[str, Judgements]
    notes: tuple[str, ...]

    @property
    def n_queries(self) -> int:
        return len(self.query_texts)

    @property
    def n_items(self) -> int:
        return len(self.item_texts)

    def part(self, name: str) -> Judgements:
        """A part's judgements; none where there is no such part."""
        return self.parts.get(name, Judgements.empty())

    def known(self, parts: Iterable[str]) -> Csr:
        """Relevant documents of each query in some parts."""
        found = Judgements.joined(one.pick(one.grades > 0) for one in map(self.part, parts))
        return Csr.from_pairs(found.queries, found.items, self.n_queries, self.n_items)

    def catalogue(self) -> Catalogue:
        """What samplers may know: relevant pairs that are trained on, and how often each document is among them.

        Documents with the same text are one group.
        """
        known = self.known(("train", "titles"))
        counts = torch.bincount(known.indices.long(), minlength=self.n_items)
        first: dict[str, int] = {}
        groups = torch.tensor([first.setdefault(text, index) for index, text in enumerate(self.item_texts)])
        return Catalogue(self.n_queries, self.n_items, counts, known, item_groups=groups)
