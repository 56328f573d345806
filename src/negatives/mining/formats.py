"""Mined negatives in the columns that Sentence Transformers' ``mine_hard_negatives`` gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from negatives.mining.mine import Mined
from negatives.mining.options import Format

Columns = dict[str, list[Any]]
Names = tuple[str, str]
"""Names of the columns of the anchor and the positive."""


def columns(
    mined: Mined,
    queries: Sequence[str],
    items: Sequence[str],
    format: Format = "triplet",
    names: Names = ("anchor", "positive"),
    scores: bool = False,
) -> Columns:
    """The mined negatives as columns of equal length.

    * ``pairs``: anchor, negative.
    * ``triplet``: anchor, positive, negative; one row for each positive and negative.
    * ``n-tuple``: anchor, positive, negative_1, ...; only where all negatives were found.
    * ``labeled-pair``: anchor, positive (any document), label 1 or 0.
    * ``labeled-list``: anchor, positive (a list of documents), labels.

    Args:
        mined: The negatives.
        queries: Texts of the queries.
        items: Texts of the items.
        format: The layout.
        names: Names of the first two columns.
        scores: Add the scores; they take the place of labels.
    """
    return _FORMATS[format](_Rows(mined, queries, items, names, scores))


class _Rows:
    """One row for each query with its positives, in plain lists.

    Args:
        mined: The negatives.
        queries: Texts of the queries.
        items: Texts of the items.
        names: Names of the first two columns.
        scores: Whether scores are wanted.
    """

    def __init__(self, mined: Mined, queries: Sequence[str], items: Sequence[str], names: Names, scores: bool) -> None:
        self.queries, self.items, self.names, self.scores = queries, items, names, scores
        self.k = mined.ids.shape[1]
        starts = mined.positives.indptr.tolist()
        own, values = mined.positives.indices.tolist(), mined.positive_scores.tolist()
        self.rows = [
            (
                index,
                list(zip(own[start:stop], values[start:stop], strict=True)),
                [(item, score) for item, score in zip(ids, found, strict=True) if item >= 0],
            )
            for index, (start, stop, ids, found) in enumerate(
                zip(starts[:-1], starts[1:], mined.ids.tolist(), mined.scores.tolist(), strict=True)
            )
        ]


def _pairs(rows: _Rows) -> Columns:
    found: Columns = {rows.names[0]: [], "negative": []} | ({"score": []} if rows.scores else {})
    for query, _, negatives in rows.rows:
        for item, score in negatives:
            found[rows.names[0]].append(rows.queries[query])
            found["negative"].append(rows.items[item])
            if rows.scores:
                found["score"].append(score)
    return found


def _triplets(rows: _Rows) -> Columns:
    found: Columns = {rows.names[0]: [], rows.names[1]: [], "negative": []} | ({"scores": []} if rows.scores else {})
    for query, positives, negatives in rows.rows:
        for positive, own in positives:
            for item, score in negatives:
                found[rows.names[0]].append(rows.queries[query])
                found[rows.names[1]].append(rows.items[positive])
                found["negative"].append(rows.items[item])
                if rows.scores:
                    found["scores"].append([own, score])
    return found


def _tuples(rows: _Rows) -> Columns:
    found: Columns = {rows.names[0]: [], rows.names[1]: []}
    found |= {f"negative_{place}": [] for place in range(1, rows.k + 1)} | ({"scores": []} if rows.scores else {})
    for query, positives, negatives in rows.rows:
        if len(negatives) < rows.k:
            continue
        for positive, own in positives:
            found[rows.names[0]].append(rows.queries[query])
            found[rows.names[1]].append(rows.items[positive])
            for place, (item, _) in enumerate(negatives, 1):
                found[f"negative_{place}"].append(rows.items[item])
            if rows.scores:
                found["scores"].append([own, *(score for _, score in negatives)])
    return found


def _labelled_pairs(rows: _Rows) -> Columns:
    last = "score" if rows.scores else "label"
    found: Columns = {rows.names[0]: [], rows.names[1]: [], last: []}
    for query, positives, negatives in rows.rows:
        for label, some in ((1, positives), (0, negatives)):
            for item, score in some:
                found[rows.names[0]].append(rows.queries[query])
                found[rows.names[1]].append(rows.items[item])
                found[last].append(score if rows.scores else label)
    return found


def _labelled_lists(rows: _Rows) -> Columns:
    last = "scores" if rows.scores else "labels"
    found: Columns = {rows.names[0]: [], rows.names[1]: [], last: []}
    for query, positives, negatives in rows.rows:
        if not negatives:
            continue
        for positive, own in positives:
            found[rows.names[0]].append(rows.queries[query])
            found[rows.names[1]].append([rows.items[item] for item in (positive, *(item for item, _ in negatives))])
            values = [own, *(score for _, score in negatives)]
            found[last].append(values if rows.scores else [1] + [0] * len(negatives))
    return found


_FORMATS: dict[str, Callable[[_Rows], Columns]] = {
    "pairs": _pairs,
    "triplet": _triplets,
    "n-tuple": _tuples,
    "labeled-pair": _labelled_pairs,
    "labeled-list": _labelled_lists,
}


def count(mined: Mined) -> int:
    """How many negatives were found, over all queries."""
    return int((mined.ids >= 0).sum(dtype=torch.int64))
