"""Triples of a knowledge graph: one numbering of entities and relations, and the queries that they make.

A query is a distinct pair of an entity and a directed relation. Relation ``r`` asks for the tail, its reciprocal
``r + n_relations`` for the head (Lacroix et al., 2018; Kazemi and Poole, 2018). Only pairs that occur in some part
have a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl
import torch
from torch import Tensor

from negatives.data.pairs import Rows
from negatives.types import Catalogue, Csr


@dataclass(frozen=True, slots=True)
class Triples(Rows):
    """Triples of one part.

    Args:
        heads: ``(n,)`` int64 entity ids.
        relations: ``(n,)`` int64 relation ids, below ``n_relations``.
        tails: ``(n,)`` int64 entity ids.
    """

    heads: Tensor
    relations: Tensor
    tails: Tensor


@dataclass(frozen=True, slots=True)
class TripleData:
    """A knowledge graph with its parts.

    Args:
        name: Short name of the data, for reports.
        parts: ``train``, ``valid``, ``test`` and ``canaries``; and ``valid_negatives`` and ``test_negatives`` where
            the data brings hard negatives.
        entity_names: Name of each entity, text.
        relation_names: Name of each relation, text.
        notes: What was read and how, one line each; nothing is dropped without a line.
        query_codes: ``(n_queries,)`` int64, sorted: ``entity * 2 n_relations + directed relation``.
    """

    name: str
    parts: Mapping[str, Triples]
    entity_names: pl.Series
    relation_names: pl.Series
    notes: tuple[str, ...] = ()
    query_codes: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        both = [code for part in self.parts.values() for code in self._codes(part)]
        object.__setattr__(self, "query_codes", torch.unique(torch.cat(both)))

    @property
    def n_entities(self) -> int:
        return len(self.entity_names)

    @property
    def n_relations(self) -> int:
        return len(self.relation_names)

    @property
    def n_queries(self) -> int:
        return self.query_codes.numel()

    @property
    def query_heads(self) -> Tensor:
        """``(n_queries,)`` int64, the entity that each query starts from."""
        return self.query_codes // (2 * self.n_relations)

    @property
    def query_relations(self) -> Tensor:
        """``(n_queries,)`` int64, directed relation of each query, below ``2 n_relations``."""
        return self.query_codes % (2 * self.n_relations)

    def part(self, name: str) -> Triples:
        """A part by its name; empty where the data has none."""
        return self.parts.get(name, Triples.empty())

    def queries(self, triples: Triples) -> tuple[Tensor, Tensor]:
        """For each triple the query that asks for its tail and the one that asks for its head, ``(n,)`` int64 each."""
        tail, head = self._codes(triples)
        return torch.searchsorted(self.query_codes, tail), torch.searchsorted(self.query_codes, head)

    def pairs(self, names: Iterable[str]) -> tuple[Tensor, Tensor]:
        """Queries and right answers ``(2 n,)`` of the named parts: all that ask for tails, then all for heads."""
        triples = Triples.joined(self.part(name) for name in names)
        return torch.cat(self.queries(triples)), torch.cat([triples.tails, triples.heads])

    def known(self, names: Iterable[str] = ("train",)) -> Csr:
        """Right answers of each query in the named parts."""
        queries, items = self.pairs(names)
        return Csr.from_pairs(queries, items, self.n_queries, self.n_entities)

    def neighbours(self) -> Csr:
        """Entities that stand in a training triple with each entity, in either direction, itself left out."""
        train = self.part("train")
        rows, cols = torch.cat([train.heads, train.tails]), torch.cat([train.tails, train.heads])
        other = rows != cols
        return Csr.from_pairs(rows[other], cols[other], self.n_entities, self.n_entities)

    def catalogue(self) -> Catalogue:
        """What the parts of a sampler may know: the training part and nothing else."""
        _, items = self.pairs(("train",))
        return Catalogue(
            self.n_queries,
            self.n_entities,
            torch.bincount(items, minlength=self.n_entities),
            self.known(),
            query_groups=self.query_relations,
            query_anchors=self.query_heads,
            item_graph=self.neighbours(),
        )

    def relation_label(self, relation: int) -> str:
        """Name of a directed relation; that of a reciprocal one ends in ``^-1``."""
        if relation < self.n_relations:
            return str(self.relation_names[relation])
        return f"{self.relation_names[relation - self.n_relations]}^-1"

    def query_names(self) -> pl.Series:
        """``entity relation`` of each query; ``^-1`` marks the relations that ask for the head."""
        labels = pl.Series([self.relation_label(index) for index in range(2 * self.n_relations)], dtype=pl.String)
        heads = self.entity_names.gather(pl.Series(self.query_heads.numpy()))
        relations = labels.gather(pl.Series(self.query_relations.numpy()))
        return (heads + " " + relations).alias("query")

    def _codes(self, triples: Triples) -> tuple[Tensor, Tensor]:
        width = 2 * self.n_relations
        tail = triples.heads * width + triples.relations
        return tail, triples.tails * width + triples.relations + self.n_relations
