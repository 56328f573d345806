"""Recommendation: the query is a user, the item is a product.

Collaborative models learn from who took what; the two-tower model also reads the items' content, so that it can
recommend items nobody has taken yet.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from negatives.answering import Kept
from negatives.answering.pairs import RecommendRun
from negatives.config import RunConfig
from negatives.data.features import Features
from negatives.data.histories import Histories
from negatives.data.loading.pairs import load_pairs
from negatives.data.pairs import PairData
from negatives.data.readers.schema import PAIRS
from negatives.errors import ConfigError
from negatives.evaluation import Metrics, evaluate, longest, rank_by, with_watched
from negatives.evaluation.values import RankedByCounts
from negatives.models import Model
from negatives.models import registry as models
from negatives.parameters import required
from negatives.tasks.asked import asked_loss, pairwise
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, catalogue_facts
from negatives.tasks.reading import PairReading, table_options
from negatives.tasks.samples import QUERIES, Sample, answers, best_known
from negatives.tasks.shares import share, shares, split_seed
from negatives.training.feeds import Feed, PairFeed
from negatives.training.sequence_feed import WINDOW, SequenceFeed
from negatives.types import Catalogue, Csr

METRICS = ("recall", "ndcg", "mrr", "precision", "coverage", "popularity")
HELD = ("train", "valid", "canaries")
"""Parts that are known when a model is used."""
ASKED = ("heapq.nlargest", "json.dump", "shutil.copytree", "subprocess.run", "textwrap.wrap", "glob.glob")


class Recommend(Task[PairData, PairReading]):
    """Users and products."""

    name = "recommend"
    metric = "recall@{k}"
    k = 20
    reading = PairReading
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
    feeds = ("pairs", "sequences")
    baselines: ClassVar[tuple[str, ...]] = ("popularity", "item_knn", "ease")
    phrases = ("uses", "would also use")
    answering = RecommendRun

    def read(self, path: Path | None, config: RunConfig) -> PairData:
        options = table_options(config, self.options(config), PAIRS)
        kind, seed = config.split.kind or "auto", split_seed(config)
        return load_pairs(path, split=kind, seed=seed, options=options, **shares(config))

    def examples(self, data: PairData, config: RunConfig, feed: str) -> Examples[PairData]:
        hidden = data.canaries
        return Examples(
            name=data.name,
            feed=pair_feed(data, feed, self.window(config)),
            catalogue=self._catalogue(data, config),
            canaries=Csr.from_pairs(hidden.queries, hidden.items, data.n_queries, data.n_items),
            canary_share=share(len(hidden), len(data.train) + len(data.valid)),
            query_names=data.query_names,
            item_names=data.item_names,
            notes=data.notes,
            data=data,
        )

    def _catalogue(self, data: PairData, config: RunConfig) -> Catalogue:
        """What samplers may know. Where a model reads features of items, those that nobody could take in training are
        no negatives: their features would be learnt to be wrong. A model of free vectors has nothing else to tell it.
        """
        found, cold = data.catalogue(), data.cold_items()
        model = config.asked("model") or self.model_of(self.recipe_name(config, data))
        if "item_features" not in required(models.get(model)) or data.features is None or not bool(cold.any()):
            return found
        kinds = torch.where(cold, -1, 0)
        return replace(found, query_kinds=torch.zeros(data.n_queries, dtype=torch.int64), item_kinds=kinds)

    def facts(self, config: RunConfig, examples: Examples[PairData]) -> Facts:
        facts, data = dict(catalogue_facts(examples.catalogue)), examples.data
        if data.train.times is not None and not data.ordered:  # pairs stand in the order of ``known``
            facts["known_times"] = lambda: data.train.times
        if data.in_order:
            feed = examples.feed
            facts["histories"] = lambda: feed.histories if isinstance(feed, SequenceFeed) else data.histories()
            facts["window"] = lambda: self.window(config)
        if data.features is not None or data.query_features is not None:
            facts["item_features"] = lambda: data.features or Features(data.n_items)
        if data.query_features is not None:
            facts["query_features"] = lambda: data.query_features
        return facts

    def preferred(self, config: RunConfig, data: PairData) -> str:
        """Features for items and users that training never shows, tables for pairwise losses."""
        if config.asked("model") is None:
            if _cold(data, "test") is not None:
                if data.features is None:
                    raise ConfigError(
                        "the items to rank were never seen in training and have no content; "
                        "choose another split, or give data with item content"
                    )
                return "content"
            if _cold_queries(data, "test"):
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
        cold = _cold(examples.data, "test") is not None or _cold_queries(examples.data, "test")
        return "content" if cold else "pairwise"

    def metric_names(self, config: RunConfig) -> list[str]:
        names = [f"{name}@{self.length(config)}" for name in METRICS]
        return with_watched(names, config.evaluation.metric, RankedByCounts)

    def size(self, part: str, examples: Examples[PairData]) -> int:
        return len(examples.data.part(part))

    def hidden(self, examples: Examples[PairData]) -> Csr:
        return examples.data.known(("valid", "canaries"))

    def completion(self, examples: Examples[PairData]) -> Csr:
        return examples.data.known(HELD)

    def completed_histories(self, examples: Examples[PairData]) -> Histories | None:
        return examples.data.histories(HELD) if examples.data.in_order else None

    def kept(self, examples: Examples[PairData], config: RunConfig) -> Kept:
        """Names, and all known pairs but those of the test part."""
        return Kept({"query": examples.query_names, "item": examples.item_names}, self.completion(examples))

    def evaluate(self, model: Model, examples: Examples[PairData], part: str, config: RunConfig) -> Metrics:
        data = examples.data
        truth, known = self.asked(data, part, config)
        names = self.metric_names(config)
        ranking = rank_by(
            model.answers().every,
            queries=self.queries(truth, part, config),
            truth=truth,
            exclude=known,
            k=longest(names),
            items=_cold(data, part),
        )
        return evaluate(ranking, names, counts=data.counts())

    def asked(self, data: PairData, part: str, config: RunConfig) -> tuple[Csr, Csr | None]:
        """The answers of a part, and what is left out of the ranking."""
        return data.known((part,)), data.known(("train",) if part == "valid" else HELD)

    def window(self, config: RunConfig) -> int:
        """Places of one run of a history at most, for models of sequences."""
        return WINDOW

    def had(self, data: PairData) -> Csr | Histories:
        """What users are known to go with, as a reader wants to see it."""
        return data.known(HELD)

    def samples(self, model: Model, examples: Examples[PairData]) -> list[Sample]:
        names, known, right = examples.query_names, self.had(examples.data), examples.data.known(("test",))
        found = (names.index_of(name) for name in ASKED)
        asked = [index for index in found if index is not None][:QUERIES]
        asked = asked or best_known(examples.data.known())
        scores = model.answers().every(torch.tensor(asked))
        return [
            answers(names[index], mine, known.row(index), examples.item_names, right.row(index))
            for index, mine in zip(asked, scores, strict=True)
        ]


def pair_feed(data: PairData, kind: str, window: int) -> Feed:
    """The training pairs as a feed, each by itself or as ``sequences``.

    Raises:
        InputError: The data has no order.
        ConfigError: Its pairs have weights, which sequences cannot keep.
    """
    train = data.train
    if kind != "sequences":
        return PairFeed(train.queries, train.items, train.weights)
    if train.weights is not None:
        raise ConfigError(
            "pairs have weights, and a model of sequences takes each place of a history once; leave out "
            "reading.weight and the weights of reading.events, or choose a model of pairs such as lightgcn"
        )
    return SequenceFeed(data.histories(), window)


def _cold(data: PairData, part: str) -> Tensor | None:
    """The items to rank when none of the part's items was seen in training, else None for all.

    For the test they are its own. A validation part has far fewer, among which any model finds what is right, and
    models are chosen by it: there they are ranked among all items that training does not show.
    """
    items, cold = torch.unique(data.part(part).items), data.cold_items()
    if not items.numel() or not bool(cold[items].all()):
        return None
    return cold.nonzero()[:, 0] if part == "valid" else items


def _cold_queries(data: PairData, part: str) -> bool:
    """Whether none of the part's queries has a pair in training."""
    queries = data.part(part).queries
    trained = torch.bincount(data.train.queries, minlength=data.n_queries) > 0
    return queries.numel() > 0 and not bool(trained[queries].any())
