"""What every selection and difficulty promises: honest ``ok``, unbiased ``log_q``, rows that stand alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.models.factorization import MatrixFactorization
from negatives.randomness import Purpose, integers, stream, uniforms
from negatives.selection.base import Difficulty, Selection
from negatives.testing import statistics
from negatives.testing.problems import Problem, candidates, problem, shuffled
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
from negatives.types import Candidates, Context, Negatives, shared_pool

M = 8
ITEMS = 30


@dataclass(frozen=True, slots=True)
class SelectionCase:
    """A selection under test.

    Args:
        make: Gives it anew.
        problem: Where batches come from.
        fills: Rows in which every candidate is allowed get no empty slot; False where scores decide that.
    """

    make: Callable[[], Selection]
    problem: Problem
    fills: bool = True


def draws(context: Context, shared: bool = False) -> Candidates:
    """Candidates with an id of its own in every slot of a row; row 0 has none allowed, row 1 all."""
    n, slots = context.rows, torch.arange(M)
    key, rows = stream(3, Purpose.PROBES), context.examples[:, None]
    ids = (1 + slots + (0 if shared else torch.arange(n)[:, None] % 5)).expand(n, M)
    ok = uniforms(key, rows, slots) < 0.7
    ok[0], ok[1] = False, True
    scores = (integers(key ^ 1, rows, slots, 2001) - 1000).float() / 400
    log_q = (uniforms(key ^ 2, rows[:1] if shared else rows, slots) * 0.9 + 0.05).log().float().expand(n, M)
    return Candidates(ids, log_q, ok, scores, scores[:, 0].roll(1).contiguous())


def pick(case: SelectionCase, context: Context, drawn: Candidates, difficulty: Tensor | None = None) -> Negatives:
    """The choice of a new selection; hard is what scores high unless said otherwise."""
    part = case.make()
    part.bind(case.problem.catalogue)
    part.to(case.problem.catalogue.counts.device)
    given = drawn.scores if difficulty is None else difficulty
    return part.pick(context, drawn, given if part.needs_difficulty else None, context.key(Purpose.SELECTION))


def regimes(case: SelectionCase) -> list[tuple[str, Context, Candidates, Tensor | None]]:
    """Batches of every kind: some, all and no candidates allowed, a shared pool, and hopeless difficulties."""
    context = case.problem.batch()
    some = draws(context)
    assert some.scores is not None
    one = torch.ones((1, 1), dtype=torch.bool)
    low = some.scores.masked_fill(some.scores < 0.5, -math.inf)
    return [
        ("some allowed", context, some, None),
        ("all allowed", context, replace(some, ok=one.expand(some.ids.shape)), None),
        ("none allowed", context, replace(some, ok=torch.zeros_like(some.ok)), None),
        ("a shared pool", context, draws(context, shared=True), None),
        ("difficulties of minus infinity", context, some, low),
        ("equal difficulties", context, some, torch.zeros_like(some.scores)),
    ]


def answers_have_their_shape(case: SelectionCase) -> None:
    """Ids are int64 from 0 on, ``ok`` is bool, and all that is there is finite and as wide as the ids."""
    for what, context, drawn, difficulty in regimes(case):
        found = pick(case, context, drawn, difficulty)
        shape = (context.rows, found.k)
        like(found.ids, shape, torch.int64, "ids")
        like(found.ok, shape, torch.bool, "ok")
        hold(int(found.ids.min()) >= 0, f"{what}: ids hold {int(found.ids.min())}")
        for name in ("log_q", "weight", "scores"):
            values = getattr(found, name)
            if values is not None:
                like(values, shape, torch.float32, name)
                hold(bool(values[found.ok].isfinite().all()), f"{what}: {name} is not finite in an allowed slot")
        hold(found.weight is None or not found.weight.requires_grad, f"{what}: a gradient flows through the weight")


def ok_is_honest(case: SelectionCase) -> None:
    """A slot is ``ok`` only if it holds an allowed candidate; score and log-probability are that candidate's."""
    for what, context, drawn, difficulty in regimes(case):
        found = pick(case, context, drawn, difficulty)
        match = found.ids[:, :, None] == drawn.ids[:, None]
        allowed = (match & drawn.ok[:, None]).any(2)
        lies = found.ok & ~allowed
        if bool(lies.any()):
            row, slot = lies.nonzero()[0].tolist()
            raise AssertionError(
                f"{what}: {int(lies.sum())} slots are ok that no allowed candidate fills; the first is slot {slot} of "
                f"row {row}, item {int(found.ids[row, slot])}"
            )
        if found.scores is not None and drawn.scores is not None:
            wanted = drawn.scores.gather(1, match.double().argmax(2))
            same(found.scores[found.ok], wanted[found.ok], f"{what}: the score of a chosen slot")


