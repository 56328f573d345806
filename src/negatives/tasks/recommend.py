"""Recommendation: the query is a user, the item is a product.

Collaborative models learn from who took what; the two-tower model also reads the items' content, so that it can
recommend items nobody has taken yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from negatives.config import PartSpec, RunConfig
from negatives.data.loading import load_pairs
from negatives.data.pairs import PairData
from negatives.data.readers import Columns
from negatives.errors import ConfigError
from negatives.evaluation import evaluate, longest, rank, with_watched
from negatives.evaluation.values import RankedByCounts
from negatives.models import Model, registry
from negatives.randomness import Purpose, permutation, stream
from negatives.sampler import preset, presets
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes import RECOMMEND
from negatives.tasks.samples import answers
from negatives.training.feeds import PairFeed
from negatives.types import Csr

PAIRWISE = ("bpr", "hinge", "logistic")
METRICS = ("recall", "ndcg", "mrr", "precision", "coverage", "popularity")
NO_CONTENT = "two_tower needs item content, and this data has none; choose another --model"
ASKED = ("heapq.nlargest", "json.dump", "shutil.copytree", "subprocess.run", "textwrap.wrap", "glob.glob")


class Recommend(Task):
    """Users and products."""

    name = "recommend"
    metric = "recall@20"
    models = ("mf", "history", "lightgcn", "two_tower")
    phrases = ("uses", "would also use")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return RECOMMEND

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """The recipe that fits what the user asked for: content for cold items, tables for pairwise losses."""
        if config.recipe:
            if config.recipe not in RECOMMEND:
                raise ConfigError(f"no recipe is called {config.recipe!r}; choose one of: {', '.join(RECOMMEND)}")
            return config.recipe
        model, loss, sampler = (_name(part) for part in (config.model, config.loss, config.sampler))
        if model == "two_tower" or (model is None and _cold(examples.raw, "test") is not None):
            if examples.raw.features is None:
                if model is not None:
                    raise ConfigError(NO_CONTENT)
                raise ConfigError(
                    "the items to rank were never seen in training and have no content; "
                    "choose another split, or give data with item content"
                )
            return "content"
        if loss is None and sampler in presets:
            loss = preset(sampler).loss
        if loss is None:
            return "default"
        return "pairwise" if loss in PAIRWISE else "listwise"

    def shared_recipe(self, examples: Examples) -> str:
        return "content" if _cold(examples.raw, "test") is not None else "pairwise"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        split = config.split
        columns = Columns(
            user=split.user,
            item=split.item,
            time=split.time,
            rating=split.rating,
            min_rating=split.min_rating,
            missing=split.missing or "error",
        )
        data = load_pairs(
            path,
            split=split.kind or "auto",
            test=0.2 if split.test is None else split.test,
            valid=0.02 if split.valid is None else split.valid,
            canaries=0.005 if split.canaries is None else split.canaries,
            seed=config.seed,
            columns=columns,
        )
        hidden = len(data.canaries)
        canaries = Csr.from_pairs(data.canaries.queries, data.canaries.items, data.n_queries, data.n_items)
        return Examples(
            name=data.name,
            feed=PairFeed(data.train.queries, data.train.items),
            catalogue=data.catalogue(),
            canaries=canaries,
            canary_share=hidden / max(1, hidden + len(data.train) + len(data.valid)),
            query_names=data.query_names,
            item_names=data.item_names,
            notes=data.notes,
            raw=data,
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        known = examples.catalogue.known
        if spec["name"] == "mf":
            spec |= {"n_queries": examples.catalogue.n_queries, "n_items": examples.catalogue.n_items}
        else:
            spec["known"] = known
        if spec["name"] == "two_tower":
            if examples.raw.features is None:
                raise ConfigError(NO_CONTENT)
            spec["features"] = examples.raw.features.normalised()
        return registry.build(spec | {"seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        names = [f"{name}@{config.evaluation.k or 20}" for name in METRICS]
        return with_watched(names, config.evaluation.metric, RankedByCounts)

    def watched(self, config: RunConfig) -> str:
        return config.evaluation.metric or f"recall@{config.evaluation.k or 20}"

    def can_validate(self, examples: Examples) -> bool:
        return len(examples.raw.valid) > 0

    def complete(self, model: Model, examples: Examples) -> None:
        model.extend(examples.raw.known(("train", "valid", "canaries")))

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        data: PairData = examples.raw
        truth = data.known((part,))
        queries = torch.nonzero(truth.lengths() > 0)[:, 0]
        most = config.evaluation.queries
        if part == "valid" and most is not None and queries.numel() > most:
            order = permutation(stream(config.seed, Purpose.PROBES), queries.numel())
            queries = queries[order[:most]].sort().values
        seen = ("train",) if part == "valid" else ("train", "valid", "canaries")
        names = self.metric_names(config)
        users, items = model.tables()
        ranking = rank(
            users.cpu(),
            items.cpu(),
            queries=queries,
            truth=truth,
            exclude=data.known(seen),
            k=longest(names),
            items=_cold(data, part),
        )
        metrics = evaluate(ranking, names, counts=data.counts())
        return Scores(metrics.mean, metrics.per_query)

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        names = examples.query_names
        asked = [index for name in ASKED for index in _find(names.to_list(), name)][:5]
        if not asked:
            asked = torch.topk(examples.catalogue.known.lengths(), min(5, len(names))).indices.tolist()  # type: ignore[union-attr]
        users, items = (table.cpu() for table in model.tables())
        known = examples.raw.known(("train", "valid", "canaries"))
        return [answers(names[index], items @ users[index], known.row(index), examples.item_names) for index in asked]


def _name(part: PartSpec | None) -> str | None:
    """The name of a part that the user asked for, None where only parameters were given or nothing."""
    return part.get("name") if isinstance(part, dict) else part


def _cold(data: PairData, part: str) -> Tensor | None:
    """The items to rank when none of the part's items was seen in training, else None for all."""
    items: Tensor = torch.unique(data.part(part).items)
    if items.numel() and bool(data.cold_items()[items].all()):
        return items
    return None


def _find(names: list[str], name: str) -> list[int]:
    return [index for index, one in enumerate(names) if one == name][:1]
