"""Language models: the query is a prefix of the text, the item is the next word; or whole sentences against noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import PartSpec, RunConfig, Section
from negatives.data.text import END, TextData, TextSplit, load_text
from negatives.errors import ConfigError
from negatives.evaluation import measure
from negatives.evaluation.perplexity import FIGURES, Likelihood, likelihood
from negatives.models import Model, registry
from negatives.models.language.base import LanguageModel
from negatives.registry import suggest
from negatives.sampler import preset, presets
from negatives.tasks import sentences
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_language import LANGUAGE
from negatives.tasks.sentences import SentenceOptions
from negatives.training.text_feed import TextFeed
from negatives.types import Catalogue, Csr

STREAMS = 32
"""Streams of a text that are evaluated side by side; each loses the words before its beginning."""
SHOWN, PREFIX = 6, 12


class TextReading(Section):
    """Options of the reader."""

    tokens: Literal["auto", "blank", "words"] = "auto"
    """How the text is cut into words: at blanks, or into runs of letters and digits in lower case."""
    key: str = "text"
    """Key of the text in JSON Lines."""
    min_count: Annotated[int, Field(ge=1)] = 2
    """Words that occur less often in the training part become ``<unk>``."""
    words: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the most frequent words stay."""
    window: Annotated[int, Field(ge=1)] = 35
    """Words through which gradients go back."""
    sentences: SentenceOptions = Field(default_factory=SentenceOptions)
    """Where noise sentences come from, with the recipe ``sentences``."""


