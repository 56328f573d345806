"""Engines against autograd with PyTorch's optimisers; the loop's stopping, best state and resuming."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError, NonFiniteScores
from negatives.losses import registry as losses
from negatives.models import Model
from negatives.models.factorization import MatrixFactorization
from negatives.models.history import HistoryTower
from negatives.models.lightgcn import LightGCN
from negatives.models.settings import Smoothing
from negatives.sampler import Sampler, build
from negatives.training import checkpoint, loop
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.engines import Update, engine_for
from negatives.training.engines.autograd import AutogradEngine
from negatives.training.engines.rows import RowEngine
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import RowOptimiser, StepSize
from negatives.types import Catalogue, Context, Csr, State, shared_pool
from planted import ITEMS, USERS, Planted

LR, DECAY = 0.07, 0.02


def batch(planted: Planted, step: int, rows: int = 48) -> Context:
    examples = torch.arange(step * rows, (step + 1) * rows)
    users = planted.users[examples] % 20  # users and items occur several times
    return Context(users, planted.items[examples] % 40, examples, seed=5, step=step)


def bound(spec: object, catalogue: Catalogue) -> Sampler:
    sampler = build(spec)  # type: ignore[arg-type]
    sampler.bind(catalogue)
    return sampler


def small_catalogue(planted: Planted) -> Catalogue:
    users, items = planted.users % 20, planted.items % 40
    keep = (users * 40 + items) % 3 > 0
    known = Csr.from_pairs(users[keep], items[keep], 20, 40)
    everything = Csr.from_pairs(
        torch.cat([users[keep], torch.full((40,), 2)]), torch.cat([items[keep], torch.arange(40)]), 20, 40
    )
    return Catalogue(20, 40, torch.bincount(known.indices.long(), minlength=40), everything)


class Reference:
    """The same steps by autograd over dense tables; only rows move that the batch touches."""

    def __init__(self, model: MatrixFactorization, name: str, decay: float) -> None:
        self.model, self.decay = model, decay
        tables = [model.query_table, model.item_table]
        if name == "sgd":
            self.optimiser: torch.optim.Optimizer = torch.optim.SGD(tables, lr=LR)
        elif name == "adagrad":
            self.optimiser = torch.optim.Adagrad(tables, lr=LR, eps=1e-10)
        else:
            self.optimiser = torch.optim.SparseAdam(tables, lr=LR)
        self.sparse = name != "sgd"

    @torch.sparse.check_sparse_tensor_invariants()
    def step(self, context: Context, loss: Callable[[Tensor, Tensor], Tensor], ids: Tensor) -> None:
        self.optimiser.zero_grad()
        users = self.model.encode_queries(context.queries)
        positive = (users * self.model.encode_items(context.positives)).sum(1)
        negative = torch.einsum("rd,rkd->rk", users, self.model.encode_items(ids.contiguous()))
        loss(positive, negative).backward()
        for table in (self.model.query_table, self.model.item_table):
            assert table.grad is not None
            rows = (table.grad != 0).any(1).nonzero()[:, 0]
            if table is self.model.item_table and shared_pool(ids) is not None:
                rows = torch.cat([ids[0], context.positives]).unique()
            grad = table.grad[rows] + self.decay * table.detach()[rows]
            table.grad = torch.sparse_coo_tensor(rows[None], grad, table.shape, is_coalesced=True)
            if not self.sparse:
                table.grad = table.grad.to_dense()
        self.optimiser.step()


@pytest.mark.parametrize("loss", ["sampled_softmax", "bsl", "info_nce", "logistic"])
@pytest.mark.parametrize("kind", [LightGCN, HistoryTower])
def test_multiplying_encodings_gives_the_same_as_scoring(
    loss: str, kind: type[LightGCN | HistoryTower], planted: Planted
) -> None:
    catalogue = small_catalogue(planted)
    assert catalogue.known is not None
    tables, losses_seen = [], []
    for multiplied in (True, False):
        model = kind(catalogue.known, 6, similarity="cosine", seed=1)
        model.inner_product = multiplied  # type: ignore[misc]
        sampler = bound({"name": "softmax", "pool": 24}, catalogue)
        engine = AutogradEngine(model, sampler, losses.build(loss), Update("sgd"))
        losses_seen.append([engine.step(batch(planted, step), 5.0).loss for step in range(3)])
        tables.append(model.item_table.detach())
    assert losses_seen[0] == pytest.approx(losses_seen[1], rel=1e-4)
    torch.testing.assert_close(tables[0], tables[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("optimiser", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize(("spec", "loss"), [
    ({"name": "uniform", "candidates": 5}, "bpr"),
    ({"name": "dns", "candidates": 6, "select": {"name": "hardest", "k": 2}}, "bpr"),
    ({"name": "self_adversarial", "candidates": 5}, "logistic"),
    ({"name": "softmax", "pool": 24}, "sampled_softmax"),
])  # fmt: skip
def test_rows_are_updated_as_by_autograd(
    spec: dict[str, object], loss: str, similarity: str, optimiser: str, planted: Planted
) -> None:
    mine, theirs = (MatrixFactorization(20, 40, 7, similarity, init=0.5, seed=1) for _ in range(2))
    rule = losses.build(loss)
    engine = RowEngine(mine, bound(spec, small_catalogue(planted)), rule, Update(optimiser, DECAY))
    reference = Reference(theirs, optimiser, DECAY)
    start = mine.query_table.detach().clone()
    for step in range(3):
        context = batch(planted, step)
        outcome = engine.step(context, LR)
        negatives = outcome.negatives
        assert not bool(negatives.ok.all())
        assert bool(negatives.ok.any())

        def total(positive: Tensor, negative: Tensor, negatives: object = negatives) -> Tensor:
            return rule.rows(positive, negative, negatives).sum()  # type: ignore[arg-type]

        with torch.no_grad():
            scores = [theirs.score(context.queries, ids) for ids in (context.positives, negatives.ids)]
            torch.testing.assert_close(outcome.positive, scores[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(outcome.negative[negatives.ok], scores[1][negatives.ok], atol=1e-5, rtol=1e-4)
            assert outcome.loss == pytest.approx(float(total(*scores)) / context.rows, rel=1e-4)
        reference.step(context, total, negatives.ids)
        torch.testing.assert_close(mine.query_table, theirs.query_table, atol=2e-5, rtol=1e-3)
        torch.testing.assert_close(mine.item_table, theirs.item_table, atol=2e-5, rtol=1e-3)
    assert float((mine.query_table.detach() - start).abs().max()) > 0.05


@pytest.mark.parametrize("optimiser", ["sgd", "adagrad", "adam"])
def test_the_autograd_engine_minimises_the_mean(optimiser: str, planted: Planted) -> None:
    catalogue, context = small_catalogue(planted), batch(planted, 0)
    mine, theirs = (HistoryTower(catalogue.known, 5, own=1.0, seed=2) for _ in range(2))  # type: ignore[arg-type]
    engine = AutogradEngine(mine, bound("softmax", catalogue), losses.build("sampled_softmax"), Update(optimiser))
    outcome = engine.step(context, LR)
    theirs.refresh(context)
    scores = theirs.score(context.queries, context.positives), theirs.score(context.queries, outcome.negatives.ids)
    losses.build("sampled_softmax")(*scores, outcome.negatives).backward()
    make = {"sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam}[optimiser]
    make(theirs.parameters(), lr=LR).step()
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_half_precision_comes_near(planted: Planted) -> None:
    models = [MatrixFactorization(20, 40, 7, "cosine", seed=1) for _ in range(2)]
    for model, half in zip(models, (False, True), strict=True):
        sampler = bound("softmax", small_catalogue(planted))
        RowEngine(model, sampler, losses.build("sampled_softmax"), Update("sgd", half=half)).step(
            batch(planted, 0), 0.1
        )
    gap = (models[0].item_table - models[1].item_table).detach().norm()
    moved = (models[0].item_table - MatrixFactorization(20, 40, 7, "cosine", seed=1).item_table).detach().norm()
    assert 0 < float(gap) < 0.03 * float(moved)


def test_unknown_optimisers_and_models_are_refused(planted: Planted) -> None:
    catalogue = small_catalogue(planted)
    tower, sampler = HistoryTower(catalogue.known, 4), bound("uniform", catalogue)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not made of two free tables"):
        RowEngine(tower, sampler, losses.build("bpr"), Update("sgd"))
    with pytest.raises(ConfigError, match="choose sgd, adagrad or adam"):
        AutogradEngine(tower, sampler, losses.build("bpr"), Update("adamw"))
    with pytest.raises(ConfigError, match="no optimiser is called"):
        RowOptimiser(torch.zeros(1, 1), "adamw")
    with pytest.raises(ConfigError, match="no step-size schedule"):
        StepSize(0.1, "stairs")


def test_a_loss_that_is_no_number_names_the_step(planted: Planted) -> None:
    model = MatrixFactorization(20, 40, 4)
    model.query_table.data.fill_(math.nan)
    engine = RowEngine(model, bound("uniform", small_catalogue(planted)), losses.build("bpr"), Update("sgd"))
    with pytest.raises(NonFiniteScores, match="step 3"):
        engine.step(batch(planted, 3), 0.1)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_step_sizes(schedule: str) -> None:
    size = StepSize(0.5, schedule, warm_up=0.2)
    assert 0 < size.at(0.0) < size.at(0.1) < size.at(0.2) == 0.5
    expected = {"constant": 0.5, "linear": 0.25, "cosine": 0.25}[schedule]
    assert size.at(0.6) == pytest.approx(expected)
    assert size.at(1.0) == pytest.approx(0.5 if schedule == "constant" else 0.0, abs=1e-12)


def recall(model: Model, planted: Planted) -> float:
    """Share of each user's cluster among the 20 best items: a quick stand-in for a validation part."""
    users, items = model.tables()
    best = (users @ items.T).topk(20, dim=1).indices
    return float((planted.item_cluster[best] == planted.user_cluster[:, None]).double().mean())


