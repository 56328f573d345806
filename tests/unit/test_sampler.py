"""The sampler as a whole: every preset keeps the contract, and what cannot be done is said."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from negatives import losses
from negatives.control import Hold
from negatives.control.base import controllers_in
from negatives.errors import ConfigError, InputError, LogQUnknown, NonFiniteScores
from negatives.guards import Duplicates, Guard, KnownPositives, RankSkip
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Every, InBatch, Mixed, Popularity, Proposal, Uniform
from negatives.registry import Registry
from negatives.sampler import Preset, Sampler, build, preset, presets, resolve
from negatives.selection import All, Hardest, Selection, Softmax, TopM
from negatives.selection import registry as selections
from negatives.selection.picking import resampled
from negatives.training import checkpoint
from negatives.training.engines import Update
from negatives.training.engines.rows import RowEngine
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize
from negatives.types import Candidates, Catalogue, Context, Csr, Negatives, union
from planted import ITEMS, USERS, Planted

ROWS = 64
every_preset = pytest.mark.parametrize("name", sorted(presets))
SMALL = {
    "learned_unigram": {"name": "learned_unigram", "proposal": {"name": "learned_unigram", "every": 2, "decay": 0.9}},
    "hold": {"name": "hold", "observe_every": 2},
}


def model(seed: int = 3) -> MatrixFactorization:
    return MatrixFactorization(USERS, ITEMS, 8, init=0.7, seed=seed)


def sampler(name: str, catalogue: Catalogue) -> Sampler:
    made = build(SMALL.get(name, name), seed=5)
    made.bind(catalogue)
    return made


def batch(planted: Planted, step: int = 0, rows: int = ROWS) -> Context:
    examples = torch.arange(step * rows, (step + 1) * rows)
    return Context(planted.users[examples], planted.items[examples], examples, seed=5, step=step, progress=0.25)


def is_known(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    """``(rows, k)`` bool by looking into each set."""
    sets = {query: set(known.row(query).tolist()) for query in queries.unique().tolist()}
    found = [[one in sets[query] for one in row] for query, row in zip(queries.tolist(), ids.tolist(), strict=True)]
    return torch.tensor(found)


def same(left: Negatives, right: Negatives) -> bool:
    pairs = [
        (getattr(left, name), getattr(right, name))
        for name in ("ids", "log_q", "ok", "weight", "scores", "positive_scores", "positive_log_q")
    ]
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


@every_preset
def test_shapes_types_and_bounds(name: str, planted: Planted) -> None:
    neg = sampler(name, planted.catalogue()).sample(batch(planted), model())
    k = neg.ids.shape[1]
    assert k >= 1
    assert (neg.ids.shape, neg.ids.dtype) == ((ROWS, k), torch.int64)
    assert (neg.ok.shape, neg.ok.dtype) == ((ROWS, k), torch.bool)
    assert 0 <= int(neg.ids.min()) <= int(neg.ids.max()) < ITEMS
    assert len(neg.ids.unique()) > 10
    for values in (neg.log_q, neg.weight, neg.scores):
        if values is not None:
            assert values.shape == (ROWS, k)
            assert values.is_floating_point()
            assert bool(torch.isfinite(values[neg.ok]).all())
    if neg.weight is not None:
        assert bool((neg.weight >= 0).all())
    if neg.scores is not None:
        with torch.no_grad():
            expected = model().score(batch(planted).queries, neg.ids)
        torch.testing.assert_close(neg.scores[neg.ok], expected[neg.ok])


@every_preset
def test_no_known_positive_is_allowed_and_everything_else_is(name: str, planted: Planted) -> None:
    made, catalogue = sampler(name, planted.catalogue()), planted.catalogue()
    assert catalogue.known is not None
    for step in range(4):
        context = batch(planted, step)
        neg = made.sample(context, model())
        known = is_known(catalogue.known, context.queries, neg.ids)
        assert not bool((known & neg.ok).any())
        if name not in ("semi_hard", "nv_retriever"):  # may find no candidate below the positive
            assert torch.equal(neg.ok, ~known)
    assert made.unfilled == 0


@every_preset
def test_a_query_that_knows_all_gets_nothing_and_is_counted(name: str, planted: Planted) -> None:
    users = torch.cat([planted.users, torch.zeros(ITEMS, dtype=torch.int64)])
    items = torch.cat([planted.items, torch.arange(ITEMS)])
    known = Csr.from_pairs(users, items, USERS, ITEMS)
    made = sampler(name, replace(planted.catalogue(), known=known))
    context = batch(planted)
    context = replace(context, queries=torch.where(torch.arange(ROWS) < 3, 0, context.queries))
    neg = made.sample(context, model())
    assert not bool(neg.ok[context.queries == 0].any())
    assert bool(neg.ok[context.queries != 0].any())
    assert (made.unfilled > 0) == (made.pool is None)


@every_preset
def test_where_every_query_knows_all_nothing_is_drawn_and_nothing_breaks(name: str, planted: Planted) -> None:
    everything = torch.arange(USERS * ITEMS)
    known = Csr.from_pairs(everything // ITEMS, everything % ITEMS, USERS, ITEMS)
    made = sampler(name, replace(planted.catalogue(), known=known))
    if name == "ance":
        with pytest.raises(ConfigError, match="no query has an item from rank 0 on"):
            made.sample(batch(planted), model())
        return
    for step in range(3):
        context = batch(planted, step)
        neg = made.sample(context, model())
        with torch.no_grad():
            scores = model().score(context.queries, context.positives), model().score(context.queries, neg.ids)
        signals = made.observe(context, neg, *scores)
        assert not bool(neg.ok.any())
        assert signals.get("ok_share", 0.0) == 0.0


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("proposal", ["uniform", "popularity", "cluster", "mixed"])
@pytest.mark.parametrize("loss", sorted(losses.registry))
def test_a_query_that_knows_all_costs_nothing_under_any_loss(
    loss: str, proposal: str, pool: bool, planted: Planted
) -> None:
    users = torch.cat([planted.users, torch.zeros(ITEMS, dtype=torch.int64)])
    known = Csr.from_pairs(users, torch.cat([planted.items, torch.arange(ITEMS)]), USERS, ITEMS)
    spec = {"name": "mixed", "parts": ["uniform", "popularity"]} if proposal == "mixed" else proposal
    if pool and proposal == "cluster":
        return
    made = build({"proposal": spec, "pool" if pool else "candidates": 8})
    made.bind(replace(planted.catalogue(), known=known))
    context = batch(planted)
    full = torch.arange(ROWS) < 3
    neg = made.sample(replace(context, queries=torch.where(full, 0, context.queries)), model())
    assert neg.positive_log_q is not None
    assert bool(neg.positive_log_q.isfinite().all())
    scores = torch.randn(ROWS, requires_grad=True), torch.randn(ROWS, 8, requires_grad=True)
    rows = losses.registry.build(loss).rows(*scores, neg)
    assert bool(rows.isfinite().all())
    assert not bool(rows[full].any())
    for grad in torch.autograd.grad(rows.sum(), scores):
        assert bool(grad.isfinite().all())
        assert not bool(grad[full].any())
        assert bool(grad[~full].any())


def test_nce_says_that_a_proposal_cannot_reach_the_positives(planted: Planted) -> None:
    for spec in ("cached", {"name": "retrieved", "stop": 9}):
        made = build({"proposal": spec, "candidates": 4})
        made.bind(planted.catalogue())
        neg = made.sample(batch(planted), model())
        with pytest.raises(LogQUnknown, match="mix the proposal with uniform"):
            losses.nce(torch.zeros(ROWS), torch.zeros(ROWS, 4), neg)
        made = build({"proposal": {"name": "mixed", "parts": [spec, "uniform"]}, "candidates": 4})
        made.bind(planted.catalogue())
        neg = made.sample(batch(planted), model())
        assert math.isfinite(float(losses.nce(torch.zeros(ROWS), torch.zeros(ROWS, 4), neg)))


@every_preset
def test_the_context_decides_the_draw(name: str, planted: Planted) -> None:
    first, again = (sampler(name, planted.catalogue()).sample(batch(planted), model()) for _ in range(2))
    assert same(first, again)
    changed = [replace(batch(planted), seed=6), replace(batch(planted), epoch=1)]
    if name not in ("in_batch", "full"):  # the batch itself, or everything, is the pool
        for context in changed:
            assert not torch.equal(sampler(name, planted.catalogue()).sample(context, model()).ids, first.ids)


@pytest.mark.parametrize("name", [name for name in sorted(presets) if "pool" not in preset(name).parts])
def test_a_row_does_not_depend_on_the_rest_of_its_batch(name: str, planted: Planted) -> None:
    context = batch(planted)
    whole = sampler(name, planted.catalogue()).sample(context, model())
    for rows in (torch.arange(ROWS).flip(0), torch.tensor([40, 3, 17])):
        part = sampler(name, planted.catalogue()).sample(context.take(rows), model())
        assert torch.equal(part.ids, whole.ids[rows])
        assert torch.equal(part.ok, whole.ok[rows])


@pytest.mark.parametrize("name", [name for name in sorted(presets) if "pool" in preset(name).parts])
def test_a_pool_is_shared(name: str, planted: Planted) -> None:
    neg = sampler(name, planted.catalogue()).sample(batch(planted), model())
    assert neg.pool is not None
    assert torch.equal(neg.pool.expand(ROWS, -1), neg.ids)


def go_on(made: Sampler, planted: Planted, steps: range) -> list[Negatives]:
    found = []
    for step in steps:
        context = batch(planted, step)
        neg = made.sample(context, model())
        with torch.no_grad():
            scores = [model().score(context.queries, ids) for ids in (context.positives, neg.ids)]
        made.observe(context, neg, *scores)
        found.append(neg)
    return found


@every_preset
def test_state_survives_a_file(name: str, planted: Planted, tmp_path: Path) -> None:
    whole, first, fresh = (sampler(name, planted.catalogue()) for _ in range(3))
    expected = go_on(whole, planted, range(12))[6:]
    go_on(first, planted, range(6))
    checkpoint.save(tmp_path / "state", first.state())
    fresh.load_state(checkpoint.load(tmp_path / "state"))
    assert all(same(a, b) for a, b in zip(go_on(fresh, planted, range(6, 12)), expected, strict=True))
    assert [one.value for _, one in controllers_in(fresh)] == [one.value for _, one in controllers_in(whole)]
    if name in SMALL:  # without its memory it would draw other items
        forgetful = sampler(name, planted.catalogue())
        assert not all(same(a, b) for a, b in zip(go_on(forgetful, planted, range(6, 12)), expected, strict=True))


@pytest.mark.parametrize("name", ["uniform", "dns"])
def test_ones_own_loop_goes_on_counting_after_a_resume(name: str, planted: Planted, tmp_path: Path) -> None:
    """Rows have numbers by step where the loop does not say which they are; the step must survive."""
    whole, first, fresh, forgetful = (sampler(name, planted.catalogue()) for _ in range(4))

    def drawn(made: Sampler, steps: range) -> list[Negatives]:
        contexts = [batch(planted, step) for step in steps]
        return [made(one.queries, one.positives, model()) for one in contexts]

    expected = drawn(whole, range(5))
    assert all(same(a, b) for a, b in zip(drawn(first, range(2)), expected, strict=False))
    checkpoint.save(tmp_path / "state", first.state())
    fresh.load_state(checkpoint.load(tmp_path / "state"))
    assert all(same(a, b) for a, b in zip(drawn(fresh, range(2, 5)), expected[2:], strict=True))
    assert fresh.state() == whole.state()
    assert fresh.state()["step"] == 5
    assert not same(drawn(forgetful, range(2, 3))[0], expected[2])


@pytest.mark.parametrize("name", ["uniform", "popularity", "nce", "learned_unigram", "softmax", "mixed", "sir"])
def test_sums_over_allowed_items_are_unbiased(name: str, planted: Planted) -> None:
    catalogue, value = planted.catalogue(), torch.linspace(0.5, 2.0, ITEMS)
    assert catalogue.known is not None
    made = sampler(name, catalogue)
    allowed = torch.ones(ITEMS, dtype=torch.bool)
    allowed[catalogue.known.row(1).long()] = False
    estimates = []
    for step in range(60):
        context = batch(planted, step % 40)
        context = replace(context, queries=torch.ones_like(context.queries), examples=step * ROWS + torch.arange(ROWS))
        context = replace(context, step=step)
        neg = made.sample(context, model())
        assert neg.log_q is not None
        estimates.append((neg.ok * value[neg.ids] / neg.log_q.exp()).mean())
    found = torch.stack(estimates)
    error = found.mean() - (value * allowed).sum()
    assert abs(float(error)) < 4 * float(found.std()) / math.sqrt(len(found))
    assert float(found.std()) < 0.5 * float(found.mean())


def test_candidates_or_pool() -> None:
    for given in ({}, {"candidates": 2, "pool": 2}):
        with pytest.raises(ConfigError, match="either candidates=M"):
            Sampler(Uniform(9), **given)  # type: ignore[arg-type]


def test_a_last_batch_of_one_row_is_no_pool(planted: Planted) -> None:
    context = batch(planted).take(torch.tensor([3]))
    for proposal, given in ((Every(), 5), (InBatch(), 0), (Mixed(["in_batch", "uniform"]), 5)):
        made = Sampler(proposal, candidates=5)  # no guard excludes, which was once the sign of a pool
        made.bind(planted.catalogue())
        neg = made.sample(context)
        assert neg.ids.shape == (1, 5)
        assert made.unfilled == int((~neg.ok).sum()) >= 5 - given
        assert given or not bool(neg.ok.any())


@dataclass(slots=True)
class Half(Uniform):
    """Fills every second slot of a pool."""

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        ids, log_q = Uniform.pool(self, context, k, key)
        return torch.where(torch.arange(k) % 2 == 0, ids, -1), log_q


def test_slots_that_a_pool_could_not_fill_are_marked(planted: Planted) -> None:
    made = Sampler(Half(ITEMS), pool=6, guards=[KnownPositives(planted.known())])
    neg = made.sample(batch(planted))
    assert neg.pool is not None
    assert int(neg.ids.min()) == 0
    assert not bool(neg.ok[:, 1::2].any())
    assert torch.equal(neg.ok[:, ::2], ~is_known(planted.known(), batch(planted).queries, neg.ids[:, ::2]))
    assert made.unfilled == 3


def test_a_conditional_proposal_has_no_pool() -> None:
    @dataclass(slots=True)
    class PerQuery(Uniform):
        @property
        def conditional(self) -> bool:
            return True

    with pytest.raises(ConfigError, match=r"PerQuery depends on the query.*candidates=M"):
        Sampler(PerQuery(9), pool=4)
    assert Sampler(PerQuery(9), candidates=4).pool is None


def test_scores_need_a_model(planted: Planted) -> None:
    with pytest.raises(ConfigError, match="pass the model"):
        sampler("dns", planted.catalogue()).sample(batch(planted))
    sampler("uniform", planted.catalogue()).sample(batch(planted))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["dns", "sir", "self_adversarial"])
def test_scores_that_are_no_numbers_name_the_step(name: str, bad: float, planted: Planted) -> None:
    broken = model()
    broken.query_table.data[planted.users[ROWS * 7 + 3]] = bad
    with pytest.raises(NonFiniteScores, match=r"step 7 \(epoch 2\)"):
        sampler(name, planted.catalogue()).sample(replace(batch(planted, 7), epoch=2), broken)


LOOKING = [name for name in sorted(presets) if build(name).proposal.needs_scorer or name == "similar"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", LOOKING)
def test_a_model_that_is_not_finite_is_told_by_every_part_that_looks(name: str, bad: float, planted: Planted) -> None:
    broken = model()
    broken.item_table.data[planted.items[5]] = bad
    made = sampler(name, planted.catalogue())
    if name == "adversarial_tree":  # looks at items from the second step on
        made.sample(batch(planted), broken)
    with pytest.raises(NonFiniteScores, match="hold NaN or infinity; lower the learning rate"):
        made.sample(batch(planted, int(name == "adversarial_tree")), broken)


class Loud(MatrixFactorization):
    """All scores and vectors are finite, and their sum is not."""

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        return 2e38 + items.float() * 1e35

    def encode_items(self, items: Tensor) -> Tensor:
        return MatrixFactorization.encode_items(self, items).detach().clamp(-1, 1).sign() * 3e38


@pytest.mark.parametrize("name", ["dns", "sir", "nscaching", "similar"])
def test_large_scores_whose_sum_overflows_are_finite(name: str, planted: Planted) -> None:
    loud = Loud(USERS, ITEMS, 8, init=0.7, seed=3)
    neg = sampler(name, planted.catalogue()).sample(batch(planted), loud)
    assert bool(neg.ok.all())


def generators() -> list[Any]:
    state = np.random.get_state()  # noqa: NPY002
    return [torch.get_rng_state().tolist(), random.getstate(), state[1].tolist(), state[2:]]  # type: ignore[index, union-attr]


def test_global_generators_are_left_alone(planted: Planted) -> None:
    before = generators()
    for name in presets:
        sampler(name, planted.catalogue()).sample(batch(planted), model())
    engine = RowEngine(model(), sampler("sir", planted.catalogue()), losses.BPR(), Update("sgd"))
    plan = Plan(epochs=0.2, batch_size=256, step_size=StepSize(0.1))
    Loop(engine, PairFeed(planted.users, planted.items), plan, lambda: {"recall@20": 0.0}).run()
    assert generators() == before


def test_three_lines_in_a_loop_of_ones_own(planted: Planted) -> None:
    known, counts, scorer = planted.known(), planted.catalogue().counts, model()
    temperature = Hold("violation_rate", target=0.2, start=1.0, low=0.1, high=10.0, rises=False)
    sampler = Sampler(
        Popularity(counts, alpha=0.75),
        pool=512,
        guards=[KnownPositives(known)],
        select=Softmax(k=64, temperature=temperature),
        observe_every=1,
    )
    users, items = planted.users[:ROWS], planted.items[:ROWS]
    neg = sampler(users, items, scorer)
    loss = losses.sampled_softmax(scorer.score(users, items), scorer.score(users, neg.ids), neg)
    loss.backward()
    assert temperature.value != 1.0
    assert scorer.query_table.grad is not None
    with torch.no_grad():
        catalogue = torch.arange(ITEMS).expand(ROWS, -1)
        others = scorer.score(users, catalogue).masked_fill(is_known(known, users, catalogue), -torch.inf)
        positive = scorer.score(users, items)
        exact = (torch.cat([positive[:, None], others], 1).logsumexp(1) - positive).mean()
    assert float(loss.detach()) == pytest.approx(float(exact), rel=0.02)
    assert not torch.equal(sampler(users, items, scorer).ids, neg.ids)


@pytest.mark.parametrize("guard", [Duplicates, RankSkip])
def test_a_guard_that_spoils_log_q_drops_it(guard: type, planted: Planted) -> None:
    made = Sampler(Uniform(), candidates=8, guards=[KnownPositives(), guard()], select=All())
    made.bind(planted.catalogue())
    neg = made.sample(batch(planted), model())
    assert not bool(neg.ok.all())
    assert neg.log_q is None
    assert neg.positive_log_q is None
    scores = torch.zeros(ROWS), torch.zeros(ROWS, 8)
    for loss in (losses.sampled_softmax, losses.nce):
        with pytest.raises(LogQUnknown, match="log_q"):
            loss(*scores, neg)
    assert math.isfinite(float(losses.bpr(*scores, neg)))
    made = Sampler(Uniform(), candidates=8, guards=[KnownPositives(), guard()], select=Softmax(k=2))
    made.bind(planted.catalogue())
    with pytest.raises(LogQUnknown, match="correction=False"):
        made.sample(batch(planted), model())


def test_log_q_of_the_hardest_is_unknown(planted: Planted) -> None:
    made = Sampler(Uniform(), candidates=8, guards=[KnownPositives()], select=Hardest(k=2))
    made.bind(planted.catalogue())
    neg = made.sample(batch(planted), model())
    with pytest.raises(LogQUnknown, match="choose a selection"):
        losses.sampled_softmax(torch.zeros(ROWS), torch.zeros(ROWS, 2), neg)


def test_nce_gets_the_log_probability_of_the_positives(planted: Planted) -> None:
    catalogue, context = planted.catalogue(), batch(planted)
    neg = sampler("nce", catalogue).sample(context)
    expected = (catalogue.counts.double() / catalogue.counts.sum()).log().float()
    assert neg.positive_log_q is not None
    assert neg.log_q is not None
    torch.testing.assert_close(neg.positive_log_q, expected[context.positives])
    torch.testing.assert_close(neg.log_q, expected[neg.ids])
    zeros = torch.zeros(ROWS), torch.zeros(ROWS, neg.k)
    assert math.isfinite(float(losses.nce(*zeros, neg)))
    resampled = sampler("sir", catalogue).sample(context, model())
    assert resampled.positive_log_q is None
    with pytest.raises(LogQUnknown, match="positives"):
        losses.nce(torch.zeros(ROWS), torch.zeros(ROWS, 1), resampled)


@dataclass(slots=True)
class Flattened(Selection):
    """A resampling selection of somebody else's, that says nothing of what it keeps."""

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        assert difficulty is not None
        return resampled(context, candidates, difficulty / 9, 3, key)