class Language(Task):
    """Prefixes and next words; with the recipe ``sentences``, whole sentences and noise sentences."""

    name = "language"
    demo: ClassVar[Mapping[str, Any]] = {"epochs": 1}
    metric = "log_likelihood"
    models = ("lstm", "transformer", "sentence")
    reading = TextReading
    phrases = ("goes on", "the model expects")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return LANGUAGE

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """That of the model or the loss asked for."""
        if config.recipe:
            if config.recipe not in LANGUAGE:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, LANGUAGE)}")
            return config.recipe
        model, sampler, loss = (_name(part) for part in (config.model, config.sampler, config.loss))
        if model in ("transformer", "sentence"):
            return "sentences" if model == "sentence" else "transformer"
        if sampler == "full":
            return "full"
        if loss is None and sampler in presets:
            loss = preset(sampler).loss
        return "nce" if loss == "nce" else "default"

    def shared_recipe(self, examples: Examples) -> str:
        return "sentences" if isinstance(examples.raw, sentences.SentenceData) else "default"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        reading, split = self.options(config), config.split
        whole = _whole_sentences(config)
        shares = {name: value for name in ("test", "valid") if (value := getattr(split, name)) is not None}
        how = TextSplit(
            reading.tokens, reading.key, reading.min_count, reading.words, seed=config.seed, **shares
        )  # fmt: skip
        data = load_text(path, how)
        if whole:
            return sentences.load(path, data, reading.sentences)
        tokens = data.parts["train"]
        n, none = tokens.numel(), torch.empty(0, dtype=torch.int64)
        following = torch.arange(n + 1).clamp(max=n - 1)
        known = Csr(following, tokens[1:].int(), data.n_words)
        return Examples(
            name=data.name,
            feed=TextFeed(tokens, reading.window),
            catalogue=Catalogue(n, data.n_words, data.counts, known, query_anchors=tokens),
            canaries=Csr.from_pairs(none, none, n, data.n_words),
            canary_share=0.0,
            query_names=polars.Series(["position"]).new_from_index(0, n),
            item_names=data.words,
            notes=data.notes,
            raw=data,
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        if isinstance(examples.raw, sentences.SentenceData):
            return sentences.model(config, examples, self.options(config).sentences)
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        window, feed = self.options(config).window, examples.feed
        assert isinstance(feed, TextFeed)
        spec |= {"tokens": examples.raw.parts["train"], "counts": examples.raw.counts, "window": window}
        if spec["name"] == "lstm":
            spec["streams"] = feed.streams(min(config.batch_size or 1120, feed.rows))
        return registry.build(spec | {"seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        return list(sentences.METRICS) if _whole_sentences(config) else ["log_likelihood"]

    def can_validate(self, examples: Examples) -> bool:
        if isinstance(examples.raw, sentences.SentenceData):
            return examples.raw.real["valid"].lengths.numel() > 0
        data: TextData = examples.raw
        return data.parts["valid"].numel() > 0

    def complete(self, model: Model, examples: Examples) -> None:
        """A trained language model takes in no more text, and does not."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        most = config.evaluation.queries
        if isinstance(examples.raw, sentences.SentenceData):
            return sentences.evaluate(model, examples, part, most)
        data: TextData = examples.raw
        words = data.parts[part]
        if part == "valid" and most is not None:
            words = words[:most]
        found = exact(model, data, words)
        return Scores(measure(found, FIGURES).mean, {"log_likelihood": found.log_p})

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """Vectors of words as they are predicted, without their bias, and as they are read; of a scorer the latter."""
        if isinstance(examples.raw, sentences.SentenceData):
            return sentences.vectors(model, examples)
        assert isinstance(model, LanguageModel)
        tables = model.item_table.detach()[:, : model.dim].cpu(), model.word_table.detach().cpu()
        return {"word": (examples.item_names, tables[0]), "input": (examples.item_names, tables[1])}

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        if isinstance(examples.raw, sentences.SentenceData):
            return sentences.samples(model, examples)
        data: TextData = examples.raw
        words = data.parts["test"]
        if words.numel() < 2:
            return []
        ends = torch.linspace(min(PREFIX, words.numel() - 2), words.numel() - 2, 5).long().tolist()
        return [_sample(model, data, words, end) for end in dict.fromkeys(ends)]


@torch.no_grad()
def exact(model: Model, data: TextData, words: Tensor) -> Likelihood:
    """Exact log-probabilities of all words of a text, each given those before it."""
    assert isinstance(model, LanguageModel)
    model.refresh(None)
    device = model.item_table.device
    return likelihood(prefixes(model, words.to(device), data.end), model.item_table.detach())


def prefixes(model: LanguageModel, words: Tensor, end: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Vectors ``(rows, d)`` of the prefixes of a text, with the words after them, every word once.

    Args:
        model: The model.
        words: ``(n,)`` int64 on the model's device.
        end: Id of the end of a line, which stands before the text.
    """
    before = torch.cat([words.new_full((1,), end), words[:-1]])
    streams = max(1, min(STREAMS, words.numel() // (4 * model.window)))
    length = words.numel() // streams
    parts = [(slice(0, streams * length), streams), (slice(streams * length, words.numel()), 1)]
    for some, runs in parts:
        read, right = before[some].view(runs, -1), words[some].view(runs, -1)
        state: Tensor | None = None
        for at in range(0, read.shape[1], model.window):
            vectors, state = model.read_on(read[:, at : at + model.window], state)
            yield model.with_one(vectors.reshape(-1, model.dim)), right[:, at : at + model.window].reshape(-1)


def _name(part: PartSpec | None) -> str | None:
    return part.get("name") if isinstance(part, dict) else part


def _whole_sentences(config: RunConfig) -> bool:
    """Whether the run tells sentences from noise.

    Raises:
        ConfigError: Recipe, model or options say both yes and no.
    """
    asked = config.recipe == "sentences", _name(config.model) == "sentence"
    if asked[0] and not asked[1] and _name(config.model) is not None:
        raise ConfigError(
            f"the recipe sentences trains the model sentence, not {_name(config.model)}; leave --model out"
        )
    if asked[1] and not asked[0] and config.recipe is not None:
        raise ConfigError(f"the model sentence needs the recipe sentences, not {config.recipe}; leave --recipe out")
    if "sentences" in config.reading and not any(asked):
        raise ConfigError("reading.sentences serves the recipe sentences alone; add --recipe sentences")
    return any(asked)


@torch.no_grad()
def _sample(model: Model, data: TextData, words: Tensor, end: int) -> dict[str, Any]:
    """What the model expects after the word at place ``end`` of a text."""
    assert isinstance(model, LanguageModel)
    device, first = model.item_table.device, max(0, end + 1 - model.window)
    model.refresh(None)
    vectors, _ = model.read_on(words[None, first : end + 1].to(device), None)
    scores = (model.with_one(vectors[0, -1:]) @ model.item_table.T)[0].log_softmax(0).cpu()
    best = torch.topk(scores, min(SHOWN, scores.numel()))
    prefix = [data.words[word] for word in words[max(first, end + 1 - PREFIX) : end + 1].tolist()]
    return {
        "query": " ".join("/" if word == END else word for word in prefix),
        "known": [data.words[int(words[end + 1])]],
        "recommended": [
            {"item": data.words[word], "score": round(score, 4)}
            for score, word in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ],
    }


__all__ = ["Language", "TextReading", "exact", "prefixes"]