class Trace(Callback):
    """Remembers what the loop told."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.evaluations: list[Evaluation] = []
        self.ended = 0

    def on_step(self, step: Step) -> None:
        self.losses.append(step.loss)

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)

    def on_end(self) -> None:
        self.ended += 1

    def state(self) -> dict[str, object]:
        return {"losses": list(self.losses)}

    def load_state(self, state: Mapping[str, list[float]]) -> None:
        self.losses = list(state["losses"])


def make_loop(planted: Planted, preset: object, kind: str, loss: str, **plan: float) -> Loop:
    catalogue = planted.catalogue()
    assert catalogue.known is not None
    models: dict[str, Callable[[], Model]] = {
        "mf": lambda: MatrixFactorization(USERS, ITEMS, 8, seed=3),
        "lightgcn": lambda: LightGCN(catalogue.known, 8, "cosine", Smoothing(1), seed=3),  # type: ignore[arg-type]
    }
    model = models[kind]()
    name = "adagrad" if kind == "mf" else "adam"
    engine = engine_for(model, bound(preset, catalogue), losses.build(loss), Update(name))
    given = {"epochs": 3, "batch_size": 512, "evaluate_every": 0.5, "seed": 9} | plan
    made = Loop(engine, PairFeed(planted.users, planted.items), Plan(step_size=StepSize(0.05, "cosine"), **given), dict)  # type: ignore[arg-type]
    made.evaluate = lambda: {"recall@20": recall(model, planted)}
    made.callbacks = [Trace()]
    return made


LEARNED = {"name": "learned_unigram", "pool": 256, "proposal": {"name": "learned_unigram", "every": 3}}
CASES = [
    ("uniform", "mf", "bpr"),
    ("dns", "mf", "bpr"),
    ({"name": "softmax", "pool": 256}, "mf", "sampled_softmax"),
    (LEARNED, "mf", "sampled_softmax"),
    ({"name": "hold", "observe_every": 2}, "mf", "bpr"),
    ("curriculum", "mf", "bpr"),
    ("dns", "lightgcn", "bpr"),
    (LEARNED, "lightgcn", "sampled_softmax"),
    ({"name": "hold", "observe_every": 2}, "lightgcn", "bpr"),
]


@pytest.mark.parametrize(("preset", "kind", "loss"), CASES)
@pytest.mark.parametrize("at", [13])
def test_a_resumed_training_ends_bit_for_bit_alike(
    preset: object, kind: str, loss: str, at: int, planted: Planted, tmp_path: Path
) -> None:
    whole, first, second = (make_loop(planted, preset, kind, loss) for _ in range(3))
    whole.run()
    assert whole.best > 0.3 > 2 / 8
    first.save = lambda state: checkpoint.save(tmp_path / "c", state)
    first.stop = lambda: first.steps >= at
    first.run()
    assert first.interrupted
    assert first.steps == at
    second.load_state(checkpoint.load(tmp_path / "c"))
    second.run()
    assert (second.steps, second.best, second.best_step) == (whole.steps, whole.best, whole.best_step)
    assert second.best_metrics == whole.best_metrics
    assert trace(second).losses == trace(whole).losses
    mine, theirs = second.engine.model.state_dict(), whole.engine.model.state_dict()
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    left, right = second.engine.sampler.state(), whole.engine.sampler.state()
    assert left["controllers"] == right["controllers"]
    assert [e.metrics for e in trace(first).evaluations + trace(second).evaluations] == [
        e.metrics for e in trace(whole).evaluations
    ]


def trace(one: Loop) -> Trace:
    found = one.callbacks[0]
    assert isinstance(found, Trace)
    return found


def scripted(made: Loop, values: Iterator[float]) -> list[dict[str, Tensor]]:
    """Let evaluations give these values; returns the model's states at the evaluations."""
    states: list[dict[str, Tensor]] = []

    def evaluate() -> dict[str, float]:
        states.append({name: one.clone() for name, one in made.engine.model.state_dict().items()})
        return {"recall@20": next(values)}

    made.evaluate = evaluate
    return states


