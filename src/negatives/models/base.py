"""What every model offers to the sampler, the training loop and the evaluator."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.types import shared_pool


class Model(nn.Module, ABC):
    """A scorer of queries and items by the inner product of two embeddings.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
    """

    def __init__(self, n_queries: int, n_items: int, dim: int, similarity: str = "dot") -> None:
        super().__init__()
        self.n_queries, self.n_items, self.dim, self.similarity = n_queries, n_items, dim, similarity

    @abstractmethod
    def encode_queries(self, queries: Tensor) -> Tensor:
        """Embeddings ``(rows, dim)`` of query ids ``(rows,)``; of unit length if the similarity is cosine."""

    @abstractmethod
    def encode_items(self, items: Tensor) -> Tensor:
        """Embeddings ``(..., dim)`` of item ids ``(...)``; of unit length if the similarity is cosine."""

    def refresh(self) -> None:
        """Recompute what all encodings of one step share. The loop calls it before each step."""

    def normalise(self, vectors: Tensor) -> Tensor:
        """Unit length for cosine models, unchanged for others."""
        return functional.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)``, of candidates per query ``(rows, k)`` or of a shared pool."""
        vectors = self.encode_queries(queries)
        if items.dim() == 1:
            return (vectors * self.encode_items(items)).sum(-1)
        pool = shared_pool(items)
        if pool is not None:
            return vectors @ self.encode_items(pool).T
        return torch.einsum("rd,rkd->rk", vectors, self.encode_items(items))

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """Final embeddings of all queries ``(n_queries, dim)`` and of all items ``(n_items, dim)``."""
        self.refresh()
        return self.encode_queries(torch.arange(self.n_queries)), self.encode_items(torch.arange(self.n_items))