def rows_are_filled(case: SelectionCase) -> None:
    """A row without an allowed candidate has no ``ok`` slot; one with only allowed candidates has no other."""
    for what, context, drawn, difficulty in regimes(case):
        found = pick(case, context, drawn, difficulty)
        empty = ~drawn.ok.any(1)
        hold(not bool(found.ok[empty].any()), f"{what}: rows without an allowed candidate have ok slots")
        whole = drawn.ok.all(1) & (True if difficulty is None else difficulty.isfinite().all(1))
        if case.fills:
            missing = int((~found.ok[whole]).sum())
            hold(missing == 0, f"{what}: {missing} slots are empty in rows whose candidates are all allowed")


def rows_do_not_depend_on_each_other(case: SelectionCase) -> None:
    """What a row gets is the same in any batch and in any order, and on a second call."""
    context = case.problem.batch()
    drawn, order = draws(context), shuffled(context.rows)
    found = pick(case, context, drawn)
    parts = [order, torch.arange(context.rows), *torch.split(torch.arange(context.rows), 5), torch.tensor([3])]
    for rows in parts:
        other = pick(case, context.take(rows), drawn.take(rows))
        for name in ("ids", "ok", "log_q", "weight", "scores", "positive_scores"):
            values = getattr(found, name)
            same(getattr(other, name), None if values is None else values[rows], f"{name} of {rows.numel()} rows")


def masked_candidates_count_for_nothing(case: SelectionCase) -> None:
    """Whatever stands in a slot that is not allowed changes nothing."""
    context = case.problem.batch()
    drawn = draws(context)
    before, off = pick(case, context, drawn), ~drawn.ok
    assert drawn.scores is not None
    assert drawn.log_q is not None
    for junk in (9.0, math.inf, -math.inf, math.nan):
        spoilt = replace(
            drawn,
            ids=drawn.ids.masked_fill(off, 3),
            log_q=drawn.log_q.masked_fill(off, junk),
            scores=drawn.scores.masked_fill(off, junk),
        )
        after = pick(case, context, spoilt)
        same(after.ok, before.ok, f"ok with {junk} in masked slots")
        for name in ("ids", "log_q", "weight", "scores"):
            one, two = getattr(before, name), getattr(after, name)
            hold((one is None) == (two is None), f"{name} is absent with {junk} in masked slots")
            if one is not None:
                same(two[before.ok], one[before.ok], f"{name} with {junk} in masked slots")


def nothing_else_is_touched(case: SelectionCase) -> None:
    """Candidates are not written to, and no global generator is used."""
    for _, context, drawn, difficulty in regimes(case):
        with global_randomness_untouched(), unwritten(context, drawn, difficulty):
            pick(case, context, drawn, difficulty)


def difficulty_is_read_where_it_says_so(case: SelectionCase) -> None:
    """``needs_difficulty`` is true: a difficulty changes nothing without it, and its lack is refused with it."""
    context = case.problem.batch()
    drawn, part, key = draws(context), case.make(), context.key(Purpose.SELECTION)
    if not part.needs_difficulty:
        same(part.pick(context, drawn, None, key).ids, part.pick(context, drawn, drawn.scores, key).ids, "the choice")
        return
    bare = replace(drawn, scores=None, positive_scores=None)
    try:
        part.pick(context, bare, None, key)
    except ConfigError:
        return
    raise AssertionError("needs_difficulty is True, but a choice is made without scores or a difficulty")


