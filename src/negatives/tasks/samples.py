"""What a model answers to one query, for the demo and the report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars
import torch
from torch import Tensor

from negatives import kernels
from negatives.types import Csr

SHOWN = 8
"""Answers that are shown."""
KNOWN = 12
"""Known items that are shown."""
QUERIES = 5
"""Queries that are asked."""
Sample = dict[str, Any]
"""``query``, ``known`` and ``recommended``, as they stand in metrics.json."""


def sample(query: str, known: Iterable[str], answers: Iterable[tuple[str, float]]) -> Sample:
    """One query with what it is known to go with, and the answers with their scores, best first.

    >>> sample("q", ["b"], [("c", 1.0), ("a", 0.49999)])
    {'query': 'q', 'known': ['b'], 'recommended': [{'item': 'c', 'score': 1.0}, {'item': 'a', 'score': 0.5}]}
    """
    recommended = [{"item": item, "score": round(score, 4)} for item, score in answers]
    return {"query": query, "known": list(known), "recommended": recommended}


def best(scores: Tensor, names: polars.Series, most: int = SHOWN) -> list[tuple[str, float]]:
    """The items of highest score with their scores.

    Args:
        scores: ``(n_items,)``; minus infinity for items that must not be answered.
        names: Name of each item.
        most: How many.
    """
    ids, values = (part[0].tolist() for part in kernels.top_k(scores[None], min(most, scores.numel())))
    ranked = zip(ids, values, strict=True)
    return [(names[item], score) for item, score in ranked if score > -torch.inf]


def answers(query: str, scores: Tensor, known: Tensor, names: polars.Series) -> Sample:
    """The best items for a query among those that it is not known to go with.

    Args:
        query: Its name.
        scores: ``(n_items,)``; minus infinity for items that must not be answered.
        known: ``(n,)`` ids of the items that it is known to go with.
        names: Name of each item.

    >>> answers("q", torch.tensor([0.5, 2.0, 1.0]), torch.tensor([1]), polars.Series(["a", "b", "c"]))
    {'query': 'q', 'known': ['b'], 'recommended': [{'item': 'c', 'score': 1.0}, {'item': 'a', 'score': 0.5}]}
    """
    left = scores.index_fill(0, known.long(), -torch.inf)
    return sample(query, [names[item] for item in known[:KNOWN].tolist()], best(left, names))


def best_known(known: Csr) -> list[int]:
    """The queries with the most known items."""
    lengths = known.lengths().float()[None]
    found: list[int] = kernels.top_k(lengths, min(QUERIES, known.n_rows))[0][0].tolist()
    return found
