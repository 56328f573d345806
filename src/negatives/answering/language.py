"""Runs over running text: next words, the likelihood of a text and more of it, and how real a sentence is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, final, runtime_checkable

import polars as pl
import torch
from torch import Tensor

from negatives.answering.base import Run
from negatives.answering.forms import Field, Form, Question
from negatives.answering.names import Names
from negatives.answering.ranked import Ranked, by_scores
from negatives.data.ngrams import Sentences
from negatives.data.text import END, UNKNOWN
from negatives.data.words import cut
from negatives.errors import ConfigError, InputError
from negatives.models.language.base import TextModel
from negatives.randomness import Purpose, generator, stream

TEXT = Form("text", "a text that goes on", (Field("text", "the text, which may be empty"),))
SENTENCE = Form("text", "a sentence that is real or not", (Field("text", "the sentence"),))
REAL, NOISE = "real", "noise"


@runtime_checkable
class Telling(Protocol):
    """A model that tells real sentences from noise."""

    def told(self, sentences: Sentences) -> Tensor:
        """Scores ``(n,)``; above zero the sentence is taken for real."""
        ...


class TextRun(Run):
    """What runs over words of a text share: how a text becomes ids."""

    items = "word"

    def words(self, text: str) -> list[int]:
        """Ids of the words of a text; words that training never showed are ``<unk>``."""
        names = self.names(self.items)
        ids = names.find([*cut(text, self.held.more["tokens"]), UNKNOWN]).tolist()
        return [ids[-1] if one < 0 else one for one in ids[:-1]]

    @property
    def end(self) -> int:
        """Id of the end of a line."""
        return int(self.names(self.items).ids([END])[0])


class LanguageRun(TextRun):
    """A language model: ``predict`` answers with next words and the logarithms of their probabilities."""

    forms = (TEXT,)

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        rows = [self.following(question["text"]) for question in questions]
        ids, scores, _ = by_scores(lambda some: torch.stack([rows[row] for row in some.tolist()]), len(rows), k)
        return Ranked([self.label(form, one) for one in questions], ids, scores, self.names(self.items))

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        names: Names = self.names(self.items)
        found = [self.following(question["text"]) for question in questions]
        return torch.stack(found).gather(1, names.ids(items)[:, None])[:, 0]

    def following(self, text: str) -> Tensor:
        """Log-probabilities ``(n_words,)`` of all words after a text that begins a line."""
        with self._one_at_a_time():
            return self._model.following(torch.tensor([self.end, *self.words(text)]))

    @final
    def likelihood(self, texts: str | Sequence[str]) -> pl.DataFrame:
        """How likely texts are, each a line of its own.

        Args:
            texts: A text or texts.

        Returns:
            Columns ``text``; ``words``, their number with the end of the line; ``unknown``, how many of them training
            never showed; ``log_likelihood``, of the whole; ``perplexity``, for each word.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        unknown = int(self.names(self.items).ids([UNKNOWN])[0])
        rows = []
        with self._one_at_a_time():
            for text in texts:
                ids = [*self.words(text), self.end]
                log_p, _ = self._model.log_probs(torch.tensor(ids), self.end)
                total = float(log_p.sum())
                perplexity = float(torch.exp(torch.tensor(-total / len(ids), dtype=torch.float64)))
                rows.append((text, len(ids), ids.count(unknown), total, perplexity))
        names = ("text", "words", "unknown", "log_likelihood", "perplexity")
        types = (pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Float64)
        return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")

    @final
    def generate(
        self, text: str = "", *, words: int = 20, temperature: float = 1.0, top: int = 0, seed: int = 0
    ) -> str:
        """More of a text, word by word, until the line ends.

        Args:
            text: How it begins.
            words: Most words to add.
            temperature: Above 0; below 1 likely words are taken more often. 0 takes the likeliest.
            top: Only so many of the likeliest words may follow; 0 for all.
            seed: Seed of the draws; the same seed gives the same text.

        Raises:
            ConfigError: A number is out of range.
        """
        if temperature < 0 or top < 0 or words < 0:
            raise ConfigError(f"temperature {temperature}, top {top} and words {words} must not be below 0")
        random, unknown = generator(stream(seed, Purpose.NOISE)), int(self.names(self.items).ids([UNKNOWN])[0])
        found, added = self.words(text), list[int]()
        with self._one_at_a_time():
            for _ in range(words):
                scores = self._model.following(torch.tensor([self.end, *found, *added])).double()
                scores[unknown] = -torch.inf
                if top:
                    scores[scores < scores.topk(min(top, scores.numel())).values[-1]] = -torch.inf
                chances = (scores / temperature).softmax(0) if temperature else None
                word = int(scores.argmax() if chances is None else torch.multinomial(chances, 1, generator=random))
                if word == self.end:
                    break
                added.append(word)
        names = self.names(self.items)
        return " ".join([*([text] if text else []), *(names[word] for word in added)])

    @property
    def _model(self) -> TextModel:
        model = self.held.model
        assert isinstance(model, TextModel)
        return model


class SentencesRun(TextRun):
    """Tells real sentences from noise: the score of a sentence is above zero where it is taken for real."""

    forms = (SENTENCE,)

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        scores = self._told(questions)
        both = torch.stack([scores, -scores], 1)
        ids, ranked, _ = by_scores(lambda rows: both[rows], len(scores), k)
        names = Names("answer", pl.Series([REAL, NOISE]))
        return Ranked([self.label(form, one) for one in questions], ids, ranked, names)

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        names = Names("answer", pl.Series([REAL, NOISE]))
        return self._told(questions) * (1 - 2 * names.ids(items))

    def _told(self, questions: Sequence[Question]) -> Tensor:
        model = self.held.model
        assert isinstance(model, Telling)
        longest = int(self.held.more["longest"])
        lists = [[*self.words(question["text"]), self.end] for question in questions]
        for words, question in zip(lists, questions, strict=True):
            if len(words) > longest:
                told = f"a sentence has {len(words) - 1} words: {question['text'][:60]!r}"
                raise InputError(told, hint=f"give sentences of at most {longest - 1}")
        scores = [model.told(Sentences(torch.tensor([words]), torch.tensor([len(words)]))) for words in lists]
        return torch.cat(scores) if scores else torch.empty(0)
