"""The engine for encoders, against one plain step of PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.losses import registry as losses
from negatives.models import Model
from negatives.models.factorization import MatrixFactorization
from negatives.models.sequence.base import Reading, SequenceModel
from negatives.models.sequence.runs import Runs
from negatives.models.settings import Prior
from negatives.models.steps import TowerSteps
from negatives.sampler import build
from negatives.scoring import scores_of
from negatives.training.engines import Update, engine_for
from negatives.training.engines.encoded import EncodedEngine, OfBatch
from negatives.types import Catalogue, Context

ITEMS, QUERIES = 40, 7
HISTORIES = Histories.of_rows([[(q * 5 + at * 3) % ITEMS for at in range(2 + q)] for q in range(QUERIES)], ITEMS)
POOL = {"name": "uniform", "pool": 12}
ROWS = {"name": "dns", "candidates": 6}


class Sums(SequenceModel):
    """The sum of what has been read, through one layer."""

    def __init__(self, max_norm: float | None = None, rate: float = 1.0) -> None:
        super().__init__(HISTORIES, 6, "cosine", Reading(5, 0, 0), Prior(0.2), TowerSteps(rate, max_norm=max_norm), 3)
        self.layer = nn.Linear(6, 6)
        with torch.no_grad():
            for place, parameter in enumerate(self.layer.parameters()):
                parameter.normal_(0, 0.4, generator=torch.Generator().manual_seed(place))
        self.asked: list[int] = []

    def read(self, vectors: Tensor, runs: Runs) -> Tensor:
        found: Tensor = self.layer(runs.flat([part.cumsum(1) for part in runs.padded(vectors)]))
        return found

    def encode_items(self, items: Tensor) -> Tensor:
        self.asked.append(items.numel())
        return super().encode_items(items)


def engine(model: Model, sampler: dict[str, Any], loss: str, optimiser: str = "sgd") -> EncodedEngine:
    made = build(dict(sampler))
    counts = torch.bincount(HISTORIES.items, minlength=ITEMS)
    made.bind(Catalogue(QUERIES, ITEMS, counts, HISTORIES.known()))
    found = engine_for(model, made, losses.build({"name": loss}), Update(optimiser))
    assert isinstance(found, EncodedEngine)
    return found


def context(step: int = 0) -> Context:
    places = torch.cat([torch.arange(int(HISTORIES.indptr[q]), int(HISTORIES.indptr[q + 1])) for q in (4, 1, 6)])
    return Context(HISTORIES.owners()[places], HISTORIES.items[places], places, seed=2, step=step)


@pytest.mark.parametrize(("sampler", "loss"), [(POOL, "sampled_softmax"), (ROWS, "logistic")])
def test_a_step_is_that_of_the_mean_loss_by_autograd(sampler: dict[str, Any], loss: str) -> None:
    model = Sums()
    plain = copy.deepcopy(model)
    done = engine(model, sampler, loss).step(context(), 0.3)
    plain.refresh(now := context())
    vectors = plain.encode_queries(now.queries)
    good = (vectors * plain.encode_items(now.positives)).sum(1)
    bad = (vectors[:, None] * plain.encode_items(done.negatives.ids)).sum(-1)
    value = losses.build({"name": loss})(good, bad, done.negatives)
    value.backward()  # type: ignore[no-untyped-call]
    assert done.loss == pytest.approx(float(value.detach()), abs=1e-5)
    torch.testing.assert_close(done.positive, good.detach())
    for name, wanted in plain.named_parameters():
        if wanted.grad is not None:
            moved = wanted.detach() - 0.3 * wanted.grad.to_dense()
            torch.testing.assert_close(dict(model.named_parameters())[name].detach(), moved, atol=1e-5, rtol=1e-4)
    assert plain.item_table.grad is not None


@pytest.mark.parametrize(("sampler", "loss"), [(POOL, "sampled_softmax"), (ROWS, "logistic")])
def test_each_item_of_a_step_is_encoded_once_for_the_draw_and_once_for_the_gradient(
    sampler: dict[str, Any], loss: str
) -> None:
    model = Sums()
    done = engine(model, sampler, loss).step(context(), 0.1)
    candidates = 12 if done.negatives.pool is not None else 6 * context().rows
    assert model.asked[-1] == torch.cat([context().positives, done.negatives.ids.reshape(-1)]).unique().numel()
    assert sum(model.asked[:-1]) <= min(ITEMS, candidates + context().rows)


def test_parts_of_a_sampler_see_the_vectors_of_the_places() -> None:
    model, now = Sums(), context()
    model.refresh(now)
    vectors = model.encode_queries(now.queries).detach()
    seen = OfBatch(model, vectors)
    ids = torch.arange(now.rows * 3).view(-1, 3) % ITEMS
    wanted = (vectors[:, None] * model.encode_items(ids).detach()).sum(-1)
    torch.testing.assert_close(scores_of(seen, now, ids), wanted)
    some = torch.tensor([7, 0, 3])
    torch.testing.assert_close(scores_of(seen, now.take(some), ids[some]), wanted[some])
    whole = seen.encode_queries(torch.tensor([4]))  # who asks for others gets whole histories
    assert not torch.allclose(whole[0], vectors[0])


def test_tables_have_a_rate_of_their_own_and_the_rest_is_clipped() -> None:
    before = Sums()
    moves = []
    for rate, most in ((1.0, None), (0.5, None), (1.0, 1e-3)):
        model = Sums(most, rate)
        engine(model, POOL, "sampled_softmax").step(context(), 1.0)
        moves.append([(model.item_table - before.item_table).norm(), (model.layer.weight - before.layer.weight).norm()])
    (table, layer), (halved, same), (kept, clipped) = [[float(one.detach()) for one in pair] for pair in moves]
    assert halved == pytest.approx(table / 2, rel=1e-3)
    assert (same, kept) == pytest.approx((layer, table), rel=1e-3)
    assert clipped < 1e-3 < layer


def test_a_model_that_does_more_than_an_inner_product_is_refused() -> None:
    model = MatrixFactorization(QUERIES, ITEMS, 4)
    with pytest.raises(ConfigError, match="does not score by the inner product"):
        EncodedEngine(model, build(dict(ROWS)), losses.build({"name": "bpr"}), Update("sgd"))


class Plain(Model):
    """A model of sequences that names no engine and has ordinary gradients: each place follows the item before it."""

    feed = "sequences"
    inner_product = True

    def __init__(self) -> None:
        super().__init__(QUERIES, ITEMS, 4)
        self.table = nn.Parameter(torch.randn(ITEMS, 4, generator=torch.Generator().manual_seed(0)))
        self.context: Context | None = None

    def refresh(self, context: Context | None = None) -> None:
        self.context = context

    def encode_queries(self, queries: Tensor) -> Tensor:
        assert self.context is not None
        assert queries is self.context.queries  # nobody asks for other rows
        return self.table[HISTORIES.items[self.context.examples - 1]]

    def encode_items(self, items: Tensor) -> Tensor:
        return self.table[items]


@pytest.mark.parametrize(("sampler", "loss"), [(POOL, "sampled_softmax"), (ROWS, "logistic"), ("softmax", "bpr")])
def test_a_model_of_sequences_that_names_no_engine_is_asked_by_places(sampler: Any, loss: str) -> None:
    sampler = {"name": sampler} if isinstance(sampler, str) else sampler
    trained = engine(Plain(), sampler, loss, "adam")
    first = [trained.step(context(step), 0.05).loss for step in range(30)]
    assert sum(first[-5:]) < 0.8 * sum(first[:5])
