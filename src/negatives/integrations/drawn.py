"""Batches of training pairs with their negatives, on their way from a data set to a trainer's model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from negatives.types import Negatives, State

FIELDS = ("ids", "log_q", "ok", "weight", "positive_log_q")
"""What of the negatives a batch holds."""
Inputs = dict[str, Any]
"""What a model takes, by name."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch that was drawn for.

    Args:
        queries: ``(rows,)`` int64.
        positives: ``(rows,)`` int64.
        examples: ``(rows,)`` int64.
        negatives: What was drawn.
    """

    queries: Tensor
    positives: Tensor
    examples: Tensor
    negatives: Negatives

    def state(self) -> State:
        """All of it."""
        found = {name: part for name in FIELDS if (part := getattr(self.negatives, name)) is not None}
        return {"rows": torch.stack([self.queries, self.positives, self.examples]), "negatives": found}

    @staticmethod
    def of(state: Mapping[str, Any]) -> Drawn:
        """What :meth:`state` gave."""
        queries, positives, examples = state["rows"]
        ids, log_q, ok, weight, positive_log_q = (state["negatives"].get(name) for name in FIELDS)
        negatives = Negatives(ids, log_q, ok, weight, positive_log_q=positive_log_q)
        return Drawn(queries, positives, examples, negatives)

    def has_rows_of(self, other: tuple[Tensor, ...]) -> bool:
        """Whether it was drawn for these very rows."""
        own = self.queries, self.positives, self.examples
        return all(torch.equal(one, two) for one, two in zip(own, other, strict=True))


ToInputs = Callable[[Drawn], Inputs]
"""From a batch with its negatives to what the model takes."""


def plain(drawn: Drawn) -> Inputs:
    """``queries``, ``positives`` and the fields of the negatives that there are; a shared pool is ``ids`` ``(k,)``."""
    pool = drawn.negatives.pool
    found = {name: part for name in FIELDS if (part := getattr(drawn.negatives, name)) is not None}
    if pool is not None:
        found["ids"] = pool
    return {"queries": drawn.queries, "positives": drawn.positives} | found


def as_negatives(
    ids: Tensor,
    ok: Tensor,
    log_q: Tensor | None = None,
    weight: Tensor | None = None,
    positive_log_q: Tensor | None = None,
) -> Negatives:
    """The negatives of a collated batch, in the ``forward`` of a model.

    >>> as_negatives(torch.tensor([4, 5]), torch.ones(3, 2, dtype=torch.bool)).pool.tolist()
    [4, 5]
    """
    wide = ids.expand(ok.shape) if ids.dim() == 1 else ids
    return Negatives(wide, log_q, ok, weight, positive_log_q=positive_log_q)
