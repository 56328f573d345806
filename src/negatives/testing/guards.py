"""What every guard promises: marks that depend on the row alone, and that say what they do to ``log_q``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from negatives.errors import ConfigError, NegativesError
from negatives.guards.base import Guard
from negatives.randomness import bits, integers
from negatives.testing import statistics
from negatives.testing.problems import Problem, candidates, problem, shuffled
from negatives.testing.promises import (
    Check,
    global_randomness_untouched,
    hold,
    like,
    moved,
    moves_whole,
    run,
    same,
    unwritten,
)
from negatives.types import Candidates, Context, Negatives, shared_pool

Rule = Callable[[Problem, Context, Candidates], Tensor]
"""What a guard must allow: ``(rows, m)`` bool for a problem, a batch and its candidates."""


@dataclass(frozen=True, slots=True)
class GuardCase:
    """A guard under test.

    Args:
        make: Gives it anew, not yet bound.
        problem: Small data with everything that a guard may ask for.
        rule: What it must allow where candidates are not marked already; None where only the form is checked.
    """

    make: Callable[[], Guard]
    problem: Problem
    rule: Rule | None = None

    def bound(self) -> Guard:
        """The guard, told about the data."""
        made = self.make()
        made.bind(self.problem.catalogue)
        made.to(self.problem.catalogue.counts.device)
        return made

    def batches(self) -> list[tuple[Context, Candidates]]:
        """A batch with candidates of each row's own, and one with a shared pool."""
        context = self.problem.batch()
        return [(context, candidates(self.problem, context, shared=shared)) for shared in (False, True)]


def marks_are_one_bool_for_each_candidate(case: GuardCase) -> None:
    """Marks are ``(rows, m)`` bool, the same on a second call."""
    for context, drawn in case.batches():
        guard = case.bound()
        found = guard.allow(context, drawn)
        like(found, (context.rows, drawn.ids.shape[1]), torch.bool, "allow()")
        same(guard.allow(context, drawn), found, "a second call's marks")


def marks_follow_the_rule(case: GuardCase) -> None:
    """What the rule forbids is marked, and nothing else."""
    for context, drawn in case.batches():
        if case.rule is None:
            continue
        found, wanted = case.bound().allow(context, drawn), case.rule(case.problem, context, drawn)
        wrong = (found != wanted) & drawn.ok
        if bool(wrong.any()):
            row, slot = wrong.nonzero()[0].tolist()
            raise AssertionError(
                f"{int(wrong.sum())} marks are wrong; item {int(drawn.ids[row, slot])} of query "
                f"{int(context.queries[row])} with positive {int(context.positives[row])} must "
                f"{'' if bool(wanted[row, slot]) else 'not '}be allowed"
            )


def rows_do_not_depend_on_each_other(case: GuardCase) -> None:
    """Marks of a row are the same in any batch, in any order, and for a pool that is written out."""
    for context, drawn in case.batches():
        found, order = case.bound().allow(context, drawn), shuffled(context.rows)
        own = replace(drawn, ids=drawn.ids.clone(), ok=drawn.ok.clone())
        same(
            case.bound().allow(context, own) & own.ok, found & drawn.ok, "marks of the same ids with rows of their own"
        )
        turned = case.bound().allow(context.take(order), own.take(order))
        same(turned & own.ok[order], (found & drawn.ok)[order], "marks of the rows in another order")
        for rows in torch.split(torch.arange(context.rows), 7):
            part = case.bound().allow(context.take(rows), own.take(rows))
            same(part & own.ok[rows], (found & drawn.ok)[rows], "marks of a part of the batch")


def candidates_stay_as_they_are(case: GuardCase) -> None:
    """Candidates are not written to, a shared pool stays shared, and no global generator is used."""
    for context, drawn in case.batches():
        shared = shared_pool(drawn.ids) is not None
        with global_randomness_untouched(), unwritten(case.problem.catalogue, context, drawn):
            case.bound().allow(context, drawn)
        hold((shared_pool(drawn.ids) is not None) is shared, "the shared pool was written out in place")


def scores_are_read_where_it_says_so(case: GuardCase) -> None:
    """``needs_scores`` is true: without it scores change nothing, with it their lack is a ``ConfigError``."""
    context, drawn = case.batches()[0]
    guard, bare = case.bound(), replace(drawn, scores=None, positive_scores=None)
    if not guard.needs_scores:
        same(guard.allow(context, bare), case.bound().allow(context, drawn), "marks with and without scores")
        return
    try:
        guard.allow(context, bare)
    except ConfigError:
        return
    raise AssertionError("needs_scores is True, but candidates without scores are accepted")


