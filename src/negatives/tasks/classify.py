"""Classification with many labels: the query is a row of sparse features or a text, the item is a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import PartSpec, RunConfig, Section
from negatives.data.labelled import LabelledData
from negatives.data.loading_labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.readers.labelled_text import Fields
from negatives.errors import ConfigError
from negatives.evaluation import longest, with_watched
from negatives.evaluation.labels import best_labels, label_metrics, propensities
from negatives.evaluation.values import RankedByWeights
from negatives.models import Model, registry
from negatives.models.tower import TowerModel
from negatives.randomness import Purpose, permutation, stream
from negatives.registry import suggest
from negatives.sampler import preset, presets
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_classify import CLASSIFY, FEW, FEW_ROWS
from negatives.training.grouped_feed import GroupedFeed
from negatives.types import Csr

METRICS = ("precision", "ndcg", "psp")
LENGTHS = (1, 3, 5)
PAIRWISE = ("bpr", "hinge")
SHOWN = 5


class LabelledReading(Section):
    """Options of the reader."""

    text: str | None = None
    """Name of the column or key with the text."""
    labels: str | None = None
    """Name of the column or key with the labels."""
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


class Classify(Task):
    """Rows and labels."""

    name = "classify"
    metric = "precision@1"
    models = ("sparse",)
    reading = LabelledReading
    phrases = ("labelled", "the model says")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return CLASSIFY

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """All labels where they are few, a shared pool where they are many, pairwise where a sampler asks for it."""
        if config.recipe:
            if config.recipe not in CLASSIFY:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, CLASSIFY)}")
            return config.recipe
        loss, sampler = _name(config.loss), _name(config.sampler)
        if (sampler in presets and "pool" not in preset(sampler).parts) or loss in PAIRWISE:
            return "pairwise"
        if sampler is None:
            few = examples.catalogue.n_items <= FEW
            return ("neighbours" if examples.raw.n_rows <= FEW_ROWS else "full") if few else "sampled"
        return "full" if sampler == "full" else "sampled"

    def shared_recipe(self, examples: Examples) -> str:
        return "pairwise"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        reading, split = self.options(config), config.split
        shares = {name: value for name in ("test", "valid", "canaries") if (value := getattr(split, name)) is not None}
        how = LabelledSplit(kind=split.kind or "auto", seed=config.seed, **shares)
        fields = Fields(reading.text, reading.labels, reading.separator)
        data = load_labelled(path, how, TextReading(fields, reading.min_rows, reading.words, reading.weights))
        hidden = len(data.parts["canaries"])
        catalogue = data.catalogue()
        assert catalogue.known is not None
        return Examples(
            name=data.name,
            feed=GroupedFeed(catalogue.known),
            catalogue=catalogue,
            canaries=data.known(("canaries",)),
            canary_share=hidden / max(1, hidden + len(data.parts["train"])),
            query_names=data.row_names,
            item_names=data.label_names,
            notes=data.notes,
            raw=data,
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        spec |= {"features": examples.raw.features, "n_items": examples.catalogue.n_items}
        spec["known"] = examples.catalogue.known
        return registry.build(spec | {"seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        lengths = [k for k in LENGTHS if k <= (config.evaluation.k or max(LENGTHS))]
        more = [config.evaluation.k] if config.evaluation.k and config.evaluation.k not in lengths else []
        names = [f"{kind}@{k}" for kind in METRICS for k in (*lengths, *more)]
        return with_watched(names, config.evaluation.metric, RankedByWeights)

    def can_validate(self, examples: Examples) -> bool:
        return len(examples.raw.parts["valid"]) > 0

    def complete(self, model: Model, examples: Examples) -> None:
        """A trained classifier takes in no more labels, and does not."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        data: LabelledData = examples.raw
        truth = data.known((part,))
        queries = torch.nonzero(truth.lengths() > 0)[:, 0]
        most = config.evaluation.queries
        if part == "valid" and most is not None and queries.numel() > most:
            order = permutation(stream(config.seed, Purpose.PROBES), queries.numel())
            queries = queries[order[:most]].sort().values
        names = self.metric_names(config)
        encode, table = tower(model)
        top = best_labels(encode, table, queries, longest(names))
        reading = self.options(config)
        chance = propensities(data.counts(), data.n_train, reading.propensity_a, reading.propensity_b)
        found = label_metrics(top, queries, truth, names, chance)
        return Scores(found.mean, found.per_query)

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """Vectors of the labels, their bias in the last column."""
        return {"label": (examples.item_names, tower(model)[1].cpu())}

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        data: LabelledData = examples.raw
        truth = data.known(("test",))
        rows = torch.nonzero(truth.lengths() > 0)[:, 0]
        asked = rows[torch.linspace(0, rows.numel() - 1, min(5, rows.numel())).long()]
        encode, table = tower(model)
        scores = encode(asked) @ table.T
        return [_sample(row, one.cpu(), truth, examples) for row, one in zip(asked.tolist(), scores, strict=True)]


def tower(model: Model) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A function that encodes queries without dropout or gradients, and the table of labels."""
    assert isinstance(model, TowerModel)
    model.refresh(None)

    @torch.no_grad()
    def encode(queries: Tensor) -> Tensor:
        return model.encode_queries(queries)

    return encode, model.item_table.detach()


def _name(part: PartSpec | None) -> str | None:
    return part.get("name") if isinstance(part, dict) else part


def _sample(row: int, scores: Tensor, truth: Csr, examples: Examples) -> dict[str, Any]:
    best = torch.topk(scores, min(SHOWN, scores.numel()))
    name = examples.item_names
    return {
        "query": examples.query_names[row],
        "known": [name[label] for label in truth.row(row).tolist()],
        "recommended": [
            {"item": name[label], "score": round(score, 4)}
            for score, label in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ],
    }


__all__ = ["Classify", "LabelledReading", "tower"]
