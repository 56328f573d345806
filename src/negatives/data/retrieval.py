"""A retrieval collection with its parts: texts, and which document answers which query, with grades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
import torch
from torch import Tensor

from negatives.data.pairs import Rows
from negatives.data.repeats import once
from negatives.types import Catalogue, Csr, less, union


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

    def once(self, part: str, notes: list[str]) -> Judgements:
        """Each judged pair once, with the highest of its grades; what is left out is told in ``notes``."""
        if not len(self):
            return self
        found = once(self.queries * (int(self.items.max()) + 1) + self.items, self.grades)
        notes += found.notes(part, "judgements", "grades")
        return Judgements(self.queries[found.rows], self.items[found.rows], found.values)


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
        identical: Documents that are the query itself, per query: neither answers nor negatives of it; None for none.
    """

    name: str
    query_names: pl.Series
    query_texts: list[str]
    item_names: pl.Series
    item_texts: list[str]
    parts: Mapping[str, Judgements]
    notes: tuple[str, ...]
    identical: Csr | None = None

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

        Documents with the same text are one group. A document that is the query itself is known to it. Training
        judgements of grade 0 are given negatives.
        """
        known = self.known(("train", "titles"))
        counts = torch.bincount(known.indices.long(), minlength=self.n_items)
        known = known if self.identical is None else union([known, self.identical])
        first: dict[str, int] = {}
        groups = torch.tensor([first.setdefault(text, index) for index, text in enumerate(self.item_texts)])
        return Catalogue(self.n_queries, self.n_items, counts, known, item_groups=groups, given=self._given(known))

    def _given(self, known: Csr) -> Csr | None:
        """Documents that were judged to be wrong, per query; None where no training judgement says so."""
        train = self.part("train")
        wrong = train.pick(train.grades <= 0)
        if not len(wrong):
            return None
        return less(Csr.from_pairs(wrong.queries, wrong.items, self.n_queries, self.n_items), known)

    def without_identical(self) -> RetrievalData:
        """The same data, with each query apart from the documents that are the query itself; told in a note.

        A document is the query itself if it has its name or its text, as BEIR's ``ignore_identical_ids`` says of
        names; what is judged to be relevant is an answer all the same.
        """
        found = identical(self.query_names, self.query_texts, self.item_names, self.item_texts)
        found = less(found, self.known(self.parts))
        if not found.nnz:
            return self
        note = identical_note(found, "answers", "reading.ignore_identical=false")
        return replace(self, identical=found, notes=(*self.notes, note))


def identical(
    query_names: Iterable[str], query_texts: Sequence[str], item_names: Iterable[str], item_texts: Sequence[str]
) -> Csr:
    """Documents with the name or the text of each query.

    >>> identical(["a", "b"], ["x", "y"], ["b", "c"], ["z", "x"]).indices.tolist()
    [1, 0]
    """
    rows, cols = [], []
    for queries, items in ((query_names, item_names), (query_texts, item_texts)):
        wanted: dict[str, list[int]] = {}
        for query, what in enumerate(queries):
            wanted.setdefault(what, []).append(query)
        for item, what in enumerate(items):
            for query in wanted.get(what, ()):
                rows.append(query)
                cols.append(item)
    pairs = torch.tensor(rows, dtype=torch.int64), torch.tensor(cols, dtype=torch.int64)
    return Csr.from_pairs(*pairs, len(query_texts), len(item_texts))


def identical_note(found: Csr, role: str, switch: str) -> str:
    """One line about documents that are the query itself.

    Args:
        found: From :func:`identical`.
        role: What they are left out of.
        switch: What keeps them.
    """
    queries = int((found.lengths() > 0).sum())
    return f"queries: {queries:,} are documents themselves, and left out of their own {role}; {switch} keeps them"