KEEP_THE_PROPOSAL = {"all", "random", "self_adversarial", "hard_contrastive"}


@pytest.mark.parametrize("name", [*sorted(selections), "somebody else's"])
def test_only_selections_that_keep_the_proposal_serve_nce(name: str, planted: Planted) -> None:
    select = selections.build(name) if name in selections else Flattened()
    made = Sampler(Uniform(), candidates=8, guards=[KnownPositives()], select=select)
    made.bind(planted.catalogue())
    neg = made.sample(batch(planted), model())
    scores = torch.zeros(ROWS), torch.zeros(ROWS, neg.k)
    assert (neg.positive_log_q is not None) == (name in KEEP_THE_PROPOSAL)
    if name in KEEP_THE_PROPOSAL:
        assert math.isfinite(float(losses.nce(*scores, neg)))
    else:
        with pytest.raises(LogQUnknown):
            losses.nce(*scores, neg)


def test_schedules_follow_progress(planted: Planted) -> None:
    made = sampler("curriculum", planted.catalogue())
    with torch.no_grad():
        scores = [
            float(model().score(c.queries, made.sample(c, model()).ids).mean())
            for c in (replace(batch(planted), progress=p) for p in (0.0, 0.5, 1.0))
        ]
    assert scores[0] < scores[1] < scores[2]


