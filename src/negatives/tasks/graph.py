"""Link prediction: the query is a node, the item is a node that it may be linked to.

Graph networks learn from the nodes' features and neighbours; free vectors learn from walks, or are smoothed over the
graph. The test asks which of two pairs is an edge: a held-back edge or a pair that is none, random or hard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.answering import Kept
from negatives.answering.graph import GraphRun
from negatives.config import RunConfig
from negatives.data.edges import EdgeData, symmetric
from negatives.data.loading.edges import Reading, load_edges
from negatives.data.readers.schema import EDGES
from negatives.evaluation import Metrics
from negatives.evaluation.links import (
    LinkScores,
    LinkTest,
    RightEnds,
    evaluate_links,
    link_test,
    metric_names,
    non_edges,
)
from negatives.models import Model
from negatives.randomness import Purpose, stream
from negatives.tasks.asked import asked_loss, pairwise
from negatives.tasks.base import Examples, Task
from negatives.tasks.facts import Facts, catalogue_facts
from negatives.tasks.reading import TableReading, table_options
from negatives.tasks.samples import QUERIES, Sample, answers, best_known
from negatives.tasks.shares import chosen, share, shares, split_seed
from negatives.training.feeds import Feed, PairFeed
from negatives.training.walk_feed import WalkFeed
from negatives.types import Csr

HELD = ("train", "valid", "canaries")
"""Parts that are known when a model is used."""
MOST = 10_000
"""Held-back edges of a part that are evaluated; more are sampled down."""
ASKED = ("json", "asyncio.tasks", "http.client", "zipfile", "dataclasses", "urllib.request")


class GraphOptions(TableReading):
    """How a graph is read, walked and tested."""

    directed: bool = False
    """Whether an edge has a direction."""
    bipartite: Literal["auto", "ignore"] = "auto"
    """Whether negatives and non-edges come from the other side only, where a graph has two sides."""
    wrong: Annotated[int, Field(ge=2)] = 500
    """Wrong nodes that each held-back edge is ranked against, half for each end."""
    valid_at_test: bool = False
    """Whether messages may pass along validation edges at the test."""
    walk_length: Annotated[int, Field(ge=1)] = 20
    """Steps of a walk."""
    walks: Annotated[int, Field(ge=1)] = 4
    """Walks from each node in an epoch."""
    window: Annotated[int, Field(ge=1)] = 5
    """Largest distance in a walk between a centre and a context."""
    p: Annotated[float, Field(gt=0.0)] = 1.0
    """Return parameter of node2vec: large values keep a walk from going back."""
    q: Annotated[float, Field(gt=0.0)] = 1.0
    """In-out parameter of node2vec: large values keep a walk near where it came from."""


@dataclass(frozen=True, slots=True)
class GraphData:
    """The graph and the questions about its held-back edges.

    Args:
        edges: The graph.
        valid: Questions about the validation edges; None where there are none.
        test: Questions about the test edges.
        valid_at_test: Whether messages may pass along validation edges at the test.
    """

    edges: EdgeData
    valid: LinkTest | None
    test: LinkTest
    valid_at_test: bool


class Graph(Task[GraphData, GraphOptions]):
    """Nodes and edges."""

    name = "graph"
    metric = "mrr:hard"
    reading = GraphOptions
    offers = frozenset(("n_queries", "n_items", "known", "counts", "graph", "directed", "features"))
    feeds = ("pairs", "edges", "walks")
    kinds: ClassVar = {"query": "node", "item": "context"}
    baselines = ("common_neighbours", "adamic_adar", "personalised_pagerank")
    phrases = ("is linked to", "may also be linked to")
    answering = GraphRun

    def read(self, path: Path | None, config: RunConfig) -> GraphData:
        options = self.options(config)
        reading = Reading(
            split=config.split.kind or "auto",
            seed=split_seed(config),
            directed=options.directed,
            options=table_options(config, options, EDGES),
            **shares(config),
        )
        edges = load_edges(path, reading)
        edges = edges.with_sides() if options.bipartite == "auto" else edges
        questions = _questions(edges, config, options)
        return GraphData(edges, questions.get("valid"), questions["test"], options.valid_at_test)

    def examples(self, data: GraphData, config: RunConfig, feed: str) -> Examples[GraphData]:
        edges, options = data.edges, self.options(config)
        names = edges.node_names
        return Examples(
            name=edges.name,
            feed=_walks(edges, options) if feed == "walks" else _pairs(edges),
            catalogue=edges.catalogue(),
            canaries=edges.graph(("canaries",)),
            canary_share=share(len(edges.part("canaries")), len(edges.train)),
            query_names=names,
            item_names=names,
            notes=edges.notes + _sampled(edges),
            data=data,
        )

    def facts(self, config: RunConfig, examples: Examples[GraphData]) -> Facts:
        edges = examples.data.edges
        neighbours = cache(lambda: symmetric(edges.graph()))
        facts: dict[str, Callable[[], object]] = catalogue_facts(examples.catalogue)
        facts |= {"graph": neighbours, "known": neighbours}
        facts["directed"] = lambda: edges.directed
        return facts if edges.features is None else {**facts, "features": edges.features.normalised}

    def preferred(self, config: RunConfig, data: GraphData) -> str:
        """That of the model's name, or else of the data; for a pairwise loss, with features, its own."""
        model, has_features = config.asked("model"), data.edges.features is not None
        if has_features and pairwise(asked_loss(config)) and model in (None, self.model_of("pairwise")):
            return "pairwise"
        if model in self.recipes():
            return str(model)
        return "features" if has_features else "default"

    def shared_recipe(self, examples: Examples[GraphData]) -> str:
        return "pairwise" if examples.data.edges.features is not None else "default"

    def metric_names(self, config: RunConfig) -> list[str]:
        return metric_names(self.length(config))

    def size(self, part: str, examples: Examples[GraphData]) -> int:
        edges = examples.data.edges
        return len(edges.valid if part == "valid" else edges.test)

    def hidden(self, examples: Examples[GraphData]) -> Csr:
        """Canaries and validation edges."""
        return examples.data.edges.graph(("canaries", "valid"))

    def completion(self, examples: Examples[GraphData]) -> Csr:
        parts = ("train", "canaries", "valid") if examples.data.valid_at_test else ("train", "canaries")
        return symmetric(examples.data.edges.graph(parts))

    def kept(self, examples: Examples[GraphData], config: RunConfig) -> Kept:
        """Names, all known neighbours but those of the test part, and what new nodes' features weigh."""
        edges = examples.data.edges
        more: dict[str, object] = {"directed": edges.directed}
        if edges.sides is not None:
            more["sides"] = edges.sides
        if edges.features is not None:
            more["weights"] = edges.features.rarity()
        return Kept({"node": edges.node_names}, edges.graph(HELD), more)

    def evaluate(self, model: Model, examples: Examples[GraphData], part: str, config: RunConfig) -> Metrics:
        data = examples.data
        questions = data.valid if part == "valid" else data.test
        assert questions is not None
        return evaluate_links(questions, _scores(model, data.edges), k=self.length(config))

    def vectors(self, model: Model, examples: Examples[GraphData]) -> dict[str, tuple[polars.Series, Tensor]]:
        """``node``, and ``context`` where a node has another vector as a target."""
        found = Task.vectors(self, model, examples)
        if found and torch.equal(found["node"][1], found["context"][1]):
            del found["context"]
        return found

    def samples(self, model: Model, examples: Examples[GraphData]) -> list[Sample]:
        edges = examples.data.edges
        names = {name: index for index, name in enumerate(edges.node_names.to_list())}
        known, right = edges.known(HELD), edges.known(("test",))
        asked = [names[name] for name in ASKED if name in names][:QUERIES] or best_known(known)
        scores = _scores(model, edges)(torch.tensor(asked), torch.arange(len(names)).repeat(len(asked), 1))
        return [
            _sample(node, mine, known.row(node), edges.node_names, right.row(node))
            for node, mine in zip(asked, scores, strict=True)
        ]


