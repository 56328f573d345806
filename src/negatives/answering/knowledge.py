"""Knowledge graphs: tails of a head and a relation, heads of a tail and a relation, and how two entities are related.

The relations ``0 .. n - 1`` lead from heads to tails; ``n .. 2 n - 1``, whose names end in ``^-1``, lead back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from negatives import kernels
from negatives.answering.base import Run
from negatives.answering.forms import Field, Form, Question
from negatives.answering.ranked import Ranked, by_scores, by_vectors
from negatives.errors import ConfigError, InputError
from negatives.models.knowledge import ComposedModel
from negatives.types import Csr

HEAD_OF = Field("head", "the entity it starts from", kind="entity")
TAIL_OF = Field("tail", "the entity it leads to", kind="entity")
RELATION_OF = Field("relation", "name of the relation", kind="relation")
TAIL = Form("tail", "what a relation leads to", (HEAD_OF, RELATION_OF))
HEAD = Form("head", "what a relation leads from", (TAIL_OF, RELATION_OF))
RELATION = Form("relation", "how two entities are related", (HEAD_OF, TAIL_OF))


@runtime_checkable
class AnyPair(Protocol):
    """A model that scores entity and relation together even where its data never shows them so."""

    def score_pairs(self, entities: Tensor, relations: Tensor) -> Tensor:
        """Scores ``(rows, n_items)`` of entities ``(rows,)`` and directed relations ``(rows,)`` with all entities."""

    def score_triples(self, entities: Tensor, relations: Tensor, items: Tensor) -> Tensor:
        """The same with one entity each, ``(rows,)``."""


class KnowledgeRun(Run):
    """Entities and relations by name."""

    forms: tuple[Form, ...] = (TAIL, HEAD, RELATION)
    items: ClassVar[str] = "entity"

    @property
    def n_relations(self) -> int:
        """Relations without their reciprocals."""
        return len(self.names("relation")) // 2

    def answered(self, form: Form) -> str:
        return "relation" if form is RELATION else self.items

    def label(self, form: Form, question: Question) -> str:
        head, tail, relation = (question.get(name, "?") for name in ("head", "tail", "relation"))
        return f"{head} {relation} {tail}"

    def known(self, form: Form, question: Question) -> list[int]:
        return [int(one) for one in self._known(form, [question]).row(0).tolist()]

    def known_facts(self, kind: str = "entity") -> Tensor:
        """How many known facts each entity or relation stands in, ``(n,)`` int64, for instance to suggest names by.

        A fact counts for both of its entities, and for its relation in both directions.
        """
        assert self.held.known is not None
        width, names = 2 * self.n_relations, self.names(kind)
        owners = self._codes // width if kind == self.items else self._codes % width
        counts = torch.zeros(len(names), dtype=torch.int64)
        return counts.index_add_(0, owners, self.held.known.lengths())

    # The verbs.

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        known, labels = self._known(form, questions), [self.label(form, question) for question in questions]
        if form is RELATION:
            heads, tails = self._two(questions)
            found = by_scores(
                lambda rows: torch.stack([self._related(int(heads[row]), int(tails[row])) for row in rows]),
                len(questions),
                k,
                known,
                not include_known,
            )
            return Ranked(labels, found[0], found[1], self.names("relation"), found[2])
        entities, relations = self._ids(form, questions)
        model = self.held.model
        if isinstance(model, ComposedModel) and model.kind == "dot":
            vectors = model.encode_pairs(entities, relations)
            found = by_vectors(vectors, model.entities, k, known, not include_known)
        else:
            every = self._every(entities, relations)
            found = by_scores(every, len(questions), k, known, not include_known)
        return Ranked(labels, found[0], found[1], self.names(self.items), found[2], self.texts(self.items))

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        model = self.held.model
        if form is RELATION or not isinstance(model, ComposedModel):
            return super()._encode(form, questions)
        return model.encode_pairs(*self._ids(form, questions))

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        model = self.held.model
        if form is RELATION:
            heads, tails = self._two(questions)
            return self._both_ways(heads, self._directed(items), tails)
        entities, relations = self._ids(form, questions)
        others = self.names(self.items).ids(items)
        if isinstance(model, AnyPair):
            return model.score_triples(entities, relations, others)
        return model.answers().pairs(self._numbers(entities, relations), others[:, None])[:, 0]

    # Names to numbers.

    def _ids(self, form: Form, questions: Sequence[Question]) -> tuple[Tensor, Tensor]:
        """Entities and directed relations ``(n,)`` of questions for tails or heads."""
        entities = self.names(self.items).ids([question[form.fields[0].name] for question in questions])
        relations = self._directed([question["relation"] for question in questions])
        return entities, self._turned(relations) if form is HEAD else relations

    def _two(self, questions: Sequence[Question]) -> tuple[Tensor, Tensor]:
        names = self.names(self.items)
        heads = names.ids([question["head"] for question in questions])
        return heads, names.ids([question["tail"] for question in questions])

    def _directed(self, names: Sequence[str]) -> Tensor:
        return self.names("relation").ids(names)

    def _turned(self, relations: Tensor) -> Tensor:
        """The reciprocals of directed relations."""
        return (relations + self.n_relations) % (2 * self.n_relations)

    # Scores.

    def _every(self, entities: Tensor, relations: Tensor) -> Callable[[Tensor], Tensor]:
        model = self.held.model
        if isinstance(model, AnyPair):
            return lambda rows: model.score_pairs(entities[rows], relations[rows])
        queries, every = self._numbers(entities, relations), model.answers().every
        return lambda rows: every(queries[rows])

    def _related(self, head: int, tail: int) -> Tensor:
        """Scores ``(n_relations,)`` of all relations from one entity to another."""
        relations = torch.arange(self.n_relations)
        return self._both_ways(torch.full_like(relations, head), relations, torch.full_like(relations, tail))

    def _both_ways(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """Scores of triples ``(n,)``: the mean of both directions."""
        model = self.held.model
        if not isinstance(model, AnyPair):
            raise ConfigError(
                f"the model {self.held.config.part('model')} knows pairs of its data only; to ask for relations train "
                "complex or another model of knowledge graphs"
            )
        there = model.score_triples(heads, relations, tails)
        return (there + model.score_triples(tails, self._turned(relations), heads)) / 2

    # Queries that the data has.

    @property
    def _codes(self) -> Tensor:
        """``(n_queries,)`` int64, sorted: ``entity * 2 n_relations + directed relation``."""
        codes: Tensor = self.held.more["codes"]
        return codes

    def _places(self, entities: Tensor, relations: Tensor) -> Tensor:
        """Numbers of the queries of entities and relations; -1 for those that the data does not have."""
        codes, wanted = self._codes, entities * 2 * self.n_relations + relations
        at = torch.searchsorted(codes, wanted).clamp(max=codes.numel() - 1)
        return torch.where(codes[at] == wanted, at, -1)

    def _numbers(self, entities: Tensor, relations: Tensor) -> Tensor:
        """As :meth:`_places`, for a model that knows queries by number alone.

        Raises:
            InputError: The data does not have one of them.
        """
        found = self._places(entities, relations)
        if bool((found < 0).any()):
            at = int((found < 0).nonzero()[0, 0])
            entity, relation = self.names(self.items)[int(entities[at])], self.names("relation")[int(relations[at])]
            raise InputError(
                f"the model {self.held.config.part('model')} knows pairs of its data only, and {entity} {relation} is "
                "none",
                hint="train complex or another model of knowledge graphs",
            )
        return found

    def _known(self, form: Form, questions: Sequence[Question]) -> Csr:
        """Known answers of each question."""
        known, n = self.held.known, len(questions)
        assert known is not None
        if form is RELATION:
            heads, tails = self._two(questions)
            every = torch.arange(self.n_relations)
            places = self._places(heads[:, None], every).reshape(-1)
            asked = tails.repeat_interleave(len(every))[:, None]
            hit = (places >= 0) & kernels.contains(known, places.clamp(min=0), asked)[:, 0]
            rows, cols = hit.view(n, -1).nonzero().T
            return Csr.from_pairs(rows, cols, n, len(every))
        places = self._places(*self._ids(form, questions))
        lengths = known.lengths()[places.clamp(min=0)] * (places >= 0)
        rows = torch.repeat_interleave(lengths)
        first = known.indptr[places.clamp(min=0)] - (lengths.cumsum(0) - lengths)
        return Csr.from_pairs(rows, known.indices[first[rows] + torch.arange(rows.numel())], n, known.n_cols)
