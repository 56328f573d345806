"""A few steps in the life of every row of every table: the same on the CPU and on the device.

Data, tables and models are made on the CPU, as a run makes them, and moved. What comes back lies on the device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import test_engines
import torch
from life import STEPS, Life

from negatives.randomness import Purpose
from negatives.sampler import build
from negatives.testing.feeds import FeedCase
from negatives.testing.losses import LossCase
from negatives.testing.losses import batch as scored
from negatives.testing.problems import candidates, problem
from negatives.testing.samplers import FIELDS
from negatives.testing.selections import draws
from negatives.training.feeds import Feed, PairFeed
from negatives.types import Csr

ROWS, K = 24, 7
PROBLEM = problem(23)


def proposal(case: Any, life: Life) -> None:
    """Look at the model, draw with and without exclusion, give probabilities and a pool, learn, go on from a file."""
    part, fresh = case.make(), case.make()
    model, known = PROBLEM.model().to(life.device), life.on(PROBLEM.known)
    for one in (part, fresh):
        one.bind(PROBLEM.catalogue)
    part.to(life.device)
    for step in range(STEPS):
        context = life.on(PROBLEM.batch(ROWS, step))
        key, found = context.key(Purpose.CANDIDATES), {}
        with life.watch(step):
            if part.needs_scorer:
                part.refresh(context, model)
            found["ids"], found["log_q"] = part.draw(context, K, key)
            found["allowed"], found["log_q of the allowed"] = part.draw(context, K, key, known)
            found["log_prob"] = part.log_prob(found["ids"].clamp(min=0), context)
            found["log_allowed"] = part.log_allowed(context, known)
            if case.pools:
                found["pool"], found["log_q of the pool"] = part.pool(context, K, key)
            part.observe(context)
        for what, value in found.items():
            life.take(what, value)
    fresh.load_state(part.state())
    fresh.to(life.device)
    context = life.on(PROBLEM.batch(ROWS, STEPS))
    if fresh.needs_scorer:
        fresh.refresh(context, model)
    life.take("ids after loading", fresh.draw(context, K, 5, known)[0])


def guard(case: Any, life: Life) -> None:
    """Mark candidates of each row's own and a pool."""
    part = case.make()
    part.bind(PROBLEM.catalogue)
    part.to(life.device)
    for step in range(STEPS):
        for shared in (False, True):
            context = PROBLEM.batch(ROWS, step)
            context, drawn = life.on((context, candidates(PROBLEM, context, shared=shared)))
            with life.watch(step):
                found = part.allow(context, drawn)
            life.take("marks", found)


def selection(case: Any, life: Life) -> None:
    """Choose among candidates, some of them marked."""
    part = case.make()
    part.bind(PROBLEM.catalogue)
    part.to(life.device)
    for step in range(STEPS):
        context = PROBLEM.batch(ROWS, step)
        context, drawn = life.on((context, draws(context)))
        with life.watch(step):
            found = part.pick(context, drawn, drawn.scores if part.needs_difficulty else None, 9)
        for name in FIELDS:
            life.take(name, getattr(found, name))


def difficulty(case: Any, life: Life) -> None:
    """Say what is hard, of candidates and of a pool."""
    part, model = case.make(), PROBLEM.model().to(life.device)
    part.to(life.device)
    for step in range(STEPS):
        for shared in (False, True):
            context = PROBLEM.batch(ROWS, step)
            context, drawn = life.on((context, candidates(PROBLEM, context, shared=shared)))
            with life.watch(step):
                found = part.of(context, drawn, model)
            life.take("difficulty", found)


def loss(case: LossCase, life: Life) -> None:
    """Loss and gradients of rows, and of a pool in its one pass."""
    part = case.make()
    for step in range(STEPS):
        positive, negative, negatives = life.on(scored(torch.float32))
        positive, negative = (one.detach().requires_grad_() for one in (positive, negative))
        scores, plain = negative.detach().clone(), replace(negatives, weight=None)
        with life.watch(step):
            rows = part.rows(positive, negative, negatives)
            grads = torch.autograd.grad(rows.sum(), (positive, negative))
            fused = part.fused_(positive.detach(), scores, plain)
        for what, value in zip(("loss", "gradient of the positive", "gradient"), (rows, *grads), strict=True):
            life.take(what, value)
        if fused is not None:
            life.take("fused loss", fused[0])
            life.take("fused gradient", scores)


