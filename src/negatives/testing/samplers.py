"""What every sampler promises as a whole: guarded draws, exact probabilities, and a state that is complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from negatives.sampler import Sampler
from negatives.testing import statistics
from negatives.testing.problems import EVERYTHING, Problem, problem, shuffled
from negatives.testing.promises import (
    Check,
    alike,
    global_randomness_untouched,
    hold,
    like,
    moved,
    moves_whole,
    near,
    run,
    same,
    unwritten,
)
from negatives.types import Candidates, Context, Negatives

FIELDS = ("ids", "ok", "log_q", "weight", "scores", "positive_scores", "positive_log_q", "repeats")
QUERY = 4
"""A query that knows some items, for which estimates are compared."""


@dataclass(frozen=True, slots=True)
class SamplerCase:
    """A sampler under test.

    Args:
        make: Gives it anew, with a seed, not yet bound.
        problem: Small data with everything that a sampler may ask for.
        of_batch: Its draws depend on the other rows of the batch.
    """

    make: Callable[[int], Sampler]
    problem: Problem
    of_batch: bool = False

    def bound(self, seed: int = 0) -> Sampler:
        """The sampler, told about the data."""
        made = self.make(seed)
        made.bind(self.problem.catalogue)
        return made

    def trained(self, steps: int = 3, seed: int = 0) -> Sampler:
        """The sampler after some steps."""
        made = self.bound(seed)
        for step in range(steps):
            sample(made, self.problem, step)
        return made


def sample(sampler: Sampler, made: Problem, step: int) -> Negatives:
    """One step as the training loop takes it: draw, then measure and let controllers follow."""
    context, model = replace(made.batch(step=step), seed=sampler.seed, progress=min(1.0, step / 20)), made.model()
    found = sampler.sample(context, model)
    with torch.no_grad():
        scores = model.score(context.queries, context.positives), model.score(context.queries, found.ids)
    sampler.observe(context, found, *scores)
    return found


def answers_have_their_shape(case: SamplerCase) -> None:
    """Ids are int64 of the catalogue, ``ok`` is bool, and all that is there is as wide as the ids and finite."""
    sampler = case.trained()
    found = sample(sampler, case.problem, 3)
    rows = case.problem.batch().rows
    like(found.ids, (rows, found.k), torch.int64, "ids")
    like(found.ok, (rows, found.k), torch.bool, "ok")
    low, high = int(found.ids.min()), int(found.ids.max())
    hold(0 <= low <= high < case.problem.n_items, f"ids run from {low} to {high} of {case.problem.n_items} items")
    hold(bool(found.ok.any()), "not one slot is allowed")
    for name in FIELDS[2:]:
        values = getattr(found, name)
        if values is not None:
            like(values, (rows,) if name.startswith("positive") else (rows, found.k), torch.float32, name)
            if not name.startswith("positive"):
                hold(bool(values[found.ok].isfinite().all()), f"{name} is not finite in an allowed slot")


def ok_is_honest(case: SamplerCase) -> None:
    """No guard would mark a slot that is ``ok``, a query that knows every item gets none, and misses are counted."""
    sampler, context = case.trained(), case.problem.batch(step=3)
    before, guards = sampler.unfilled, case.trained().guards  # as they stood at the draw, before they learnt from it
    found = sample(sampler, case.problem, 3)
    ids = found.ids.clone()
    drawn = Candidates(ids, None, torch.ones_like(found.ok), found.scores, found.positive_scores)
    for guard in guards:
        if not guard.keeps_log_q or (guard.needs_scores and found.scores is None):
            continue  # depends on what else was drawn
        lies = found.ok & ~guard.allow(context, drawn)
        hold(not bool(lies.any()), f"{int(lies.sum())} slots are ok that {type(guard).__name__} forbids")
        table = guard.excluded()
        if table is None:
            continue
        full = (table.lengths() >= case.problem.n_items)[context.queries]
        hold(not bool(found.ok[full].any()), f"query {EVERYTHING} knows every item, and has ok slots")
        counted = sampler.unfilled - before
        hold(sampler.pool is not None or counted >= int(full.sum()), f"{counted} empty slots were counted")


def draws_depend_on_their_place_alone(case: SamplerCase) -> None:
    """The same seed, epoch, step and examples give the same negatives, row by row, in any order and any batch."""
    context, model = case.problem.batch(step=3), case.problem.model()
    found = case.trained().sample(context, model)
    again = case.trained().sample(context, model)
    for name in FIELDS:
        same(getattr(again, name), getattr(found, name), f"{name} of a second run")
    order = shuffled(context.rows)
    turned = case.trained().sample(context.take(order), model)
    if case.make(0).pool is None:
        same(turned.ids, found.ids[order], "ids of the rows in another order")
        same(turned.ok, found.ok[order], "ok of the rows in another order")
    else:
        same(turned.ids.sort(1).values, found.ids[order].sort(1).values, "the pool of the rows in another order")
    if case.of_batch or case.make(0).pool is not None:
        return
    for rows in torch.split(torch.arange(context.rows), 17):
        part = case.trained().sample(context.take(rows), model)
        same(part.ids, found.ids[rows], "ids of a part of the batch")
        same(part.ok, found.ok[rows], "ok of a part of the batch")


def seeds_and_epochs_differ(case: SamplerCase) -> None:
    """Another seed, epoch or place gives other negatives; a sampler that takes everything may say so by its pool."""
    context, model = case.problem.batch(step=3), case.problem.model()
    found = case.trained().sample(context, model)
    if torch.unique(found.ids).numel() >= case.problem.n_items and bool((found.ids[0].diff() == 1).all()):
        return  # all items in their order
    others = {
        "another seed": (replace(context, seed=7), 7),
        "another epoch": (replace(context, epoch=2), 0),
        "other places": (replace(context, step=4, examples=context.examples + 5000), 0),
    }
    for what, (changed, seed) in others.items():
        other = case.trained(seed=seed).sample(changed, model)
        alike_ = other.ids.shape == found.ids.shape and torch.equal(other.ids, found.ids)
        hold(not alike_ or case.of_batch, f"{what} gives the same negatives")


def state_goes_on_where_it_was(case: SamplerCase) -> None:
    """A sampler that loads a saved state goes on as the one that gave it: draws, counters and controllers."""
    one, fresh = case.bound(), case.bound()
    model = case.problem.model()
    for step in range(18):
        sample(one, case.problem, step)
        context = case.problem.batch(step=step)
        one(context.queries[:5], context.positives[:5], model, progress=0.5)
    with moved(one, fresh):
        hold(alike(fresh.state(), one.state()), "a loaded sampler gives another state")
        for step in range(18, 28):
            context = case.problem.batch(step=step)
            for call in range(2):
                if call:
                    rows = context.queries[:5], context.positives[:5]
                    wanted, found = (part(*rows, model, progress=0.5) for part in (one, fresh))
                else:
                    wanted, found = (sample(part, case.problem, step) for part in (one, fresh))
                for name in FIELDS:
                    same(getattr(found, name), getattr(wanted, name), f"{name} after loading, at step {step},")
        hold(one.unfilled == fresh.unfilled, f"{one.unfilled} and {fresh.unfilled} unfilled slots are counted")


def nothing_else_is_touched(case: SamplerCase) -> None:
    """Neither the global generators nor data, batch and model change."""
    made, model = case.problem, case.problem.model()
    context = made.batch(step=3)
    with global_randomness_untouched(), unwritten(made.catalogue, context, list(model.parameters())):
        case.trained().sample(context, model)


def positives_are_on_the_scale_of_the_negatives(case: SamplerCase) -> None:
    """``positive_log_q`` is the proposal's, given the exclusion of draws per row; only where slots still follow it."""
    context, model, twin = case.problem.batch(step=3), case.problem.model(), case.trained()
    found = case.trained().sample(context, model)
    if found.positive_log_q is None:
        return
    hold(twin.select.keeps_proposal, "the selection resamples, and the proposal's positive_log_q is handed on")
    hold(found.log_q is not None, "positive_log_q is given without log_q")
    lost = found.positive_log_q.isnan()
    hold(not bool(lost.any()), f"positive_log_q is NaN in {int(lost.sum())} rows")
    if twin.proposal.needs_scorer:
        twin.proposal.refresh(context, model)
    wanted = twin.proposal.log_prob(context.positives[:, None], context)[:, 0]
    if twin.pool is None:
        for guard in twin.guards:
            table = guard.excluded()
            if table is not None:
                wanted = wanted - twin.proposal.log_allowed(context, table)
    fine = wanted.isfinite()
    near(found.positive_log_q[fine], wanted[fine], "positive_log_q")


