"""Sentence similarity: query and item are sentences, and one encoder serves both sides.

Training sees pairs that people judged similar, and negatives whose closeness follows a curriculum. The test asks how
well the cosine orders graded pairs (Spearman's correlation).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
import torch
from pydantic import Field

from negatives.answering import Kept
from negatives.answering.texts import SimilarityRun
from negatives.config import RunConfig
from negatives.data.dividing import Division
from negatives.data.loading.similarity import load_similarity
from negatives.data.readers.schema import SCORED
from negatives.data.similarity import SimilarityData
from negatives.evaluation import Metrics, measure
from negatives.evaluation.values import Rated
from negatives.models import Model
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts
from negatives.tasks.reading import table_options
from negatives.tasks.samples import QUERIES, Sample, best, sample
from negatives.tasks.shares import held, no_pairs, split_seed
from negatives.tasks.texts import ENCODED, EncoderReading, text_facts
from negatives.training.feeds import PairFeed

METRIC = "spearman"
SHOWN = 5


class SimilarityReading(EncoderReading):
    """How graded pairs are read."""

    positive: float | None = None
    """Score from which a training pair is trained on as similar; four fifths of the range when left out."""
    related: float | None = None
    """Score from which a training pair is no negative; half of the range when left out."""
    vocabulary: Annotated[int, Field(ge=100)] = 2000
    """Most pieces of the tokenizer that the static encoder learns from the sentences."""


class Similarity(Task[SimilarityData, SimilarityReading]):
    """Sentences and sentences."""

    name = "similarity"
    metric = METRIC
    reading = SimilarityReading
    offers = ENCODED | {"symmetric"}
    baselines = ("tfidf",)
    kinds: ClassVar = {"query": "sentence"}
    phrases = ("is like", "is near")
    answering = SimilarityRun

    def read(self, path: Path | None, config: RunConfig) -> SimilarityData:
        reading = self.options(config)
        options = table_options(config, reading, SCORED)
        how = Division(config.split.kind or "auto", seed=split_seed(config), **held(config))
        return load_similarity(path, reading.positive, reading.related, how, options)

    def examples(self, data: SimilarityData, config: RunConfig, feed: str) -> Examples[SimilarityData]:
        n, pairs = data.n_sentences, data.similar(data.positive)
        names = pl.Series("sentence", data.sentences, dtype=pl.String)
        return Examples(
            name=data.name,
            feed=PairFeed(torch.repeat_interleave(torch.arange(n), pairs.lengths()), pairs.indices.to(torch.int64)),
            catalogue=data.catalogue(),
            canaries=no_pairs(n, n),
            canary_share=0.0,
            query_names=names,
            item_names=names,
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[SimilarityData]) -> Facts:
        sentences = examples.data.sentences
        return {**text_facts(config, self.options(config), sentences, sentences), "symmetric": lambda: True}

    def kept(self, examples: Examples[SimilarityData], config: RunConfig) -> Kept:
        """The sentences, which are their own names."""
        return Kept({"sentence": examples.query_names})

    def metric_names(self, config: RunConfig) -> list[str]:
        return [METRIC]

    def size(self, part: str, examples: Examples[SimilarityData]) -> int:
        n = len(examples.data.parts[part])
        return n if n > 2 else 0  # fewer have no correlation

    def evaluate(self, model: Model, examples: Examples[SimilarityData], part: str, config: RunConfig) -> Metrics:
        pairs = examples.data.parts[part]
        scores = model.answers().pairs(pairs.left, pairs.right[:, None])[:, 0]
        return measure(Rated(scores, pairs.scores), [METRIC])

    def samples(self, model: Model, examples: Examples[SimilarityData]) -> list[Sample]:
        """The sentences nearest to the first ones of the test part."""
        pairs, answers, names = examples.data.parts["test"], model.answers(), examples.query_names
        found = []
        for row in pairs.scores.argsort(descending=True, stable=True)[:QUERIES].tolist():
            query, partner = int(pairs.left[row]), int(pairs.right[row])
            scores = answers.every(torch.tensor([query]))[0]
            scores[query] = -torch.inf
            right = [names[partner]]
            found.append(sample(names[query], right, best(scores, names, SHOWN), right))
        return found
