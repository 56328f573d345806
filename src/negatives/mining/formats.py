"""Mined negatives in the columns that Sentence Transformers' ``mine_hard_negatives`` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    header, rows = _FORMATS[format]
    k = mined.ids.shape[1]
    found: Columns = {name: [] for name in header(names, k, scores)}
    starts = mined.positives.indptr.tolist()
    own = _texts(items, mined.positives.indices.tolist(), mined.positive_scores.tolist())
    for query, start, stop, ids, values in zip(
        queries, starts[:-1], starts[1:], mined.ids.tolist(), mined.scores.tolist(), strict=True
    ):
        negatives = _texts(items, ids, values)
        if format == "n-tuple" and len(negatives) < k:
            continue
        for row in rows(own[start:stop], negatives, scores):
            for column, cell in zip(found.values(), (query, *row), strict=False):  # scores come last, if wanted
                column.append(cell)
    return found


Scored = list[tuple[str, float]]
"""Texts with their scores."""
Rows = Iterator[tuple[Any, ...]]
"""The cells of each row behind the query, scores last."""


def _texts(items: Sequence[str], ids: list[int], values: list[float]) -> Scored:
    return [(items[item], score) for item, score in zip(ids, values, strict=True) if item >= 0]


def _pairs(positives: Scored, negatives: Scored, scores: bool) -> Rows:
    yield from negatives


def _triplets(positives: Scored, negatives: Scored, scores: bool) -> Rows:
    for positive, own in positives:
        for negative, score in negatives:
            yield positive, negative, [own, score]


def _tuples(positives: Scored, negatives: Scored, scores: bool) -> Rows:
    for positive, own in positives:
        yield positive, *(text for text, _ in negatives), [own, *(score for _, score in negatives)]


def _labelled_pairs(positives: Scored, negatives: Scored, scores: bool) -> Rows:
    for label, some in ((1, positives), (0, negatives)):
        for text, score in some:
            yield text, score if scores else label


def _labelled_lists(positives: Scored, negatives: Scored, scores: bool) -> Rows:
    for positive, own in positives if negatives else []:
        values = [own, *(score for _, score in negatives)]
        yield [positive, *(text for text, _ in negatives)], values if scores else [1] + [0] * len(negatives)


_FORMATS: dict[str, tuple[Callable[[Names, int, bool], list[str]], Callable[[Scored, Scored, bool], Rows]]] = {
    "pairs": (lambda names, _, scores: [names[0], "negative", *["score"] * scores], _pairs),
    "triplet": (lambda names, _, scores: [*names, "negative", *["scores"] * scores], _triplets),
    "n-tuple": (
        lambda names, k, scores: [*names, *(f"negative_{place}" for place in range(1, k + 1)), *["scores"] * scores],
        _tuples,
    ),
    "labeled-pair": (lambda names, _, scores: [*names, "score" if scores else "label"], _labelled_pairs),
    "labeled-list": (lambda names, _, scores: [*names, "scores" if scores else "labels"], _labelled_lists),
}


def count(mined: Mined) -> int:
    """How many negatives were found, over all queries."""
    return int((mined.ids >= 0).sum(dtype=torch.int64))


def left_out(mined: Mined, format: Format) -> int:
    """Of how many queries nothing is written: all negatives must be there for an n-tuple, one for other formats."""
    found = (mined.ids >= 0).sum(1)
    least = {"n-tuple": mined.ids.shape[1], "labeled-pair": 0}.get(format, 1)
    return int((found < least).sum())
