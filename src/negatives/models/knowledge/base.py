"""What the models of knowledge graphs share: a query vector is composed of an entity's row and a relation's row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from negatives.errors import ConfigError
from negatives.kernels import distances as kernels
from negatives.kernels.distances import compare
from negatives.models.base import Model
from negatives.models.dropout import dropped
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, shared_pool


@dataclass(frozen=True, slots=True)
class Regularisation(Settings):
    """What keeps the vectors of a knowledge graph from fitting the triples too closely.

    Args:
        n3: Factor of the cubed moduli of a triple's three vectors (Lacroix et al., 2018); 0 for none.
        dropout: Share of a composed vector's numbers that is set to zero while training.
        entity_dropout: Share of the head's numbers that is set to zero while training.

    Raises:
        ConfigError: A value is out of range.
    """

    n3: float = 0.0
    dropout: float = 0.0
    entity_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("dropout", self.dropout), ("entity_dropout", self.entity_dropout)):
            if not 0 <= value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 0 and below 1")
        if self.n3 < 0:
            raise ConfigError(f"n3 is {self.n3}; it must be at least 0")


class ComposedModel(Model, ABC):
    """``s((h, r), t) = compare(compose(e_h, w_r), e_t)``; reciprocal relations answer for heads.

    Args:
        query_heads: ``(n_queries,)`` int64 entity of each query.
        query_relations: ``(n_queries,)`` int64 directed relation of each query.
        n_items: Number of entities.
        dim: Length of an embedding, counted in real or complex numbers as the model says.
        regularisation: N3 and dropout.
        relation_weight: Weight of telling a triple's relation from all others; see :meth:`told`. Needs :meth:`relate`.
        init: Scale of the initial values.
        seed: Seed of the initial values.

    Raises:
        ConfigError: ``relation_weight`` is below 0.
    """

    engine = "composed"
    feed = "triples"
    named_rows: ClassVar = {"entities": ("item",), "relations": ("relation",)}
    kind: str
    """How a composed vector is compared with an entity's; see :mod:`negatives.kernels.distances`."""
    parts: ClassVar[int] = 1
    """Real numbers of one coordinate: 2 for complex vectors, whose imaginary parts stand in the second half."""
    relation_parts: ClassVar[int] = 1
    """Real numbers of one coordinate of a relation."""

    query_heads: Tensor
    query_relations: Tensor

    def __init__(
        self,
        query_heads: Tensor,
        query_relations: Tensor,
        n_items: int,
        dim: int = 128,
        regularisation: Regularisation = Regularisation(),
        relation_weight: float = 0.0,
        init: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(query_heads.numel(), n_items, dim, "dot")
        if relation_weight < 0:
            raise ConfigError(f"relation_weight is {relation_weight}; it must be at least 0")
        self.regularisation, self.relation_weight = regularisation, relation_weight
        self.register_buffer("query_heads", query_heads, persistent=False)
        self.register_buffer("query_relations", query_relations, persistent=False)
        relations = int(query_relations.max()) + 1 if query_relations.numel() else 0
        self._random = generator(stream(seed, Purpose.INIT))
        self.entities = nn.Parameter(self.start((n_items, dim * self.parts), init))
        self.relations = nn.Parameter(
            self.start_relations((relations + relations % 2, dim * self.relation_parts), init)
        )

    def start(self, shape: tuple[int, int], scale: float) -> Tensor:
        """Initial rows of entities, normally distributed."""
        return torch.empty(shape).normal_(0, scale, generator=self._random)

    def start_relations(self, shape: tuple[int, int], scale: float) -> Tensor:
        """Initial rows of relations."""
        return self.start(shape, scale)

    @abstractmethod
    def compose(self, heads: Tensor, relations: Tensor) -> Tensor:
        """Query vectors ``(rows, w)`` from rows of entities ``(rows, w)`` and of relations ``(rows, v)``."""

    def composed(self, heads: Tensor, relations: Tensor, context: Context | None = None) -> Tensor:
        """:meth:`compose`, with dropout where a batch is trained on.

        The masks depend on the seed and the step alone, so that a resumed run sees the same.
        """
        if context is None or not self.drops:
            return self.compose(heads, relations)
        key = stream(context.seed, Purpose.DROPOUT, context.step)
        random = generator(key, heads.device)
        heads = dropped(heads, self.regularisation.entity_dropout, random)
        return dropped(self.compose(heads, relations), self.regularisation.dropout, random)

    @property
    def drops(self) -> bool:
        """Whether composed vectors differ while training."""
        return bool(self.regularisation.dropout or self.regularisation.entity_dropout)

    def score_all(self, queries: Tensor) -> Tensor:
        """As :meth:`Model.score_all`, without gradient."""
        return kernels.pool_scores(self.encode_queries(queries), self.entities, self.kind)

    def vectors(self) -> dict[str, Tensor]:
        """``item``: rows of the entities; ``relation``: rows of the relations, reciprocal ones among them."""
        return {"item": self.entities.detach(), "relation": self.relations.detach()}

    def regulariser(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor | None:
        """N3, summed over the rows ``n3 sum(|h|^3 + |r|^3 + |t|^3)`` of moduli; None where it is off.

        Source: Lacroix et al., Canonical Tensor Decomposition for Knowledge Base Completion, ICML 2018.
        """
        if not self.regularisation.n3:
            return None
        entity = _cubes(heads, self.parts) + _cubes(tails, self.parts)
        return self.regularisation.n3 * (entity + _cubes(relations, self.relation_parts))

    def relate(self, heads: Tensor, tails: Tensor) -> Tensor:
        """Vectors ``(rows, v)`` whose inner product with a relation's row is the score of the triple.

        Raises:
            ConfigError: The model's score is no such product.
        """
        raise ConfigError(f"{type(self).__name__} has no relation_weight")

    def told(self, heads: Tensor, tails: Tensor, queries: Tensor, table: Tensor) -> Tensor | None:
        """Relations as negatives of relations, summed over the rows: ``-w log softmax_r s(h, r, t)``; None where off.

        All relations are scored, reciprocal ones among them, so nothing is sampled.

        Args:
            heads: ``(rows, w)`` rows of the queries' entities.
            tails: ``(rows, w)`` rows of the positives.
            queries: ``(rows,)`` int64 queries.
            table: ``(relations, v)`` rows of all relations.

        Source: Chen et al., Relation Prediction as an Auxiliary Training Objective for Improving Multi-Relational
        Graph Representations, AKBC 2021.
        """
        if not self.relation_weight:
            return None
        scores = self.relate(heads, tails) @ table.T
        return self.relation_weight * cross_entropy(scores, self.query_relations[queries], reduction="sum")

    def extras(self, rows: tuple[Tensor, Tensor, Tensor], queries: Tensor, table: Tensor) -> Tensor | None:
        """What the objective holds beside the loss, summed over the rows; None for nothing.

        Args:
            rows: Gathered rows of heads, relations and tails.
            queries: ``(rows,)`` int64 queries.
            table: ``(relations, v)`` rows of all relations.
        """
        parts = self.regulariser(*rows), self.told(rows[0], rows[2], queries, table)
        there = [part for part in parts if part is not None]
        return sum(there[1:], there[0]) if there else None

    def penalty(self, context: Context) -> Tensor | None:
        rows = *self.gather(context.queries), self.entities[context.positives]
        total = self.extras(rows, context.queries, self.relations)
        return None if total is None else total / context.rows

    def gather(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the entities ``(rows, w)`` and of the relations ``(rows, v)`` that the queries are made of."""
        return self.entities[self.query_heads[queries]], self.relations[self.query_relations[queries]]

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.compose(*self.gather(queries))

    def encode_items(self, items: Tensor) -> Tensor:
        return self.entities[items]

    def encode_pairs(self, entities: Tensor, relations: Tensor) -> Tensor:
        """Query vectors ``(rows, w)`` of entities ``(rows,)`` and directed relations ``(rows,)``, whether or not the
        data has such queries."""
        return self.compose(self.entities[entities], self.relations[relations])

    def score_pairs(self, entities: Tensor, relations: Tensor) -> Tensor:
        """Scores ``(rows, n_items)`` of entities and directed relations with all entities, without gradient."""
        return kernels.pool_scores(self.encode_pairs(entities, relations), self.entities, self.kind)

    def score_triples(self, entities: Tensor, relations: Tensor, items: Tensor) -> Tensor:
        """The same with one entity each, ``(rows,)``."""
        return self.compare(self.encode_pairs(entities, relations), items)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """As :meth:`Model.score`; without gradient by kernels that gather nothing."""
        vectors = self.encode_queries(queries)
        return self.compare(vectors, items)

    def compare(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Scores of composed ``vectors`` ``(rows, w)`` with ``items``: ``(rows,)``, ``(rows, k)`` or a shared pool."""
        pool = shared_pool(items) if items.dim() == 2 else None
        if pool is not None:
            table = self.entities[pool]
            if self.kind == "dot":
                return vectors @ table.T
            if torch.is_grad_enabled():
                return compare(vectors[:, None], table[None], self.kind)
            return kernels.pool_scores(vectors, table, self.kind)
        if items.dim() == 1:
            return compare(vectors, self.entities[items], self.kind)
        if torch.is_grad_enabled():
            return compare(vectors[:, None], self.entities[items], self.kind)
        return kernels.pair_scores(vectors, self.entities, items, self.kind)


def _cubes(rows: Tensor, parts: int) -> Tensor:
    """Sum of cubed moduli of ``rows``, whose coordinates have one or two parts."""
    total: Tensor = _Cubes.apply(rows, parts)  # type: ignore[no-untyped-call]
    return total


class _Cubes(torch.autograd.Function):
    """``sum |z|^3`` with the gradient ``3 |z| z``, in few passes and finite at zero."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, parts: int) -> Tensor:
        whole = rows.reshape(*rows.shape[:-1], parts, rows.shape[-1] // parts)
        moduli = whole.abs() if parts == 1 else torch.hypot(whole[..., :1, :], whole[..., 1:, :])
        ctx.save_for_backward(whole, moduli)
        return (moduli * moduli * moduli).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        whole, moduli = ctx.saved_tensors
        return (whole * (moduli * (3 * grads[0]))).flatten(-2), None