def log_q_survives_where_it_says_so(case: GuardCase) -> None:
    """Where ``keeps_log_q``, ``mean(ok f / q)`` over draws with replacement is the sum of ``f`` over allowed items."""
    if not case.bound().keeps_log_q:
        return
    n_items, n, m = case.problem.n_items, 20_000, 6
    rows = torch.arange(n)
    by_item = (bits(5, torch.arange(n_items), 0) >> 33).double() / 2**30  # between -1 and 1
    ids = integers(6, rows[:, None], torch.arange(m), n_items)
    query = torch.full_like(rows, 4)
    batch = Context(query, torch.full_like(rows, int(case.problem.known.row(4)[0])), rows)
    everything = torch.ones_like(ids, dtype=torch.bool)
    drawn = Candidates(ids, None, everything, by_item[ids].float(), torch.full((n,), 0.3))
    ok = case.bound().allow(batch, drawn)
    each = torch.arange(n_items)[None]
    single = Candidates(
        each, None, torch.ones_like(each, dtype=torch.bool), by_item[each].float(), torch.full((1,), 0.3)
    )
    allowed = case.bound().allow(batch.take(rows[:1]), single)[0].double()
    seen = torch.zeros(n, n_items, dtype=torch.float64).scatter_add_(1, ids, ok.double() * n_items / m)
    statistics.means_fit(seen, allowed, "the sum over allowed items, item by item")


def state_goes_on_where_it_was(case: GuardCase) -> None:
    """A guard that loads a saved state goes on as the one that gave it; without a state it learns nothing."""
    made = case.problem
    one, fresh, lived = case.bound(), case.bound(), case.bound()
    for step in range(4):
        learn(one, made, step)
        if step < 2:
            learn(lived, made, step + 10)
    if not one.state():
        context, drawn = case.batches()[0]
        same(one.allow(context, drawn), case.bound().allow(context, drawn), "it has no state, but what it has seen")
    with moved(one, fresh, lived):
        for step in range(4, 7):
            context = made.batch(step=step)
            drawn = candidates(made, context)
            wanted = one.allow(context, drawn)
            for part in (fresh, lived):
                same(part.allow(context, drawn), wanted, f"marks after loading, at step {step},")
            for part in (one, fresh, lived):
                learn(part, made, step)


def learn(guard: Guard, made: Problem, step: int) -> None:
    """One step of training: mark the candidates, then see what became of them."""
    context = made.batch(step=step)
    drawn = candidates(made, context)
    allowed = guard.allow(context, drawn)
    negatives = Negatives(drawn.ids, drawn.log_q, drawn.ok & allowed, None, drawn.scores, drawn.positive_scores)
    guard.observe(context, negatives)


def excluded_items_are_not_allowed(case: GuardCase) -> None:
    """What ``excluded()`` leaves out of the draws, ``allow`` marks in a pool."""
    guard, context = case.bound(), case.problem.batch()
    exclude = guard.excluded()
    if exclude is None:
        return
    n = case.problem.n_items
    hold(exclude.n_cols == n, f"excluded() speaks of {exclude.n_cols} items, the data of {n}")
    ids = torch.arange(n).expand(context.rows, n)
    ok = torch.ones((1, 1), dtype=torch.bool).expand(context.rows, n)
    zeros = torch.zeros(context.rows, n)
    allowed = guard.allow(context, Candidates(ids, None, ok, zeros, zeros[:, 0]))
    for row, query in enumerate(context.queries.tolist()):
        kept = allowed[row, exclude.row(query).long()]
        hold(
            not bool(kept.any()), f"{int(kept.sum())} items of query {query} are in excluded(), and allow() keeps them"
        )


def other_data_is_refused_or_right(case: GuardCase) -> None:
    """Bound a second time, to other data, a guard refuses or is as if it were new."""
    for other in (problem(case.problem.n_items, seed=5), problem(case.problem.n_items + 7, seed=5)):
        context = other.batch()
        drawn, again, fresh = candidates(other, context), case.bound(), case.make()
        try:
            again.bind(other.catalogue)
            again.to(other.catalogue.counts.device)
            found = again.allow(context, drawn)
        except NegativesError:
            continue
        fresh.bind(other.catalogue)
        fresh.to(other.catalogue.counts.device)
        same(found, fresh.allow(context, drawn), f"marks after a second bind, to {other.n_items} items,")


def it_moves_to_another_device(case: GuardCase) -> None:
    """All that it holds moves to another device, and nothing where it is there already."""
    guard = case.bound()
    learn(guard, case.problem, 0)
    moves_whole(guard)


CHECKS: tuple[Check[GuardCase], ...] = (
    marks_are_one_bool_for_each_candidate,
    marks_follow_the_rule,
    rows_do_not_depend_on_each_other,
    candidates_stay_as_they_are,
    scores_are_read_where_it_says_so,
    log_q_survives_where_it_says_so,
    state_goes_on_where_it_was,
    excluded_items_are_not_allowed,
    other_data_is_refused_or_right,
    it_moves_to_another_device,
)


def check_guard(make: Callable[[], Guard], rule: Rule | None = None, *, n_items: int = 20) -> None:
    """Run the contract of a guard.

    Args:
        make: Gives the guard anew, not yet bound.
        rule: What it must allow, by another way than its own; without it only the form is checked.
        n_items: Size of the problem, 20 or more.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, GuardCase(make, problem(n_items), rule), CHECKS)
