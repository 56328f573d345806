"""Knowledge graphs: the item is an entity, the query a head and a relation, or a tail and the relation's reciprocal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars
import torch
from torch import Tensor

from negatives.config import PartSpec, RunConfig, Section
from negatives.data.loading_triples import TripleSplit, load_triples
from negatives.data.triples import TripleData, Triples
from negatives.errors import ConfigError
from negatives.evaluation import measure, with_watched
from negatives.evaluation.filtered import by_group, filtered_ranks
from negatives.evaluation.triple_classification import Labelled, classify
from negatives.evaluation.values import Ranks
from negatives.kernels import distances as kernels
from negatives.models import Model, registry
from negatives.models.knowledge import ComposedModel
from negatives.randomness import Purpose, permutation, stream
from negatives.registry import suggest
from negatives.sampler import preset, presets
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_knowledge import KNOWLEDGE
from negatives.tasks.samples import answers
from negatives.training.triple_feed import TripleFeed, head_chances

METRICS = ("mrr", "hits@1", "hits@3", "hits@10")
DIRECTIONS = ("tail", "head")
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


class TripleReading(Section):
    """Options of the reader."""

    sides: Literal["both", "bernoulli", "tail"] = "both"
    """What each triple asks for: tail and head, one of them by Bernoulli's rule, or only the tail."""
    unseen: Literal["keep", "drop"] = "keep"
    """What becomes of test triples with an entity or relation that training never shows; both are counted."""
    head: str | None = None
    """Name of the column of heads."""
    relation: str | None = None
    """Name of the column of relations."""
    tail: str | None = None
    """Name of the column of tails."""


class Knowledge(Task):
    """Link prediction in knowledge graphs."""

    name = "knowledge"
    metric = "mrr"
    models = ("complex", "distmult", "transe", "rotate")
    reading = TripleReading
    demo: ClassVar[Mapping[str, Any]] = {"model": {"name": "complex", "dim": 128}}
    phrases = ("known", "also likely")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return KNOWLEDGE

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """That of the model asked for; for ComplEx by the sampler's kind and the size of the graph."""
        if config.recipe:
            if config.recipe not in KNOWLEDGE:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, KNOWLEDGE)}")
            return config.recipe
        model, sampler, loss = (_name(part) for part in (config.model, config.sampler, config.loss))
        if model not in (None, "complex"):
            return str(model)
        shared = sampler is None or (sampler in presets and "pool" in preset(sampler).parts)
        if not shared or loss not in (None, "sampled_softmax"):
            return "pairwise"
        triples = len(examples.raw.part("train"))
        return "small" if DENSE * examples.raw.n_entities <= triples < SMALL else "default"

    def shared_recipe(self, examples: Examples) -> str:
        return "pairwise"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        reading, split = self.options(config), config.split
        shares = {name: value for name in ("test", "valid", "canaries") if (value := getattr(split, name)) is not None}
        how = TripleSplit(kind=split.kind or "auto", seed=config.seed, unseen=reading.unseen, **shares)
        columns = {"head": reading.head, "relation": reading.relation, "tail": reading.tail}
        data = load_triples(path, how, columns)
        hidden = "canaries" if len(data.part("canaries")) else "valid"
        n_hidden, train = len(data.part(hidden)), data.part("train")
        chance = head_chances(train.heads, train.relations, train.tails) if reading.sides == "bernoulli" else None
        tail_queries, head_queries = data.queries(train)
        return Examples(
            name=data.name,
            feed=TripleFeed(tail_queries, train.tails, head_queries, train.heads, reading.sides, chance),
            catalogue=data.catalogue(),
            canaries=data.known((hidden,)),
            canary_share=n_hidden / max(1, n_hidden + len(train)),
            query_names=data.query_names(),
            item_names=data.entity_names,
            notes=data.notes,
            raw=data,
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        data: TripleData = examples.raw
        spec |= {"query_heads": data.query_heads, "query_relations": data.query_relations, "n_items": data.n_entities}
        return registry.build(spec | {"seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        return with_watched(METRICS, config.evaluation.metric, Ranks)

    def can_validate(self, examples: Examples) -> bool:
        return len(examples.raw.part("valid")) > 0

    def complete(self, model: Model, examples: Examples) -> None:
        """Free vectors cannot take in held-back triples without training, and do not."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        data: TripleData = examples.raw
        ranked, queries = ranks(model, data, part, *self._limit(config, part))
        found = measure(Ranks(ranked), self.metric_names(config))
        mean, values = found.mean, found.per_query
        if part != "test":
            return Scores(mean, values)
        directed = data.query_relations[queries]
        for direction, mine in zip(
            DIRECTIONS, (directed < data.n_relations, directed >= data.n_relations), strict=True
        ):
            mean[f"mrr:{direction}"] = float(values["mrr"][mine].mean())
        if len(data.part("test_negatives")) and len(data.part("valid_negatives")):
            mean["accuracy"] = float(accuracy(model, data).mean())
        return Scores(mean, values, {"relations": by_relation(data, values, directed)})

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """Rows of the entities and of the relations, reciprocal ones among them."""
        assert isinstance(model, ComposedModel)
        data: TripleData = examples.raw
        labels = [data.relation_label(index) for index in range(2 * data.n_relations)]
        relations = model.relations.detach().cpu()[: len(labels)]
        return {
            "entity": (data.entity_names, model.entities.detach().cpu()),
            "relation": (polars.Series(labels, dtype=polars.String), relations),
        }

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        data: TripleData = examples.raw
        known = data.known(("train", "valid", "canaries"))
        asked = [query for pair in ASKED if (query := _query(data, *pair)) is not None]
        if not asked:
            asked = torch.topk(known.lengths(), min(5, data.n_queries)).indices.tolist()
        scores = scores_of(model)(torch.tensor(asked))
        return [
            answers(examples.query_names[query], mine, known.row(query), examples.item_names)
            for query, mine in zip(asked, scores, strict=True)
        ]

    def _limit(self, config: RunConfig, part: str) -> tuple[int | None, int]:
        return (config.evaluation.queries if part == "valid" else None), config.seed


def scores_of(model: Model) -> Callable[[Tensor], Tensor]:
    """Scores of queries with all entities, as :func:`filtered_ranks` wants them."""
    assert isinstance(model, ComposedModel)
    table = model.entities.detach()

    @torch.no_grad()
    def score_all(queries: Tensor) -> Tensor:
        vectors = model.encode_queries(queries.to(table.device))
        return kernels.pool_scores(vectors, table, model.kind).cpu()

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
    if most is not None and queries.numel() > most:
        chosen = permutation(stream(seed, Purpose.PROBES), queries.numel())[:most].sort().values
        queries, answers = queries[chosen], answers[chosen]
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


def _name(part: PartSpec | None) -> str | None:
    return part.get("name") if isinstance(part, dict) else part


def _query(data: TripleData, entity: str, relation: str) -> int | None:
    """The query of these names, if the data has it."""
    found = data.entity_names.index_of(entity), data.relation_names.index_of(relation)
    if found[0] is None or found[1] is None:
        return None
    code = torch.tensor(found[0] * 2 * data.n_relations + found[1])
    at = int(torch.searchsorted(data.query_codes, code))
    return at if at < data.n_queries and int(data.query_codes[at]) == int(code) else None


__all__ = ["Knowledge", "TripleReading", "accuracy", "ranks", "scores_of"]
