"""Sentence similarity: query and item are sentences, and one encoder serves both sides.

Training sees pairs that people judged similar, and negatives whose closeness follows a curriculum. The test asks how
well the cosine orders graded pairs (Spearman's correlation).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import RunConfig, Section
from negatives.data.loading_similarity import load_similarity
from negatives.data.similarity import SimilarityData
from negatives.errors import ConfigError
from negatives.evaluation import measure
from negatives.evaluation.values import Rated
from negatives.models import Model, registry
from negatives.models.encoders.base import TextEncoder
from negatives.registry import suggest
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_similarity import SIMILARITY
from negatives.training.feeds import PairFeed
from negatives.types import Csr

METRIC = "spearman"


class SimilarityOptions(Section):
    """How graded pairs are read."""

    positive: float | None = None
    """Score from which a training pair is trained on as similar; four fifths of the range when left out."""
    related: float | None = None
    """Score from which a training pair is no negative; half of the range when left out."""
    vocabulary: Annotated[int, Field(ge=100)] = 2000
    """Most pieces of the tokenizer that the static encoder learns from the sentences."""
    vectors: str | None = None
    """Word vectors in word2vec's format from which the static encoder starts."""


class Similarity(Task):
    """Sentences and sentences."""

    name = "similarity"
    metric = METRIC
    models = ("static", "sentence_transformers")
    reading = SimilarityOptions
    phrases = ("is like", "is near")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return SIMILARITY

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """The recipe that was asked for, or the one of the model."""
        if config.recipe:
            if config.recipe not in SIMILARITY:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, SIMILARITY)}")
            return config.recipe
        name = config.model.get("name") if isinstance(config.model, dict) else config.model
        return "transformer" if name == "sentence_transformers" else "default"

    def shared_recipe(self, examples: Examples) -> str:
        return "default"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        options: SimilarityOptions = self.options(config)
        split, shares = config.split, {}
        for name in ("test", "valid"):
            if getattr(split, name) is not None:
                shares[name] = getattr(split, name)
        data = load_similarity(path, options.positive, options.related, seed=config.seed, **shares)
        pairs = data.similar(data.positive)
        names = pl.Series("sentence", data.sentences, dtype=pl.String)
        return Examples(
            name=data.name,
            feed=PairFeed(
                torch.repeat_interleave(torch.arange(data.n_sentences), pairs.lengths()), pairs.indices.to(torch.int64)
            ),
            catalogue=data.catalogue(),
            canaries=Csr(torch.zeros_like(pairs.indptr), pairs.indices[:0], data.n_sentences),
            canary_share=0.0,
            query_names=names,
            item_names=names,
            notes=data.notes,
            raw=(data, options),
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        from negatives.tasks.texts import encoder_spec

        data, options = examples.raw
        spec = encoder_spec(config, data.sentences, data.sentences, options.vocabulary, options.vectors)
        return registry.build({"symmetric": True} | spec if spec["name"] == "static" else spec)

    def metric_names(self, config: RunConfig) -> list[str]:
        return [METRIC]

    def can_validate(self, examples: Examples) -> bool:
        return len(examples.raw[0].parts["valid"]) > 2

    def complete(self, model: Model, examples: Examples) -> None:
        """Nothing: an encoder learns only by training."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        pairs = examples.raw[0].parts[part]
        table = _unit(model)
        found = measure(Rated((table[pairs.left] * table[pairs.right]).sum(1), pairs.scores), [METRIC])
        return Scores(found.mean, found.per_query)

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[pl.Series, Tensor]]:
        """``sentence``."""
        return {"sentence": (examples.query_names, model.tables()[0])}

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        """The sentences nearest to the first ones of the test part."""
        assert isinstance(model, TextEncoder)
        data: SimilarityData = examples.raw[0]
        table = _unit(model)
        order = data.parts["test"].scores.argsort(descending=True, stable=True)[:5]
        return [_sample(data, table, int(row)) for row in order]


def _unit(model: Model) -> Tensor:
    """Sentence vectors at unit length, on the CPU."""
    found: Tensor = torch.nn.functional.normalize(model.tables()[0].cpu().float(), dim=1)
    return found


def _sample(data: SimilarityData, table: Tensor, row: int) -> dict[str, Any]:
    pairs = data.parts["test"]
    query, partner = int(pairs.left[row]), int(pairs.right[row])
    scores = table @ table[query]
    scores[query] = -torch.inf
    best = torch.topk(scores, min(5, len(scores) - 1))
    return {
        "query": data.sentences[query],
        "known": [data.sentences[partner]],
        "recommended": [
            {"item": data.sentences[item], "score": round(score, 4)}
            for score, item in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ],
    }


__all__ = ["Similarity", "SimilarityOptions"]
