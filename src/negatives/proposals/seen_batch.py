"""Vectors of the batch at hand, and the steps at which a proposal looks at the whole model anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.scoring import first_rows
from negatives.types import Scorer, State, finite

BLOCK = 8192


@dataclass(slots=True)
class SeenBatch:
    """The vector of each query of the batch; a query with several vectors in one batch has its first.

    >>> seen = SeenBatch()
    >>> seen.keep(torch.tensor([7, 3]), torch.tensor([[1.0], [2.0]]))
    >>> seen.vectors_of(torch.tensor([3, 4]), 1)
    (tensor([[2.],
            [0.]]), tensor([ True, False]))
    """

    _queries: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), repr=False)
    _vectors: Tensor = field(default_factory=lambda: torch.empty(0, 0), repr=False)

    def keep(self, queries: Tensor, vectors: Tensor) -> None:
        """Take the vectors ``(rows, d)`` of ``queries`` ``(rows,)``."""
        first = first_rows(queries)
        self._queries, self._vectors = queries[first], vectors[first]

    def vectors_of(self, queries: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Vectors ``(rows, width)`` of some queries, zero where there is none, and where there is one ``(rows,)``."""
        if self._vectors.shape[1] != width or not self._queries.numel():
            return torch.zeros(queries.numel(), width, device=queries.device), torch.zeros_like(queries).bool()
        place = torch.searchsorted(self._queries, queries).clamp(max=self._queries.numel() - 1)
        there = self._queries[place] == queries
        return self._vectors[place] * there[:, None], there

    def state(self) -> State:
        """The queries and their vectors."""
        return {"queries": self._queries.clone(), "vectors": self._vectors.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._queries, self._vectors = state["queries"].clone(), state["vectors"].clone()


def next_due(step: int, every: int) -> int:
    """The step of the next look: early ones are close together, for a young model moves fast.

    >>> steps = [0]
    >>> while steps[-1] < 400: steps.append(next_due(steps[-1], 200))
    >>> steps
    [0, 1, 4, 16, 64, 256, 456]
    """
    return step + min(every, max(1, 3 * step))


def all_vectors(scorer: Scorer, n_items: int, device: torch.device) -> Tensor:
    """Vectors ``(n_items, d)`` float32 of all items."""
    items = torch.arange(n_items, device=device)
    parts = [scorer.encode_items(some).detach().float() for some in torch.split(items, BLOCK)]
    return finite(torch.cat(parts), "vectors of items")