def test_the_best_state_is_kept(planted: Planted) -> None:
    made = make_loop(planted, "uniform", "mf", "bpr")
    states = scripted(made, iter([0.1, 0.5, 0.5, 0.3, 0.2, 0.1, 0.0, 0.0]))
    made.run()
    assert len(states) == 7
    final = made.engine.model.state_dict()
    assert all(torch.equal(final[name], states[1][name]) for name in final)
    assert not torch.equal(states[1]["item_table"], states[2]["item_table"])
    assert (made.best, made.best_metrics) == (0.5, {"recall@20": 0.5})
    assert made.best_step == 2 * round(made.steps_per_epoch * 0.5)
    assert [e.best for e in trace(made).evaluations] == [True, True, *[False] * 5]
    assert trace(made).ended == 1


def test_patience_ends_the_training(planted: Planted) -> None:
    made = make_loop(planted, "uniform", "mf", "bpr", epochs=50, patience=3)
    states = scripted(made, iter([0.2, 0.3, 0.1, 0.3, 0.2, 0.9]))
    made.run()
    assert len(states) == 5
    assert made.steps < made.total_steps
    assert not made.interrupted


@pytest.mark.parametrize("at", [8, 13, 16, 19])
def test_patience_is_counted_across_a_resume(at: int, planted: Planted, tmp_path: Path) -> None:
    """The best value comes at step 8; three evaluations without a better one end the training at step 20."""
    values = [0.2, 0.3, 0.1, 0.3, 0.2, 0.9, 0.9, 0.9]
    whole, first, second = (make_loop(planted, "dns", "mf", "bpr", epochs=50, patience=3) for _ in range(3))
    scripted(whole, iter(values))
    whole.run()
    assert (whole.steps, whole.best_step) == (20, 8)
    goes_on = iter(values)
    scripted(first, goes_on)
    first.save = lambda state: checkpoint.save(tmp_path / "c", state)
    first.stop = lambda: first.steps >= at
    first.run()
    assert (first.interrupted, first.steps) == (True, at)
    scripted(second, goes_on)
    second.load_state(checkpoint.load(tmp_path / "c"))
    second.run()
    assert (second.steps, second.best, second.best_step, second.best_metrics) == (20, 0.3, 8, {"recall@20": 0.3})
    told = [(one.step, one.metrics, one.best) for one in trace(first).evaluations + trace(second).evaluations]
    assert told == [(one.step, one.metrics, one.best) for one in trace(whole).evaluations]
    assert trace(second).losses == trace(whole).losses
    mine, theirs = second.engine.model.state_dict(), whole.engine.model.state_dict()
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("at", [3, 4, 5, 8])
def test_evaluations_spaced_in_seconds_keep_their_times_across_a_resume(
    at: int, planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count()
    monkeypatch.setattr(loop, "perf_counter", lambda: float(next(ticks)))  # a step takes one second
    first, second = (
        make_loop(planted, "uniform", "mf", "bpr", epochs=1000, max_seconds=10.0, evaluate_seconds=3.0)
        for _ in range(2)
    )
    first.save = lambda state: checkpoint.save(tmp_path / "c", state)
    first.stop = lambda: first.steps >= at
    first.run()
    second.load_state(checkpoint.load(tmp_path / "c"))
    second.run()
    assert second.seconds == 10.0
    assert [one.step for one in trace(first).evaluations + trace(second).evaluations] == [3, 6, 9, 10]


def test_max_seconds_ends_the_training_and_moves_progress(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(loop, "perf_counter", lambda: float(next(ticks)))  # a step takes one second
    made = make_loop(planted, "uniform", "mf", "bpr", epochs=1000, max_seconds=5.0)
    seen: list[float] = []
    made.stop = lambda: bool(seen.append(made.progress))
    made.run()
    assert made.steps == 5
    assert seen == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert trace(made).evaluations[-1].step == 5


def test_evaluations_may_be_spaced_in_seconds(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(loop, "perf_counter", lambda: float(next(ticks)))  # a step takes one second
    made = make_loop(planted, "uniform", "mf", "bpr", epochs=1000, max_seconds=7.0, evaluate_seconds=2.0)
    made.run()
    assert [one.step for one in trace(made).evaluations] == [2, 4, 6, 7]


def test_checkpoints_are_written_now_and_then(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_loop(planted, "uniform", "mf", "bpr", save_every=3.5)
    saved: list[int] = []
    made.save = lambda state: saved.append(state["steps"])
    monkeypatch.setattr(loop, "monotonic", lambda: float(made.steps))  # a step takes one second
    made.run()
    assert saved == [4, 8, 12, 16, 20, 24]


def test_checkpoints_take_no_more_than_their_share(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every minute of the clock, evaluations among it; one that takes two seconds comes every hundred."""
    made = make_loop(planted, "uniform", "mf", "bpr", epochs=10)
    saved: list[tuple[int, float]] = []
    now = 0.0

    def save(state: State) -> None:
        nonlocal now
        saved.append((state["steps"], now))
        now += 2.0 if len(saved) > 1 else 0.5

    def clock() -> float:
        return now + 10.0 * made.steps

    made.save = save
    monkeypatch.setattr(loop, "monotonic", clock)
    made.run()
    assert [step for step, _ in saved[:4]] == [6, 12, 22, 32]


def test_every_pair_is_seen_once_an_epoch(planted: Planted) -> None:
    made = make_loop(planted, "uniform", "mf", "bpr", epochs=2)
    seen: list[tuple[int, Tensor]] = []
    trace(made).on_step = lambda step: seen.append((step.context.epoch, step.context.examples))  # type: ignore[method-assign]
    made.run()
    epochs = [torch.cat([one for epoch, one in seen if epoch == e]) for e in (0, 1)]
    for order in epochs:
        assert torch.equal(order.sort().values, torch.arange(len(planted.users)))
    assert not torch.equal(*epochs)


def test_a_plan_must_make_sense(planted: Planted) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        Plan(epochs=0, batch_size=1, step_size=StepSize(0.1))
    made = make_loop(planted, "uniform", "mf", "bpr", watch="recal@20")
    with pytest.raises(ConfigError, match="'recal@20' is not among recall@20"):
        made.run()
