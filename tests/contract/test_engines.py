"""Every engine through the contract, with a model that it is made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import models
import numpy as np
import pytest
import torch
from tables import Faults, pairs

from negatives import kernels
from negatives.data.cooccurrence import count_cooccurrence
from negatives.data.corpus import Corpus, encode
from negatives.losses import registry as losses
from negatives.models import Model
from negatives.models.factorization import MatrixFactorization
from negatives.models.knowledge.complex import ComplEx
from negatives.models.lightgcn import LightGCN
from negatives.models.tower import TowerModel
from negatives.models.words.cbow import Cbow
from negatives.models.words.skip_gram import SkipGram
from negatives.sampler import Sampler, build
from negatives.testing.engines import CHECKS, EngineCase
from negatives.testing.problems import EVERYTHING, QUERIES, problem
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.engines import Engine, Update, engine_for, registry
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Context, Csr

PROBLEM = problem(20)
ROWS: Mapping[str, Any] = {"name": "uniform", "candidates": 4}
POOL: Mapping[str, Any] = {"name": "softmax", "pool": 16}
HARD: Mapping[str, Any] = {"name": "hold", "candidates": 8, "observe_every": 2}


class Tower(TowerModel):
    """A tower with ordinary gradients and dropout."""

    def __init__(self) -> None:
        super().__init__(QUERIES, 20, 6, True, 0.3, seed=3)
        self.inputs = torch.nn.Parameter(MatrixFactorization(QUERIES, 20, 6, init=0.5, seed=5).query_table.data.clone())

    def encode_queries(self, queries: torch.Tensor) -> torch.Tensor:
        return self.with_one(self.dropped(torch.tanh(self.inputs[queries]), 0.1))


def engine_with(model: Model, sampler: Sampler, loss: str, optimiser: str) -> Engine:
    return engine_for(model, sampler, losses.build(loss), Update(optimiser))


def trained(make: Callable[[], Model], sampler: Mapping[str, Any], loss: str, optimiser: str) -> Callable[[], Engine]:
    """An engine on the problem, always the same."""

    def engine() -> Engine:
        made = build(dict(sampler))
        made.bind(PROBLEM.catalogue)
        return engine_with(make(), made, loss, optimiser)

    return engine


def batch(step: int) -> Context:
    """Ten batches over and over, without the query that knows every item."""
    context = PROBLEM.batch(36, step % 10)
    kept = (context.queries != EVERYTHING).nonzero()[:, 0]
    parts = (context.queries, context.positives, context.examples)
    queries, positives, examples = (part[kept] for part in parts)
    return replace(context, queries=queries, positives=positives, examples=examples, step=step)


def empty() -> Context:
    rows = torch.arange(6)
    return Context(torch.full_like(rows, EVERYTHING), rows, rows)


def mf() -> Model:
    return MatrixFactorization(QUERIES, 20, 8, init=0.3, seed=3)


def cosine() -> Model:
    return MatrixFactorization(QUERIES, 20, 8, "cosine", seed=3)


def graph() -> Model:
    return LightGCN(PROBLEM.known, 8, seed=3)


def computed() -> Model:
    return models.build("ease", {}, {}, 0)


def sequences() -> Model:
    return models.build("sasrec", {}, {"dim": 8, "heads": 2, "layers": 1}, 3)


def places(step: int) -> Context:
    """All places of six histories, six others in the next step."""
    own = models.histories()
    queries = [(step * 6 + place) % QUERIES for place in range(6)]
    rows = torch.cat([torch.arange(int(own.indptr[q]), int(own.indptr[q + 1])) for q in queries])
    return Context(own.owners()[rows], own.items[rows], rows, step=step)


def on_sequences(sampler: Mapping[str, Any], loss: str, optimiser: str, lr: float) -> EngineCase:
    return EngineCase(trained(sequences, sampler, loss, optimiser), places, lr, 60, empty())


def entities() -> Model:
    return ComplEx(torch.arange(QUERIES) % 20, torch.arange(QUERIES) % 4, 20, 6, init=0.3, seed=3)


def on_problem(
    make: Callable[[], Model], sampler: Mapping[str, Any], loss: str, optimiser: str, lr: float, steps: int = 40
) -> EngineCase:
    return EngineCase(trained(make, sampler, loss, optimiser), batch, lr, steps, empty())


def corpus() -> Corpus:
    """Sentences of words of one group each."""
    random = np.random.default_rng(0)
    groups = random.integers(0, 4, 60)
    return encode([[f"g{g}w{i}" for i in random.integers(0, 6, 11)] for g in groups], min_count=1)


TEXT = corpus()


def on_text(
    make: Callable[[], Model], feed: Feed, loss: str, optimiser: str, *, lr: float, k: int = 4, size: int = 250
) -> EngineCase:
    n = len(TEXT.words)
    each = torch.arange(n)

    def engine() -> Engine:
        sampler = build({"name": "popularity", "guards": ["own_positive"], "candidates": k})
        sampler.bind(Catalogue(n, n, TEXT.counts, Csr.from_pairs(each, each, n, n), query_anchors=each))
        return engine_with(make(), sampler, loss, optimiser)

    def of(step: int) -> Context:
        got = feed.batch(0, step // feed.steps(size), step % feed.steps(size), size)
        return Context(got.queries, got.items, got.examples, 0, step // feed.steps(size), step)

    return EngineCase(engine, of, lr, 40)


CELLS = count_cooccurrence(TEXT, 3)


def glove() -> Model:
    return models.build("glove", {"n_items": len(TEXT.words), "cell_counts": CELLS.counts}, {"dim": 8}, 1)


CASES: dict[str, EngineCase] = {
    "rows": on_problem(mf, ROWS, "bpr", "sgd", 0.05),
    "rows by adam": on_problem(cosine, HARD, "bpr", "adam", 0.02),
    "rows with a pool": on_problem(mf, POOL, "sampled_softmax", "adagrad", 0.1),
    "asynchronous": on_problem(mf, ROWS, "bpr", "async_sgd", 0.05),
    "autograd": on_problem(graph, ROWS, "bpr", "adam", 0.02),
    "autograd with a pool": on_problem(graph, POOL, "bsl", "sgd", 0.05),
    "composed": on_problem(entities, ROWS, "logistic", "adagrad", 0.1),
    "composed with a pool": on_problem(entities, POOL, "sampled_softmax", "adam", 0.02),
    "encoded": on_sequences(ROWS, "logistic", "adam", 0.02),
    "encoded with a pool": on_sequences(POOL, "sampled_softmax", "adagrad", 0.1),
    "tower": on_problem(Tower, ROWS, "logistic", "adam", 0.02),
    "tower with a pool": on_problem(Tower, POOL, "sampled_softmax", "adagrad", 0.1),
    "windows": on_text(lambda: SkipGram(len(TEXT.words), 8, seed=1), CorpusFeed(TEXT, 0.0), "logistic", "sgd", lr=0.05),
    "windows by slices": on_text(lambda: Cbow(len(TEXT.words), 8, seed=1), CorpusFeed(TEXT, 0.0), "bpr", "sgd", lr=0.2),
    "counted": replace(on_problem(computed, ROWS, "bpr", "sgd", 0.1), learns=False),
    "cells": on_text(glove, CellFeed(CELLS), "squared", "adagrad", lr=0.05),
}
FAULTS: Faults = {}


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    before = kernels.threads()
    kernels.set_threads(1)
    yield
    kernels.set_threads(before)


def test_every_engine_has_a_case() -> None:
    assert set(registry) == {name.split()[0] for name in CASES}
    for name, case in CASES.items():
        assert type(case.make()) is registry.get(name.split()[0])


@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: EngineCase, check: Callable[[EngineCase], None]) -> None:
    check(case)
