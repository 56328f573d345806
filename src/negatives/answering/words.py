"""Word vectors: words like a word, analogies, and the words that stand near a word.

Analogies add and subtract unit vectors and take the words nearest to the sum by cosine, the given ones left out
(3CosAdd; Mikolov et al., Linguistic Regularities in Continuous Space Word Representations, NAACL 2013).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from negatives.answering.base import Run
from negatives.answering.forms import Field, Form, Question
from negatives.answering.names import Names
from negatives.answering.ranked import Ranked, by_vectors, sets
from negatives.errors import InputError

WORD = Form("word", "words like a word", (Field("word", "a word or phrase", kind="word"),))
ANALOGY = Form(
    "analogy",
    "words like some words and unlike others",
    (
        Field("positive", "words to add", many=True, kind="word"),
        Field("negative", "words to subtract", many=True, optional=True, kind="word"),
    ),
)
NEAR = Form("near", "words that stand near a word", (Field("near", "a word or phrase", kind="word"),))


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _lower(name: str) -> str:
    return _composed(name).lower()


def _joined(name: str) -> str:
    return "_".join(_composed(name).split())


def _joined_lower(name: str) -> str:
    return _joined(name).lower()


WAYS = (_composed, _lower, _joined, _joined_lower)
"""How a text may write a word that is asked for otherwise, the likeliest first."""


class WordNames(Names):
    """Words, found also where the text writes them otherwise: in composed letters (Unicode's form NFC), in lower case,
    and phrases with ``_`` between their words."""

    def find(self, names: Sequence[str]) -> Tensor:
        found = super().find(names)
        for write in WAYS:
            missing = (found < 0).nonzero()[:, 0].tolist()
            if not missing:
                break
            found[missing] = super().find([write(names[at]) for at in missing])
        return found


class WordsRun(Run):
    """Words by name. Scores are cosines, and of words near a word what the model scores the pair."""

    forms: tuple[Form, ...] = (WORD, ANALOGY, NEAR)
    items: ClassVar[str] = "word"

    def names(self, kind: str) -> Names:
        if kind != self.items:
            return super().names(kind)
        return self._words

    def label(self, form: Form, question: Question) -> str:
        if form is not ANALOGY:
            return super().label(form, question)
        return " - ".join([" + ".join(question["positive"]), *question.get("negative", [])])

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        given = self._given(form, questions)
        if form is NEAR:
            words, others = self._beside
            found = by_vectors(words[[one[0] for one in given]], others, k)
        else:
            table = self.unit_table(self.items)
            found = by_vectors(self._sums(form, questions), table, k, sets(given, len(table)))
        labels = [self.label(form, question) for question in questions]
        return Ranked(labels, found[0], found[1], self._words)

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        if form is ANALOGY:
            return self._sums(form, questions)
        return self.held.table(self.items)[[one[0] for one in self._given(form, questions)]].clone()

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        others = self._words.ids(items)
        if form is NEAR:
            words, beside = self._beside
            return (words[[one[0] for one in self._given(form, questions)]] * beside[others]).sum(1)
        return (self._sums(form, questions) * self.unit_table(self.items)[others]).sum(1)

    def _given(self, form: Form, questions: Sequence[Question]) -> list[list[int]]:
        """Ids of the words of each question."""
        lists = [[name for one in question.values() for name in _listed(one)] for question in questions]
        ids = self._words.ids([name for one in lists for name in one])
        return [part.tolist() for part in torch.split(ids, [len(one) for one in lists])]

    def _sums(self, form: Form, questions: Sequence[Question]) -> Tensor:
        """Unit vectors ``(n, d)``: of one word its own, of an analogy that of the sum.

        Raises:
            InputError: An analogy adds nothing.
        """
        table = self.unit_table(self.items)
        if form is WORD:
            return table[[one[0] for one in self._given(form, questions)]]
        if not all(question["positive"] for question in questions):
            raise InputError("positive has no words", hint=f"give {form.written}")
        plus, minus = (
            torch.stack([table[self._words.ids(question.get(part, []))].sum(0) for question in questions])
            for part in ("positive", "negative")
        )
        return torch.nn.functional.normalize(plus - minus, dim=1)

    @cached_property
    def _beside(self) -> tuple[Tensor, Tensor]:
        """Vectors ``(n, d)`` of words and of the words beside them, whose inner products are the model's scores."""
        words, others = self.held.model.tables()
        return words.cpu(), others.cpu()

    @cached_property
    def _words(self) -> WordNames:
        return WordNames(self.items, super().names(self.items).series)


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
