"""Whole sentences: the query is a real sentence, the items are noise sentences that it is told from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import polars
import torch
from pydantic import Field

from negatives.answering import Kept
from negatives.answering.language import SentencesRun
from negatives.config import Part, RunConfig
from negatives.data import ngrams
from negatives.data.loading.language import load_text
from negatives.data.text import PARTS, TextData
from negatives.errors import ConfigError, InputError
from negatives.evaluation import Metrics
from negatives.evaluation.sentences import KINDS, noise_of_every_kind, told_right
from negatives.models import Model
from negatives.models.language.noise import NoiseBank
from negatives.models.language.sentence import ITSELF, SentenceModel
from negatives.sampler.build import resolve
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, require
from negatives.tasks.samples import QUERIES, Sample, sample
from negatives.tasks.shares import most, no_pairs
from negatives.tasks.texts import TextReading, text_split
from negatives.training.feeds import PairFeed
from negatives.types import Catalogue, Csr

METRICS = ("accuracy", *(f"accuracy:{kind}" for kind in KINDS))
NOISE_SEED = 7
"""Noise of the validation and test parts is the same in all runs, so that runs can be compared sentence by sentence."""
MOST = 100_000
"""Noise sentences that are drawn at a time, at most, where the number is left out."""
MARKS = (".", "!", "?")
"""Words behind which a sentence ends."""
BATCH = 64


class SentenceReading(TextReading):
    """How a text is read, and where noise sentences come from; how hard they are is the sampler's choice."""

    cut: Literal["marks", "line"] = "marks"
    """Whether a line is cut into sentences behind ``.``, ``!`` and ``?``, where these are words of their own, or is one
    sentence."""
    noise: Literal["unigram", "bigram", "trigram"] = "trigram"
    """The n-gram model of the training text from which noise sentences are drawn."""
    every: Annotated[float, Field(gt=0.0)] = 1.0
    """Epochs after which noise sentences are drawn anew."""
    reestimate: bool = True
    """Whether noise sentences that the scorer takes for real then join the text of the n-gram model."""
    drawn: Annotated[int, Field(ge=1)] | None = None
    """Noise sentences that are drawn at a time; left out, as many as there are real ones, 100,000 at most."""
    longest: Annotated[int, Field(ge=2)] = 60
    """Words of a sentence, its end among them; longer ones are left out."""


@dataclass(frozen=True, slots=True)
class SentenceData:
    """A text as sentences.

    Args:
        text: The text.
        real: Real sentences by part.
        longest: Words of a sentence, at most.
        notes: What was read and what was left out.
    """

    text: TextData
    real: Mapping[str, ngrams.Sentences]
    longest: int
    notes: tuple[str, ...]
    _noise: dict[str, dict[str, ngrams.Sentences]] = field(default_factory=dict, repr=False)

    def noise(self, part: str) -> dict[str, ngrams.Sentences]:
        """Noise of every kind for a part, drawn once."""
        if part not in self._noise:
            tokens, end = self.text.parts["train"], self.text.end
            seed = NOISE_SEED + PARTS.index(part)
            self._noise[part] = noise_of_every_kind(self.real[part], tokens, end, seed, self.longest)
        return self._noise[part]


