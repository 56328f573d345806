"""Classification with many labels: the query is a row of sparse features or a text, the item is a label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import polars as pl
import torch
from pydantic import Field

from negatives.answering import Kept
from negatives.answering.rows import ClassifyRun
from negatives.config import RunConfig
from negatives.data.labelled import LabelledData
from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.readers.schema import LABELLED
from negatives.evaluation import Metrics, longest, with_watched
from negatives.evaluation.labels import label_metrics, propensities
from negatives.evaluation.ranking import search
from negatives.evaluation.values import RankedByWeights
from negatives.models import Model
from negatives.tasks.asked import pairwise, pointwise, pools
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, catalogue_facts
from negatives.tasks.reading import TableReading, table_options
from negatives.tasks.samples import QUERIES, Sample, best, sample
from negatives.tasks.shares import share, shares, split_seed
from negatives.training.grouped_feed import GroupedFeed
from negatives.types import Csr

METRICS = ("precision", "ndcg", "psp")
LENGTHS = (1, 3, 5)
SHOWN = 5
FEW = 2_000
"""Up to so many labels the exact softmax over all of them is the default."""
FEW_ROWS = 20_000
"""Up to so many rows the default looks at the neighbours of every row."""


class LabelledReading(TableReading):
    """Options of the reader."""

    separator: str | None = None
    """What stands between the labels of a row."""
    min_rows: Annotated[int, Field(ge=1)] = 2
    """Words that stand in fewer training rows are left out."""
    words: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the most frequent words become features."""
    weights: Literal["auto", "tf_idf", "length", "none"] = "auto"
    """Weights of the features; ``auto`` takes tf_idf where all values are whole numbers, else length."""
    propensity_a: Annotated[float, Field(ge=0.0)] = 0.55
    """``A`` of the propensity model."""
    propensity_b: Annotated[float, Field(ge=0.0)] = 1.5
    """``B`` of the propensity model."""


class Classify(Task[LabelledData, LabelledReading]):
    """Rows and labels."""

    name = "classify"
    metric = "precision@1"
    reading = LabelledReading
    offers = frozenset(("n_queries", "n_items", "known", "counts", "features"))
    feeds = ("grouped", "pairs")
    kinds: ClassVar = {"item": "label"}
    baselines = ("popularity", "nearest_rows", "linear")
    phrases = ("labelled", "the model says")
    answering = ClassifyRun

    def read(self, path: Path | None, config: RunConfig) -> LabelledData:
        reading, split = self.options(config), config.split
        how = LabelledSplit(kind=split.kind or "auto", seed=split_seed(config), **shares(config))
        options = table_options(config, reading, LABELLED)
        text = TextReading(options, reading.separator, reading.min_rows, reading.words, reading.weights)
        return load_labelled(path, how, text)

    def examples(self, data: LabelledData, config: RunConfig, feed: str) -> Examples[LabelledData]:
        catalogue = data.catalogue()
        assert catalogue.known is not None
        return Examples(
            name=data.name,
            feed=GroupedFeed(catalogue.known),
            catalogue=catalogue,
            canaries=data.known(("canaries",)),
            canary_share=share(len(data.parts["canaries"]), len(data.parts["train"])),
            query_names=data.row_names,
            item_names=data.label_names,
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[LabelledData]) -> Facts:
        return {**catalogue_facts(examples.catalogue), "features": lambda: examples.data.features}

    def preferred(self, config: RunConfig, data: LabelledData) -> str:
        """All labels where they are few, a shared pool where they are many, pairwise where a sampler asks for it."""
        sampler, loss = config.asked("sampler"), config.asked("loss")
        if pools(sampler) is False or (pairwise(loss) and not pointwise(loss)):
            return "pairwise"
        if sampler is None:
            few = data.n_labels <= FEW
            return ("neighbours" if data.n_rows <= FEW_ROWS else "full") if few else "sampled"
        return "full" if sampler == "full" else "sampled"

    def shared_recipe(self, examples: Examples[LabelledData]) -> str:
        return "pairwise"

    def metric_names(self, config: RunConfig) -> list[str]:
        lengths = [k for k in LENGTHS if k <= (config.evaluation.k or max(LENGTHS))]
        more = [config.evaluation.k] if config.evaluation.k and config.evaluation.k not in lengths else []
        names = [f"{kind}@{k}" for kind in METRICS for k in (*lengths, *more)]
        return with_watched(names, config.evaluation.metric, RankedByWeights)

    def size(self, part: str, examples: Examples[LabelledData]) -> int:
        return int((examples.data.known((part,)).lengths() > 0).sum())

    def hidden(self, examples: Examples[LabelledData]) -> Csr:
        """Labels of canaries and validation rows."""
        return examples.data.known(("canaries", "valid"))

    def evaluate(self, model: Model, examples: Examples[LabelledData], part: str, config: RunConfig) -> Metrics:
        data = examples.data
        truth = data.known((part,))
        queries = self.queries(truth, part, config)
        names = self.metric_names(config)
        top, _ = search(model.answers().every, queries, longest(names))
        reading = self.options(config)
        chance = propensities(data.counts(), data.n_train, reading.propensity_a, reading.propensity_b)
        return label_metrics(top, queries, truth, names, chance)

    def kept(self, examples: Examples[LabelledData], config: RunConfig) -> Kept:
        """Labels, and how a new row becomes features."""
        data = examples.data
        names = {"label": data.label_names.cast(pl.String)}
        if data.feature_names is not None:
            names["feature"] = data.feature_names.cast(pl.String)
        weighting = {"kind": data.weighting.kind, "idf": data.weighting.idf}
        return Kept(names, more=weighting | {"texts": data.texts, "n_features": data.features.n_cols})

    def samples(self, model: Model, examples: Examples[LabelledData]) -> list[Sample]:
        truth = examples.data.known(("test",))
        rows = torch.nonzero(truth.lengths() > 0)[:, 0]
        asked = rows[torch.linspace(0, rows.numel() - 1, min(QUERIES, rows.numel())).long()]
        scores, name = model.answers().every(asked), examples.item_names
        known = [[name[label] for label in truth.row(row).tolist()] for row in asked.tolist()]
        found = zip(asked.tolist(), known, scores, strict=True)
        return [sample(examples.query_names[row], right, best(one, name, SHOWN), right) for row, right, one in found]
