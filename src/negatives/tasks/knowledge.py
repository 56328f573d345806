"""Knowledge graphs: the item is an entity, the query a head and a relation, or a tail and the relation's reciprocal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars
import torch
from torch import Tensor

from negatives.answering import Kept
from negatives.answering.knowledge import KnowledgeRun
from negatives.config import RunConfig
from negatives.data.loading.triples import TripleSplit, load_triples
from negatives.data.readers.schema import TRIPLES
from negatives.data.triples import TripleData, Triples
from negatives.evaluation import Metrics, measure, with_watched
from negatives.evaluation.filtered import by_group, filtered_ranks
from negatives.evaluation.triple_classification import Labelled, classify
from negatives.evaluation.values import Ranks
from negatives.models import Model, device_of
from negatives.tasks.asked import pools
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, catalogue_facts
from negatives.tasks.reading import TableReading, table_options
from negatives.tasks.samples import Sample, answers, best_known
from negatives.tasks.shares import chosen, most, share, shares, split_seed
from negatives.training.triple_feed import TripleFeed, head_chances

METRICS = ("mrr", "hits@1", "hits@3", "hits@10")
DIRECTIONS = ("tail", "head")
HELD = ("train", "valid", "canaries")
"""Parts that are known when a model is used."""
SMALL = 100_000
"""Training triples below which the recipe ``small`` serves, if the graph is dense."""
DENSE = 5
"""Training triples per entity from which a graph counts as dense; sparser ones need more regularisation."""
ASKED = (
    ("http.client.RemoteDisconnected", "inherits from"),
    ("email.message", "imports"),
    ("unittest.mock", "imports"),
    ("asyncio.queues", "defines class"),
    ("zipfile.ZipFile.open", "raises"),
)


class TripleReading(TableReading):
    """Options of the reader."""

    sides: Literal["both", "bernoulli", "tail"] = "both"
    """What each triple asks for: tail and head, one of them by Bernoulli's rule, or only the tail."""
    unseen: Literal["keep", "drop"] = "keep"
    """What becomes of test triples with an entity or relation that training never shows; both are counted."""


class Knowledge(Task[TripleData, TripleReading]):
    """Link prediction in knowledge graphs."""

    name = "knowledge"
    metric = "mrr"
    reading = TripleReading
    offers = frozenset(("n_queries", "n_items", "known", "counts", "query_heads", "query_relations"))
    feeds = ("triples", "pairs")
    kinds: ClassVar = {"item": "entity", "relation": "relation"}
    demo: ClassVar = {"model": {"name": "complex", "dim": 128}}
    baselines = ("relation_frequencies",)
    phrases = ("known", "also likely")
    answering = KnowledgeRun

    def read(self, path: Path | None, config: RunConfig) -> TripleData:
        reading, split = self.options(config), config.split
        how = TripleSplit(kind=split.kind or "auto", seed=split_seed(config), unseen=reading.unseen, **shares(config))
        return load_triples(path, how, table_options(config, reading, TRIPLES))

    def examples(self, data: TripleData, config: RunConfig, feed: str) -> Examples[TripleData]:
        sides = self.options(config).sides
        hidden, train = "canaries" if len(data.part("canaries")) else "valid", data.part("train")
        chance = head_chances(train.heads, train.relations, train.tails) if sides == "bernoulli" else None
        tail_queries, head_queries = data.queries(train)
        return Examples(
            name=data.name,
            feed=TripleFeed(tail_queries, train.tails, head_queries, train.heads, sides, chance),
            catalogue=data.catalogue(),
            canaries=data.known((hidden,)),
            canary_share=share(len(data.part(hidden)), len(train)),
            query_names=data.query_names(),
            item_names=data.entity_names,
            notes=data.notes,
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[TripleData]) -> Facts:
        data = examples.data
        own = {"query_heads": lambda: data.query_heads, "query_relations": lambda: data.query_relations}
        return {**catalogue_facts(examples.catalogue), **own}

    def preferred(self, config: RunConfig, data: TripleData) -> str:
        """By the sampler's kind and the size of the graph."""
        sampler = config.asked("sampler")
        shared = sampler is None or pools(sampler)
        if not shared or config.asked("loss") not in (None, "sampled_softmax"):
            return "pairwise"
        triples = len(data.part("train"))
        return "small" if DENSE * data.n_entities <= triples < SMALL else "default"

    def shared_recipe(self, examples: Examples[TripleData]) -> str:
        return "pairwise"

    def metric_names(self, config: RunConfig) -> list[str]:
        return with_watched(METRICS, config.evaluation.metric, Ranks)

    def size(self, part: str, examples: Examples[TripleData]) -> int:
        return 2 * len(examples.data.part(part))  # each triple asks for its tail and for its head

    def kept(self, examples: Examples[TripleData], config: RunConfig) -> Kept:
        """Names, and all known answers but those of the test part."""
        names = {called: self.names(kind, examples) for kind, called in self.kinds.items()}
        return Kept(names, examples.data.known(HELD), {"codes": examples.data.query_codes})

    def evaluate(self, model: Model, examples: Examples[TripleData], part: str, config: RunConfig) -> Metrics:
        data = examples.data
        ranked, queries = ranks(model, data, part, most(config, part), config.seed)
        found = replace(measure(Ranks(ranked), self.metric_names(config)), queries=queries)
        mean, values = found.mean, found.per_query
        if part != "test":
            return found
        directed = data.query_relations[queries]
        for direction, mine in zip(
            DIRECTIONS, (directed < data.n_relations, directed >= data.n_relations), strict=True
        ):
            mean[f"mrr:{direction}"] = float(values["mrr"][mine].mean())
        if len(data.part("test_negatives")) and len(data.part("valid_negatives")):
            mean["accuracy"] = float(accuracy(model, data).mean())
        found.details["relations"] = by_relation(data, values, directed)
        return found

    def names(self, kind: str, examples: Examples[TripleData]) -> polars.Series:
        data = examples.data
        if kind == "item":
            return data.entity_names
        labels = [data.relation_label(index) for index in range(2 * data.n_relations)]
        return polars.Series(labels, dtype=polars.String)

    def samples(self, model: Model, examples: Examples[TripleData]) -> list[Sample]:
        data = examples.data
        known, right = data.known(HELD), data.known(("test",))
        asked = [query for pair in ASKED if (query := _query(data, *pair)) is not None] or best_known(known)
        scores = scores_of(model)(torch.tensor(asked))
        return [
            answers(examples.query_names[query], mine, known.row(query), examples.item_names, right.row(query))
            for query, mine in zip(asked, scores, strict=True)
        ]