def test_a_part_without_a_name_changes_that_of_the_preset() -> None:
    sampler = build({"name": "dns_mn", "select": {"k": 2}, "proposal": {"name": "popularity", "alpha": 0.5}})
    assert sampler.select == TopM(m=4, k=2)
    assert isinstance(sampler.proposal, Popularity)
    assert build({"name": "dns_mn", "select": {"name": "top_m", "k": 2}}).select == TopM(m=8, k=2)
    with pytest.raises(ConfigError, match="hardest has no parameter 'm'"):
        build({"name": "dns", "select": {"m": 3}})


def test_guards_are_a_list() -> None:
    with pytest.raises(ConfigError, match=r"sampler\.guards is 'duplicates'; it must be a list"):
        build({"name": "dns", "guards": "duplicates"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"observe_every": "often"}, "observe_every is 'often'; it must be a whole number of at least 1"),
        ({"observe_every": 0}, "observe_every is 0; it must be"),
        ({"candidates": "many"}, "candidates: 'many' is not a number that may change"),
        ({"pool": {"schedule": "liner"}}, "pool: no schedule or controller is called 'liner'; did you mean linear"),
    ],
)
def test_a_wrong_number_is_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"sampler.{message}"):
        build({"name": "dns", **given})


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean candidates"):
        build({"name": "dns", "candidate": 3})
    assert build({"name": "softmax", "candidates": 4}).pool is None


