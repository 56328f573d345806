"""Runs that answer a named query with named items: recommendation, and any task that says nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from negatives.answering.base import Run
from negatives.answering.forms import Field, Form, Question
from negatives.answering.ranked import Ranked, by_scores, by_vectors, marked, sets
from negatives.errors import ConfigError
from negatives.models.answers import Answers
from negatives.types import Csr

QUERY = Form("query", "a query that it was trained on", (Field("query", "its name", kind="query"),))
USER = Form("user", "someone whom it was trained on", (Field("user", "the name", kind="query"),))
HISTORY = Form(
    "history",
    "someone who came after training, by known items",
    (Field("history", "names of known items", many=True, kind="item"),),
)


class PairRun(Run):
    """Queries and items by name.

    Attributes:
        queries: Kind of what it is asked.
    """

    forms: tuple[Form, ...] = (QUERY,)
    queries: ClassVar[str] = "query"

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        ids = self._ids(form, questions)
        known = None if self.held.known is None else self.held.known.pick(ids)
        if self.held.by_tables:
            query_table, items = self.held.table(self.queries), self.held.table(self.items)
            found = by_vectors(query_table[ids], items, k, known, not include_known)
        else:
            every = self._answers().every
            found = by_scores(lambda rows: every(ids[rows]), len(ids), k, known, not include_known)
        return self._ranked(form, questions, found)

    def known(self, form: Form, question: Question) -> list[int]:
        if self.held.known is None:
            return []
        return [int(one) for one in self.held.known.row(int(self._ids(form, [question])[0])).tolist()]

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        return self.held.table(self.queries)[self._ids(form, questions)].clone()

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        ids, others = self._ids(form, questions), self.names(self.items).ids(items)
        if self.held.by_tables:
            return (self.held.table(self.queries)[ids] * self.held.table(self.items)[others]).sum(1)
        return self._answers().pairs(ids, others[:, None])[:, 0]

    def _ids(self, form: Form, questions: Sequence[Question]) -> Tensor:
        field = form.fields[0].name
        return self.names(self.queries).ids([question[field] for question in questions])

    def _answers(self) -> Answers:
        return self.held.model.answers()

    def _ranked(self, form: Form, questions: Sequence[Question], found: tuple[Tensor, Tensor, Tensor | None]) -> Ranked:
        labels = [self.label(form, question) for question in questions]
        return Ranked(labels, found[0], found[1], self.names(self.items), found[2], self.texts(self.items))


class RecommendRun(PairRun):
    """Users and items; someone who came after training is folded in by a history."""

    forms = (USER, HISTORY)
    called: ClassVar[Mapping[str, str]] = {"query": "user"}

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        if form is USER:
            return super()._predict(form, questions, k, include_known)
        known = self._histories(questions)
        vectors, items = self._folded(known), self._item_vectors()
        if items is None:
            found = by_scores(lambda rows: vectors[rows], len(vectors), k, known, not include_known)
        else:
            found = by_vectors(vectors, items, k, known, not include_known)
        return self._ranked(form, questions, (found[0], found[1], marked(found[0], known)))

    def known(self, form: Form, question: Question) -> list[int]:
        if form is USER:
            return super().known(form, question)
        return [int(one) for one in self._histories([question]).row(0).tolist()]

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        if form is USER:
            return super()._encode(form, questions)
        return self._folded(self._histories(questions)).clone()

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        if form is USER:
            return super()._score(form, questions, items)
        vectors, table = self._folded(self._histories(questions)), self._item_vectors()
        others = self.names(self.items).ids(items)
        if table is None:
            return vectors.gather(1, others[:, None])[:, 0]
        return (vectors * table[others]).sum(1)

    def _histories(self, questions: Sequence[Question]) -> Csr:
        names = self.names(self.items)
        ids = names.ids([name for question in questions for name in question["history"]]).tolist()
        lists, at = [], 0
        for question in questions:
            lists.append(ids[at : at + len(question["history"])])
            at += len(question["history"])
        return sets(lists, len(names))

    def _folded(self, histories: Csr) -> Tensor:
        """Encodings of histories; of a model without tables the scores ``(n, n_items)``."""
        model = self.held.model
        model.refresh()
        vectors = model.fold_in(histories)
        if vectors is None:
            name = self.held.config.part("model")
            raise ConfigError(
                f"the model {name} knows users by name only; ask for users of its data, or train lightgcn, history or "
                "mf"
            )
        return vectors.cpu()

    def _item_vectors(self) -> Tensor | None:
        """Vectors of all items, None where the encoding of a query is the row of its scores."""
        return self.held.table(self.items) if self.held.by_tables else None