def sampler(case: Any, life: Life) -> None:
    """Propose, guard, score, select, learn and measure, by the public door."""
    made, model = case.make(0), PROBLEM.model().to(life.device)
    made.bind(PROBLEM.catalogue)
    for step in range(STEPS):
        context = life.on(PROBLEM.batch(ROWS, step))
        with life.watch(step):
            found = made.sample(context, model)
        for name in FIELDS:
            life.take(name, getattr(found, name))
        scores = (model.score(context.queries, ids) for ids in (context.positives, found.ids))
        made.observe(replace(context, step=0), found, *scores)


def engine(case: Any, life: Life) -> None:
    """Training steps; the weights that they lead to."""
    before = test_engines.engine_with
    test_engines.engine_with = lambda model, *rest: before(model.to(life.device), *rest)
    try:
        made = case.make()
    finally:
        test_engines.engine_with = before
    for step in range(STEPS):
        context = life.on(case.batch(step))
        with life.watch(step):
            done = made.step(context, case.lr)
        life.take("scores of the positives", done.positive)
        life.given.append(("loss", torch.tensor(done.loss)))
    made.load_state(made.state())
    for name, value in made.model.state_dict().items():
        life.take(name, value)


def model(case: Any, life: Life) -> None:
    """Encode, score, take a gradient, and take in what is known since."""
    made = case.make(3).to(life.device)
    context = life.on(case.context(made))
    for step in range(STEPS):
        made.zero_grad()
        with life.watch(step):
            made.refresh(context)
            vectors = made.encode_queries(context.queries), made.encode_items(context.positives)
            scores, penalty = made.score(context.queries, context.positives), made.penalty(context)
            total = scores.square().sum() + (0.0 if penalty is None else penalty)
            if total.requires_grad:
                total.backward()
        for what, value in zip(("queries", "items", "scores"), (*vectors, scores), strict=True):
            life.take(what, value)
        for name, one in made.named_parameters():
            life.take(f"the gradient of {name}", torch.zeros_like(one) if one.grad is None else one.grad)
    made = case.make(3).to(life.device)
    places = torch.arange(made.n_queries)
    made.extend(life.on(Csr.from_pairs(places, places * 3 % made.n_items, made.n_queries, made.n_items)))
    with torch.no_grad():
        made.refresh()
        life.take("scores after extending", made.score(context.queries, context.positives))


def control(spec: Any, life: Life) -> None:
    """Be a number of a sampler, and follow what it measures of scores on the device."""
    made = build({"proposal": "uniform", "candidates": 8, "select": {"name": "self_adversarial", "alpha": spec}})
    made.bind(PROBLEM.catalogue)
    mf = PROBLEM.model().to(life.device)
    for step in range(STEPS):
        context = replace(life.on(PROBLEM.batch(ROWS, step)), progress=0.3 + step / STEPS, step=0)
        with life.watch(step):
            found = made.sample(context, mf)
        life.take("weight", found.weight)
        made.observe(context, found, *(mf.score(context.queries, ids) for ids in (context.positives, found.ids)))


def feed(case: FeedCase, life: Life) -> None:
    """Give the batches of an epoch."""
    made = case.make().to(life.device)
    for index in range(min(STEPS, made.steps(case.sizes[0]))):
        with life.watch(index):
            batch = made.batch(3, 0, index, case.sizes[0])
        for name in ("queries", "items", "examples"):
            life.take(name, getattr(batch, name))


def weighted() -> Feed:
    """Pairs of different weights."""
    places = torch.arange(60)
    return PairFeed(places % 12, places % 20, (places % 3).double())


WEIGHTED = {"PairFeed with weights": FeedCase(weighted)}