def log_q_makes_sums_unbiased(case: SamplerCase) -> None:
    """Where ``log_q`` is given, ``(1/k) sum ok f / exp(log_q)`` is the sum of ``f`` over items that can be drawn."""
    sampler = case.trained()
    if case.of_batch or sample(case.trained(), case.problem, 3).log_q is None:
        return
    per_row = sampler.pool is None
    context, n = one_query(case.problem, 6000 if per_row else 2), case.problem.n_items
    twin, model = case.trained(), case.problem.model()
    if twin.proposal.needs_scorer:
        twin.proposal.refresh(context, model)
    items = torch.arange(n)[None]
    wanted = twin.proposal.log_prob(items, context.take(torch.tensor([0])))[0] > -torch.inf
    with torch.no_grad():
        scores = model.score(context.queries[:1], items), model.score(context.queries[:1], context.positives[:1])
    drawn = Candidates(items, None, torch.ones(1, n, dtype=torch.bool), *scores)
    for guard in sampler.guards:
        wanted &= guard.allow(context.take(torch.tensor([0])), drawn)[0]
    if per_row:
        found = sampler.sample(context, model)
        estimates = shares(found, n)
    else:
        steps = (replace(context, step=3 + step, examples=context.examples + 10 * step) for step in range(200))
        estimates = torch.cat([shares(sampler.sample(one, model), n)[:1] for one in steps])
    statistics.means_fit(estimates, wanted.double(), "the sum over allowed items, item by item")