@pytest.mark.parametrize("given", [{"candidates": 0}, {"pool": -3}, {"pool": math.nan}])
def test_sizes_below_one_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        Sampler(Uniform(9), **given)  # type: ignore[arg-type]


@dataclass(slots=True)
class Shown(Guard):
    """A guard with state: what a query was shown as a negative is not shown again."""

    _pairs: list[tuple[int, int]] = field(default_factory=list, init=False)

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        rows = zip(context.queries.tolist(), candidates.ids.tolist(), strict=True)
        return torch.tensor([[(query, item) not in self._pairs for item in row] for query, row in rows])

    def observe(self, context: Context, negatives: Negatives) -> None:
        rows = zip(context.queries.tolist(), negatives.ids.tolist(), negatives.ok.tolist(), strict=True)
        self._pairs += [(query, item) for query, row, ok in rows for item, one in zip(row, ok, strict=True) if one]


def test_guards_learn_from_the_negatives() -> None:
    made = Sampler(Uniform(6), candidates=2, guards=[Shown()])
    context, seen = Context(*[torch.tensor([0])] * 3), set()
    for epoch in range(9):
        neg = made.sample(replace(context, epoch=epoch))
        fresh = set(neg.ids[neg.ok].tolist())
        assert not fresh & seen
        seen |= fresh
    assert len(seen) > 2


@dataclass(slots=True)
class Verdict(Guard):
    """Says the same of every candidate, as an expanded view or as a column."""

    allowed: bool
    column: bool = False

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        said = torch.full((1, 1), self.allowed)
        return said.expand(context.rows, 1) if self.column else said.expand(candidates.ids.shape)


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("pool", [False, True])
def test_a_guard_that_forbids_all_is_not_overruled_by_the_next(pool: bool, column: bool, planted: Planted) -> None:
    for order in ((False, True), (True, False), (True, True)):
        guards = [Verdict(one, column) for one in order]
        made = Sampler(Uniform(ITEMS), guards=guards, **{"pool" if pool else "candidates": 6})
        neg = made.sample(batch(planted))
        assert neg.ok.shape == neg.ids.shape == (ROWS, 6)
        assert bool((neg.ok == all(order)).all())


@dataclass(slots=True)
class Banned(Guard):
    """Excludes a table of its own."""

    table: Csr

    def excluded(self) -> Csr | None:
        return self.table

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        raise AssertionError("what the proposal has left out is not asked again")


@pytest.mark.parametrize("proposal", [Uniform(), Popularity(alpha=0.5)])
def test_the_proposal_leaves_out_what_any_guard_excludes(proposal: Proposal, planted: Planted) -> None:
    known, catalogue = planted.known(), planted.catalogue()
    banned = Csr.from_pairs(torch.arange(USERS).repeat(2), torch.arange(2 * USERS) % 7, USERS, ITEMS)
    made = Sampler(proposal, candidates=9, guards=[KnownPositives(), Banned(banned), Banned(known)])
    made.bind(catalogue)
    neg = made.sample(batch(planted))
    both = Sampler(proposal, candidates=9, guards=[KnownPositives(union([known, banned]))])
    assert same(neg, both.sample(batch(planted)))
    assert not bool(is_known(banned, batch(planted).queries, neg.ids).any())
    with pytest.raises(ConfigError, match="build all from one data"):
        Sampler(
            proposal, candidates=9, guards=[Banned(banned), Banned(Csr.from_pairs(*[torch.zeros(1)] * 2, 1, 2))]
        ).sample(batch(planted))