class Sentences(Task[SentenceData, SentenceReading]):
    """Sentences and noise sentences: each real sentence once, beside the noise sentences of the moment."""

    name = "sentences"
    metric = "accuracy"
    reading = SentenceReading
    offers = frozenset(("real", "noise", "n_words"))
    family = SentenceModel
    kinds: ClassVar = {"word": "word"}
    demo: ClassVar = {"epochs": 1}
    phrases = ("is known", "from the most real to the least")
    answering = SentencesRun

    def read(self, path: Path | None, config: RunConfig) -> SentenceData:
        options = self.options(config)
        text = load_text(path, text_split(config, options))
        text = cut_text(text) if options.cut == "marks" else text
        real = {part: ngrams.sentences_of(text.parts[part], text.end, options.longest) for part in PARTS}
        for part, least in (("train", 2), ("test", 1)):
            _enough(path, text, part, real[part].lengths.numel(), least, options.longest)
        notes = without_known(real)
        n = real["train"].lengths.numel()
        left = int((text.parts["train"] == text.end).sum()) - n
        note = f"sentences: {n:,} for training; {left:,} of more than {options.longest} words left out"
        return SentenceData(text, real, options.longest, (*text.notes, note, *notes))

    def examples(self, data: SentenceData, config: RunConfig, feed: str) -> Examples[SentenceData]:
        n = data.real["train"].lengths.numel()
        items = 1 + (self.options(config).drawn or min(n, MOST))
        each, itself = torch.arange(n), torch.full((n,), ITSELF)
        known = Csr.from_pairs(each, itself, n, items)
        return Examples(
            name=data.text.name,
            feed=PairFeed(each, itself),
            catalogue=Catalogue(n, items, torch.ones(items, dtype=torch.int64), known),
            canaries=no_pairs(n, items),
            canary_share=0.0,
            query_names=polars.Series("sentence", range(n)),
            item_names=polars.Series("noise sentence", range(items)),
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[SentenceData]) -> Facts:
        data = examples.data
        return {
            "real": lambda: data.real["train"],
            "noise": lambda: self._bank(config, examples),
            "n_words": lambda: data.text.n_words,
        }

    def _bank(self, config: RunConfig, examples: Examples[SentenceData]) -> NoiseBank:
        options, text = self.options(config), examples.data.text
        order = 1 + ("unigram", "bigram", "trigram").index(options.noise)
        steps = examples.feed.steps(min(config.batch_size or BATCH, examples.feed.rows))
        return NoiseBank(
            ngrams.Ngram(text.parts["train"], text.end, order),
            examples.catalogue.n_items - 1,
            max(1, round(options.every * steps)),
            options.reestimate,
            options.longest,
            config.seed,
        )

    def check_filled(self, config: RunConfig) -> None:
        """Refuse samplers that draw no noise sentences, and losses under which a score of zero is not the border."""
        parts = resolve(config.part("sampler"))
        for part, usual, fits in (("proposal", "uniform", ("uniform",)), ("difficulty", "score", ("score", "margin"))):
            found = Part.of(parts.get(part, usual)).name
            if found not in fits:
                raise ConfigError(
                    "noise sentences come from an n-gram model, and the sampler only chooses among them: its "
                    f"{part} must be {' or '.join(fits)}, not {found}; choose for instance --sampler uniform, dns or "
                    "hold, with --loss logistic"
                )
        loss = config.part("loss")
        if loss.name != "logistic":
            raise ConfigError(f"sentences are told from noise with the loss logistic, not {loss}; add --loss logistic")

    def metric_names(self, config: RunConfig) -> list[str]:
        return list(METRICS)

    def size(self, part: str, examples: Examples[SentenceData]) -> int:
        return examples.data.real[part].lengths.numel()

    def evaluate(self, model: Model, examples: Examples[SentenceData], part: str, config: RunConfig) -> Metrics:
        """Accuracy for each kind of noise."""
        data, limit = examples.data, most(config, part)
        real, noise = data.real[part], data.noise(part)
        if limit is not None:
            rows = torch.arange(min(limit, real.lengths.numel()))
            real, noise = real.pick(rows), {kind: false.pick(rows) for kind, false in noise.items()}
        return Metrics.of(told_right(require(model, SentenceModel).told, real, noise))

    def names(self, kind: str, examples: Examples[SentenceData]) -> polars.Series:
        return examples.data.text.words

    def kept(self, examples: Examples[SentenceData], config: RunConfig) -> Kept:
        """Words, how a text is cut into them, and how many a sentence may have."""
        data = examples.data
        return Kept({"word": data.text.words}, more={"tokens": data.text.tokens, "longest": data.longest})

    def samples(self, model: Model, examples: Examples[SentenceData]) -> list[Sample]:
        """A few test sentences, each ranked with noise of every kind by its score."""
        data, told = examples.data, require(model, SentenceModel).told
        n = data.real["test"].lengths.numel()
        rows = torch.linspace(0, n - 1, min(QUERIES, n)).long()
        shown = {kind: all_.pick(rows) for kind, all_ in ({"real": data.real["test"]} | data.noise("test")).items()}
        scores = {kind: told(some).tolist() for kind, some in shown.items()}
        found = []
        for at in range(rows.numel()):
            ranked = sorted(shown, key=lambda kind: -scores[kind][at])
            answers = [(f"{kind}: {_words(data, shown[kind], at)}", scores[kind][at]) for kind in ranked]
            real = _words(data, shown["real"], at)
            found.append(sample(real, [], answers, {f"real: {real}"}))
        return found


def without_known(real: dict[str, ngrams.Sentences]) -> list[str]:
    """Drop from the test part what is trained on, and from the validation part what stands in either; what was dropped.

    Args:
        real: Sentences by part; the parts are replaced.

    Raises:
        InputError: No test sentence is left.
    """
    notes = []
    for part, others in (("test", ("train",)), ("valid", ("train", "test"))):
        fresh = ngrams.unlike(real[part], *(real[other] for other in others))
        if fresh.all():
            continue
        places = " or the ".join({"train": "training", "test": "test"}[other] for other in others)
        notes.append(f"{part}: {int((~fresh).sum()):,} sentences that stand in the {places} part too dropped")
        real[part] = real[part].pick(fresh.nonzero()[:, 0])
    if not real["test"].lengths.numel():
        hint = "give a test part of other sentences, or more text"
        raise InputError("every sentence of the test part stands in the training part too", hint=hint)
    return notes


def cut_text(text: TextData) -> TextData:
    """The same text with an end behind every mark."""
    marks = torch.tensor([at for mark in MARKS if (at := text.words.index_of(mark)) is not None], dtype=torch.int64)
    parts = {name: ngrams.cut_behind(tokens, marks, text.end) for name, tokens in text.parts.items()}
    return replace(text, parts=parts, counts=torch.bincount(parts["train"], minlength=text.n_words))


def _words(data: SentenceData, sentences: ngrams.Sentences, at: int) -> str:
    length = int(sentences.lengths[at])
    kept = sentences.words[at, :length].tolist()
    return " ".join(data.text.words[word] for word in kept if word != data.text.end)


def _enough(path: Path | None, text: TextData, part: str, found: int, least: int, longest: int) -> None:
    if found < least:
        called = "training" if part == "train" else part
        hint = "give more text" if part == "train" else "give more text, or raise split.test"
        raise InputError(
            f"{found} sentence{'s' * (found != 1)} of at most {longest} words in the {called} part where "
            f"{least} or more are needed",
            path=path or text.name,
            hint=f"{hint}, or raise reading.longest",
        )
