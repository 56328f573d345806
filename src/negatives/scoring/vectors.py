"""Scorers made of vectors: those that a loop has computed already, or those of a module's encoders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives import kernels
from negatives.errors import ConfigError, InputError
from negatives.kernels.precision import in_float32
from negatives.scoring.items import Encoder, Items
from negatives.scoring.stale import Stale
from negatives.types import shared_pool


@runtime_checkable
class EncodesQueries(Protocol):
    """A module that encodes its queries."""

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, d)`` of query ids ``(rows,)``."""
        ...


@runtime_checkable
class EncodesItems(Protocol):
    """A module that encodes its items."""

    def encode_items(self, items: Tensor) -> Tensor:
        """Vectors ``(n, d)`` of item ids ``(n,)``."""
        ...


@dataclass(slots=True)
class Vectors:
    """Scores from the vectors that a loop has already: the inner product of a row's vector with an item's.

    Made anew for each step, from what the step has computed; nothing is differentiated through it. An encoder of items
    sees each item of a step once, however many rows ask for it. Vectors of other number formats are multiplied in
    float32, so that scores of positives and of candidates are rounded alike.

    Args:
        queries: ``(rows, d)``, or ``(batch, length, d)`` of sequences: the vectors of the rows.
        items: A table ``(n_items, d)``, an ``nn.Embedding``, a function or module from ids ``(n,)`` to ``(n, d)``, or
            :class:`Items`, which remembers from step to step what it has encoded, or :class:`Stale` vectors.
        bias: ``(n_items,)`` added to the score of each item, or None.
        similarity: ``"dot"``, or ``"cosine"`` of the two vectors.

    Raises:
        ConfigError: A shape or the similarity is none of these.

    >>> table = torch.eye(3)
    >>> Vectors(torch.tensor([[1.0, 2.0, 3.0]]), table).score_places(torch.tensor([0]), torch.tensor([[2, 0]])).tolist()
    [[3.0, 1.0]]
    """

    queries: Tensor
    items: Tensor | nn.Module | Encoder | Items | Stale
    bias: Tensor | None = None
    similarity: str = "dot"
    _rows: Tensor = field(init=False, repr=False)
    _items: Items = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.queries.dim() < 2:
            shape = tuple(self.queries.shape)
            raise ConfigError(f"vectors of queries have the shape (rows, d) or (batch, length, d), not {shape}")
        if self.similarity not in ("dot", "cosine"):
            raise ConfigError(f"no similarity is called {self.similarity!r}; choose dot or cosine")
        rows = self.queries.detach().flatten(0, -2).float()
        self._rows = functional.normalize(rows, dim=-1) if self.similarity == "cosine" else rows
        items = self.items.table if isinstance(self.items, Stale) else self.items
        self._items = items if isinstance(items, Items) else Items(items)

    @property
    def shape(self) -> torch.Size:
        """That of the rows: ``(rows,)`` or ``(batch, length)``."""
        return self.queries.shape[:-1]

    def take(self, rows: Tensor) -> Vectors:
        """The vectors of some rows, given by their places ``(n,)`` or a mask over all of them; the items are shared.

        >>> Vectors(torch.eye(2)[None], torch.eye(2)).take(torch.tensor([[False, True]])).queries
        tensor([[0., 1.]])
        """
        chosen = self.queries.detach().flatten(0, -2)[rows.flatten()]
        return Vectors(chosen, self._items, self.bias, self.similarity)

    def encode_places(self, places: Tensor) -> Tensor:
        """Vectors ``(n, d)`` of rows by their place."""
        return self._rows[places]

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Refused: only the rows of the batch have vectors.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            "this sampler asks for queries outside the batch, whose vectors the loop has not given; "
            "pass a model with encode_queries and encode_items"
        )

    def encode_items(self, items: Tensor) -> Tensor:
        """Vectors ``(..., d)`` of item ids ``(...)``."""
        return self._scaled(self._items.of(items))

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of all rows of the batch, one after another; ``queries`` must be as many."""
        if queries.numel() != len(self._rows):
            raise InputError(
                f"{queries.numel()} queries for {len(self._rows)} vectors", hint="give the vectors of this very batch"
            )
        return self.score_places(torch.arange(len(self._rows), device=self._rows.device), items)

    def score_places(self, places: Tensor, items: Tensor) -> Tensor:
        """See :meth:`negatives.scoring.asking.PlaceScorer.score_places`."""
        if items.dim() == 1:  # by the way of candidates, so that an item has one score
            return self.score_places(places, items[:, None])[:, 0]
        wanted = int(places.max()) + 1 if places.numel() and places.device.type == "cpu" else places.numel()
        if len(self._rows) and wanted > len(self._rows):
            raise InputError(f"{wanted} rows for {len(self._rows)} vectors", hint="give one vector for each row")
        rows, pool = self._rows[places], shared_pool(items)
        if pool is not None:
            vectors = self.encode_items(pool)  # under the loop's autocast, if it has one
            with in_float32(rows):
                found = rows @ vectors.T
        else:
            table, at = self._items.distinct(items)
            if len(table) > at.numel() and (self.similarity == "cosine" or table.dtype != torch.float32):
                asked, at = torch.unique(at, return_inverse=True)  # the rest of the table stays as it is
                table = table[asked]
            each = torch.arange(len(rows), device=rows.device)
            found = kernels.gather_scores(rows, self._scaled(table), each, at)
        return found if self.bias is None else found + self.bias.detach()[items]

    def _scaled(self, vectors: Tensor) -> Tensor:
        vectors = vectors.float()
        return functional.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors


class Encoders:
    """Scores of a module that encodes queries and items but does not score: their inner product.

    Made anew for each step, for it remembers what it has encoded.

    Args:
        module: Has ``encode_queries`` and ``encode_items``.
    """

    def __init__(self, module: object) -> None:
        if not isinstance(module, EncodesQueries) or not isinstance(module, EncodesItems):
            raise ConfigError(f"{type(module).__name__} has no encode_queries and encode_items")
        self.module, self._items = module, Items(module.encode_items)
        self._queries = module.encode_queries

    @torch.no_grad()
    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, d)``."""
        return self._queries(queries)

    @torch.no_grad()
    def encode_items(self, items: Tensor) -> Tensor:
        """Vectors ``(..., d)``; each distinct item is encoded once."""
        return self._items.of(items)

    @torch.no_grad()
    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)``, of candidates per query ``(rows, k)`` or of a shared pool."""
        vectors = Vectors(self._queries(queries), self._items)
        return vectors.score_places(torch.arange(queries.numel(), device=queries.device), items)
