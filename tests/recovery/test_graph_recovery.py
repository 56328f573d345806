"""Planted graphs: walks find groups, and hard negatives tell apart what random ones do not."""

from __future__ import annotations

import pytest
import torch

from negatives.data.edges import EdgeData
from negatives.data.pairs import Pairs
from negatives.evaluation.links import LinkScores, RightEnds, evaluate_links, link_test, non_edges
from negatives.losses.bpr_loss import BPR
from negatives.losses.logistic_loss import Logistic
from negatives.models import Model
from negatives.models.graph.line import Line
from negatives.models.graph.propagation import NodePropagation
from negatives.models.graph.vectors import NodeVectors
from negatives.models.settings import Start
from negatives.randomness import Purpose, generator, permutation, stream, uniforms
from negatives.sampler import build
from negatives.training.engines import Update, engine_for
from negatives.training.feeds import Feed, PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize
from negatives.training.walk_feed import WalkFeed

NODES, GROUPS = 120, 6


def groups() -> EdgeData:
    """Nodes of one group are linked with chance 0.25, others with 0.01."""
    rows, cols = torch.triu_indices(NODES, NODES, 1)
    chance = torch.where(rows % GROUPS == cols % GROUPS, 0.25, 0.01)
    kept = uniforms(stream(1, Purpose.SPLIT), rows, cols) < chance
    none = Pairs(rows[:0], cols[:0])
    return EdgeData("groups", Pairs(rows[kept], cols[kept]), none, none, none, torch.arange(NODES).numpy())  # type: ignore[arg-type]


def places(n: int = 400, near: int = 8) -> EdgeData:
    """Points of the unit square and their nearest neighbours; a tenth of the edges is held back."""
    spots = torch.rand(n, 2, generator=generator(3))
    found = torch.cdist(spots, spots).argsort(1)[:, 1 : near + 1]
    ends = torch.stack([torch.arange(n).repeat_interleave(near), found.reshape(-1)]).sort(0).values
    codes = torch.unique(ends[0] * n + ends[1])
    codes = codes[permutation(stream(2, Purpose.SPLIT), codes.numel())]
    pairs, cut = Pairs(codes // n, codes % n), codes.numel() // 10
    order = torch.arange(codes.numel())
    none = pairs.pick(order < 0)
    return EdgeData("places", pairs.pick(order >= cut), none, pairs.pick(order < cut), none, torch.arange(n).numpy())  # type: ignore[arg-type]


def fit(model: Model, feed: Feed, data: EdgeData, sampler: str, loss: object, lr: float, epochs: int) -> None:
    chosen = build(sampler, 0)
    chosen.bind(data.catalogue())
    optimiser = "adagrad" if model.engine == "rows" else "adam"
    engine = engine_for(model, chosen, loss, Update(optimiser))  # type: ignore[arg-type]
    Loop(engine, feed, Plan(epochs, 1024, StepSize(lr)), dict).run()


@pytest.mark.parametrize("name", ["deepwalk", "node2vec", "line"])
def test_vectors_from_walks_and_edges_find_the_groups(name: str) -> None:
    data, pairs = groups(), groups().both_ways()
    walked = WalkFeed(data.graph(), length=10, walks=5, window=3, p=1.0, q=1.0 if name == "deepwalk" else 0.5)
    feed: Feed = PairFeed(pairs.queries, pairs.items) if name == "line" else walked
    model: Model = Line(NODES, 16, order=1) if name == "line" else NodeVectors(NODES, 16, link="centre")
    fit(model, feed, data, "popularity", Logistic(), 0.3, 40 if name == "line" else 3)
    centres = torch.nn.functional.normalize(model.tables()[0])
    near = (centres @ centres.T).fill_diagonal_(-2).topk(5).indices
    share = (near % GROUPS == torch.arange(NODES)[:, None] % GROUPS).double().mean()
    assert float(share) > 0.8 > 4 / GROUPS


def test_hard_negatives_tell_near_nodes_apart() -> None:
    data = places()
    known = data.known(("train", "test"))
    right = RightEnds(known, known)
    (others,) = non_edges(right, [len(data.test)], key=0)
    asked = link_test(data.test.queries, data.test.items, data.graph(), right, others, wrong=100, seed=0)
    feed, found = PairFeed(data.both_ways().queries, data.both_ways().items), {}
    for sampler in ("uniform", "dns"):
        model = NodePropagation(data.graph(), 32, start=Start(spectral=False))
        fit(model, feed, data, sampler, BPR(), 0.02, 15)
        answers = model.answers()
        found[sampler] = evaluate_links(asked, LinkScores(answers.pairs, answers.back, False)).mean
    assert found["uniform"]["auc"] > 0.9
    assert found["dns"]["mrr:hard"] > 1.15 * found["uniform"]["mrr:hard"]
    assert found["uniform"]["mrr"] > 1.5 * found["uniform"]["mrr:hard"]
