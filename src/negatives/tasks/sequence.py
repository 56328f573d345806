"""Sequences: the query is a user with a history, the item is what comes next.

The pairs of a user stand in an order, that of their times or of the file. Models read a history and say what follows;
those that know no order fit as well. What is held back came last, so that nothing is learnt from what follows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from negatives.answering import Kept
from negatives.answering.pairs import SequenceRun
from negatives.config import RunConfig
from negatives.data.histories import Histories
from negatives.data.loading.pairs import load_sequences
from negatives.data.pairs import PairData
from negatives.data.readers.schema import HISTORIES
from negatives.evaluation import with_watched
from negatives.evaluation.values import RankedByCounts
from negatives.tasks.asked import asked_loss, pairwise
from negatives.tasks.base import Examples
from negatives.tasks.pairs import HELD, PairTask
from negatives.tasks.reading import PairReading, table_options
from negatives.tasks.shares import shares, split_seed
from negatives.training.sequence_feed import WINDOW
from negatives.types import Csr, less

METRICS = ("ndcg", "hr", "mrr", "recall", "coverage", "popularity")


class SequenceReading(PairReading):
    """How histories are read."""

    window: Annotated[int, Field(ge=1)] = WINDOW
    """Places of a history that a training batch holds in one piece; longer histories are cut, anew in each epoch."""
    again: bool = False
    """Whether items that a user has had may come next, as with music; they are left out of the ranking otherwise."""


class Sequence(PairTask):
    """Users and what they take next."""

    name = "sequence"
    metric = "ndcg@{k}"
    k = 10
    reading = SequenceReading
    offers = frozenset(("n_queries", "n_items", "known", "counts", "item_features", "histories", "window"))
    baselines: ClassVar = ("popularity", "item_knn", "sequential_rules")
    phrases = ("uses in turn", "would use next")
    answering = SequenceRun

    def read(self, path: Path | None, config: RunConfig) -> PairData:
        options = table_options(config, self.options(config), HISTORIES)
        kind, seed = config.split.kind or "auto", split_seed(config)
        return load_sequences(path, split=kind, seed=seed, options=options, **shares(config))

    def preferred(self, config: RunConfig, data: PairData) -> str:
        """Few negatives of each row's own for pairwise losses, and more of them for gBCE."""
        loss = asked_loss(config)
        if loss == "gbce":
            return "gbce"
        return "pairwise" if loss is not None and pairwise(loss) else "default"

    def shared_recipe(self, examples: Examples[PairData]) -> str:
        return "default"

    def metric_names(self, config: RunConfig) -> list[str]:
        k = self.length(config)
        names = [*(f"{name}@{k}" for name in METRICS), f"recall@{2 * k}"]
        return with_watched(names, config.evaluation.metric, RankedByCounts)

    def asked(self, data: PairData, part: str, config: RunConfig) -> tuple[Csr, Csr | None]:
        """As for all pairs; what comes again is an answer only where it may."""
        truth, known = super().asked(data, part, config)
        if self._options(config).again:
            return truth, None
        return truth if known is None else less(truth, known), known

    def had(self, data: PairData) -> Histories:
        """Histories in their order."""
        return data.histories(HELD)

    def kept(self, examples: Examples[PairData], config: RunConfig) -> Kept:
        """As for all pairs, and whether what is known is answered again."""
        return replace(super().kept(examples, config), more={"again": self._options(config).again})

    def window(self, config: RunConfig) -> int:
        return self._options(config).window

    def _options(self, config: RunConfig) -> SequenceReading:
        found = self.options(config)
        assert isinstance(found, SequenceReading)
        return found