def log_q_makes_sums_unbiased(case: SelectionCase) -> None:
    """Where ``log_q`` is given, ``(1/k) sum ok f / exp(log_q)`` is the sum of ``f`` over allowed items on average."""
    rows = 30_000
    context, drawn, allowed, _ = many(rows)
    found = pick(case, context, drawn)
    if found.log_q is None:
        return
    share = found.ok / found.log_q.double().exp() / found.k
    seen = torch.zeros(rows, ITEMS, dtype=torch.float64).scatter_add_(1, found.ids, share)
    statistics.means_fit(seen, allowed.double(), "the sum over allowed items, item by item")


def chosen_slots_follow_the_proposal_where_it_says_so(case: SelectionCase) -> None:
    """Where ``keeps_proposal``, each slot still holds item ``i`` with the proposal's chance, and ``log_q`` is that."""
    rows = 60_000
    context, drawn, _, q = many(rows)
    drawn = replace(drawn, ok=torch.ones((1, 1), dtype=torch.bool).expand(drawn.ids.shape))
    found = pick(case, context, drawn)
    if not case.make().keeps_proposal:
        return
    for slot in range(found.k):
        counts = torch.bincount(found.ids[:, slot], minlength=ITEMS)
        statistics.frequencies_fit(counts, q / q.sum(), f"slot {slot}")
    hold(found.log_q is not None, "it says that the slots follow the proposal, but drops log_q")
    assert found.log_q is not None
    near(found.log_q, q.log()[found.ids], "log_q")


def many(rows: int) -> tuple[Context, Candidates, Tensor, Tensor]:
    """A large batch of draws from one distribution: context, candidates, allowed items, probabilities ``(items,)``."""
    places, slots, key = torch.arange(rows), torch.arange(M), stream(8, Purpose.PROBES)
    q = uniforms(key, torch.arange(ITEMS), 0) + 0.2
    q = q / q.sum()
    allowed = uniforms(key, torch.arange(ITEMS), 1) < 0.6
    scores = (uniforms(key, torch.arange(ITEMS), 2) * 1.5).float()
    ids = torch.searchsorted(q.cumsum(0), uniforms(key ^ 1, places[:, None], slots).clamp(max=1 - 1e-12))
    ids = ids.clamp(max=ITEMS - 1)
    context = Context(places % 3, places % 3, places, seed=11)
    return context, Candidates(ids, q.log()[ids].float(), allowed[ids], scores[ids], torch.ones(rows)), allowed, q


def state_goes_on_where_it_was(case: SelectionCase) -> None:
    """A selection that loads a saved state chooses from then on as the one that gave it."""
    made = case.problem
    one, fresh = case.make(), case.make()
    for part in (one, fresh):
        part.bind(made.catalogue)
    for step in range(3):
        chosen(one, made, step)
    with moved(one, fresh):
        for step in range(3, 6):
            wanted, found = chosen(one, made, step), chosen(fresh, made, step)
            same(found.ids, wanted.ids, f"ids after loading, at step {step},")
            same(found.ok, wanted.ok, f"ok after loading, at step {step},")


def chosen(part: Selection, made: Problem, step: int) -> Negatives:
    """What a selection chooses at a step."""
    context = made.batch(step=step)
    drawn = draws(context)
    given = drawn.scores if part.needs_difficulty else None
    return part.pick(context, drawn, given, context.key(Purpose.SELECTION))


def it_moves_to_another_device(case: SelectionCase) -> None:
    """All that it holds moves to another device, and nothing where it is there already."""
    part = case.make()
    part.bind(case.problem.catalogue)
    part.to(case.problem.catalogue.counts.device)
    chosen(part, case.problem, 0)
    moves_whole(part)


