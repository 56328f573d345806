"""The part of the task ``language`` that tells whole sentences from noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import Part, RunConfig, Section
from negatives.data.ngrams import Ngram, Sentences, cut_behind, sentences_of
from negatives.data.text import PARTS, TextData
from negatives.errors import ConfigError, InputError
from negatives.evaluation.sentences import KINDS, noise_of_every_kind, told_right
from negatives.models import Model, registry
from negatives.models.language.noise import NoiseBank
from negatives.models.language.sentence import ITSELF, SentenceModel
from negatives.sampler.build import resolve
from negatives.tasks.base import Examples, Scores
from negatives.training.feeds import PairFeed
from negatives.types import Catalogue, Csr

METRICS = ("accuracy", *(f"accuracy:{kind}" for kind in KINDS))
NOISE_SEED = 7
"""Noise of the validation and test parts is the same in all runs, so that runs can be compared sentence by sentence."""
MOST = 100_000
"""Noise sentences that are drawn at a time, at most, where the number is left out."""
MARKS = (".", "!", "?")
"""Words behind which a sentence ends."""
SHOWN = 5


class SentenceOptions(Section):
    """Where noise sentences come from; how hard they are is the sampler's choice."""

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
    """

    text: TextData
    real: Mapping[str, Sentences]
    longest: int
    _noise: dict[str, dict[str, Sentences]] = field(default_factory=dict, repr=False)

    def noise(self, part: str) -> dict[str, Sentences]:
        """Noise of every kind for a part, drawn once."""
        if part not in self._noise:
            tokens, end = self.text.parts["train"], self.text.end
            seed = NOISE_SEED + PARTS.index(part)
            self._noise[part] = noise_of_every_kind(self.real[part], tokens, end, seed, self.longest)
        return self._noise[part]


def load(path: Path | None, text: TextData, options: SentenceOptions) -> Examples:
    """Training data: each real sentence once, beside the noise sentences of the moment.

    Raises:
        InputError: The training part has fewer than two sentences, or the test part none.
    """
    text = cut_text(text) if options.cut == "marks" else text
    real = {part: sentences_of(text.parts[part], text.end, options.longest) for part in PARTS}
    n = real["train"].lengths.numel()
    for part, least in (("train", 2), ("test", 1)):
        _enough(path, text, part, real[part].lengths.numel(), least, options.longest)
    left = int((text.parts["train"] == text.end).sum()) - n
    notes = (*text.notes, f"sentences: {n:,} for training; {left:,} of more than {options.longest} words left out")
    items, none = 1 + (options.drawn or min(n, MOST)), torch.empty(0, dtype=torch.int64)
    each, itself = torch.arange(n), torch.full((n,), ITSELF)
    return Examples(
        name=text.name,
        feed=PairFeed(each, itself),
        catalogue=Catalogue(n, items, torch.ones(items, dtype=torch.int64), Csr.from_pairs(each, itself, n, items)),
        canaries=Csr.from_pairs(none, none, n, items),
        canary_share=0.0,
        query_names=polars.Series("sentence", range(n)),
        item_names=polars.Series("noise sentence", range(items)),
        notes=notes,
        raw=SentenceData(text, real, options.longest),
    )


def cut_text(text: TextData) -> TextData:
    """The same text with an end behind every mark."""
    marks = torch.tensor([at for mark in MARKS if (at := text.words.index_of(mark)) is not None], dtype=torch.int64)
    parts = {name: cut_behind(tokens, marks, text.end) for name, tokens in text.parts.items()}
    return replace(text, parts=parts, counts=torch.bincount(parts["train"], minlength=text.n_words))


def model(config: RunConfig, examples: Examples, options: SentenceOptions) -> Model:
    """A fresh scorer with its noise sentences.

    Raises:
        ConfigError: The sampler or the loss does not fit noise sentences.
    """
    check_parts(config)
    data: SentenceData = examples.raw
    order = 1 + ("unigram", "bigram", "trigram").index(options.noise)
    steps = examples.feed.steps(min(config.batch_size or 64, examples.feed.rows))
    bank = NoiseBank(
        Ngram(data.text.parts["train"], data.text.end, order),
        examples.catalogue.n_items - 1,
        max(1, round(options.every * steps)),
        options.reestimate,
        options.longest,
        config.seed,
    )
    part = config.part("model")
    spec: dict[str, Any] = {"name": part.name, **part.params}
    made = {"real": data.real["train"], "noise": bank, "n_words": data.text.n_words, "seed": config.seed}
    return registry.build(spec | made)


def check_parts(config: RunConfig) -> None:
    """Refuse samplers that draw no noise sentences, and losses under which a score of zero is not the border.

    Raises:
        ConfigError: Names the part and what fits.
    """
    parts = resolve(config.sampler or "uniform")
    for part, usual, fits in (("proposal", "uniform", ("uniform",)), ("difficulty", "score", ("score", "margin"))):
        found = Part.of(parts.get(part, usual)).name
        if found not in fits:
            raise ConfigError(
                "noise sentences come from an n-gram model, and the sampler only chooses among them: its "
                f"{part} must be {' or '.join(fits)}, not {found}; choose for instance --sampler uniform, dns or hold, "
                "with --loss logistic"
            )
    loss = config.part("loss")
    if loss.name != "logistic":
        raise ConfigError(
            f"the recipe sentences tells real from noise with the loss logistic, not {loss}; add --loss logistic"
        )


def evaluate(model: Model, examples: Examples, part: str, most: int | None) -> Scores:
    """Accuracy for each kind of noise.

    Args:
        model: The trained model.
        examples: The data.
        part: ``valid`` or ``test``.
        most: Sentences of the validation part, at most.
    """
    assert isinstance(model, SentenceModel)
    data: SentenceData = examples.raw
    real, noise = data.real[part], data.noise(part)
    if part == "valid" and most is not None:
        rows = torch.arange(min(most, real.lengths.numel()))
        real, noise = real.pick(rows), {kind: false.pick(rows) for kind, false in noise.items()}
    found = told_right(model.told, real, noise)
    return Scores({name: float(values.mean()) for name, values in found.items()}, found)


def samples(model: Model, examples: Examples) -> list[dict[str, Any]]:
    """A few test sentences, each ranked with noise of every kind by its score."""
    assert isinstance(model, SentenceModel)
    data: SentenceData = examples.raw
    n = data.real["test"].lengths.numel()
    rows = torch.linspace(0, n - 1, min(SHOWN, n)).long()
    shown = {kind: all_.pick(rows) for kind, all_ in ({"real": data.real["test"]} | data.noise("test")).items()}
    scores = {kind: model.told(some).tolist() for kind, some in shown.items()}
    found = []
    for at in range(rows.numel()):
        best = sorted(shown, key=lambda kind: -scores[kind][at])
        answers = [
            {"item": f"{kind}: {_words(data, shown[kind], at)}", "score": round(scores[kind][at], 4)} for kind in best
        ]
        found.append({"query": _words(data, shown["real"], at), "known": [], "recommended": answers})
    return found


def vectors(model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
    """The vectors of the words that the scorer reads."""
    assert isinstance(model, SentenceModel)
    return {"word": (examples.raw.text.words, model.scorer.words.detach().cpu())}


def _words(data: SentenceData, sentences: Sentences, at: int) -> str:
    length = int(sentences.lengths[at])
    kept = sentences.words[at, :length].tolist()
    return " ".join(data.text.words[word] for word in kept if word != data.text.end)


def _enough(path: Path | None, text: TextData, part: str, found: int, least: int, longest: int) -> None:
    if found < least:
        called = "training" if part == "train" else part
        mend = "give more text" if part == "train" else "give more text, or raise split.test"
        raise InputError(
            f"{found} sentence{'s' * (found != 1)} of at most {longest} words in the {called} part where "
            f"{least} or more are needed",
            path=path or text.name,
            mend=f"{mend}, or raise reading.sentences.longest",
        )


__all__ = [
    "METRICS",
    "SentenceData",
    "SentenceOptions",
    "check_parts",
    "evaluate",
    "load",
    "model",
    "samples",
    "vectors",
]
