"""Word vectors: the query is a word of the text, the item a word near it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import polars
import torch
from torch import Tensor

from negatives.answering import Kept
from negatives.answering.words import WordsRun
from negatives.config import RunConfig
from negatives.data.cooccurrence import count_cooccurrence
from negatives.evaluation import Metrics, evaluate, rank
from negatives.evaluation import words as evaluation
from negatives.models import Model
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts
from negatives.tasks.samples import SHOWN, Sample, sample
from negatives.tasks.shares import most, no_pairs
from negatives.tasks.texts import text_key
from negatives.tasks.words_data import WordData, WordReading, read_words
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Csr

LITTLE = 2_000_000
"""Words of a text below which it is passed over more often."""
QUERIES = 6
ASKED = (
    *("king", "london", "car", "music", "seven", "river", "computer", "war"),
    *("file", "string", "thread", "encoding", "exception", "socket"),
)


class Words(Task[WordData, WordReading]):
    """Word vectors from running text."""

    name = "words"
    metric = "mean"
    reading = WordReading
    offers = frozenset(("n_items", "counts", "cell_counts", "cooccurrence"))
    feeds = ("corpus", "cells")
    kinds: ClassVar = {"query": "word", "item": "context"}
    baselines = ("ppmi_svd",)
    phrases = ("stands near", "is like")
    answering = WordsRun

    def read(self, path: Path | None, config: RunConfig) -> WordData:
        options = self.options(config)
        return read_words(path, options.model_copy(update={"key": text_key(config, options.key)}))

    def examples(self, data: WordData, config: RunConfig, feed: str) -> Examples[WordData]:
        corpus, options = data.corpus, self.options(config)
        n = len(corpus.words)
        each = torch.arange(n)
        made: Feed
        if feed == "cells":
            cells = count_cooccurrence(corpus, options.cooccurrence)
            data = replace(data, cells=cells, notes=(*data.notes, *cells.notes))
            made, known = CellFeed(cells), cells.known(n)
        else:
            made, known = CorpusFeed(corpus, options.sample), Csr.from_pairs(each, each, n, n)
        names = polars.Series("word", corpus.words, dtype=polars.String)
        return Examples(
            name=data.name,
            feed=made,
            catalogue=Catalogue(n, n, corpus.counts, known, query_anchors=each),
            canaries=no_pairs(n, n),
            canary_share=0.0,
            query_names=names,
            item_names=names,
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[WordData]) -> Facts:
        corpus, cells, window = examples.data.corpus, examples.data.cells, self.options(config).cooccurrence
        facts: dict[str, Callable[[], object]] = {"n_items": lambda: len(corpus.words), "counts": lambda: corpus.counts}
        facts["cooccurrence"] = cache(lambda: cells or count_cooccurrence(corpus, window))
        return facts if cells is None else {**facts, "cell_counts": lambda: cells.counts}

    def preferred(self, config: RunConfig, data: WordData) -> str:
        """The one that fits the length of the text."""
        return "small" if data.corpus.n_tokens < LITTLE else "default"

    def shared_recipe(self, examples: Examples[WordData]) -> str:
        return "word2vec"

    def metric_names(self, config: RunConfig) -> list[str]:
        """``spearman:<set>`` and ``analogies`` for the sets found; here those of the best-known sets."""
        return ["mean", "analogies", *(f"spearman:{name}" for name in ("ws353", "simlex999", "men")), "recall@20"]

    def kept(self, examples: Examples[WordData], config: RunConfig) -> Kept:
        """The words."""
        return Kept(dict.fromkeys(self.kinds.values(), examples.item_names))

    def evaluate(self, model: Model, examples: Examples[WordData], part: str, config: RunConfig) -> Metrics:
        """Spearman's correlations and analogies, and their mean; or the recall of held-out contexts."""
        data = examples.data
        vectors = model.vectors()["query"].cpu()
        if data.held:
            return _recall(model, data.held[part], data.corpus.counts)
        per_query = {
            f"spearman:{one.name}": evaluation.spearman_terms(evaluation.similarity(vectors, data.index, one, part))
            for one in data.similarity
        }
        per_query["analogies"] = evaluation.analogies(vectors, data.index, data.analogies, part, most(config, part))
        per_query = {name: values for name, values in per_query.items() if values.numel()}
        per_query = {"mean": _together(list(per_query.values()))} | per_query
        return Metrics.of(per_query)

    def samples(self, model: Model, examples: Examples[WordData]) -> list[Sample]:
        """The nearest words of some words, and the words they expect near them."""
        index, name = examples.data.index, examples.item_names
        asked = [index[word] for word in ASKED if word in index][:QUERIES] or list(range(min(QUERIES, len(index))))
        rows = torch.tensor(asked)
        inputs, outputs = (table.cpu() for table in model.tables())
        near = torch.topk(inputs[rows] @ outputs.T, min(SHOWN, len(outputs))).indices.tolist()
        ids, cosines = evaluation.nearest(model.vectors()["query"].cpu(), rows, SHOWN)
        like = (zip(name[one.tolist()], scores.tolist(), strict=True) for one, scores in zip(ids, cosines, strict=True))
        return [sample(name[row], name[beside], best) for row, beside, best in zip(asked, near, like, strict=True)]


def _recall(model: Model, truth: Csr, counts: Tensor) -> Metrics:
    """Contexts are ranked by their probability, ``log count`` more than an association."""
    queries = torch.nonzero(truth.lengths() > 0)[:, 0]
    users, items = (table.cpu() for table in model.tables())
    if model.association:
        items = torch.cat([items, counts.to(items.dtype).clamp(min=1).log()[:, None]], 1)
        users = torch.cat([users, torch.ones(len(users), 1)], 1)
    nothing = no_pairs(truth.n_rows, truth.n_cols)
    ranking = rank(users, items, queries=queries, truth=truth, exclude=nothing, k=min(20, truth.n_cols))
    name = f"recall@{min(20, truth.n_cols)}"
    found = evaluate(ranking, [name])
    return replace(
        found, mean={"mean": found.mean[name]} | found.mean, per_query={"mean": found.per_query[name]} | found.per_query
    )


def _together(sets: list[Tensor]) -> Tensor:
    """All terms of several sets, weighted so that their mean is the mean of the sets' means."""
    whole = sum(one.numel() for one in sets)
    return torch.cat([one * (whole / (len(sets) * one.numel())) for one in sets] or [torch.zeros(1)])
