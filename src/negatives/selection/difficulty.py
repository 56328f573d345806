"""What "hard" means; exchangeable, because no one meaning fits all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from negatives import kernels
from negatives.errors import ConfigError
from negatives.kernels.precision import in_float32
from negatives.scoring import distinct
from negatives.selection.base import Difficulty
from negatives.selection.picking import needed
from negatives.types import Candidates, Context, Scorer, finite, shared_pool


@dataclass(slots=True)
class QueryScore(Difficulty):
    """The model's score of the candidate for the query: hard is what the model would rank high."""

    @property
    def needs_scores(self) -> bool:
        return True

    def of(self, context: Context, candidates: Candidates, scorer: Scorer) -> Tensor:
        return needed(candidates.scores, "score", "candidate scores")


@dataclass(slots=True)
class Margin(Difficulty):
    """The candidate's lead over the positive, ``s - s⁺``: comparable between queries of different scale."""

    @property
    def needs_scores(self) -> bool:
        return True

    def of(self, context: Context, candidates: Candidates, scorer: Scorer) -> Tensor:
        positive = needed(candidates.positive_scores, "margin", "scores of the positives")
        return needed(candidates.scores, "margin", "candidate scores") - positive[:, None]


@dataclass(slots=True)
class PositiveSimilarity(Difficulty):
    """Similarity of the candidate to the row's positive item: hard is what looks like the right answer.

    A shared pool takes one matrix product; of candidates of each row's own, each item is encoded once.

    Args:
        similarity: ``"cosine"`` compares directions only, ``"dot"`` takes inner products.

    Raises:
        ConfigError: The similarity is not known.
    """

    similarity: str = "cosine"

    def __post_init__(self) -> None:
        if self.similarity not in ("cosine", "dot"):
            raise ConfigError(f"no similarity is called {self.similarity!r}; choose cosine or dot")

    @torch.no_grad()
    def of(self, context: Context, candidates: Candidates, scorer: Scorer) -> Tensor:
        pool = shared_pool(candidates.ids)
        if pool is not None:
            positive = self._scaled(scorer.encode_items(context.positives))
            vectors = self._scaled(scorer.encode_items(pool))
            with in_float32(positive):
                return positive @ vectors.T
        items, places = distinct(torch.cat([context.positives[:, None], candidates.ids], 1))
        vectors = self._scaled(scorer.encode_items(items))
        return kernels.gather_scores(vectors, vectors, places[:, 0], places[:, 1:].contiguous())

    def _scaled(self, vectors: Tensor) -> Tensor:
        vectors = finite(vectors.detach().float(), "vectors of items")
        return functional.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors
