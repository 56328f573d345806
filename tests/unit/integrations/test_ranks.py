"""Ranks: every preset draws what one process draws, or says how it differs; gathers; steps that are divided."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, multiprocessing, nn
from torch import distributed as dist

from negatives.data.histories import Histories
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError, LogQUnknown
from negatives.integrations.distributed import GatheredBatch, gather_ranks, joined_mean, ring_softmax
from negatives.losses import BPR, SampledSoftmax
from negatives.models import Model
from negatives.models.classify.sparse import SparseClassifier, SparseTower
from negatives.models.history import HistoryTower
from negatives.models.language.base import Layers
from negatives.models.language.lstm import LstmModel
from negatives.models.sequence.base import Reading
from negatives.models.sequence.gru import GruModel
from negatives.models.sequence.sasrec import Blocks, SasRec
from negatives.models.steps import TowerSteps
from negatives.proposals import LearnedUnigram
from negatives.ranks import ALONE, Ranks, own_numbers
from negatives.runs.torchrun import same_start
from negatives.sampler import Sampler, build
from negatives.testing.gather import fault, leave
from negatives.testing.problems import QUERIES, problem
from negatives.training.callbacks import Callback, Evaluation
from negatives.training.engines import Engine, Update, engine_for
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize
from negatives.types import Context, Negatives
from preset_cases import CASES_OF, OF_BATCH

PROBLEM = problem(20)
ROWS, STEPS = 45, 4
"""An odd number of rows: the first rank has one more."""
CASES: dict[str, dict[str, Any]] = {
    **CASES_OF,
    "learned_unigram": {"pool": 40, "proposal": {"every": 2}},
    "hold": {"observe_every": 2},
    "auto": {"candidates": 8, "observe_every": 2},
}
CONTROLLED = {"hold", "auto"}
"""They follow the mean of the ranks' signals, which is not to the bit what one process measures."""
FIXED = {"full"}
"""Nothing in it is drawn."""
Drawn = dict[str, list[tuple[Tensor, Tensor]]]


def made(name: str) -> Sampler:
    found = build({"name": name, **CASES[name]}, 3)
    found.bind(PROBLEM.catalogue)
    return found


def drawn(sampler: Sampler, rows: slice, steps: range, numbered: bool) -> list[tuple[Tensor, Tensor]]:
    """Ids and ``ok`` of some rows at each step."""
    model, found = PROBLEM.model(), []
    for step in steps:
        batch = PROBLEM.batch(ROWS, step=step)
        examples = batch.examples[rows] if numbered else None
        got = sampler(batch.queries[rows], batch.positives[rows], model, examples=examples, progress=step / 20)
        found.append((got.ids.clone(), got.ok.clone()))
    return found


def knobs(sampler: Sampler) -> Any:
    return sampler.state()["controllers"]


def halved(vectors: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Gathers, and drops the gradients of other ranks' rows, as plain ``all_gather`` does."""
    ranks = Ranks.here()
    sizes, rows = ranks.sizes(ids), ranks.share(sum(ranks.sizes(ids)))
    everyone = ranks.gathered(vectors, sizes)
    return torch.cat([everyone[: rows.start], vectors, everyone[rows.stop :]]), ranks.gathered(ids, sizes)


def averaged(vectors: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    everyone, found = gather_ranks(vectors, ids)
    count = Ranks.here().count
    return everyone.detach() + (everyone - everyone.detach()) / count, found


def constant(vectors: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    everyone, found = gather_ranks(vectors, ids)
    return everyone.detach(), found


def turned(vectors: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    everyone, found = gather_ranks(vectors, ids)
    return everyone.flip(0), found.flip(0)


def swapped(vectors: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    everyone, found = gather_ranks(vectors, ids)
    return everyone.flip(0), found


FAULTY: dict[str, tuple[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], str]] = {
    "ours": (gather_ranks, ""),
    "halved": (halved, "drops gradients: the vectors of other ranks are constants"),
    "averaged": (averaged, "times too small"),
    "constant": (constant, "no gradient reaches any vector"),
    "turned": (turned, "rank by rank; gather gave"),
    "swapped": (swapped, "do not come rank by rank"),
}


def contrasted(rows: slice, ring: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Mean loss of the joined batch as this rank's share, and gradients of its queries and items."""
    generator = torch.Generator().manual_seed(2)
    queries, items = (torch.randn(ROWS, 4, generator=generator)[rows].requires_grad_() for _ in range(2))
    batch = PROBLEM.batch(ROWS)
    sampler = build({"proposal": "uniform", "pool": ROWS, "guards": ["known_positives"]})
    sampler.proposal = GatheredBatch(PROBLEM.catalogue.counts)
    sampler.bind(PROBLEM.catalogue)
    negatives = sampler(batch.queries[rows], batch.positives[rows])
    if ring:
        losses = ring_softmax(queries, items, negatives, temperature=0.5)
    else:
        everyone, _ = gather_ranks(items, batch.positives[rows])
        losses = SampledSoftmax(0.5).rows((queries * items).sum(1), queries @ everyone.T, negatives)
    loss = joined_mean(losses)
    loss.backward()
    assert queries.grad is not None
    assert items.grad is not None
    return loss.detach(), queries.grad, items.grad


class Towers(Model):
    """Two towers that encode whatever they are asked, and note how much."""

    inner_product = True

    def __init__(self) -> None:
        super().__init__(PROBLEM.catalogue.n_queries, PROBLEM.n_items, 4)
        made = torch.Generator().manual_seed(5)
        self.features = torch.randn(self.n_queries + self.n_items, 6, generator=made)
        self.query, self.item, self.idle = (nn.Linear(n, 4, bias=False) for n in (6, 6, 1))
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.5, generator=made)
        self.encoded = 0

    def encode_queries(self, queries: Tensor) -> Tensor:
        self.encoded += queries.numel()
        found: Tensor = self.query(self.features[queries])
        return found

    def encode_items(self, items: Tensor) -> Tensor:
        self.encoded += items.numel()
        found: Tensor = self.item(self.features[self.n_queries + items])
        return found

    def penalty(self, context: Any) -> Tensor:
        return 0.01 * self.query.weight.square().sum() + 0.01 * self.query(self.features[context.queries]).mean()


def classifier() -> Model:
    ids = torch.arange(3 * QUERIES) * 7 % 10
    bags = SparseFeatures(torch.arange(0, 3 * QUERIES + 1, 3), ids.int(), torch.ones(3 * QUERIES), 10)
    steps = TowerSteps(0.5, max_norm=0.1)
    tower = SparseTower(layers=2, drop_features=0.3, drop=0.3)
    return SparseClassifier(bags, PROBLEM.n_items, dim=4, tower=tower, steps=steps, seed=2)


def language() -> Model:
    """Its state goes on from step to step, and queries are few enough for every part of a sampler."""
    words = torch.arange(QUERIES) * 7 % PROBLEM.n_items
    counts = torch.bincount(words, minlength=PROBLEM.n_items)
    return LstmModel(words, counts, window=5, streams=2, dim=4, network=Layers(1, 0.3), seed=2)


SEEN = PROBLEM.catalogue.counts.nonzero()[:, 0]
HISTORIES = Histories.of_rows(
    [SEEN[(q * 5 + torch.arange(3 + q) * 3) % len(SEEN)].tolist() for q in range(QUERIES)], PROBLEM.n_items
)
READING, CUT = Reading(window=5, input_drop=0.3, drop=0.3), TowerSteps(0.5, max_norm=0.5)


def rows_of(step: int) -> Context:
    return PROBLEM.batch(ROWS, step=step)


def grouped(step: int) -> Context:
    """Rows of a query side by side; processes divide a query."""
    return rows_of(step).take(rows_of(step).queries.argsort(stable=True))


def windows(step: int) -> Context:
    places = (torch.tensor([0, 6])[:, None] + torch.arange(5) + (step == 1)).reshape(-1)
    return Context(places, SEEN[places * 3 % len(SEEN)], places, step=step)


def places(step: int) -> Context:
    """Runs of histories, some longer than the window; processes divide a run."""
    queries = [(step * 5 + at) % QUERIES for at in range(QUERIES)]
    found = torch.cat([torch.arange(int(HISTORIES.indptr[q]) + 1, int(HISTORIES.indptr[q + 1])) for q in queries])
    return Context(HISTORIES.owners()[found[:ROWS]], HISTORIES.items[found[:ROWS]], found[:ROWS], step=step)


MODELS: dict[str, tuple[Callable[[], Model], Callable[[int], Context], str]] = {
    "towers": (Towers, rows_of, "adam"),
    "whole": (lambda: HistoryTower(PROBLEM.known, dim=4, seed=2), rows_of, "adam"),
    "classifier": (classifier, grouped, "adam"),
    "language": (language, windows, "adagrad"),
    "sasrec": (lambda: SasRec(HISTORIES, 8, "cosine", Blocks(2, 2), READING, steps=CUT, seed=2), places, "sgd"),
    "gru": (lambda: GruModel(HISTORIES, 4, "dot", 1, READING, steps=CUT, seed=2), places, "adam"),
}
"""With a batch, and an optimiser: Adam makes steps of the rounding errors of the keys' biases, whose gradient is 0."""
DIVIDED = ["dns", "in_batch", "queue", "ance", "auto"]


def engine(model: str, name: str) -> Engine:
    loss = SampledSoftmax() if made(name).pool is not None and name != "queue" else BPR()
    make, _, optimiser = MODELS[model]
    return engine_for(make(), made(name), loss, Update(optimiser))


def trained(model: str, name: str, ranks: Ranks) -> tuple[list[float], Tensor, int]:
    """Losses of some steps, the last of one row, the weights after them, and what was encoded.

    No tower of features has a bias: its gradient is zero under a softmax, and Adam would step by rounding errors.
    """
    taken = engine(model, name)
    if ranks.count > 1:
        taken.divide(ranks)
    losses = []
    for step in range(4):
        context = MODELS[model][1](step)
        if step == 3:
            last = context.rows - 1
            context = replace(context.take(torch.arange(last, last + 1)), places=None)
        outcome = taken.step(context, 0.05)
        taken.sampler.observe(context, outcome.negatives, outcome.positive, outcome.negative)
        losses.append(outcome.loss)
        assert outcome.positive.shape == (context.rows,)
        assert len(outcome.negative) == len(outcome.negatives.ids) == context.rows
    weights = torch.cat([one.detach().reshape(-1) for one in taken.model.parameters()])
    return losses, weights, getattr(taken.model, "encoded", 0)


class Sooner(Callback):
    """Brings the end of the training to the first evaluation, as a clock may that runs out."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.loop.plan = replace(self.loop.plan, until=evaluation.epoch)


def looped(
    ranks: Ranks, stops: bool = False, limit: float | None = None, sooner: bool = False
) -> tuple[int, int, float, dict[str, float], bool]:
    """Steps, evaluations, seconds, metrics, whether it was interrupted; the first rank's clock and metrics count."""
    taken = engine("towers", "dns")
    batch, seen = PROBLEM.batch(ROWS), []

    def evaluate() -> dict[str, float]:
        seen.append(1)
        return {"ndcg@1": 1.0 / (1 + ranks.rank + len(seen))}

    plan = Plan(10, 10, StepSize(0.05), watch="ndcg@1", patience=2, evaluate_every=0.4)
    if limit is not None:
        plan = replace(plan, epochs=10_000, patience=None, evaluate_every=100.0, max_seconds=limit)
    loop = Loop(taken, PairFeed(batch.queries, batch.positives), plan, evaluate, ranks=ranks)
    if ranks.count > 1:
        taken.divide(ranks)
    if sooner and ranks.rank == 0:
        loop.callbacks = [Sooner(loop)]
    loop.stop = lambda: stops and ranks.rank == ranks.count - 1 and loop.steps == 3
    loop.run()
    return loop.steps, len(seen), loop.seconds, loop.best_metrics, loop.interrupted


def started(ranks: Ranks, goes_on: bool) -> tuple[Tensor, int]:
    """The first number of weights that every rank has drawn for itself, and the step, once all have met."""
    taken = engine("gru", "dns")
    with torch.no_grad():
        for parameter in taken.model.parameters():
            parameter.fill_(1.0 + ranks.rank)
    loop = Loop(taken, PairFeed(torch.arange(9), torch.arange(9)), Plan(1, 9, StepSize(0.1)), dict, ranks=ranks)
    loop.steps = 7 * (1 - min(1, ranks.rank)) * goes_on
    same_start(SimpleNamespace(loop=loop, model=taken.model), ranks, goes_on and ranks.rank == 0)  # type: ignore[arg-type]
    return torch.stack([one.detach().reshape(-1)[0] for one in taken.model.parameters()]), loop.steps


def work(rank: int, count: int, folder: str) -> None:
    """One of several processes; writes what it saw."""
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", count)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=timedelta(seconds=30))
    rows, seen = Ranks.here().share(ROWS), {}
    for name in CASES:
        numbered, counted, again = made(name), made(name), made(name)
        found = {"numbered": drawn(numbered, rows, range(STEPS), numbered=True), "knobs": knobs(numbered)}
        found["counted"] = drawn(counted, rows, range(2), numbered=False)
        states = [counted.state()]
        dist.broadcast_object_list(states)
        again.load_state(states[0])  # what rank 0 would have saved
        found["on"], found["again"] = (drawn(one, rows, range(2, STEPS), numbered=False) for one in (counted, again))
        seen[name] = found
    seen["gathers"] = {name: fault(gather) for name, (gather, _) in FAULTY.items()}
    seen["ring"], seen["gathered"] = contrasted(rows, True), contrasted(rows, False)
    seen["means"] = Ranks.here().means({"a": float(rank), "b": math.nan, "c": 2.0, "d": [1.0, math.inf][rank % 2]},
                                       torch.device("cpu"), ("c",))  # fmt: skip
    alone = dist.new_group([0])
    own = build({"name": "uniform", "candidates": 3}, 3)
    own.group = alone if rank == 0 else None
    own.bind(PROBLEM.catalogue)
    seen["alone"] = drawn(own, rows, range(1), numbered=False)
    seen["trained"] = {f"{model} {name}": trained(model, name, Ranks.here()) for model in MODELS for name in DIVIDED}
    seen["looped"] = [looped(Ranks.here(), stops) for stops in (False, True)]
    seen["timed"], seen["sooner"] = looped(Ranks.here(), limit=0.2), looped(Ranks.here(), sooner=True)
    seen["started"] = started(Ranks.here(), False), started(Ranks.here(), True)
    torch.save(seen, f"{folder}/{rank}.pt")
    leave()


def spawned(count: int, folder: Path) -> list[dict[str, Any]]:
    multiprocessing.spawn(work, (count, str(folder)), nprocs=count)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.nightly)])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return spawned(request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", CASES)
def test_numbered_rows_have_the_negatives_of_one_process(name: str, seen: list[dict[str, Any]]) -> None:
    whole = drawn(made(name), slice(0, ROWS), range(STEPS), numbered=True)
    steps = 2 if name in CONTROLLED else STEPS
    for step in range(steps):
        parts = [one[name]["numbered"][step] for one in seen]
        if name in OF_BATCH:
            assert not all(torch.equal(part[0], parts[0][0]) for part in parts)
            continue
        ok = torch.cat([part[1] for part in parts])
        assert torch.equal(ok, whole[step][1])
        assert torch.equal(torch.cat([part[0] for part in parts])[ok], whole[step][0][ok])
    assert all(one[name]["knobs"] == seen[0][name]["knobs"] for one in seen)


@pytest.mark.parametrize("name", CASES)
def test_counted_rows_differ_by_rank_and_go_on_after_a_resume(name: str, seen: list[dict[str, Any]]) -> None:
    first = [one[name]["counted"][0] for one in seen]
    few = min(len(part[0]) for part in first)
    for rank, part in enumerate(first):
        if name not in FIXED:
            assert all(not torch.equal(part[0][:few], other[0][:few]) for other in first[:rank])
        for (ids, ok), (found, allowed) in zip(seen[rank][name]["on"], seen[rank][name]["again"], strict=True):
            if name != "adversarial_tree":  # the pairs of other ranks since the last fit are not in the state
                assert torch.equal(ok, allowed)
                assert torch.equal(ids[ok], found[ok])


def test_a_gather_that_loses_gradients_is_told(seen: list[dict[str, Any]]) -> None:
    for name, (_, words) in FAULTY.items():
        for one in seen:
            assert words in one["gathers"][name]
            assert bool(one["gathers"][name]) == bool(words)


def test_the_ring_has_the_loss_and_gradients_of_gathering(seen: list[dict[str, Any]]) -> None:
    whole = contrasted(slice(0, ROWS), False)
    for one in seen:
        torch.testing.assert_close(one["ring"], one["gathered"])
    torch.testing.assert_close(sum(one["ring"][0] for one in seen) / len(seen), whole[0])
    for place in (1, 2):
        both = torch.cat([one["ring"][place] for one in seen]) / len(seen)
        torch.testing.assert_close(both, whole[place])


def test_signals_are_means_and_counts_are_sums(seen: list[dict[str, Any]]) -> None:
    count = len(seen)
    for one in seen:
        assert one["means"].pop("b") != 0.0
        assert one["means"] == {"a": (count - 1) / 2, "c": 2.0 * count, "d": 1.0}


def test_a_group_of_one_is_alone(seen: list[dict[str, Any]]) -> None:
    own = build({"name": "uniform", "candidates": 3}, 3)
    own.bind(PROBLEM.catalogue)
    rows = Ranks(0, len(seen)).share(ROWS)
    assert torch.equal(seen[0]["alone"][0][0], drawn(own, rows, range(1), numbered=False)[0][0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", DIVIDED)
def test_divided_steps_are_those_of_one_process(model: str, name: str, seen: list[dict[str, Any]]) -> None:
    losses, weights, encoded = trained(model, name, ALONE)
    for one in seen:
        found = one["trained"][f"{model} {name}"]
        torch.testing.assert_close(found[0], losses, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[1], weights, rtol=1e-4, atol=2e-4)
        assert torch.equal(found[1], seen[0]["trained"][f"{model} {name}"][1])  # to the bit
        assert found[2] < 0.8 * encoded or model != "towers"


def test_a_loop_goes_by_the_first_rank(seen: list[dict[str, Any]]) -> None:
    first, others = seen[0]["looped"], [one["looped"] for one in seen[1:]]
    assert [one[0] for one in first] == [6, 3]
    assert [one[1] for one in first] == [3, 1]
    assert [one[4] for one in first] == [False, True]
    for found in others:
        assert [(one[0], *one[2:]) for one in found] == [(one[0], *one[2:]) for one in first]
        assert [one[1] for one in found] == [0, 0]


def test_the_first_ranks_time_is_up_for_all(seen: list[dict[str, Any]]) -> None:
    steps, evaluations, seconds, _, interrupted = seen[0]["timed"]
    assert seconds >= 0.2
    assert (evaluations, interrupted) == (1, False)
    for one in seen[1:]:
        assert (one["timed"][0], one["timed"][2]) == (steps, seconds)
    assert [one["sooner"][0] for one in seen] == [2] * len(seen)  # what the first one hears is the plan of all


def test_all_start_from_the_first_ranks_weights(seen: list[dict[str, Any]]) -> None:
    for one in seen:
        for goes_on, (weights, steps) in enumerate(one["started"]):
            assert bool((weights == 1.0).all())
            assert steps == 7 * goes_on


def test_what_kernels_move_row_by_row_is_not_divided() -> None:
    model = PROBLEM.model()
    with pytest.raises(ConfigError, match="cannot be divided"):
        engine_for(model, made("dns"), BPR(), Update("adagrad")).divide(Ranks(0, 2))


def test_processes_have_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        id = 2

    sampler = build({"name": "uniform", "candidates": 3}, 3)
    sampler.bind(PROBLEM.catalogue)
    first = drawn(sampler, slice(0, 9), range(1), numbered=False)
    monkeypatch.setattr("negatives.ranks.get_worker_info", Worker)
    assert own_numbers() == 3 << 46
    assert Ranks.here() == ALONE
    again = build({"name": "uniform", "candidates": 3}, 3)
    again.bind(PROBLEM.catalogue)
    assert not torch.equal(drawn(again, slice(0, 9), range(1), numbered=False)[0][0], first[0][0])


def test_one_process_rings_alone() -> None:
    torch.testing.assert_close(contrasted(slice(0, ROWS), True), contrasted(slice(0, ROWS), False))
    blocked = Negatives(torch.arange(2).expand(2, 2), torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool))
    vectors = torch.eye(2).requires_grad_()
    losses = ring_softmax(vectors, vectors, blocked)
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0]
    assert not bool(vectors.grad.any())  # type: ignore[union-attr]
    weighted = Negatives(blocked.ids, torch.zeros(2, 2), ~blocked.ok, torch.tensor([[1.0, 0.5], [2.0, 0.0]]))
    both = ring_softmax(vectors, vectors, weighted), SampledSoftmax().rows(torch.ones(2), torch.eye(2), weighted)
    torch.testing.assert_close(*both)
    with pytest.raises(LogQUnknown, match="correction=False"):
        ring_softmax(vectors, vectors, Negatives(blocked.ids, None, blocked.ok))
    with pytest.raises(ConfigError, match="draw with GatheredBatch"):
        ring_softmax(vectors[:1], vectors[:1], blocked)


def test_shares_cover_all_rows_once() -> None:
    for n in (0, 1, 7, 8):
        shares = [Ranks(rank, 3).share(n) for rank in range(3)]
        assert [row for one in shares for row in range(n)[one]] == list(range(n))
        assert max(len(range(n)[one]) for one in shares) - min(len(range(n)[one]) for one in shares) <= 1
    assert Ranks(2, 3).share(8, 0) == slice(0, 3)


def test_what_was_counted_of_this_rank_is_kept() -> None:
    """With several ranks a state between two rebuilds holds this rank's counts beside those of all."""
    one = LearnedUnigram(n_items=4)
    one.load_state(one.state() | {"own": torch.tensor([1.0, 0.0, 2.0, 0.0], dtype=torch.float64)})
    assert one.state()["own"].tolist() == [1.0, 0.0, 2.0, 0.0]
