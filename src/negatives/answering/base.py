"""A trained model that can be asked: ``predict``, ``similar``, ``encode`` and ``score``, whatever the task.

Every verb takes questions in one of the run's :attr:`Run.forms` and gives a table or a tensor. The same questions get
the same answers, bit for bit, wherever the run was opened, for one machine's arithmetic. One question is answered at a
time, so that threads may share a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, ClassVar, final

import polars as pl
import torch
from torch import Tensor

from negatives.answering.forms import Form, Question, checked, form_of, questions_of
from negatives.answering.held import Held
from negatives.answering.names import Names
from negatives.answering.ranked import Ranked, by_vectors, sets
from negatives.answering.reasons import REASONS, nearest_known, shared_words
from negatives.errors import ConfigError, InputError
from negatives.training.run_folder import plural

SCHEMA: dict[str, type[pl.DataType]] = {"query": pl.String, "rank": pl.Int64, "item": pl.String, "score": pl.Float32}
"""Columns of every table of answers; ``known`` and ``text`` follow where there are any."""


class Run(ABC):
    """A finished run, opened by ``negatives.load("runs/...")``.

    Args:
        held: What it holds.

    Attributes:
        forms: What it can be asked; the first is the usual one.
        items: Kind of what it answers.
        called: What messages call a kind, where it is not its own name.
        by_number: Whether the model itself is asked for queries of its data by their number, so that all of its facts
            are kept.
    """

    forms: tuple[Form, ...]
    items: ClassVar[str] = "item"
    called: ClassVar[Mapping[str, str]] = {}
    by_number: ClassVar[bool] = False

    def __init__(self, held: Held) -> None:
        self.held = held
        self._lock = RLock()
        self._units: dict[str, Tensor] = {}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(names):,} {plural(names.kind)}" for names in self.held.names.values())
        return f"<{type(self).__name__} {self.held.config.part('model')}, {sizes}>"

    # The verbs.

    @final
    def predict(
        self, queries: Any = None, /, *, k: int = 10, include_known: bool = False, **fields: Any
    ) -> pl.DataFrame:
        """The best items for each question.

        Args:
            queries: A text or texts for the only field of the first form; mappings of field to value; or a table with
                the fields as columns. Or leave it out and name the fields.
            k: Answers to each, at most.
            include_known: Whether items that a query is known to go with are answered too.
            **fields: Values by field, for instance ``history=[["milk", "bread"]]``; one value, or a list of them.

        Returns:
            Columns ``query``, ``rank`` from 1, ``item``, ``score``, and where there are any ``known`` and ``text``.

        Raises:
            InputError: A name is not known.
            ConfigError: The run is not asked so, or the model cannot answer it.
        """
        return self.ask(questions_of(self.forms, queries, fields), k, include_known)

    @final
    def ask(self, questions: Sequence[Question], k: int = 10, include_known: bool = False) -> pl.DataFrame:
        """As :meth:`predict`, with each question a mapping of field to value; they may be of several forms."""
        return self.answers(questions, k, include_known).drop("row")

    @final
    def answers(self, questions: Sequence[Question], k: int = 10, include_known: bool = False) -> pl.DataFrame:
        """As :meth:`ask`, with the number of each answer's question, from 0, as the column ``row``."""
        if k < 1:
            raise ConfigError(f"k is {k}; it must be at least 1")
        with self._one_at_a_time():
            found = [
                self._predict(form, some, k, include_known).frame(rows) for form, rows, some in self._by_form(questions)
            ]
        if not found:
            return pl.DataFrame(schema={"row": pl.Int64, **SCHEMA})
        return pl.concat(found, how="diagonal").sort("row", maintain_order=True)

    @final
    def similar(self, names: str | Sequence[str], *, k: int = 10, kind: str | None = None) -> pl.DataFrame:
        """What is nearest to things that the run has names of, by the cosine of their vectors; not the things.

        Args:
            names: A name or names.
            k: Answers to each, at most.
            kind: What they are, one of :meth:`kinds`; what the run answers when left out.

        Returns:
            As :meth:`predict`.

        Raises:
            InputError: A name is not known.
            ConfigError: The model has no vectors of the kind.
        """
        names, kind = [names] if isinstance(names, str) else list(names), kind or self.items
        if k < 1:
            raise ConfigError(f"k is {k}; it must be at least 1")
        with self._one_at_a_time():
            ids = self.names(kind).ids(names)
            table = self.unit_table(kind)
            itself = sets([[one] for one in ids.tolist()], len(table))
            found, scores, _ = by_vectors(table[ids], table, k, itself)
            ranked = Ranked(names, found, scores, self.names(kind), texts=self.texts(kind))
        return ranked.frame(range(len(names))).drop("row")

    @final
    def why(self, question: Question, items: Sequence[str], *, most: int = 3) -> pl.DataFrame:
        """What speaks for answers: the known items of the question that are nearest, or the words that both hold.

        Args:
            question: Value by field.
            items: Names of answers to it.
            most: Reasons for each, at most.

        Returns:
            Columns ``item``, ``because`` and ``score``: the cosine with a known item, null for a word. An item for
            which nothing speaks has no row.

        Raises:
            InputError: A name is not known.
            ConfigError: The run is not asked so.
        """
        form = form_of(self.forms, question)
        with self._one_at_a_time():
            return self._why(form, checked(form, question), items, most)

    @final
    def encode(self, queries: Any = None, /, *, kind: str | None = None, **fields: Any) -> Tensor:
        """Vectors ``(n, d)`` float32 of questions, or of things that the run has names of.

        Args:
            queries: Names where ``kind`` is given, else as in :meth:`predict`.
            kind: One of :meth:`kinds`.
            **fields: As in :meth:`predict`.

        Raises:
            InputError: A name is not known.
            ConfigError: The model has no such vectors.
        """
        with self._one_at_a_time():
            if kind is not None:
                if queries is None or fields:
                    raise ConfigError(f"encode gives vectors of {plural(kind)} by their names alone; give names")
                names = [queries] if isinstance(queries, str) else list(queries)
                return self.held.table(kind)[self.names(kind).ids(names)].clone()
            questions = questions_of(self.forms, queries, fields)
            parts = [(rows, self._encode(form, some)) for form, rows, some in self._by_form(questions)]
        return _in_order(parts, len(questions))

    @final
    def score(self, queries: Any = None, items: str | Sequence[str] = (), /, **fields: Any) -> pl.DataFrame:
        """The model's score of pairs of a question and an item.

        Args:
            queries: As in :meth:`predict`.
            items: As many as questions, or any number for one question, or one for all.
            **fields: As in :meth:`predict`.

        Returns:
            Columns ``query``, ``item``, ``score``.

        Raises:
            InputError: A name is not known, or the numbers do not fit.
            ConfigError: The run is not asked so.
        """
        questions = questions_of(self.forms, queries, fields)
        items = [items] if isinstance(items, str) else list(items)
        n = max(len(questions), len(items))
        if not questions or not items or {len(questions), len(items)} - {1, n}:
            told = f"{len(questions)} questions and {len(items)} items"
            raise InputError(f"{told} make no pairs", hint="give as many of each, or one of either")
        questions = questions * (n // len(questions))
        items = items * (n // len(items))
        with self._one_at_a_time():
            parts, labels = [], [""] * n
            for form, rows, some in self._by_form(questions):
                parts.append((rows, self._score(form, some, [items[row] for row in rows])[:, None]))
                for row, question in zip(rows, some, strict=True):
                    labels[row] = self.label(form, question)
        scores = _in_order(parts, n)[:, 0]
        return pl.DataFrame({"query": labels, "item": items, "score": pl.Series(scores.numpy(), dtype=pl.Float32)})

    # What the run knows.

    def kinds(self) -> list[str]:
        """Kinds of things that have names or vectors."""
        return list(dict.fromkeys([*self.held.names, *self.held.tables]))

    def names(self, kind: str) -> Names:
        """The names of a kind.

        Raises:
            ConfigError: There is no such kind.
        """
        if not self.held.names:
            raise ConfigError("this run has nothing by name yet; give it documents: run.index(documents)")
        if kind not in self.held.names:
            raise ConfigError(
                f"this run has no {plural(kind)} by name; it has {' and '.join(self.held.names) or 'none'}"
            )
        return self.held.names[kind]

    def texts(self, kind: str) -> Sequence[str] | None:
        """Texts of the things of a kind by id, where the run keeps them."""
        return None

    def known(self, form: Form, question: Question) -> list[int]:
        """Ids of the items that a question is known to go with; none where there is no such thing."""
        return []

    def answered(self, form: Form) -> str:
        """Kind of what questions of a form are answered with."""
        return self.items

    def label(self, form: Form, question: Question) -> str:
        """A question as one reads it."""
        values = [", ".join(one) if isinstance(one, list) else str(one) for one in question.values()]
        return " ".join(values)

    def similar_table(self, kind: str) -> Tensor:
        """Vectors by which :meth:`similar` compares the things of a kind."""
        return self.held.table(kind)

    def unit_table(self, kind: str) -> Tensor:
        """The vectors of :meth:`similar_table` at unit length, made when they are first asked for."""
        if kind not in self._units:
            self._units[kind] = torch.nn.functional.normalize(self.similar_table(kind), dim=-1)
        return self._units[kind]

    # What a task says.

    @abstractmethod
    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        """Answers to questions of one form."""

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        """Vectors ``(n, d)`` of questions of one form."""
        raise ConfigError(f"the model {self.held.config.part('model')} gives no vectors of {form.name}s")

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        """Scores ``(n,)`` of questions of one form with an item each."""
        raise ConfigError(f"the model {self.held.config.part('model')} gives no scores of single pairs")

    def _why(self, form: Form, question: Question, items: Sequence[str], most: int) -> pl.DataFrame:
        """What speaks for answers to a question of a form."""
        kind, known = self.answered(form), self.known(form, question)
        if known and kind in self.held.tables:
            return nearest_known(self.names(kind), self.similar_table(kind), known, items, most)
        texts = self.texts(kind)
        written = [str(value) for name, value in question.items() if form.field(name).kind is None]
        if texts is not None and written:
            return shared_words(self.names(kind), texts, " ".join(written), items, most)
        return pl.DataFrame(schema=REASONS)

    def _by_form(self, questions: Sequence[Question]) -> Iterator[tuple[Form, list[int], list[dict[str, Any]]]]:
        """Questions by their form, with their places."""
        places: dict[str, list[int]] = {}
        forms = [form_of(self.forms, question) for question in questions]
        for place, form in enumerate(forms):
            places.setdefault(form.name, []).append(place)
        for rows in places.values():
            form = forms[rows[0]]
            yield form, rows, [checked(form, questions[row]) for row in rows]

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with self._lock, torch.no_grad():
            yield


def _in_order(parts: Sequence[tuple[Sequence[int], Tensor]], n: int) -> Tensor:
    """Rows of several parts, each at its place."""
    if not parts:
        return torch.empty(0, 0)
    found = torch.empty(n, *parts[0][1].shape[1:], dtype=parts[0][1].dtype)
    for rows, values in parts:
        if values.shape[1:] != found.shape[1:]:
            raise ConfigError("questions of several forms have vectors of several lengths; ask one form at a time")
        found[torch.tensor(rows)] = values
    return found
