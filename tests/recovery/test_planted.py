"""Planted problems: guards, canaries, controllers and adaptive samplers find what was hidden."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from negatives.control.base import controllers_in
from negatives.control.signals import false_negative_signals
from negatives.kernels import contains
from negatives.losses import registry as losses
from negatives.models.factorization import MatrixFactorization
from negatives.sampler import Sampler, build
from negatives.training.engines import Update, engine_for
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize
from negatives.types import Catalogue, Context
from planted import Planted, planted

SHOWN = 0.5
"""Share of the positives that the model and the guards may see; the others are planted false negatives."""


@cache
def wide() -> Planted:
    """Clusters that are a small part of the items, so that most uniform negatives are easy."""
    return planted(own=16, other=2, clusters=50, users=800, items=2000)


def fit(problem: Planted, spec: Any, *, epochs: int) -> MatrixFactorization:
    """Train on all pairs; calls with equally many pairs take equally many steps."""
    model = MatrixFactorization(problem.n_users, problem.n_items, 16, seed=1)
    engine = engine_for(model, bound(spec, problem.catalogue()), losses.build("bpr"), Update("adagrad"))
    plan = Plan(epochs=epochs, batch_size=512, step_size=StepSize(0.1), seed=3, evaluate_every=99.0, watch="none")
    Loop(engine, PairFeed(problem.users, problem.items), plan, lambda: {"none": 0.0}).run()
    return model


def part(problem: Planted, where: Tensor) -> Planted:
    """The same users and items with some of the pairs."""
    return replace(problem, users=problem.users[where], items=problem.items[where])


def shown(problem: Planted, share: float = SHOWN) -> Planted:
    return part(problem, torch.arange(len(problem.users)) < round(share * len(problem.users)))


@cache
def trained() -> MatrixFactorization:
    """A model that has learnt the clusters from the shown half, without ever drawing hard."""
    return fit(shown(planted()), "uniform", epochs=12)


def batches(problem: Planted, steps: int, rows: int = 256) -> list[Context]:
    n = len(problem.users)
    examples = [torch.arange(step * rows, (step + 1) * rows) for step in range(steps)]
    return [
        Context(problem.users[one % n], problem.items[one % n], one, seed=2, step=step)
        for step, one in enumerate(examples)
    ]


def bound(spec: Any, catalogue: Catalogue) -> Sampler:
    sampler = build(spec, seed=3)
    sampler.bind(catalogue)
    return sampler


def hidden_share(spec: Any) -> tuple[float, float]:
    """Share of the allowed negatives that are planted false negatives, and share of slots that are allowed."""
    sampler, model = bound(spec, planted().catalogue(SHOWN)), trained()
    hits, allowed, slots = 0.0, 0.0, 0
    for context in batches(shown(planted()), 8):
        neg = sampler.sample(context, model)
        false = contains(planted().hidden(SHOWN), context.queries, neg.ids)
        hits, allowed = hits + float((false & neg.ok).sum()), allowed + float(neg.ok.sum())
        slots += neg.ok.numel()
    return hits / allowed, allowed / slots


def test_hard_draws_find_planted_false_negatives_and_margins_avoid_them() -> None:
    hard = {"name": "dns", "candidates": 32}
    uniform, _ = hidden_share("uniform")
    unguarded, _ = hidden_share(hard)
    assert unguarded > 3 * uniform
    guards = [
        {"name": "absolute_margin", "margin": 1.0},
        {"name": "relative_margin", "share": 0.6},
    ]
    for guard in guards:
        guarded, allowed = hidden_share(hard | {"guards": ["known_positives", guard]})
        assert guarded < 0.6 * unguarded
        assert allowed > 0.8
    tight, loose = (
        hidden_share(hard | {"guards": ["known_positives", {"name": "relative_margin", "share": share}]})[0]
        for share in (0.3, 0.9)
    )
    assert tight < loose < unguarded


@pytest.mark.parametrize("spec", ["uniform", "sir", {"name": "dns", "candidates": 8}, {"name": "softmax", "pool": 64}])
def test_canaries_estimate_the_planted_rate(spec: Any) -> None:
    """Half of the positives is shown, of which a fifth is hidden again as canaries; the other half is the truth."""
    half, unseen = shown(planted()), planted().hidden(SHOWN)
    is_canary = torch.arange(len(half.users)) % 5 == 0
    canaries, rest = part(half, is_canary).known(), part(half, ~is_canary)
    model, sampler = fit(rest, "uniform", epochs=12), bound(spec, rest.catalogue())
    truth, rate, lift = [], [], []
    for context in batches(rest, 40):
        neg = sampler.sample(context, model)
        false = contains(unseen, context.queries, neg.ids) & neg.ok
        truth.append(float(false.sum() / neg.ok.sum()))
        found = false_negative_signals(neg, context, canaries, half.n_items, canary_share=0.2)
        rate.append(found["false_negative_rate"])
        lift.append(found["false_negative_lift"])
    planted_rate, estimate = sum(truth) / 40, sum(rate) / 40
    assert planted_rate > 0.02
    assert estimate == pytest.approx(planted_rate, rel=0.2)
    adaptive = spec not in ("uniform", {"name": "softmax", "pool": 64})
    assert (sum(lift) / 40 > 2.0) == adaptive
    assert adaptive or sum(lift) / 40 == pytest.approx(1.0, abs=0.2)


def observed(sampler: Sampler, steps: int) -> dict[str, Tensor]:
    """Signals of each step with a model that stands still."""
    model, rows = trained(), []
    for context in batches(shown(planted()), steps):
        neg = sampler.sample(context, model)
        with torch.no_grad():
            scores = model.score(context.queries, context.positives), model.score(context.queries, neg.ids)
        rows.append(sampler.observe(context, neg, *scores))
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("target", [0.15, 0.25])
def test_hold_reaches_its_target(target: float) -> None:
    held = {"hold": "violation_rate", "target": target, "start": 5.0, "low": 0.05, "high": 20.0, "rises": False}
    spec = {"name": "hold", "observe_every": 1, "select": {"name": "softmax", "k": 1, "temperature": held}}
    sampler = bound(spec, planted().catalogue(SHOWN))
    found = observed(sampler, 160)
    rate = found["violation_rate"]
    assert abs(float(rate[:5].mean()) - target) > 0.05
    assert float(rate[-60:].mean()) == pytest.approx(target, abs=0.025)
    (path, controller), *others = controllers_in(sampler)
    assert others == []
    assert 0.05 < controller.value < 5.0
    assert found[f"control.{path}"][-1] == pytest.approx(controller.value)


def test_harder_samplers_give_harder_negatives() -> None:
    names = ("uniform", "sir", "dns")
    found = {name: observed(bound(build_spec(name), planted().catalogue(SHOWN)), 12) for name in names}
    for signal, sign in (("violation_rate", 1), ("gradient_share", 1), ("gap", -1)):
        easy, middle, hard = (sign * float(found[name][signal].mean()) for name in names)
        assert easy < middle < hard
    assert 0 < float(found["sir"]["hardness"].mean()) < float(found["dns"]["hardness"].mean())


def build_spec(name: str) -> dict[str, Any]:
    return {"name": name, "observe_every": 1}


def test_more_candidates_are_harder() -> None:
    rates = [
        float(observed(bound(build_spec("dns") | {"candidates": m}, planted().catalogue(SHOWN)), 8)["gap"].mean())
        for m in (2, 8, 32)
    ]
    assert rates[0] > rates[1] > rates[2]


def test_adaptive_beats_uniform_in_equally_many_steps() -> None:
    problem, hidden = shown(wide(), 0.8), wide().hidden(0.8)
    found = {}
    for name in ("uniform", "sir", "dns"):
        users, items = fit(problem, name, epochs=5).tables()
        scores = users @ items.T
        scores[problem.users, problem.items] = -torch.inf
        best = scores.topk(10, dim=1).indices
        found[name] = float(contains(hidden, torch.arange(problem.n_users), best).sum()) / hidden.nnz
    assert found["sir"] > 1.15 * found["uniform"]
    assert found["dns"] > 1.4 * found["uniform"]
    assert found["uniform"] > 5 * 10 / problem.n_items
