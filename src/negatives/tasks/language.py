"""Language models: the query is a prefix of the text, the item is the next word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.answering import Kept
from negatives.answering.language import LanguageRun
from negatives.config import RunConfig
from negatives.data.loading.language import load_text
from negatives.data.text import END, TextData, repeated
from negatives.errors import ConfigError
from negatives.evaluation import Metrics, measure
from negatives.evaluation.perplexity import FIGURES
from negatives.evaluation.values import Likelihood
from negatives.models import Model
from negatives.models.language.base import TextModel
from negatives.registry import Part
from negatives.tasks.asked import asked_loss, pairwise
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, require
from negatives.tasks.samples import QUERIES, Sample, best, sample
from negatives.tasks.shares import most, no_pairs
from negatives.tasks.texts import TextReading, text_split
from negatives.training.text_feed import TextFeed
from negatives.types import Catalogue, Csr

BATCH = 1120
SHOWN, PREFIX = 6, 12


class LanguageReading(TextReading):
    """Options of the reader."""

    window: Annotated[int, Field(ge=1)] = 35
    """Words through which gradients go back."""


class Language(Task[TextData, LanguageReading]):
    """Prefixes and next words."""

    name = "language"
    metric = "log_likelihood"
    reading = LanguageReading
    offers = frozenset(("tokens", "counts", "window", "streams"))
    feeds = ("text",)
    family = TextModel
    cheapest = Part("ngram", {"order": 1})
    baselines = ("ngram",)
    kinds: ClassVar = {"item": "word", "input": "input"}
    demo: ClassVar = {"epochs": 1}
    phrases = ("goes on", "the model expects")
    answering = LanguageRun

    def read(self, path: Path | None, config: RunConfig) -> TextData:
        data = load_text(path, text_split(config, self.options(config)))
        return replace(data, notes=(*data.notes, *repeated(data.parts, data.end)))

    def examples(self, data: TextData, config: RunConfig, feed: str) -> Examples[TextData]:
        tokens = data.parts["train"]
        n = tokens.numel()
        following = torch.arange(n + 1).clamp(max=n - 1)
        known = Csr(following, tokens[1:].int(), data.n_words)
        return Examples(
            name=data.name,
            feed=TextFeed(tokens, self.options(config).window),
            catalogue=Catalogue(n, data.n_words, data.counts, known, query_anchors=tokens),
            canaries=no_pairs(n, data.n_words),
            canary_share=0.0,
            query_names=polars.Series(["position"]).new_from_index(0, n),
            item_names=data.words,
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[TextData]) -> Facts:
        data, window = examples.data, self.options(config).window
        tokens = data.parts["train"]
        feed = TextFeed(tokens, window)
        return {
            "tokens": lambda: tokens,
            "counts": lambda: data.counts,
            "window": lambda: window,
            "streams": lambda: feed.streams(min(config.batch_size or BATCH, feed.rows)),
        }

    def preferred(self, config: RunConfig, data: TextData) -> str:
        """That of the loss asked for."""
        if config.asked("sampler") == "full":
            return "full"
        return "nce" if asked_loss(config) == "nce" else "default"

    def check_filled(self, config: RunConfig) -> None:
        """Refuse losses under which scores become no probabilities of words."""
        loss = str(config.part("loss"))
        if pairwise(loss):
            raise ConfigError(
                f"a language model is judged by the probabilities of words, and under the loss {loss} scores do not "
                "become any; choose --loss sampled_softmax or nce, with a sampler that knows its log_q: --sampler "
                "softmax, popularity, cluster or nce"
            )

    def metric_names(self, config: RunConfig) -> list[str]:
        return [self.metric]

    def size(self, part: str, examples: Examples[TextData]) -> int:
        return examples.data.parts[part].numel()

    def evaluate(self, model: Model, examples: Examples[TextData], part: str, config: RunConfig) -> Metrics:
        found = exact(model, examples.data, examples.data.parts[part][: most(config, part)])
        return Metrics(measure(found, FIGURES).mean, {self.metric: found.log_p})

    def kept(self, examples: Examples[TextData], config: RunConfig) -> Kept:
        """Words, and how a text is cut into them."""
        return Kept({"word": examples.data.words}, more={"tokens": examples.data.tokens})

    def samples(self, model: Model, examples: Examples[TextData]) -> list[Sample]:
        data, reader = examples.data, require(model, TextModel)
        words = data.parts["test"]
        if words.numel() < 2:
            return []
        ends = torch.linspace(min(PREFIX, words.numel() - 2), words.numel() - 2, QUERIES).long().tolist()
        return [_sample(reader, data, words, end) for end in dict.fromkeys(ends)]


def exact(model: Model, data: TextData, words: Tensor) -> Likelihood:
    """Exact log-probabilities of all words of a text, each given those before it."""
    return Likelihood(*require(model, TextModel).log_probs(words, data.end))


def _sample(model: TextModel, data: TextData, words: Tensor, end: int) -> Sample:
    """What the model expects after the word at place ``end`` of a text."""
    scores = model.following(words[: end + 1])
    prefix = [data.words[word] for word in words[max(0, end + 1 - PREFIX) : end + 1].tolist()]
    query = " ".join("/" if word == END else word for word in prefix)
    right = [data.words[int(words[end + 1])]]
    return sample(query, right, best(scores, data.words, SHOWN), right)