def shares(found: Negatives, n_items: int) -> Tensor:
    """``(rows, items)``: each row's estimate of one, for every item."""
    assert found.log_q is not None
    value = torch.where(found.ok, 1.0 / found.log_q.double().exp() / found.k, 0.0)
    return torch.zeros(len(found.ids), n_items, dtype=torch.float64).scatter_add_(1, found.ids, value)


def one_query(made: Problem, rows: int) -> Context:
    """A batch of one query and one of its positives."""
    places = torch.arange(rows)
    positive = int(made.known.row(QUERY)[0])
    return Context(torch.full_like(places, QUERY), torch.full_like(places, positive), places + 9000, step=3)


def it_moves_to_another_device(case: SamplerCase) -> None:
    """All that it holds moves to another device, and nothing where it is there already."""
    moves_whole(case.trained())


CHECKS: tuple[Check[SamplerCase], ...] = (
    answers_have_their_shape,
    ok_is_honest,
    draws_depend_on_their_place_alone,
    seeds_and_epochs_differ,
    state_goes_on_where_it_was,
    nothing_else_is_touched,
    positives_are_on_the_scale_of_the_negatives,
    log_q_makes_sums_unbiased,
    it_moves_to_another_device,
)


def check_sampler(make: Callable[[int], Sampler], *, n_items: int = 20, of_batch: bool = False) -> None:
    """Run the contract of a whole sampler, for instance of a preset.

    Args:
        make: Gives the sampler anew for a seed, not yet bound.
        n_items: Size of the problem, 20 or more.
        of_batch: Draws depend on the other rows of the batch.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run("the sampler", SamplerCase(make, problem(n_items), of_batch), CHECKS)