OTHERS = Preset(
    "hard", "Two of eight.", "another package", {"candidates": 8, "select": {"name": "hardest", "k": 2}}, "bpr"
)


def test_other_packages_add_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    table: Registry[Preset] = Registry("presets", [])
    points = [metadata.EntryPoint("twice", f"{__name__}:OTHERS", ""), metadata.EntryPoint("odd", "math:pi", "")]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "negatives.presets" else [])
    monkeypatch.setattr(import_module("negatives.sampler.presets"), "registry", table)
    assert preset("twice") is OTHERS
    assert build("twice").select == Hardest(k=2)
    assert resolve({"name": "twice", "candidates": 4})["candidates"] == 4
    with pytest.raises(ConfigError, match=r"odd.*float, not a Preset"):
        preset("odd")
    with pytest.raises(ConfigError, match="did you mean twice"):
        preset("twise")


@pytest.mark.parametrize(
    ("rows", "cols", "words"),
    [
        ([0, 3], [1, 1], r"row 3 at place 1 is out of range; there are 3"),
        ([0, -1], [1, 1], r"row -1 at place 1"),
        ([0, 1, 0], [1, 4, 9], r"column 4 at place 1 is out of range; there are 4, numbered from 0"),
        ([0], [-2], r"column -2"),
    ],
)
def test_pairs_out_of_range_are_refused(rows: list[int], cols: list[int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Csr.from_pairs(torch.tensor(rows), torch.tensor(cols), 3, 4)
    assert Csr.from_pairs(torch.tensor([2]), torch.tensor([3]), 3, 4).row(2).tolist() == [3]
    assert Csr.from_pairs(torch.empty(0), torch.empty(0), 0, 0).nnz == 0


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("bound", [False, True])
def test_ids_out_of_range_are_told(pool: bool, bound: bool, planted: Planted) -> None:
    guards = [] if bound else [KnownPositives(planted.known())]
    made = Sampler(Uniform(ITEMS), guards=guards, **{"pool" if pool else "candidates": 6})
    if bound:
        made.bind(planted.catalogue())
    fine, zero = torch.tensor([0, USERS - 1]), torch.zeros(2, dtype=torch.int64)
    assert made(fine, torch.tensor([0, ITEMS - 1])).k == 6
    for users, items, words in (
        (fine + 1, zero, f"query {USERS} at place 1"),
        (fine - 1, zero, "query -1 at place 0"),
        (zero, zero + ITEMS, f"positive {ITEMS} at place 0 is out of range; there are {ITEMS}"),
        (zero, zero - 1, "positive -1"),
        (zero, zero[:1], "2 queries for 1 positives"),
    ):
        with pytest.raises(InputError, match=words):
            made(users, items)