def scores_of(model: Model) -> Callable[[Tensor], Tensor]:
    """Scores of queries with all entities, as :func:`filtered_ranks` wants them."""
    device = device_of(model)
    model.refresh(None)

    @torch.no_grad()
    def score_all(queries: Tensor) -> Tensor:
        return model.score_all(queries.to(device)).cpu()

    return score_all


def ranks(model: Model, data: TripleData, part: str, most: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Filtered ranks ``(n,)`` of a part in both directions, and the queries ``(n,)`` that they answer.

    Args:
        model: The model.
        data: The graph.
        part: ``valid`` or ``test``.
        most: Answers to rank at most, chosen at random; None for all.
        seed: Seed of the choice.
    """
    queries, answers = data.pairs((part,))
    places = chosen(queries.numel(), most, seed)
    queries, answers = queries[places], answers[places]
    known = data.known(("train", "valid", "canaries", "test"))
    return filtered_ranks(scores_of(model), queries, answers, known), queries


def by_relation(data: TripleData, values: Mapping[str, Tensor], directed: Tensor) -> list[dict[str, Any]]:
    """One row per relation and direction: how many answers were ranked, and the means of all metrics.

    Args:
        data: The graph.
        values: Metric name to ``(n,)``.
        directed: ``(n,)`` int64 directed relation of each answer.
    """
    means = {name: by_group(value, directed) for name, value in values.items()}
    return [
        {
            "relation": str(data.relation_names[groups[0].group % data.n_relations]),
            "direction": DIRECTIONS[groups[0].group // data.n_relations],
            "answers": groups[0].n,
            **{name: one.mean for name, one in zip(means, groups, strict=True)},
        }
        for groups in zip(*means.values(), strict=True)
    ]


def accuracy(model: Model, data: TripleData) -> Tensor:
    """``(n,)``, 1 where a test triple or a hard negative is told right; thresholds come from the validation part."""
    valid, test = (
        _labelled(model, data, data.part(part), data.part(f"{part}_negatives")) for part in ("valid", "test")
    )
    return classify(valid, test)


@torch.no_grad()
def _labelled(model: Model, data: TripleData, true: Triples, false: Triples) -> Labelled:
    """Scores of a triple are the mean of both directions."""
    triples = Triples.joined([true, false])
    for_tail, for_head = data.queries(triples)
    scores = (model.score(for_tail, triples.tails) + model.score(for_head, triples.heads)) / 2
    labels = torch.arange(len(triples)) < len(true)
    return Labelled(scores.cpu(), triples.relations, labels)


def _query(data: TripleData, entity: str, relation: str) -> int | None:
    """The query of these names, if the data has it."""
    found = data.entity_names.index_of(entity), data.relation_names.index_of(relation)
    if found[0] is None or found[1] is None:
        return None
    code = torch.tensor(found[0] * 2 * data.n_relations + found[1])
    at = int(torch.searchsorted(data.query_codes, code))
    return at if at < data.n_queries and int(data.query_codes[at]) == int(code) else None
