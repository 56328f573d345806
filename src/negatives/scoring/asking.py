"""Scores and vectors for the rows of a batch, whatever the scorer is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from negatives.types import Context, Scorer, finite


@runtime_checkable
class PlaceScorer(Protocol):
    """A scorer that knows the rows of the batch by their place, beside or in place of their query ids."""

    def encode_places(self, places: Tensor) -> Tensor:
        """Vectors ``(n, d)`` of the rows at ``places`` ``(n,)`` of the batch."""
        ...

    def score_places(self, places: Tensor, items: Tensor) -> Tensor:
        """As :meth:`negatives.types.Scorer.score`, for the rows at ``places`` ``(n,)`` of the batch."""
        ...


def scores_of(scorer: Scorer, context: Context, items: Tensor, what: str = "scores") -> Tensor:
    """Detached float32 scores of the rows of ``context``.

    Args:
        scorer: The model, or what stands in its place.
        context: The rows.
        items: ``(rows,)`` one for each row, ``(rows, k)`` of each row's own, or a shared pool.
        what: What they are called if they are no numbers.

    Returns:
        Of the shape of ``items``.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    if isinstance(scorer, PlaceScorer):
        found = scorer.score_places(_places(context), items)
    else:
        found = scorer.score(context.queries, items)
    return finite(found.detach().float(), what)


def query_vectors(scorer: Scorer, context: Context) -> Tensor:
    """Detached float32 vectors ``(rows, d)`` of the rows of ``context``.

    Raises:
        NonFiniteScores: A number is NaN or infinite.
    """
    if isinstance(scorer, PlaceScorer):
        found = scorer.encode_places(_places(context))
    else:
        found = scorer.encode_queries(context.queries)
    return finite(found.detach().float(), "vectors of queries")


def first_rows(queries: Tensor) -> Tensor:
    """Places ``(distinct,)`` of the first row of each query, in the order of the query ids.

    >>> first_rows(torch.tensor([4, 2, 4, 2])).tolist()
    [1, 0]
    """
    ordered, order = queries.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return order[first]


def _places(context: Context) -> Tensor:
    return torch.arange(context.rows, device=context.device) if context.places is None else context.places
