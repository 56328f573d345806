"""What the tasks over users and items have in common: their data, what is known of it, and how a part is ranked."""

from __future__ import annotations

from abc import ABC
from dataclasses import replace

import torch
from torch import Tensor

from negatives.answering import Kept
from negatives.config import RunConfig
from negatives.data.features import Features
from negatives.data.histories import Histories
from negatives.data.pairs import PairData
from negatives.errors import ConfigError
from negatives.evaluation import Metrics, evaluate, longest, rank_by
from negatives.models import Model
from negatives.models import registry as models
from negatives.parameters import required
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, catalogue_facts
from negatives.tasks.reading import PairReading
from negatives.tasks.samples import QUERIES, Sample, answers, best_known
from negatives.tasks.shares import share
from negatives.training.feeds import Feed, PairFeed
from negatives.training.sequence_feed import WINDOW, SequenceFeed
from negatives.types import Catalogue, Csr

HELD = ("train", "valid", "canaries")
"""Parts that are known when a model is used."""
ASKED = ("heapq.nlargest", "json.dump", "shutil.copytree", "subprocess.run", "textwrap.wrap", "glob.glob")


class PairTask(Task[PairData, PairReading], ABC):
    """Users and items, with an order or without."""

    reading = PairReading
    feeds = ("pairs", "sequences")

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
        found, unseen = data.catalogue(), data.cold_items()
        model = config.asked("model") or self.model_of(self.recipe_name(config, data))
        if "item_features" not in required(models.get(model)) or data.features is None or not bool(unseen.any()):
            return found
        kinds = torch.where(unseen, -1, 0)
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

    def size(self, part: str, examples: Examples[PairData]) -> int:
        return int((examples.data.known((part,)).lengths() > 0).sum())

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
            items=cold(data, part),
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


def cold(data: PairData, part: str) -> Tensor | None:
    """The items to rank when none of the part's items was seen in training, else None for all.

    For the test they are its own. A validation part has far fewer, among which any model finds what is right, and
    models are chosen by it: there they are ranked among all items that training does not show.
    """
    items, unseen = torch.unique(data.part(part).items), data.cold_items()
    if not items.numel() or not bool(unseen[items].all()):
        return None
    return unseen.nonzero()[:, 0] if part == "valid" else items


def cold_queries(data: PairData, part: str) -> bool:
    """Whether none of the part's queries has a pair in training."""
    queries = data.part(part).queries
    trained = torch.bincount(data.train.queries, minlength=data.n_queries) > 0
    return queries.numel() > 0 and not bool(trained[queries].any())
