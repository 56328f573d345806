"""What a model answers to one query, for the demo and the report."""

from __future__ import annotations

from typing import Any

import polars
import torch
from torch import Tensor

SHOWN = 8
"""Answers that are shown."""
KNOWN = 12
"""Known items that are shown."""


def answers(query: str, scores: Tensor, known: Tensor, names: polars.Series, *, again: bool = False) -> dict[str, Any]:
    """The best items for a query.

    Args:
        query: Its name.
        scores: ``(n_items,)``; minus infinity for items that must not be answered.
        known: ``(n,)`` ids of the items that it is known to go with.
        names: Name of each item.
        again: Answer with known items too, as where they are what the model was asked to find.

    >>> answers("q", torch.tensor([0.5, 2.0, 1.0]), torch.tensor([1]), polars.Series(["a", "b", "c"]))
    {'query': 'q', 'known': ['b'], 'recommended': [{'item': 'c', 'score': 1.0}, {'item': 'a', 'score': 0.5}]}
    """
    known = known.long()
    left = scores if again else scores.index_fill(0, known, -torch.inf)
    best = torch.topk(left, min(SHOWN, left.numel()))
    return {
        "query": query,
        "known": [names[item] for item in known[:KNOWN].tolist()],
        "recommended": [
            {"item": names[item], "score": round(score, 4)}
            for score, item in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            if score > -torch.inf
        ],
    }


__all__ = ["answers"]
