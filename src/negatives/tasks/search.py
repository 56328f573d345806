"""Search: the query is a text, the item is a document.

One encoder serves both sides. Every document is ranked for every test query, and the judgements may have grades.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from negatives.answering import Kept
from negatives.answering.texts import ASKED, TEXTS, SearchRun
from negatives.config import RunConfig
from negatives.data.loading.retrieval import Holding, load_retrieval
from negatives.data.readers.schema import DOCUMENTS, JUDGED, QUESTIONS
from negatives.data.retrieval import RetrievalData
from negatives.evaluation import Metrics, longest, with_watched
from negatives.evaluation.graded import evaluate_graded
from negatives.evaluation.ranking import search
from negatives.evaluation.values import Ranked
from negatives.models import Model
from negatives.models.encoders.base import TextScorer
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, require
from negatives.tasks.reading import table_options
from negatives.tasks.samples import QUERIES, Sample, best, sample
from negatives.tasks.shares import share, shares, split_seed
from negatives.tasks.texts import ENCODED, EncoderReading, text_facts
from negatives.training.feeds import PairFeed
from negatives.types import Csr

READERS = (
    "how do I read a csv file row by row",
    "run a command and capture its output",
    "copy a whole directory tree",
    "parse command line arguments",
    "find the median of some numbers",
)
FRESH = "ndcg@10:new"
"""The metric over test queries none of whose answers was an answer in training."""


class SearchReading(EncoderReading):
    """How a collection is read."""

    titles: bool = True
    """Whether each document's title serves as one more training query."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """How often an epoch takes each judged pair, where titles serve as well."""
    ignore_identical: bool = True
    """Whether a document that is the query itself, by its name or its text, is no answer and no negative of it."""
    vocabulary: Annotated[int, Field(ge=100)] = 8000
    """Most pieces of the tokenizer that the static encoder learns from the documents."""


class Search(Task[RetrievalData, SearchReading]):
    """Queries and documents."""

    name = "search"
    metric = "ndcg@{k}"
    reading = SearchReading
    offers = ENCODED
    family = TextScorer
    baselines = ("bm25",)
    phrases = ("is answered by", "finds")
    answering = SearchRun

    def read(self, path: Path | None, config: RunConfig) -> RetrievalData:
        reading = self.options(config)
        options = table_options(config, reading, QUESTIONS, DOCUMENTS, JUDGED)
        holding = Holding(kind=config.split.kind or "auto", seed=split_seed(config), **shares(config))
        data = load_retrieval(path, holding, reading.titles, options)
        return data.without_identical() if reading.ignore_identical else data

    def examples(self, data: RetrievalData, config: RunConfig, feed: str) -> Examples[RetrievalData]:
        trained, hidden = data.known(("train", "titles")), data.known(("canaries",))
        repeats = self.options(config).repeats if len(data.part("titles")) else 1
        return Examples(
            name=data.name,
            feed=_feed(data, repeats),
            catalogue=data.catalogue(),
            canaries=hidden,
            canary_share=share(hidden.nnz, trained.nnz),
            query_names=data.query_names,
            item_names=data.item_names,
            notes=data.notes,
            data=data,
            query_texts=data.query_texts,
        )

    def facts(self, config: RunConfig, examples: Examples[RetrievalData]) -> Facts:
        data = examples.data
        return text_facts(config, self.options(config), data.query_texts, data.item_texts)

    def kept(self, examples: Examples[RetrievalData], config: RunConfig) -> Kept:
        """Names and texts. What is relevant to a query is the answer to it, and never left out."""
        data = examples.data
        names = {"query": examples.query_names, "item": examples.item_names}
        return Kept(names, None, {ASKED: data.query_texts, TEXTS: data.item_texts})

    def metric_names(self, config: RunConfig) -> list[str]:
        k = self.length(config)
        return with_watched([f"ndcg@{k}", "recall@100", f"mrr@{k}"], config.evaluation.metric, Ranked)

    def size(self, part: str, examples: Examples[RetrievalData]) -> int:
        return int((examples.data.known((part,)).lengths() > 0).sum())

    def hidden(self, examples: Examples[RetrievalData]) -> Csr:
        """Answers of canaries and validation queries."""
        return examples.data.known(("canaries", "valid"))

    def evaluate(self, model: Model, examples: Examples[RetrievalData], part: str, config: RunConfig) -> Metrics:
        data = examples.data
        queries, names = self.queries(data.known((part,)), part, config), self.metric_names(config)
        top, _ = search(model.answers().every, queries, longest(names), data.identical)
        judged = data.part(part)
        metrics = evaluate_graded(top, queries, (judged.queries, judged.items, judged.grades), data.n_items, names)
        if part == "test":
            metrics.mean[FRESH] = float(metrics.per_query[names[0]][~_answered_before(data, queries)].mean())
        return replace(metrics, mean={name: value for name, value in metrics.mean.items() if value == value})

    @torch.no_grad()
    def samples(self, model: Model, examples: Examples[RetrievalData]) -> list[Sample]:
        """What a few questions find: a reader's own on the offline data, else the first of the test part."""
        data, names = examples.data, examples.item_names
        right = data.known(("train", "valid", "test", "canaries"))
        queries = torch.nonzero(data.known(("test",)).lengths() > 0)[:QUERIES, 0].tolist()
        texts = [data.query_texts[query] for query in queries]
        answers = [[names[item] for item in right.row(query).tolist()] for query in queries]
        if data.name == "stdlib":
            texts, answers = list(READERS), [[] for _ in READERS]
            queries = []
        scores = require(model, TextScorer).score_texts(texts).cpu()
        if data.identical is not None:
            for row, query in enumerate(queries):
                scores[row, data.identical.row(query).long()] = -torch.inf
        asked = zip(texts, answers, scores, strict=True)
        places = {name: place for place, name in enumerate(names.to_list())}
        return [
            sample(text, known, best(row, names), known or None, lambda name: data.item_texts[places[name]])
            for text, known, row in asked
        ]


def _feed(data: RetrievalData, repeats: int) -> PairFeed:
    """Relevant pairs, the judged ones ``repeats`` times, and titles with their documents."""
    parts = [data.known(("train",))] * repeats + [data.known(("titles",))]
    queries = [torch.repeat_interleave(torch.arange(data.n_queries), part.lengths()) for part in parts]
    return PairFeed(torch.cat(queries), torch.cat([part.indices.to(torch.int64) for part in parts]))


def _answered_before(data: RetrievalData, queries: Tensor) -> Tensor:
    """``(n,)`` bool: whether an answer of the query was an answer in the training part."""
    test, train = data.part("test"), data.part("train")
    seen = torch.isin(test.items, torch.unique(train.items[train.grades > 0])) & (test.grades > 0)
    found: Tensor = torch.isin(queries, torch.unique(test.queries[seen]))
    return found
