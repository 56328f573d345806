"""What methods without training share: a score for every item, and the rest of a model made of it."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from negatives.models.answers import Answers, answers_of_scores
from negatives.models.base import Model

CELLS = 1 << 24
"""Scores that are held at a time."""
FEW = 8
"""Pairs are few where there is one for so many queries, or less."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the cost of a method depends on.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
        pairs: Known pairs of the training part.
        squares: Sum over the queries of the squared number of their known items: pairs of items that stand together.
        examples: Rows of the feed, for running text its words.
        features: Sparse features of the queries, 0 where there are none.
    """

    n_queries: int
    n_items: int
    pairs: int
    squares: int
    examples: int
    features: int = 0


class CountedModel(Model, ABC):
    """A model that is computed from facts when it is built; an engine takes no steps with it.

    Its scores need not be inner products of narrow vectors, so it has no tables worth exporting: the encoding of a
    query is the row of its scores, and that of an item a unit vector.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
    """

    engine = "counted"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    """Values of its parameters among which the validation part chooses; one parameter varies at a time, the others
    keep the best value so far."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Modules of other packages that it is computed with."""
    extra: ClassVar[str] = ""
    """Extra of this package that brings them."""
    symmetric: ClassVar[bool] = False
    """Whether queries and items are the same things and a pair's score does not depend on its direction."""

    def __init__(self, n_queries: int, n_items: int) -> None:
        super().__init__(n_queries, n_items, max(n_items, 1))
        self.register_buffer("there", torch.ones(n_items, dtype=torch.bool))  # a saved state must fit the data

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be computed here, in words; nothing where it can."""
        lacking = [name for name in cls.packages if importlib.util.find_spec(name) is None]
        return f"it needs {' and '.join(lacking)}; run: pip install 'negatives[{cls.extra}]'" if lacking else ""

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        """Seconds that building and asking it take on two cores, roughly, before anything is built."""
        return 1e-8 * sizes.pairs

    @abstractmethod
    def score_all(self, queries: Tensor) -> Tensor:
        """Scores ``(rows, n_items)`` float32 of queries ``(rows,)`` with every item."""

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """See :meth:`Model.score`; every distinct query is scored once, block by block."""
        if items.dim() == 1:
            return self.score(queries, items[:, None])[:, 0]
        distinct, place = torch.unique(queries, return_inverse=True)
        step = max(1, CELLS // max(self.n_items, 1))
        if distinct.numel() <= step:
            return self.score_all(distinct)[place[:, None], items]
        found = torch.empty(items.shape, device=items.device)
        for start in range(0, distinct.numel(), step):
            rows = ((place >= start) & (place < start + step)).nonzero()[:, 0]
            scores = self.score_all(distinct[start : start + step])
            found[rows] = scores[(place[rows] - start)[:, None], items[rows]]
        return found

    def answers(self) -> Answers:
        """The scores themselves, block by block: no table is made but where queries are asked for over and over.

        Where a score has no direction and a table is not too large, it is made as soon as many pairs are asked for.
        """
        if not self.symmetric:
            return answers_of_scores(self.score_all, self.score)
        if self.n_queries * self.n_items > CELLS:
            return Answers(self.score_all, self.score, self.score)
        table = cache(lambda: self.score_all(torch.arange(self.n_queries)))

        def pairs(nodes: Tensor, others: Tensor) -> Tensor:
            few = FEW * nodes.numel() <= self.n_queries
            return self.score(nodes, others) if few else table()[nodes[:, None], others]

        return Answers(self.score_all, pairs, pairs)

    def vectors(self) -> dict[str, Tensor]:
        """Nothing: it has no vectors that another program could use."""
        return {}

    def encode_queries(self, queries: Tensor) -> Tensor:
        """The scores ``(rows, n_items)``."""
        return self.score_all(queries)

    def encode_items(self, items: Tensor) -> Tensor:
        """Unit vectors ``(..., n_items)``."""
        return one_hot(items, self.n_items).float()
