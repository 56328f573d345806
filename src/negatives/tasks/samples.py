"""What a model answers to one query, for the demo and the report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
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
LETTERS = 140
"""Letters of a text that are shown."""
Sample = dict[str, Any]
"""``query``, ``known`` and ``recommended``, as they stand in metrics.json; ``known_texts`` where names are only ids."""


def sample(
    query: str,
    known: Iterable[str],
    answers: Iterable[tuple[str, float]],
    right: Collection[str] | None = None,
    text: Callable[[str], str] | None = None,
) -> Sample:
    """One query with what it is known to go with, and the answers with their scores, best first.

    Args:
        query: Its name or text.
        known: Names of items.
        answers: Name and score of each item that is answered.
        right: Names of those that the test part says are right; None where it says nothing.
        text: Gives what stands behind the name of an item, for a reader; None where names say all.

    >>> sample("q", ["b"], [("c", 1.0), ("a", 0.49999)])
    {'query': 'q', 'known': ['b'], 'recommended': [{'item': 'c', 'score': 1.0}, {'item': 'a', 'score': 0.5}]}
    >>> sample("q", [], [("c", 1.0)], right={"c"}, text=str.upper)["recommended"]
    [{'item': 'c', 'score': 1.0, 'right': True, 'text': 'C'}]
    """
    known, recommended = list(known), [_answer(item, score, right, text) for item, score in answers]
    found = {"query": query, "known": known, "recommended": recommended}
    return found if text is None else found | {"known_texts": [_clipped(text(item)) for item in known[:KNOWN]]}


def _answer(
    item: str, score: float, right: Collection[str] | None, text: Callable[[str], str] | None
) -> dict[str, Any]:
    told: dict[str, Any] = {"item": item, "score": round(score, 4)}
    if right is not None:
        told["right"] = item in right
    return told if text is None else told | {"text": _clipped(text(item))}


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


def answers(query: str, scores: Tensor, known: Tensor, names: polars.Series, right: Tensor | None = None) -> Sample:
    """The best items for a query among those that it is not known to go with.

    Args:
        query: Its name.
        scores: ``(n_items,)``; minus infinity for items that must not be answered.
        known: ``(n,)`` ids of the items that it is known to go with.
        names: Name of each item.
        right: ``(m,)`` ids of the items that the test part says are right; None where it says nothing.

    >>> answers("q", torch.tensor([0.5, 2.0, 1.0]), torch.tensor([1]), polars.Series(["a", "b", "c"]))
    {'query': 'q', 'known': ['b'], 'recommended': [{'item': 'c', 'score': 1.0}, {'item': 'a', 'score': 0.5}]}
    """
    left = scores.index_fill(0, known.long(), -torch.inf)
    told = None if right is None else {names[item] for item in right.tolist()}
    return sample(query, [names[item] for item in known[:KNOWN].tolist()], best(left, names), told)


def _clipped(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LETTERS else line[: LETTERS - 1].rstrip() + "…"


def best_known(known: Csr) -> list[int]:
    """The queries with the most known items."""
    lengths = known.lengths().float()[None]
    found: list[int] = kernels.top_k(lengths, min(QUERIES, known.n_rows))[0][0].tolist()
    return found
