"""What every proposal promises: exact probabilities, and draws that depend on nothing but their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from negatives.errors import ConfigError, NegativesError
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import all_log_probs, excluded_mask
from negatives.randomness import Purpose
from negatives.testing import statistics
from negatives.testing.problems import EVERYTHING, Problem, problem, shuffled
from negatives.testing.promises import (
    Check,
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
from negatives.types import Context, Csr

KEY = 0xC0FFEE
K = 7
MANY = 60


@dataclass(frozen=True, slots=True)
class ProposalCase:
    """A proposal under test.

    Args:
        make: Gives it anew, not yet bound.
        problem: Small data with everything that a proposal may ask for.
        of_batch: Its draws depend on the other rows of the batch (never on their order).
        pools: Gives a pool that a batch shares; False where it is not made for that.
    """

    make: Callable[[], Proposal]
    problem: Problem
    of_batch: bool = False
    pools: bool = True

    def bound(self) -> Proposal:
        """The proposal, told about the data."""
        made = self.make()
        made.bind(self.problem.catalogue)
        made.to(self.problem.catalogue.counts.device)
        return made

    def trained(self, steps: int = 5) -> Proposal:
        """The proposal after some steps of training."""
        made = self.bound()
        for step in range(steps):
            live(made, self.problem, step)
        return made


def live(proposal: Proposal, made: Problem, step: int) -> None:
    """One step of training as a sampler takes it: look at the model, draw, learn."""
    context = made.batch(step=step)
    look(proposal, made, context)
    proposal.draw(context, K, context.key(Purpose.CANDIDATES))
    proposal.observe(context)


def look(proposal: Proposal, made: Problem, context: Context) -> None:
    """Let a proposal that follows the model see it."""
    if proposal.needs_scorer:
        proposal.refresh(context, made.model())


def probabilities(proposal: Proposal, context: Context, n_items: int, exclude: Csr | None = None) -> Tensor:
    """``(rows, n_items)`` float64, what is left of the claimed probabilities; not normalised."""
    claimed = all_log_probs(proposal, context, n_items).exp()
    return claimed if exclude is None else claimed.masked_fill(excluded_mask(exclude, context.queries), 0.0)


def tables(case: ProposalCase) -> list[Csr | None]:
    """Nothing excluded, what is known, and other sets."""
    return [None, case.problem.known, case.problem.excluded]


def draws_have_their_shape(case: ProposalCase) -> None:
    """Draws are int64 ids in [0, n) or -1, and finite float32 log-probabilities, one for each slot."""
    proposal, context = case.trained(), case.problem.batch()
    for exclude in tables(case):
        ids, log_q = proposal.draw(context, K, KEY, exclude)
        like(ids, (context.rows, K), torch.int64, "ids")
        like(log_q, (context.rows, K), torch.float32, "log_q")
        low, high = int(ids.min()), int(ids.max())
        hold(low >= -1 and high < case.problem.n_items, f"ids run from {low} to {high} of {case.problem.n_items} items")
        hold(bool(torch.isfinite(log_q).all()), "log_q is not finite, even where a slot holds no item (0 there)")


def probabilities_sum_to_one(case: ProposalCase) -> None:
    """``exp(log_prob)`` sums to 1 within 1e-6 for every query that can be served, and to 0 for the others."""
    proposal, context = case.trained(), case.problem.batch()
    items = torch.arange(case.problem.n_items).expand(context.rows, -1)
    like(proposal.log_prob(items, context), (context.rows, case.problem.n_items), torch.float32, "log_prob")
    sums = probabilities(proposal, context, case.problem.n_items).sum(1)
    served = sums > 0
    off = (sums - 1).abs() * served
    row = int(off.argmax())
    hold(
        float(off[row]) <= 1e-6,
        f"exp(log_prob) sums to {float(sums[row]):.9g} over all items for query {int(context.queries[row])}",
    )
    hold(float(served.double().mean()) > 0.5, f"it can serve {100 * float(served.double().mean()):.0f} % of the rows")


def log_q_is_the_probability_of_the_draw(case: ProposalCase) -> None:
    """``log_q`` is ``log_prob`` given that nothing excluded is drawn."""
    proposal, context = case.trained(), case.problem.batch()
    for exclude in tables(case):
        ids, log_q = proposal.draw(context, K, KEY, exclude)
        left = probabilities(proposal, context, case.problem.n_items, exclude)
        wanted = (left / left.sum(1, keepdim=True)).gather(1, ids.clamp(min=0)).log()
        near(log_q[ids >= 0], wanted[ids >= 0], "log_q" if exclude is None else "log_q given the exclusion")


def log_allowed_is_what_is_left(case: ProposalCase) -> None:
    """``exp(log_allowed)`` is the mass of the items that are not excluded."""
    proposal, context = case.trained(), case.problem.batch()
    for exclude in (case.problem.known, case.problem.excluded):
        found = proposal.log_allowed(context, exclude)
        like(found, (context.rows,), torch.float32, "log_allowed")
        near(found.exp(), probabilities(proposal, context, case.problem.n_items, exclude).sum(1), "exp(log_allowed)")


def excluded_items_are_never_drawn(case: ProposalCase) -> None:
    """Excluded items are never drawn, and slots hold -1 exactly where nothing is left."""
    proposal, context = case.trained(), case.problem.batch()
    for exclude in tables(case):
        ids, _ = proposal.draw(context, MANY, KEY, exclude)
        left = probabilities(proposal, context, case.problem.n_items, exclude)
        drawn, real = left.gather(1, ids.clamp(min=0)), ids >= 0
        bad = real & (drawn <= 0)
        if bool(bad.any()):
            row, slot = bad.nonzero()[0].tolist()
            query = int(context.queries[row])
            raise AssertionError(f"item {int(ids[row, slot])} was drawn for query {query}, which may not be given it")
        empty = left.sum(1) <= 0
        wrong = real.any(1) & empty | ~real.all(1) & ~empty
        hold(
            not bool(wrong.any()),
            f"{int(wrong.sum())} rows hold -1 although items are left, or items although none is left; the first is "
            f"that of query {int(context.queries[wrong][:1].sum())}",
        )


def it_tells_for_which_rows_it_is_empty(case: ProposalCase) -> None:
    """``empty`` names the rows for which no item has a probability, or is None where there are none."""
    for proposal in (case.bound(), case.trained()):
        context = case.problem.batch()
        nothing = probabilities(proposal, context, case.problem.n_items).sum(1) == 0
        told = proposal.empty(context)
        if told is not None:
            like(told, (context.rows,), torch.bool, "empty()")
        same(torch.zeros_like(nothing) if told is None else told, nothing, "empty()")


def draws_depend_on_their_place_alone(case: ProposalCase) -> None:
    """Draws depend on key, example and slot alone: not on the rest of the batch or its order."""
    context, order = case.problem.batch(), shuffled(case.problem.batch().rows)
    one, other = case.trained(), case.trained()
    for exclude in tables(case):
        ids, log_q = one.draw(context, K, KEY, exclude)
        again = other.draw(context, K, KEY, exclude)
        same(again[0], ids, "a second run's ids")
        same(again[1], log_q, "a second run's log_q")
        moved_ids, moved_log_q = other.draw(context.take(order), K, KEY, exclude)
        same(moved_ids, ids[order], "ids of the rows in another order")
        near(moved_log_q, log_q[order], "log_q of the rows in another order")
        if exclude is None:
            longer, _ = other.draw(context, K + 5, KEY)
            same(longer[:, :K], ids, "the first slots of a longer draw")
        for size in () if case.of_batch else (context.rows // 2, 5, 1):
            parts = torch.split(torch.arange(context.rows), size)
            drawn = [other.draw(context.take(rows), K, KEY, exclude)[0] for rows in parts]
            shapes = {tuple(part.shape[1:]) for part in drawn}
            hold(shapes == {(K,)}, f"a batch of {size} rows gets {shapes} slots, not {K}")
            same(torch.cat(drawn), ids, f"ids of the batch cut into parts of {size} rows")


def places_differ(case: ProposalCase) -> None:
    """Other keys, epochs, seeds, examples and slots give other draws."""
    proposal, context = case.trained(), case.problem.batch()
    claimed = probabilities(proposal, context, case.problem.n_items)
    free = ((claimed.sum(1) > 0) & (claimed.amax(1) < 0.9)).nonzero()[:, 0]
    hold(free.numel() > 0, "no row has two items to choose from")
    context = context.take(free)
    ids = proposal.draw(context, MANY, context.key(Purpose.CANDIDATES))[0]
    others = {
        "another key": (context, KEY),
        "another epoch": (context, replace(context, epoch=1).key(Purpose.CANDIDATES)),
        "another seed": (context, replace(context, seed=context.seed + 1).key(Purpose.CANDIDATES)),
        "other examples": (replace(context, examples=context.examples + 100_003), context.key(Purpose.CANDIDATES)),
    }
    for what, (changed, key) in others.items():
        equal = (proposal.draw(changed, MANY, key)[0] == ids).all(1)
        hold(not bool(equal.any()), f"{what} draws the same {MANY} items in {int(equal.sum())} rows")
    alike = (ids[:, 1:] == ids[:, :1]).all(1)
    hold(not bool(alike.any()), f"all {MANY} slots hold one item in {int(alike.sum())} rows that have more to choose")


def one_pool_serves_the_batch(case: ProposalCase) -> None:
    """A pool depends on the rows of the batch but not on their order, and its ``log_q`` is ``log_prob``."""
    if not case.pools:
        return
    context, order = case.problem.batch(step=7), shuffled(case.problem.batch().rows)
    for size in (context.rows // 2, 40):
        ids, log_q = pool(case, context, size)
        real = ids >= 0
        hold(bool(real.any()) and int(ids.max()) < case.problem.n_items, f"a pool holds {ids.tolist()}")
        proposal = case.trained()
        look(proposal, case.problem, context)
        wanted = proposal.log_prob(ids[None].clamp(min=0), context.take(order[:1]))[0]
        near(log_q[real], wanted[real], "log_q of a pool")
        same(pool(case, context, size)[0], ids, "a pool drawn again")
        same(pool(case, context.take(order), size)[0].sort()[0], ids.sort()[0], "the pool of a reordered batch")


def what_it_learns_does_not_depend_on_the_order_of_rows(case: ProposalCase) -> None:
    """A proposal that has seen batches in another order of their rows draws the same."""
    order, proposals = shuffled(case.problem.batch().rows), (case.bound(), case.bound())
    for step in range(4):
        context = replace(case.problem.batch(step=step), examples=case.problem.batch().examples + step)
        for proposal, seen in zip(proposals, (context, context.take(order)), strict=True):
            look(proposal, case.problem, seen)
            proposal.observe(seen)
    context = case.problem.batch(step=4)
    for proposal in proposals:
        look(proposal, case.problem, context)
    one, other = (proposal.draw(context, K, KEY) for proposal in proposals)
    same(other[0], one[0], "ids after batches in another order")
    near(other[1], one[1], "log_q after batches in another order", atol=1e-4)
    if case.pools:
        ids, others = (proposal.pool(context, 40, KEY)[0] for proposal in proposals)
        same(others, ids, "the pool after batches in another order")


def pool(case: ProposalCase, context: Context, size: int) -> tuple[Tensor, Tensor]:
    """Ids and log_q ``(m,)`` of the pool of a batch, from a proposal that was trained before."""
    proposal = case.trained()
    look(proposal, case.problem, context)
    ids, log_q = proposal.pool(context, size, KEY)
    like(ids, (ids.numel(),), torch.int64, "the ids of a pool")
    like(log_q, (ids.numel(),), torch.float32, "the log_q of a pool")
    return ids, log_q


def state_goes_on_where_it_was(case: ProposalCase) -> None:
    """A part that loads a saved state draws from then on as the one that gave it."""
    one, fresh, lived = case.trained(5), case.bound(), case.trained(2)
    with moved(one, fresh, lived):
        for step in range(5, 9):
            context = case.problem.batch(step=step)
            wanted = None
            for name, part in (("", one), ("a new part", fresh), ("a part with a past", lived)):
                look(part, case.problem, context)
                drawn = part.draw(context, K, KEY)
                wanted = wanted or drawn
                same(drawn[0], wanted[0], f"ids that {name} draws after loading, at step {step},")
                same(drawn[1], wanted[1], f"log_q that {name} gives after loading, at step {step},")
                part.observe(context)


def nothing_else_is_touched(case: ProposalCase) -> None:
    """Neither the global generators nor the tensors that are passed in change."""
    made, context = case.problem, case.problem.batch()
    with global_randomness_untouched(), unwritten(made.catalogue, made.excluded, context):
        proposal = case.trained(3)
        for exclude in tables(case):
            proposal.draw(context, K, KEY, exclude)
        proposal.log_allowed(context, made.excluded)
        if case.pools:
            pool(case, context, 9)


def other_data_is_refused_or_right(case: ProposalCase) -> None:
    """Bound a second time, to other data, a part refuses or is as if it were new."""
    for other in (problem(case.problem.n_items, seed=5), problem(case.problem.n_items + 7, seed=5)):
        again, fresh = case.bound(), case.make()
        context = other.batch()
        try:
            again.bind(other.catalogue)
            again.to(other.catalogue.counts.device)
            look(again, other, context)
            found = again.draw(context, MANY, KEY)
        except NegativesError:
            continue
        fresh.bind(other.catalogue)
        fresh.to(other.catalogue.counts.device)
        look(fresh, other, context)
        wanted = fresh.draw(context, MANY, KEY)
        same(found[0], wanted[0], f"ids after a second bind, to {other.n_items} items,")
        same(found[1], wanted[1], f"log_q after a second bind, to {other.n_items} items,")


def unbound_says_what_to_do(case: ProposalCase) -> None:
    """Before the data is known a draw works or is a ``ConfigError``."""
    try:
        case.make().draw(case.problem.batch(), K, KEY)
    except ConfigError:
        return
    except NegativesError as error:
        raise AssertionError(
            f"drawing before the data is known raises {type(error).__name__}; ConfigError is meant"
        ) from error


def a_full_query_is_left_empty(case: ProposalCase) -> None:
    """A query that knows every item is given none."""
    proposal, context = case.trained(), case.problem.batch()
    ids, _ = proposal.draw(context, K, KEY, case.problem.known)
    full = context.queries == EVERYTHING
    hold(bool((ids[full] == -1).all()), f"query {EVERYTHING} knows every item, and is given {ids[full].max()}")


def draws_follow_the_claim(
    case: ProposalCase, exclude: Csr | None = None, draws: int = 100_000, alpha: float = statistics.ALPHA
) -> None:
    """Frequencies of draws, query by query, are those of ``exp(log_prob)`` given the exclusion: a chi-square test.

    The batch is every training pair once, so that draws from the batch have the training frequencies.
    """
    proposal, context, n = case.trained(), case.problem.every_pair(), case.problem.n_items
    look(proposal, case.problem, context)
    k = -(-draws // context.rows)
    ids, _ = proposal.draw(context, k, context.key(Purpose.CANDIDATES), exclude)
    claimed = probabilities(proposal, context, n, exclude)
    claimed = claimed / claimed.sum(1, keepdim=True).clamp(min=1e-300)
    n_queries = case.problem.catalogue.n_queries
    expected = torch.zeros(n_queries, n, dtype=torch.float64).index_add_(0, context.queries, claimed)
    codes = (context.queries[:, None] * n + ids)[ids >= 0]
    seen = torch.bincount(codes, minlength=n_queries * n).view(n_queries, n)
    wrong = (ids >= 0) != (claimed.sum(1, keepdim=True) > 0)
    hold(not bool(wrong.any()), f"{int(wrong.sum())} slots hold -1 although items are left, or items although none is")
    totals = seen.sum(1, keepdim=True)
    shares = totals * expected / expected.sum(1, keepdim=True).clamp(min=1e-300)
    lost = int((totals > 0).sum())  # the number of draws of each query is given
    what = f"{ids.numel()} draws over {n_queries} queries"
    statistics.frequencies_fit(seen.flatten(), (shares / shares.sum()).flatten(), what, alpha, lost)


def it_moves_to_another_device(case: ProposalCase) -> None:
    """All that it holds moves to another device, and nothing where it is there already."""
    moves_whole(case.trained())


CHECKS: tuple[Check[ProposalCase], ...] = (
    draws_have_their_shape,
    probabilities_sum_to_one,
    log_q_is_the_probability_of_the_draw,
    log_allowed_is_what_is_left,
    excluded_items_are_never_drawn,
    a_full_query_is_left_empty,
    it_tells_for_which_rows_it_is_empty,
    draws_depend_on_their_place_alone,
    places_differ,
    one_pool_serves_the_batch,
    what_it_learns_does_not_depend_on_the_order_of_rows,
    state_goes_on_where_it_was,
    nothing_else_is_touched,
    other_data_is_refused_or_right,
    unbound_says_what_to_do,
    draws_follow_the_claim,
    it_moves_to_another_device,
)


def check_proposal(
    make: Callable[[], Proposal], *, n_items: int = 20, of_batch: bool = False, draws: int = 1_000_000
) -> None:
    """Run the contract of a proposal, and compare a million draws with its claims, with and without exclusion.

    Args:
        make: Gives the proposal anew, not yet bound.
        n_items: Size of the problem, 20 or more.
        of_batch: Draws depend on the other rows of the batch, never on their order.
        draws: Draws of each chi-square test.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    made = problem(n_items)
    case = ProposalCase(make, made, of_batch, not make().conditional)
    name = type(make()).__name__
    run(name, case, CHECKS)
    for exclude in tables(case):
        run(name, case, [partial(draws_follow_the_claim, exclude=exclude, draws=draws)])