def _scores(model: Model, edges: EdgeData) -> LinkScores:
    answers = model.answers()
    return LinkScores(answers.pairs, answers.back, edges.directed)


def _pairs(edges: EdgeData) -> Feed:
    """Edges in both directions."""
    pairs = edges.both_ways()
    return PairFeed(pairs.queries, pairs.items)


def _walks(edges: EdgeData, options: GraphOptions) -> Feed:
    return WalkFeed(edges.graph(), options.walk_length, options.walks, options.window, options.p, options.q)


def _questions(edges: EdgeData, config: RunConfig, options: GraphOptions) -> dict[str, LinkTest]:
    """The questions about the parts that have edges; the same for every seed, model and sampler of a comparison."""
    known = edges.known(("train", "valid", "test", "canaries"))
    right = RightEnds(known, _transposed(known) if edges.directed else known, edges.sides)
    most = {"test": MOST, "valid": min(config.evaluation.queries or MOST, MOST)}
    held = {part: edges.part(part) for part in most if len(edges.part(part))}
    held = {part: pairs.pick(chosen(len(pairs), most[part], config.seed)) for part, pairs in held.items()}
    others = non_edges(right, [len(pairs) for pairs in held.values()], stream(config.seed, Purpose.PROBES, 1))
    graph = symmetric(edges.graph())
    return {
        part: link_test(
            pairs.queries, pairs.items, graph, right, beside, wrong=options.wrong, seed=config.seed, part=at
        )
        for at, ((part, pairs), beside) in enumerate(zip(held.items(), others, strict=True))
    }


def _sampled(edges: EdgeData) -> tuple[str, ...]:
    """One line for the test part if it is evaluated on a sample."""
    n = len(edges.test)
    return (f"test: {MOST:,} of {n:,} edges are evaluated, chosen by the seed",) if n > MOST else ()


def _transposed(sets: Csr) -> Csr:
    rows = torch.repeat_interleave(torch.arange(sets.n_rows), sets.lengths())
    return Csr.from_pairs(sets.indices.long(), rows, sets.n_cols, sets.n_rows)


def _sample(node: int, scores: Tensor, known: Tensor, names: polars.Series, right: Tensor) -> Sample:
    """A node is among its own known nodes, but neither asked for nor answered."""
    scores[node] = -torch.inf
    return answers(names[node], scores, known[known != node], names, right)
