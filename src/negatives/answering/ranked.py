"""The best items for a batch of questions, and the table that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from negatives import kernels
from negatives.answering.names import Names
from negatives.types import Csr

BLOCK = 64
"""Questions whose scores with all items are held at a time."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Answers to ``n`` questions.

    Args:
        labels: The questions as one reads them.
        ids: ``(n, k)`` int64, best first; -1 where there are fewer.
        scores: ``(n, k)`` float32.
        names: Names of the items.
        known: ``(n, k)`` bool, whether an answer was known before; None where there is no such thing.
        texts: Texts of the items by id, where the run has them.
    """

    labels: Sequence[str]
    ids: Tensor
    scores: Tensor
    names: Names
    known: Tensor | None = None
    texts: Sequence[str] | None = None

    def frame(self, rows: Sequence[int]) -> pl.DataFrame:
        """Columns ``query``, ``rank``, ``item``, ``score`` and, where there are, ``known`` and ``text``.

        Args:
            rows: Number of each question, by which several answers are put in order; the column ``row``.
        """
        n, k = self.ids.shape
        there = (self.ids >= 0).reshape(-1)
        index = pl.Series(torch.arange(n).repeat_interleave(k)[there].numpy())
        ids = self.ids.reshape(-1)[there]
        columns = {
            "row": pl.Series(list(rows), dtype=pl.Int64).gather(index),
            "query": pl.Series(list(self.labels), dtype=pl.String).gather(index),
            "rank": pl.Series(torch.arange(1, k + 1).repeat(n)[there].numpy()),
            "item": self.names.of(ids).cast(pl.String),
            "score": pl.Series(self.scores.reshape(-1)[there].numpy(), dtype=pl.Float32),
        }
        if self.known is not None:
            columns["known"] = pl.Series(self.known.reshape(-1)[there].numpy())
        if self.texts is not None:
            columns["text"] = pl.Series([self.texts[one] for one in ids.tolist()], dtype=pl.String)
        return pl.DataFrame(columns)


def by_vectors(
    vectors: Tensor,
    items: Tensor,
    k: int,
    known: Csr | None = None,
    leave_out: bool = True,
    only: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The items of highest inner product; the same for a vector in whatever company it is asked.

    Args:
        vectors: ``(n, d)`` float32, of the questions.
        items: ``(m, d)`` float32.
        k: How many.
        known: Known items of each question; None for none.
        leave_out: Whether these are left out.
        only: ``(c,)`` int64 items that may be answered; all when left out.

    Returns:
        Ids ``(n, k)``, scores ``(n, k)``, and which are known ``(n, k)``.
    """
    rows, exclude = torch.arange(len(vectors)), known if leave_out else None
    ids, scores = kernels.best(
        vectors, items, min(k, len(items)), exclude=exclude, rows=rows, only=only, ties=torch.zeros_like(rows)
    )
    return ids, scores, marked(ids, known)


def by_scores(
    every: Callable[[Tensor], Tensor],
    n: int,
    k: int,
    known: Csr | None = None,
    leave_out: bool = True,
    only: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The items of highest score; see :func:`by_vectors`.

    Args:
        every: Scores ``(rows, m)`` of questions ``(rows,)`` with all items.
        n: Number of questions.
        k: How many.
        known: Known items of each question; None for none.
        leave_out: Whether these are left out.
        only: ``(c,)`` int64 items that may be answered; all when left out.
    """
    ids, scores = [], []
    for rows in torch.split(torch.arange(n), BLOCK):
        found = every(rows)
        if only is not None:
            found = torch.full_like(found, -torch.inf).index_copy_(1, only, found[:, only])
        if known is not None and leave_out:
            some = known.pick(rows)
            owners = torch.repeat_interleave(torch.arange(rows.numel()), some.lengths())
            found = found.index_put((owners, some.indices.long()), torch.tensor(-torch.inf))
        top = kernels.top_k(found, min(k, found.shape[1]), queries=torch.zeros_like(rows))
        ids.append(top[0])
        scores.append(top[1])
    all_ids = torch.cat(ids) if ids else torch.empty(0, k, dtype=torch.int64)
    return all_ids, torch.cat(scores) if scores else torch.empty(0, k), marked(all_ids, known)


def marked(ids: Tensor, known: Csr | None) -> Tensor | None:
    """``(n, k)`` bool: which answers are known of their question; None where nothing is known of any.

    >>> known = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([2, 0]), 2, 3)
    >>> marked(torch.tensor([[2, 1], [1, -1]]), known).tolist()
    [[True, False], [False, False]]
    """
    if known is None:
        return None
    rows = torch.repeat_interleave(torch.arange(known.n_rows), known.lengths())
    codes = rows * known.n_cols + known.indices.long()
    asked = torch.arange(len(ids))[:, None] * known.n_cols + ids
    return torch.isin(asked, codes) & (ids >= 0)


def sets(lists: Sequence[Sequence[int]], n_cols: int) -> Csr:
    """Lists of ids as sets."""
    owners = torch.repeat_interleave(torch.tensor([len(one) for one in lists], dtype=torch.int64))
    ids = torch.tensor([one for some in lists for one in some], dtype=torch.int64)
    return Csr.from_pairs(owners, ids, len(lists), n_cols)
