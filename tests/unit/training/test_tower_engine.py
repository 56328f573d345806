"""The tower engine takes the step that plain automatic differentiation takes, and touches no more than it must."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError, NonFiniteScores
from negatives.losses import registry as losses
from negatives.models import registry as models
from negatives.models.classify.sparse import SparseClassifier
from negatives.models.steps import TowerSteps
from negatives.models.tower import TowerModel
from negatives.sampler import build
from negatives.training.engines import Update, engine_for, tower
from negatives.training.engines.autograd import AutogradEngine
from negatives.training.engines.grouping import blocks, grouped, summed_by
from negatives.training.engines.tower import TowerEngine
from negatives.training.grouped_feed import GroupedFeed
from negatives.types import Catalogue, Context, Csr

QUERIES, ITEMS, DIM = 12, 9, 4
KNOWN = Csr.from_pairs(
    torch.arange(QUERIES).repeat_interleave(2), torch.arange(2 * QUERIES) * 5 % ITEMS, QUERIES, ITEMS
)
CATALOGUE = Catalogue(QUERIES, ITEMS, torch.bincount(KNOWN.indices.long(), minlength=ITEMS), KNOWN)


class Dense(TowerModel):
    """A tower with ordinary gradients."""

    def __init__(self, bias: bool = True, max_norm: float | None = None) -> None:
        super().__init__(QUERIES, ITEMS, DIM, bias, 0.5, TowerSteps(max_norm=max_norm), seed=3)
        random = torch.Generator().manual_seed(5)
        self.inputs = nn.Parameter(torch.randn(QUERIES, DIM, generator=random))
        self.mixed = nn.Parameter(torch.randn(DIM, DIM, generator=random))

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.with_one(torch.tanh(self.inputs[queries] @ self.mixed))


class Penalised(Dense):
    def penalty(self, context: Context) -> Tensor | None:
        return 0.1 * self.mixed.square().sum()


def context(step: int = 0) -> Context:
    queries = torch.tensor([3, 3, 7, 0, 0, 0, 11, 3])
    return Context(queries, torch.arange(8) % ITEMS, torch.arange(8), seed=1, step=step)


def both(kind: type[Dense], sampler: dict, loss: str, optimiser: str) -> list[Dense]:
    """The model after three steps of each engine."""
    found = []
    for engine in (TowerEngine, AutogradEngine):
        model, made = kind(), build(sampler)
        made.bind(CATALOGUE)
        one = engine(model, made, losses.build(loss), Update(optimiser))
        results = [one.step(context(step), 0.1) for step in range(3)]
        model.outcomes = results
        found.append(model)
    return found


POOL = {"name": "softmax", "pool": 6}
ROWS = {"name": "popularity", "candidates": 3}
HARD = {"name": "dns", "candidates": 5}


@pytest.mark.parametrize("cells", [1, 13, 1 << 19])
@pytest.mark.parametrize("kind", [Dense, Penalised])
@pytest.mark.parametrize(
    ("sampler", "loss"),
    [
        (POOL, "sampled_softmax"), (POOL | {"guards": ["own_positive"]}, "sampled_softmax"),
        (POOL, "bsl"),
        (POOL | {"guards": []}, "nce"), (POOL | {"select": "self_adversarial"}, "logistic"),
        ({"name": "full"}, "logistic"), (ROWS, "logistic"), (HARD, "bpr"),
    ],
)  # fmt: skip
def test_steps_are_those_of_automatic_differentiation(
    sampler: dict, loss: str, kind: type[Dense], cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tower, "CELLS", cells)
    monkeypatch.setattr(tower, "LEAST", 1)
    mine, plain = both(kind, sampler, loss, "adagrad")
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value, atol=2e-5, rtol=1e-4)
    for ours, theirs in zip(mine.outcomes, plain.outcomes, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        torch.testing.assert_close(ours.negative, theirs.negative, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.positive, theirs.positive, atol=1e-4, rtol=1e-4)


def test_labels_that_were_not_drawn_stay() -> None:
    model, sampler = Dense(), build({"name": "softmax", "pool": 2})
    sampler.bind(CATALOGUE)
    before = model.item_table.detach().clone()
    engine = engine_for(model, sampler, losses.build("sampled_softmax"), Update("adam"))
    assert isinstance(engine, TowerEngine)
    outcome = engine.step(context(), 0.1)
    touched = set(outcome.negatives.ids[0].tolist()) | set(context().positives.tolist())
    moved = (model.item_table.detach() != before).any(1).nonzero()[:, 0].tolist()
    assert set(moved) <= touched
    assert set(moved) >= set(context().positives.tolist())
    assert len(touched) < ITEMS + 1


def test_the_length_of_the_gradient_is_limited() -> None:
    models_ = [Dense(max_norm=norm) for norm in (None, 1e-3)]
    moves = []
    for model in models_:
        sampler = build(POOL)
        sampler.bind(CATALOGUE)
        before = model.mixed.detach().clone()
        TowerEngine(model, sampler, losses.build("sampled_softmax"), Update("sgd")).step(context(), 1.0)
        moves.append(float((model.mixed.detach() - before).norm()))
    assert moves[1] < 1.01e-3 < moves[0]


def features() -> SparseFeatures:
    ids = torch.arange(3 * QUERIES) * 7 % 10
    return SparseFeatures(torch.arange(0, 3 * QUERIES + 1, 3), ids.int(), torch.ones(3 * QUERIES) / 2, 10)


def classifier(**values: object) -> SparseClassifier:
    made = models.build({"name": "sparse", "features": features(), "n_items": ITEMS, "dim": DIM, **values})
    assert isinstance(made, SparseClassifier)
    return made


@pytest.mark.parametrize("optimiser", ["sgd", "adagrad", "adam"])
def test_state_goes_on_where_it_was(optimiser: str) -> None:
    def fresh() -> TowerEngine:
        sampler = build(POOL)
        sampler.bind(CATALOGUE)
        model = classifier(layers=2, drop=0.3, drop_features=0.3)
        return TowerEngine(model, sampler, losses.build("sampled_softmax"), Update(optimiser))

    whole, first, second = fresh(), fresh(), fresh()
    for step in range(4):
        whole.step(context(step), 0.05)
    for step in range(2):
        first.step(context(step), 0.05)
    second.model.load_state_dict(copy.deepcopy(first.model.state_dict()))
    second.load_state(copy.deepcopy(first.state()))
    for step in range(2, 4):
        second.step(context(step), 0.05)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value), name


def test_the_classifier_by_hand() -> None:
    model, x = classifier(layers=2), features()
    dense = torch.zeros(QUERIES, 10)
    for row in range(QUERIES):
        index, values = x.row(row)
        dense[row].index_add_(0, index.long(), values)
    hidden = torch.relu(dense @ model.feature_table + model.shift)
    hidden = hidden + torch.relu(hidden @ model.weights[0].T + model.shifts[0])
    scores = hidden @ model.item_table[:, :DIM].T + model.item_table[:, DIM]
    rows = torch.tensor([5, 2])
    torch.testing.assert_close(model.encode_queries(rows) @ model.item_table.T, scores[rows])
    pool = torch.arange(ITEMS).expand(2, -1)
    torch.testing.assert_close(model.score(rows, pool), scores[rows])
    with torch.no_grad():
        torch.testing.assert_close(model.score(rows, torch.tensor([[1, 8], [0, 0]])), scores[rows].gather(
            1, torch.tensor([[1, 8], [0, 0]])
        ))  # fmt: skip


def test_dropout_is_only_for_training_and_keeps_the_mean() -> None:
    model, queries = classifier(drop=0.5, relu=False), torch.zeros(4000, dtype=torch.int64)
    plain = model.encode_queries(queries)
    model.refresh(context(5))
    dropped = model.encode_queries(queries)
    assert torch.equal(dropped, model.encode_queries(queries))
    share = float((dropped[:, :DIM] == 0).float().mean())
    assert 0.45 < share < 0.55
    torch.testing.assert_close(dropped.mean(0), plain[0], atol=0.1, rtol=0.1)
    model.refresh(context(6))
    assert not torch.equal(dropped, model.encode_queries(queries))
    model.refresh(None)
    assert torch.equal(plain, model.encode_queries(queries))


def test_rows_without_features() -> None:
    x = SparseFeatures(torch.tensor([0, 0, 2]), torch.tensor([1, 0], dtype=torch.int32), torch.ones(2), 2)
    some = x.pick(torch.tensor([0, 1, 0]))
    assert (some.indices.tolist(), some.indptr.tolist()) == ([1, 0], [0, 0, 2, 2])


@pytest.mark.parametrize("values", [{"drop": 1.0}, {"drop_features": -0.1}, {"layers": 0}, {"dim": 0}])
def test_values_out_of_range(values: dict) -> None:
    with pytest.raises(ConfigError):
        classifier(**values)


def test_other_models_and_optimisers_are_refused() -> None:
    sampler = build(POOL)
    sampler.bind(CATALOGUE)
    table = models.build({"name": "mf", "n_queries": 2, "n_items": 2})
    with pytest.raises(ConfigError, match="not a tower"):
        TowerEngine(table, sampler, losses.build("bpr"), Update("adam"))
    with pytest.raises(ConfigError, match="no optimiser"):
        TowerEngine(Dense(), sampler, losses.build("bpr"), Update("adamw"))


def test_scores_that_are_not_finite_are_told() -> None:
    model, sampler = Dense(), build(POOL)
    sampler.bind(CATALOGUE)
    model.item_table.data[0] = torch.nan
    with pytest.raises(NonFiniteScores, match="learning rate"):
        TowerEngine(model, sampler, losses.build("sampled_softmax"), Update("adam")).step(context(), 0.1)


def test_blocks_cover_all_rows_in_order() -> None:
    _, owner = grouped(torch.tensor([1, 1, 1, 4, 2, 2, 9]))
    for rows in (1, 2, 3, 100):
        found = blocks(owner, 4, rows)
        assert [one for some, _ in found for one in range(some.start, some.stop)] == list(range(4))
        assert [one for _, some in found for one in range(some.start, some.stop)] == list(range(7))
        assert all(mine.stop - mine.start <= max(rows, 3) for _, mine in found)
    sums = summed_by(torch.ones(7, 2), owner, 4)
    assert sums[:, 0].tolist() == [3.0, 1.0, 2.0, 1.0]


def test_grouped_feed_gives_every_pair_once_with_its_neighbours() -> None:
    feed = GroupedFeed(KNOWN)
    orders = []
    for epoch in range(2):
        batches = [feed.batch(0, epoch, index, 5) for index in range(feed.steps(5))]
        queries, items = (torch.cat([getattr(one, part) for one in batches]) for part in ("queries", "items"))
        assert torch.equal(queries[::2], queries[1::2])
        assert set(zip(queries.tolist(), items.tolist(), strict=True)) == {
            (row, item) for row in range(QUERIES) for item in KNOWN.row(row).tolist()
        }
        orders.append(queries)
        assert torch.equal(GroupedFeed(KNOWN).batch(0, epoch, 2, 5).examples, batches[2].examples)
    assert not torch.equal(*orders)
