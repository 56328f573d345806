"""Next basket: the query is a user's history, the items are those of the next basket, bought before or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from baskets import planted
from baskets.data import divide
from baskets.reader import table
from negatives.config import RunConfig, Values
from negatives.data.pairs import PairData
from negatives.data.readers import read
from negatives.data.readers.schema import PAIRS
from negatives.evaluation import Metrics, evaluate, longest, rank, with_watched
from negatives.evaluation.values import RankedByCounts
from negatives.models import Model
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, catalogue_facts
from negatives.tasks.reading import TableReading, table_options
from negatives.tasks.samples import QUERIES, Sample, best, sample
from negatives.tasks.shares import no_pairs
from negatives.training.feeds import PairFeed

METRICS = ("recall", "ndcg", "rbp")


class BasketOptions(TableReading):
    """How baskets are read."""

    least: Annotated[int, Field(ge=3)] = 3
    """Baskets that a user needs to be kept."""


class NextBasket(Task[PairData, BasketOptions]):
    """Users and their next basket."""

    name = "next_basket"
    metric = "rbp@{k}"
    reading = BasketOptions
    offers = frozenset(("n_queries", "n_items", "known", "counts", "known_times"))
    demo: ClassVar[Values] = {"epochs": 4}
    phrases = ("bought", "will buy")

    def read(self, path: Path | None, config: RunConfig) -> PairData:
        """See :meth:`Task.read`."""
        least = self.options(config).least
        if path is None:
            return divide(table(Path("planted"), enumerate(planted.lines(), 1)), "planted", least)
        rows = read(path, PAIRS, table_options(config, self.options(config), PAIRS))["train"]
        return divide(rows, path.name.split(".")[0], least, path)

    def examples(self, data: PairData, config: RunConfig, feed: str) -> Examples[PairData]:
        """See :meth:`Task.examples`."""
        return Examples(
            name=data.name,
            feed=PairFeed(data.train.queries, data.train.items),
            catalogue=data.catalogue(),
            canaries=no_pairs(data.n_queries, data.n_items),
            canary_share=0.0,
            query_names=data.query_names,
            item_names=data.item_names,
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[PairData]) -> Facts:
        """See :meth:`Task.facts`; ``known_times`` are the times of the pairs of ``known``."""
        return {**catalogue_facts(examples.catalogue), "known_times": lambda: examples.data.train.times}

    def preferred(self, config: RunConfig, data: PairData) -> str:
        """See :meth:`Task.preferred`."""
        return "default"

    def shared_recipe(self, examples: Examples[PairData]) -> str:
        """See :meth:`Task.shared_recipe`."""
        return "default"

    def metric_names(self, config: RunConfig) -> list[str]:
        """See :meth:`Task.metric_names`."""
        names = [f"{name}@{self.length(config)}" for name in METRICS]
        return with_watched(names, config.evaluation.metric, RankedByCounts)

    def complete(self, model: Model, examples: Examples[PairData]) -> None:
        """See :meth:`Task.complete`."""
        model.extend(examples.data.known(("train", "valid")))

    def evaluate(self, model: Model, examples: Examples[PairData], part: str, config: RunConfig) -> Metrics:
        """Every item is ranked: what was bought before may be bought again."""
        data, names = examples.data, self.metric_names(config)
        truth = data.known((part,))
        users, items = (vectors.cpu() for vectors in model.tables())
        asked = self.queries(truth, part, config)
        ranking = rank(users, items, queries=asked, truth=truth, k=max(longest(names), self.length(config)))
        return evaluate(ranking, names, counts=data.counts())

    def samples(self, model: Model, examples: Examples[PairData]) -> list[Sample]:
        """See :meth:`Task.samples`."""
        known = examples.data.known(("train", "valid"))
        users, items = (vectors.cpu() for vectors in model.tables())
        names, said = examples.query_names, examples.item_names
        return [
            sample(names[user], [said[item] for item in known.row(user).tolist()], best(items @ users[user], said))
            for user in range(min(QUERIES, len(names)))
        ]


__all__ = ["NextBasket"]