CHECKS: tuple[Check[SelectionCase], ...] = (
    answers_have_their_shape,
    ok_is_honest,
    rows_are_filled,
    rows_do_not_depend_on_each_other,
    masked_candidates_count_for_nothing,
    nothing_else_is_touched,
    difficulty_is_read_where_it_says_so,
    log_q_makes_sums_unbiased,
    chosen_slots_follow_the_proposal_where_it_says_so,
    state_goes_on_where_it_was,
    it_moves_to_another_device,
)


def check_selection(make: Callable[[], Selection], *, fills: bool = True) -> None:
    """Run the contract of a selection.

    Args:
        make: Gives the selection anew.
        fills: Rows in which every candidate is allowed get no empty slot; False where scores decide that.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, SelectionCase(make, problem(), fills), CHECKS)


@dataclass(frozen=True, slots=True)
class DifficultyCase:
    """A difficulty under test.

    Args:
        make: Gives it anew.
        problem: Where batches come from.
    """

    make: Callable[[], Difficulty]
    problem: Problem

    def scored(self, shared: bool = False) -> tuple[Context, Candidates, MatrixFactorization]:
        """A batch, its candidates with the model's scores, and the model."""
        context, model = self.problem.batch(), self.problem.model()
        drawn = candidates(self.problem, context, shared=shared)
        with torch.no_grad():
            scores = model.score(context.queries, drawn.ids)
            positive = model.score(context.queries, context.positives)
        return context, replace(drawn, scores=scores, positive_scores=positive), model


def difficulties_are_one_number_for_each_candidate(case: DifficultyCase) -> None:
    """A difficulty is ``(rows, m)`` float and finite, without a gradient, the same on a second call."""
    for shared in (False, True):
        context, drawn, model = case.scored(shared)
        with torch.no_grad():
            found = case.make().of(context, drawn, model)
        like(found, tuple(drawn.ids.shape), torch.float32, "the difficulty")
        hold(bool(found.isfinite().all()), "the difficulty is not finite")
        hold(float(found.std()) > 0, "all candidates are equally hard")
        with torch.no_grad():
            same(case.make().of(context, drawn, model), found, "a second call's difficulty")


def difficulties_of_rows_stand_alone(case: DifficultyCase) -> None:
    """A row's difficulties are the same in any batch, in any order, and for a pool that is written out."""
    for shared in (False, True):
        context, drawn, model = case.scored(shared)
        assert (shared_pool(drawn.ids) is not None) is shared
        with torch.no_grad():
            found = case.make().of(context, drawn, model)
            for rows in (shuffled(context.rows), torch.arange(7), torch.tensor([5])):
                own = replace(drawn, ids=drawn.ids.clone()).take(rows)
                near(case.make().of(context.take(rows), own, model), found[rows], "the difficulty of some rows")


def difficulties_touch_nothing(case: DifficultyCase) -> None:
    """Candidates and model are not written to, and no global generator is used."""
    context, drawn, model = case.scored()
    with global_randomness_untouched(), unwritten(context, drawn, list(model.parameters())), torch.no_grad():
        case.make().of(context, drawn, model)


def scores_are_read_where_it_says_so(case: DifficultyCase) -> None:
    """``needs_scores`` is true: without it scores change nothing, with it their lack is a ``ConfigError``."""
    context, drawn, model = case.scored()
    part, bare = case.make(), replace(drawn, scores=None, positive_scores=None)
    with torch.no_grad():
        if not part.needs_scores:
            same(part.of(context, bare, model), part.of(context, drawn, model), "the difficulty without scores")
            return
        try:
            part.of(context, bare, model)
        except ConfigError:
            return
    raise AssertionError("needs_scores is True, but candidates without scores are accepted")


DIFFICULTY_CHECKS: tuple[Check[DifficultyCase], ...] = (
    difficulties_are_one_number_for_each_candidate,
    difficulties_of_rows_stand_alone,
    difficulties_touch_nothing,
    scores_are_read_where_it_says_so,
)


def check_difficulty(make: Callable[[], Difficulty]) -> None:
    """Run the contract of a difficulty.

    Args:
        make: Gives the difficulty anew.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, DifficultyCase(make, problem()), DIFFICULTY_CHECKS)
