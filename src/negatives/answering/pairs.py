"""Runs that answer a named query with named items: recommendation, and any task that says nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from negatives.answering.base import Run
from negatives.answering.described import FEATURES, Described, features_of
from negatives.answering.forms import Field, Form, Question
from negatives.answering.ranked import Ranked, by_scores, by_vectors, marked
from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.answers import Answers
from negatives.training.run_folder import plural
from negatives.types import Csr, union

QUERY = Form("query", "a query that it was trained on", (Field("query", "its name", kind="query"),))
USER = Form("user", "someone whom it was trained on", (Field("user", "the name", kind="query"),))
HISTORY = Form(
    "history",
    "someone who came after training, by known items",
    (Field("history", "names of known items", many=True, kind="item"), replace(FEATURES, optional=True)),
)
ALONE = Form("features", "someone who came after training and has no items, by features", (FEATURES,))


class PairRun(Run):
    """Queries and items by name; a query that came after training is folded in by the items that it goes with.

    Attributes:
        queries: Kind of what it is asked.
        later: The forms of queries that came after training; their first field names items.
        folding: Models that can be asked so, for messages.
    """

    forms: tuple[Form, ...] = (QUERY,)
    queries: ClassVar[str] = "query"
    later: ClassVar[tuple[Form, ...]] = ()
    folding: ClassVar[str] = "lightgcn, history or mf"

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        known, never = self._known(form, questions), self._never(form, questions)
        left_out = [one for one in (never, None if include_known else known) if one is not None]
        exclude = union(left_out) if left_out else None
        found = self._found(form, questions, k, exclude)
        labels, names = [self.label(form, question) for question in questions], self.names(self.items)
        return Ranked(labels, found[0], found[1], names, marked(found[0], known), self.texts(self.items))

    def known(self, form: Form, question: Question) -> list[int]:
        found = self._known(form, [question])
        return [] if found is None else [int(one) for one in found.row(0).tolist()]

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        if form in self.later:
            return self._folded(form, questions).clone()
        return self.held.table(self.queries)[self._ids(form, questions)].clone()

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        others, sides = self.names(self.items).ids(items), self._sides(form, questions)
        if sides is not None:
            return (sides[0] * sides[1][others]).sum(1)
        if form in self.later:
            return self._folded(form, questions).gather(1, others[:, None])[:, 0]
        return self._answers().pairs(self._ids(form, questions), others[:, None])[:, 0]

    # How questions are scored.

    def _found(
        self, form: Form, questions: Sequence[Question], k: int, exclude: Csr | None, only: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Ids and scores ``(n, k)`` of the best items but those of ``exclude``; of the items ``only`` where given."""
        sides = self._sides(form, questions)
        if sides is not None:
            return by_vectors(*sides, k, exclude, only=only)[:2]
        return by_scores(self._every(form, questions), len(questions), k, exclude, only=only)[:2]

    def _sides(self, form: Form, questions: Sequence[Question]) -> tuple[Tensor, Tensor] | None:
        """Vectors ``(n, d)`` of questions and ``(m, d)`` of all items whose inner products are the scores; None where
        the model has no such vectors."""
        if form in self.later and self.items in self.held.tables:  # also where queries are read when they are asked for
            return self._folded(form, questions), self.held.table(self.items)
        if not self.held.by_tables:
            return None
        return self.held.table(self.queries)[self._ids(form, questions)], self.held.table(self.items)

    def _every(self, form: Form, questions: Sequence[Question]) -> Callable[[Tensor], Tensor]:
        """Scores of rows of questions with all items, where :meth:`_sides` gives no vectors."""
        if form in self.later:
            folded = self._folded(form, questions)
            return lambda rows: folded[rows]
        ids, every = self._ids(form, questions), self._answers().every
        return lambda rows: every(ids[rows])

    def _ids(self, form: Form, questions: Sequence[Question]) -> Tensor:
        """Ids ``(n,)`` of queries that it was trained on."""
        field = form.fields[0].name
        return self.names(self.queries).ids([question[field] for question in questions])

    def _answers(self) -> Answers:
        return self.held.model.answers()

    def _folded(self, form: Form, questions: Sequence[Question]) -> Tensor:
        """Encodings of queries that came after training; without vectors of items the scores ``(n, n_items)``."""
        self.held.model.refresh()
        vectors = self._fold(form, questions)
        if vectors is None:
            kind = plural(self.called.get(self.queries, self.queries))
            raise ConfigError(
                f"the model {self.held.config.part('model')} knows {kind} by name only; ask for {kind} of its data, or "
                f"train {self.folding}"
            )
        return vectors.cpu()

    def _fold(self, form: Form, questions: Sequence[Question]) -> Tensor | None:
        """What the model makes of queries that came after training; None where it has no way to them."""
        return self.held.model.fold_in(self._named(form, questions))

    # What goes with a question already.

    def _known(self, form: Form, questions: Sequence[Question]) -> Csr | None:
        """Items that questions are known to go with; None where there is no such thing."""
        if form in self.later:
            return self._named(form, questions).known()
        return None if self.held.known is None else self.held.known.pick(self._ids(form, questions))

    def _never(self, form: Form, questions: Sequence[Question]) -> Csr | None:
        """Items that are no answers to questions at all; None for none."""
        return None

    def _named(self, form: Form, questions: Sequence[Question]) -> Histories:
        """The items that questions name in their first field, in that order."""
        names, field = self.names(self.items), form.fields[0].name
        lists = [question.get(field, []) for question in questions]
        ids = names.ids([name for one in lists for name in one])
        return Histories.of_rows([part.tolist() for part in torch.split(ids, [len(one) for one in lists])], len(names))


class RecommendRun(PairRun):
    """Users and items; someone who came after training is folded in by a history, by features, or by both."""

    forms: tuple[Form, ...] = (USER, HISTORY, ALONE)
    later: ClassVar[tuple[Form, ...]] = (HISTORY, ALONE)
    called: ClassVar[Mapping[str, str]] = {"query": "user"}

    def _fold(self, form: Form, questions: Sequence[Question]) -> Tensor | None:
        model, given = self.held.model, [question.get(FEATURES.name) for question in questions]
        features = features_of(model, given, str(self.held.config.part("model")))
        if features is not None and isinstance(model, Described):
            return model.fold_in(self._named(form, questions), features)
        return super()._fold(form, questions)

    def _named(self, form: Form, questions: Sequence[Question]) -> Histories:
        if form is ALONE:
            return Histories.of_rows([[] for _ in questions], len(self.names(self.items)))
        return super()._named(form, questions)


class SequenceRun(RecommendRun):
    """Users and what comes next; of a history the order counts, the oldest item first."""

    forms = (USER, replace(HISTORY, fields=(replace(HISTORY.fields[0], about="names of items, the oldest first"),)))
    later = forms[1:]
    folding = "sasrec, gru or history"

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        return super()._predict(form, questions, k, include_known or bool(self.held.more.get("again")))
