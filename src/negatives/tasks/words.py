"""Word vectors: the query is a word of the text, the item a word near it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars
import torch
from torch import Tensor

from negatives.config import RunConfig
from negatives.data.cooccurrence import count_cooccurrence
from negatives.errors import ConfigError
from negatives.evaluation import evaluate, rank
from negatives.evaluation import words as evaluation
from negatives.models import Model, registry
from negatives.registry import suggest
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_words import WORDS
from negatives.tasks.words_data import WordData, WordReading, read_words
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Csr

LITTLE = 2_000_000
"""Words of a text below which it is passed over more often."""
ASKED = (
    *("king", "london", "car", "music", "seven", "river", "computer", "war"),
    *("file", "string", "thread", "encoding", "exception", "socket"),
)


class Words(Task):
    """Word vectors from running text."""

    name = "words"
    metric = "mean"
    models = ("skip_gram", "cbow", "glove")
    reading = WordReading
    phrases = ("stands near", "is like")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return WORDS

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """That of the model asked for; for skip-gram the one that fits the length of the text."""
        if config.recipe:
            if config.recipe not in WORDS:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, WORDS)}")
            return config.recipe
        name = _model_name(config)
        if name in WORDS:
            return str(name)
        return "small" if examples.raw.corpus.n_tokens < LITTLE else "default"

    def shared_recipe(self, examples: Examples) -> str:
        return "word2vec"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        reading: WordReading = self.options(config)
        data, notes = read_words(path, reading)
        corpus = data.corpus
        n = len(corpus.words)
        each = torch.arange(n)
        feed: Feed = CorpusFeed(corpus, reading.sample)
        known = Csr.from_pairs(each, each, n, n)
        if "glove" in (_model_name(config), config.recipe):
            cells = count_cooccurrence(corpus, reading.cooccurrence)
            notes += cells.notes
            feed, known = CellFeed(cells), cells.known(n)
        names = polars.Series("word", corpus.words, dtype=polars.String)
        return Examples(
            name="stdlib" if path is None else path.name.split(".")[0] or path.name,
            feed=feed,
            catalogue=Catalogue(n, n, corpus.counts, known, query_anchors=each),
            canaries=Csr(torch.zeros(n + 1, dtype=torch.int64), torch.empty(0, dtype=torch.int32), n),
            canary_share=0.0,
            query_names=names,
            item_names=names,
            notes=tuple(notes),
            raw=data,
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        if spec["name"] == "glove":
            if not isinstance(examples.feed, CellFeed):
                raise ConfigError("glove needs co-occurrence; name it with --model glove")
            spec["cell_counts"] = examples.feed.cells.counts
        return registry.build(spec | {"n_items": examples.catalogue.n_items, "seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        """``spearman:<set>`` and ``analogies`` for the sets found; here those of the best-known sets."""
        return ["mean", "analogies", *(f"spearman:{name}" for name in ("ws353", "simlex999", "men")), "recall@20"]

    def can_validate(self, examples: Examples) -> bool:
        return True

    def complete(self, model: Model, examples: Examples) -> None:
        """Word vectors cannot take in more text without training."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        """Spearman's correlations and analogies, and their mean; or the recall of held-out contexts."""
        data: WordData = examples.raw
        vectors = self.vectors(model, examples)["word"][1].cpu()
        if data.held:
            return _recall(model, data.held[part])
        per_query = {
            f"spearman:{one.name}": evaluation.spearman_terms(evaluation.similarity(vectors, data.index, one, part))
            for one in data.similarity
        }
        most = config.evaluation.queries if part == "valid" else None
        per_query["analogies"] = evaluation.analogies(vectors, data.index, data.analogies, part, most)
        per_query = {name: values for name, values in per_query.items() if values.numel()}
        per_query = {"mean": _together(list(per_query.values()))} | per_query
        return Scores({name: float(values.mean()) for name, values in per_query.items()}, per_query)

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """``word``: the input vectors, which are used; ``context``: the output vectors."""
        words, contexts = model.vectors()
        return {"word": (examples.query_names, words), "context": (examples.item_names, contexts)}

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        """The nearest words of some words, and the words they expect near them."""
        index = examples.raw.index
        asked = [index[word] for word in ASKED if word in index][:6] or list(range(min(6, len(index))))
        rows = torch.tensor(asked)
        vectors = self.vectors(model, examples)["word"][1].cpu()
        inputs, outputs = (table.cpu() for table in model.tables())
        near = torch.topk(inputs[rows] @ outputs.T, min(8, len(outputs))).indices
        best, cosines = evaluation.nearest(vectors, rows, 8)
        name = examples.item_names
        return [
            {
                "query": name[row],
                "known": [name[one] for one in near[at].tolist()],
                "recommended": [
                    {"item": name[one], "score": round(score, 4)}
                    for one, score in zip(best[at].tolist(), cosines[at].tolist(), strict=True)
                ],
            }
            for at, row in enumerate(asked)
        ]


def _model_name(config: RunConfig) -> str | None:
    return config.model.get("name") if isinstance(config.model, dict) else config.model


def _recall(model: Model, truth: Csr) -> Scores:
    queries = torch.nonzero(truth.lengths() > 0)[:, 0]
    users, items = (table.cpu() for table in model.tables())
    nothing = Csr(torch.zeros(truth.n_rows + 1, dtype=torch.int64), torch.empty(0, dtype=torch.int32), truth.n_cols)
    ranking = rank(users, items, queries=queries, truth=truth, exclude=nothing, k=min(20, truth.n_cols))
    name = f"recall@{min(20, truth.n_cols)}"
    found = evaluate(ranking, [name])
    return Scores({"mean": found.mean[name]} | found.mean, {"mean": found.per_query[name]} | found.per_query)


def _together(sets: list[Tensor]) -> Tensor:
    """All terms of several sets, weighted so that their mean is the mean of the sets' means."""
    whole = sum(one.numel() for one in sets)
    return torch.cat([one * (whole / (len(sets) * one.numel())) for one in sets] or [torch.zeros(1)])
