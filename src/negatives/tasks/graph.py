"""Link prediction: the query is a node, the item is a node that it may be linked to.

Graph networks learn from the nodes' features and neighbours; free vectors learn from walks, or are smoothed over the
graph. The test asks which of two pairs is an edge: a held-back edge or a pair that is none, random or hard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import PartSpec, RunConfig, Section
from negatives.data.edge_loading import Reading, load_edges
from negatives.data.edges import EdgeData, symmetric
from negatives.errors import ConfigError
from negatives.evaluation.links import LinkTest, evaluate_links, link_test, metric_names
from negatives.models import Model, registry
from negatives.randomness import Purpose, permutation, stream
from negatives.registry import suggest
from negatives.sampler import preset, presets
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_graph import GRAPH
from negatives.tasks.samples import answers
from negatives.training.feeds import Feed, PairFeed
from negatives.training.walk_feed import WalkFeed
from negatives.types import Csr

PAIRWISE = ("bpr", "hinge", "logistic")
NETWORKS = ("gcn", "sage")
WALKED = ("node2vec",)
MOST = 10_000
"""Held-back edges of a part that are evaluated; more are sampled down."""
ASKED = ("json", "asyncio.tasks", "http.client", "zipfile", "dataclasses", "urllib.request")


class GraphOptions(Section):
    """How a graph is read, walked and tested."""

    directed: bool = False
    """Whether an edge has a direction."""
    source: str | None = None
    """Name of the column with the first node."""
    target: str | None = None
    """Name of the column with the second node."""
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
class GraphExamples:
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


class Graph(Task):
    """Nodes and edges."""

    name = "graph"
    metric = "mrr:hard"
    models = ("gcn", "sage", "propagation", "node2vec", "line")
    reading = GraphOptions
    phrases = ("is linked to", "may also be linked to")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return GRAPH

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """The recipe that fits the model that was asked for, or else the data."""
        return _recipe_name(config, examples.raw.edges.features is not None)

    def shared_recipe(self, examples: Examples) -> str:
        return "pairwise" if examples.raw.edges.features is not None else "default"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        options: GraphOptions = self.options(config)
        split, shares = config.split, {}
        for name in ("test", "valid", "canaries"):
            if getattr(split, name) is not None:
                shares[name] = getattr(split, name)
        reading = Reading(
            split=split.kind or "auto",
            seed=config.seed,
            directed=options.directed,
            source=options.source,
            target=options.target,
            **shares,
        )
        edges = load_edges(path, reading)
        held, neighbours = edges.part("canaries"), edges.graph(("canaries",))
        names = edges.node_names
        return Examples(
            name=edges.name,
            feed=_feed(edges, config, options),
            catalogue=edges.catalogue(),
            canaries=neighbours,
            canary_share=len(held) / max(1, len(held) + len(edges.train)),
            query_names=names,
            item_names=names,
            notes=edges.notes + _sampled(edges),
            raw=GraphExamples(
                edges,
                _questions(edges, "valid", config, options) if len(edges.valid) else None,
                _questions(edges, "test", config, options),
                options.valid_at_test,
            ),
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        edges: EdgeData = examples.raw.edges
        if spec["name"] in NETWORKS:
            features = None if edges.features is None else edges.features.normalised()
            spec |= {"features": features, "directed": edges.directed}
        if spec["name"] in (*NETWORKS, "propagation"):
            spec["graph"] = symmetric(edges.graph())
        else:
            spec["n_items"] = edges.n_nodes
        return registry.build(spec | {"seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        return metric_names(config.evaluation.k or 10)

    def can_validate(self, examples: Examples) -> bool:
        return examples.raw.valid is not None

    def complete(self, model: Model, examples: Examples) -> None:
        parts = ("train", "canaries", "valid") if examples.raw.valid_at_test else ("train", "canaries")
        model.extend(symmetric(examples.raw.edges.graph(parts)))

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        queries, items = model.tables()
        questions = examples.raw.valid if part == "valid" else examples.raw.test
        directed, k = examples.raw.edges.directed, config.evaluation.k or 10
        metrics = evaluate_links(questions, queries.cpu(), items.cpu(), directed=directed, k=k)
        return Scores(metrics.mean, metrics.per_query)

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """``node``, and ``context`` where a node has another vector as a target."""
        queries, items = model.tables()
        names = examples.query_names
        found = {"node": (names, queries)}
        return found if torch.equal(queries, items) else found | {"context": (names, items)}

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        edges: EdgeData = examples.raw.edges
        names = {name: index for index, name in enumerate(edges.node_names.to_list())}
        asked = [names[name] for name in ASKED if name in names][:5]
        known = edges.known(("train", "valid", "canaries"))
        asked = asked or torch.topk(known.lengths(), min(5, edges.n_nodes)).indices.tolist()
        queries, items = (table.cpu() for table in model.tables())
        if not edges.directed:
            queries, items = torch.cat([queries, items], 1), torch.cat([items, queries], 1) / 2
        return [_sample(node, items @ queries[node], known.row(node), edges.node_names) for node in asked]


def _recipe_name(config: RunConfig, has_features: bool) -> str:
    """The recipe of the model that was asked for, or else of the data; for a pairwise loss, with features, its own."""
    if config.recipe:
        if config.recipe not in GRAPH:
            raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, GRAPH)}")
        return config.recipe
    model, loss, sampler = (_name(part) for part in (config.model, config.loss, config.sampler))
    if loss is None and sampler in presets:
        loss = preset(sampler).loss
    if model in (None, "gcn") and has_features and loss in PAIRWISE:
        return "pairwise"
    return model or ("features" if has_features else "default")


def _name(part: PartSpec | None) -> str | None:
    """The name of a part that the user asked for, None where only parameters were given or nothing."""
    return part.get("name") if isinstance(part, dict) else part


def _feed(edges: EdgeData, config: RunConfig, options: GraphOptions) -> Feed:
    """Pairs from walks for models that learn from walks, else the edges in both directions."""
    recipe = GRAPH[_recipe_name(config, edges.features is not None)]
    model = _name(config.model) or recipe["model"]["name"]
    if model in WALKED:
        return WalkFeed(edges.graph(), options.walk_length, options.walks, options.window, options.p, options.q)
    pairs = edges.both_ways()
    return PairFeed(pairs.queries, pairs.items)


def _questions(edges: EdgeData, part: str, config: RunConfig, options: GraphOptions) -> LinkTest:
    """The questions about a part; the same for every seed, model and sampler of a comparison."""
    held = edges.part(part)
    most = min(config.evaluation.queries or MOST, MOST) if part == "valid" else MOST
    if len(held) > most:
        order = permutation(stream(config.seed, Purpose.PROBES), len(held))
        held = held.pick(order[:most].sort().values)
    known = edges.known(("train", "valid", "test", "canaries"))
    return link_test(
        held.queries,
        held.items,
        symmetric(edges.graph()),
        known,
        _transposed(known) if edges.directed else known,
        wrong=options.wrong,
        seed=config.seed,
    )


def _sampled(edges: EdgeData) -> tuple[str, ...]:
    """One line for the test part if it is evaluated on a sample."""
    n = len(edges.test)
    return (f"test: {MOST:,} of {n:,} edges are evaluated, chosen by the seed",) if n > MOST else ()


def _transposed(sets: Csr) -> Csr:
    rows = torch.repeat_interleave(torch.arange(sets.n_rows), sets.lengths())
    return Csr.from_pairs(sets.indices.long(), rows, sets.n_cols, sets.n_rows)


def _sample(node: int, scores: Tensor, known: Tensor, names: polars.Series) -> dict[str, Any]:
    """A node is among its own known nodes, but neither asked for nor answered."""
    scores[node] = -torch.inf
    return answers(names[node], scores, known[known != node], names)
