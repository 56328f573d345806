"""Search: the query is a text, the item is a document.

One encoder serves both sides. Every document is ranked for every test query, and the judgements may have grades.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from negatives.config import RunConfig, Section
from negatives.data.loading_retrieval import Holding, load_retrieval
from negatives.data.retrieval import RetrievalData
from negatives.errors import ConfigError
from negatives.evaluation import longest, with_watched
from negatives.evaluation.graded import evaluate_graded, search
from negatives.evaluation.values import Ranked
from negatives.models import Model, registry
from negatives.models.encoders.base import TextEncoder
from negatives.randomness import Purpose, permutation, stream
from negatives.registry import suggest
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_search import SEARCH
from negatives.training.feeds import PairFeed
from negatives.types import Catalogue

ASKED = (
    "how do I read a csv file row by row",
    "run a command and capture its output",
    "copy a whole directory tree",
    "parse command line arguments",
    "find the median of some numbers",
)
FRESH = "ndcg@10:new"
"""The metric over test queries none of whose answers was an answer in training."""


class SearchOptions(Section):
    """How a collection is read."""

    titles: bool = True
    """Whether each document's title serves as one more training query."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """How often an epoch takes each judged pair, where titles serve as well."""
    vocabulary: Annotated[int, Field(ge=100)] = 8000
    """Most pieces of the tokenizer that the static encoder learns from the documents."""
    vectors: str | None = None
    """Word vectors in word2vec's format from which the static encoder starts."""


@dataclass(frozen=True, slots=True)
class SearchExamples:
    """The collection, and the options that shaped it.

    Args:
        data: Texts and judgements.
        options: The reader's options.
    """

    data: RetrievalData
    options: SearchOptions


class Search(Task):
    """Queries and documents."""

    name = "search"
    metric = "ndcg@10"
    models = ("static", "sentence_transformers")
    reading = SearchOptions
    phrases = ("is answered by", "finds")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return SEARCH

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """The recipe that was asked for, or the one of the model."""
        if config.recipe:
            if config.recipe not in SEARCH:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, SEARCH)}")
            return config.recipe
        return "transformer" if _model_name(config) == "sentence_transformers" else "default"

    def shared_recipe(self, examples: Examples) -> str:
        return "default"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        options: SearchOptions = self.options(config)
        if "titles" not in options.model_fields_set and _model_name(config) == "sentence_transformers":
            options = options.model_copy(update={"titles": False})
        split, shares = config.split, {}
        for name in ("test", "valid", "canaries"):
            if getattr(split, name) is not None:
                shares[name] = getattr(split, name)
        data = load_retrieval(path, Holding(seed=config.seed, **shares), titles=options.titles)
        trained, hidden = data.known(("train", "titles")), data.known(("canaries",))
        return Examples(
            name=data.name,
            feed=_feed(data, options.repeats if len(data.part("titles")) else 1),
            catalogue=_catalogue(data),
            canaries=hidden,
            canary_share=hidden.nnz / max(1, hidden.nnz + trained.nnz),
            query_names=data.query_names,
            item_names=data.item_names,
            notes=data.notes,
            raw=SearchExamples(data, options),
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        from negatives.tasks.texts import encoder_spec

        data: RetrievalData = examples.raw.data
        options: SearchOptions = examples.raw.options
        texts = data.query_texts, data.item_texts
        return registry.build(encoder_spec(config, *texts, options.vocabulary, options.vectors))

    def metric_names(self, config: RunConfig) -> list[str]:
        k = config.evaluation.k or 10
        return with_watched([f"ndcg@{k}", "recall@100", f"mrr@{k}"], config.evaluation.metric, Ranked)

    def watched(self, config: RunConfig) -> str:
        return config.evaluation.metric or f"ndcg@{config.evaluation.k or 10}"

    def can_validate(self, examples: Examples) -> bool:
        return bool((examples.raw.data.part("valid").grades > 0).any())

    def complete(self, model: Model, examples: Examples) -> None:
        """Nothing: an encoder learns only by training."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        data: RetrievalData = examples.raw.data
        queries = _evaluated(data, part, config)
        names = self.metric_names(config)
        query_table, item_table = (table.cpu() for table in model.tables())
        top, _ = search(query_table, item_table, queries, longest(names))
        judged = data.part(part)
        metrics = evaluate_graded(top, queries, (judged.queries, judged.items, judged.grades), data.n_items, names)
        if part == "test":
            metrics.mean[FRESH] = float(metrics.per_query[names[0]][~_answered_before(data, queries)].mean())
        return Scores({name: value for name, value in metrics.mean.items() if value == value}, metrics.per_query)

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        """What a few questions find: a reader's own on the offline data, else the first of the test part."""
        assert isinstance(model, TextEncoder)
        data: RetrievalData = examples.raw.data
        _, items = model.tables()
        known = data.known(("train", "valid", "test", "canaries"))
        asked = _evaluated(data, "test", RunConfig(task=self.name))[:5].tolist()
        texts = list(ASKED) if data.name == "stdlib" else [data.query_texts[query] for query in asked]
        answers = [[]] * len(ASKED) if data.name == "stdlib" else [known.row(query).tolist() for query in asked]
        with torch.no_grad():
            scores = model.encode_texts(texts) @ items.T
        best = torch.topk(scores, min(8, data.n_items), dim=1)
        return [
            {
                "query": text,
                "known": [examples.item_names[item] for item in right],
                "recommended": [
                    {"item": examples.item_names[item], "score": round(score, 4)}
                    for score, item in zip(values.tolist(), found.tolist(), strict=True)
                ],
            }
            for text, right, values, found in zip(texts, answers, best.values, best.indices, strict=True)
        ]


def _model_name(config: RunConfig) -> str | None:
    return config.model.get("name") if isinstance(config.model, dict) else config.model


def _feed(data: RetrievalData, repeats: int) -> PairFeed:
    """Relevant pairs, the judged ones ``repeats`` times, and titles with their documents."""
    parts = [data.known(("train",))] * repeats + [data.known(("titles",))]
    queries = [torch.repeat_interleave(torch.arange(data.n_queries), part.lengths()) for part in parts]
    return PairFeed(torch.cat(queries), torch.cat([part.indices.to(torch.int64) for part in parts]))


def _catalogue(data: RetrievalData) -> Catalogue:
    """The catalogue; documents with the same text are one group."""
    found = data.catalogue()
    first: dict[str, int] = {}
    groups = torch.tensor([first.setdefault(text, index) for index, text in enumerate(data.item_texts)])
    return Catalogue(found.n_queries, found.n_items, found.counts, found.known, item_groups=groups)


def _evaluated(data: RetrievalData, part: str, config: RunConfig) -> Tensor:
    """Queries of a part that have a relevant document, sampled down for validation where the configuration says so."""
    judged = data.part(part)
    queries = torch.unique(judged.queries[judged.grades > 0])
    most = config.evaluation.queries
    if part == "valid" and most is not None and queries.numel() > most:
        order = permutation(stream(config.seed, Purpose.PROBES), queries.numel())
        queries = queries[order[:most]].sort().values
    found: Tensor = queries
    return found


def _answered_before(data: RetrievalData, queries: Tensor) -> Tensor:
    """``(n,)`` bool: whether an answer of the query was an answer in the training part."""
    test, train = data.part("test"), data.part("train")
    seen = torch.isin(test.items, torch.unique(train.items[train.grades > 0])) & (test.grades > 0)
    found: Tensor = torch.isin(queries, torch.unique(test.queries[seen]))
    return found


__all__ = ["Search", "SearchOptions"]
