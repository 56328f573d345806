"""Recommendation: the query is a user, the item is a product.

Collaborative models learn from who took what; the two-tower model also reads the items' content, so that it can
recommend items nobody has taken yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from negatives.answering.pairs import RecommendRun
from negatives.config import RunConfig
from negatives.data.loading.pairs import load_pairs
from negatives.data.pairs import PairData
from negatives.data.readers.schema import PAIRS
from negatives.errors import ConfigError
from negatives.evaluation import with_watched
from negatives.evaluation.values import RankedByCounts
from negatives.tasks.asked import asked_loss, pairwise
from negatives.tasks.base import Examples
from negatives.tasks.pairs import PairTask, cold, cold_queries
from negatives.tasks.reading import table_options
from negatives.tasks.shares import shares, split_seed

METRICS = ("recall", "ndcg", "mrr", "precision", "coverage", "popularity")


class Recommend(PairTask):
    """Users and products."""

    name = "recommend"
    metric = "recall@{k}"
    k = 20
    offers = frozenset(
        (
            "n_queries",
            "n_items",
            "known",
            "known_times",
            "counts",
            "item_features",
            "query_features",
            "histories",
            "window",
        )
    )
    baselines: ClassVar[tuple[str, ...]] = ("popularity", "item_knn", "ease")
    phrases = ("uses", "would also use")
    answering = RecommendRun

    def read(self, path: Path | None, config: RunConfig) -> PairData:
        options = table_options(config, self.options(config), PAIRS)
        kind, seed = config.split.kind or "auto", split_seed(config)
        return load_pairs(path, split=kind, seed=seed, options=options, **shares(config))

    def preferred(self, config: RunConfig, data: PairData) -> str:
        """Features for items and users that training never shows, tables for pairwise losses."""
        if config.asked("model") is None:
            if cold(data, "test") is not None:
                if data.features is None:
                    raise ConfigError(
                        "the items to rank were never seen in training and have no content; "
                        "choose another split, or give data with item content"
                    )
                return "content"
            if cold_queries(data, "test"):
                if data.query_features is None:
                    raise ConfigError(
                        "the users to ask were never seen in training and have no features; "
                        "choose another split, or give a table of users"
                    )
                return "content"
        loss = asked_loss(config)
        if loss is None:
            return "default"
        return "pairwise" if pairwise(loss) else "listwise"

    def shared_recipe(self, examples: Examples[PairData]) -> str:
        new = cold(examples.data, "test") is not None or cold_queries(examples.data, "test")
        return "content" if new else "pairwise"

    def metric_names(self, config: RunConfig) -> list[str]:
        names = [f"{name}@{self.length(config)}" for name in METRICS]
        return with_watched(names, config.evaluation.metric, RankedByCounts)
