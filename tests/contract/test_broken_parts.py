"""The contracts find what they promise to find: parts, each broken in one way, and the check that must say so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import test_engines
import torch
from torch import Tensor

from negatives.control import Hold
from negatives.guards import KnownPositives
from negatives.losses import Logistic
from negatives.proposals import Uniform
from negatives.sampler import Sampler
from negatives.selection import All, Hardest
from negatives.testing import control, engines, feeds, guards, losses, promises, proposals, samplers, selections
from negatives.testing.problems import problem
from negatives.training.engines import Engine
from negatives.training.engines.base import Outcome
from negatives.training.feeds import Batch, PairFeed
from negatives.types import Candidates, Context, Csr, Negatives, Part, State

PROBLEM = problem(20)
FOUND: list[tuple[Callable[[Any], None], Any, str]] = []
"""A check, what it is given, and what it must say."""


@dataclass(slots=True)
class Proposed(Uniform):
    """Uniform draws with a fault."""

    fault: str = ""
    seen: int = 0

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        counted = self.fault in ("counts its draws", "forgets what it saw")
        self.seen += self.fault == "counts its draws"
        left = None if self.fault == "draws known items" else exclude
        ids, log_q = Uniform.draw(self, context, k, key + counted * self.seen, left)
        if self.fault == "fills full queries":
            ids = ids.clamp(min=0)
        if self.fault == "prefers low items":
            ids = torch.where(ids % 2 == 1, ids - 1, ids)
        return ids, log_q + (0.01 if self.fault == "claims too much" else 0.0)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        return Uniform.log_prob(self, ids, context) - (0.01 if self.fault == "sums to less" else 0.0)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        return Uniform.log_allowed(self, context, exclude) * (self.fault != "allows everything")

    def empty(self, context: Context) -> Tensor | None:
        return torch.ones(context.rows, dtype=torch.bool) if self.fault == "says it is empty" else None

    def observe(self, context: Context) -> None:
        self.seen += self.fault == "forgets what it saw"


def proposed(fault: str) -> proposals.ProposalCase:
    return proposals.ProposalCase(partial(Proposed, fault=fault), PROBLEM)


FOUND += [
    (proposals.a_full_query_is_left_empty, proposed("fills full queries"), "knows every item, and is given"),
    (proposals.probabilities_sum_to_one, proposed("sums to less"), "sums to 0.99"),
    (proposals.log_q_is_the_probability_of_the_draw, proposed("claims too much"), "log_q"),
    (proposals.log_allowed_is_what_is_left, proposed("allows everything"), "log_allowed"),
    (proposals.excluded_items_are_never_drawn, proposed("draws known items"), "may not be given it"),
    (proposals.it_tells_for_which_rows_it_is_empty, proposed("says it is empty"), "empty"),
    (proposals.draws_depend_on_their_place_alone, proposed("counts its draws"), "differs in"),
    (proposals.draws_follow_the_claim, proposed("prefers low items"), "do not fit the probabilities"),
    (proposals.state_goes_on_where_it_was, proposed("forgets what it saw"), "after loading"),
]


@dataclass(slots=True)
class Marked(KnownPositives):
    """Marks known items, with a fault."""

    fault: str = ""

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        if self.fault == "allows all in a pool":
            return torch.ones(candidates.ids.shape, dtype=torch.bool)
        found = KnownPositives.allow(self, context, candidates).expand(candidates.ids.shape)
        if self.fault == "allows what is not marked yet":
            return found | candidates.ok
        return found & (context.rows != 7) if self.fault == "looks at the batch" else found


def marked(fault: str) -> guards.GuardCase:
    def rule(made: Any, context: Context, drawn: Candidates) -> Tensor:
        return KnownPositives(made.known).allow(context, drawn).expand(drawn.ids.shape)

    return guards.GuardCase(partial(Marked, fault=fault), PROBLEM, rule)


FOUND += [
    (guards.marks_follow_the_rule, marked("allows what is not marked yet"), "must not be allowed"),
    (guards.excluded_items_are_not_allowed, marked("allows all in a pool"), r"allow\(\) keeps them"),
    (guards.rows_do_not_depend_on_each_other, marked("looks at the batch"), "a part of the batch"),
]


@dataclass(slots=True)
class Chosen(Hardest):
    """Takes the hardest, with a fault."""

    fault: str = ""

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        if self.fault == "looks at what is masked":
            candidates = replace(candidates, ok=torch.ones_like(candidates.ok))
        found = Hardest.pick(self, context, candidates, difficulty, key)
        if self.fault == "leaves all empty":
            found = replace(found, ok=torch.zeros_like(found.ok))
        return found


@dataclass(slots=True)
class Sure(All):
    """Takes all, and says that each is twice as likely."""

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        found = All.pick(self, context, candidates, difficulty, key)
        return replace(found, log_q=None if found.log_q is None else found.log_q + 0.7)


FOUND += [
    (
        selections.rows_are_filled,
        selections.SelectionCase(partial(Chosen, fault="leaves all empty"), PROBLEM),
        "slots are empty in rows",
    ),
    (
        selections.masked_candidates_count_for_nothing,
        selections.SelectionCase(partial(Chosen, fault="looks at what is masked"), PROBLEM),
        "in masked slots",
    ),
    (selections.log_q_makes_sums_unbiased, selections.SelectionCase(Sure, PROBLEM), "the sum over allowed items"),
]


@dataclass(slots=True)
class Lost(Logistic):
    """The logistic loss with a fault."""

    fault: str = ""

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        if self.fault == "ignores marks":
            negatives = replace(negatives, ok=torch.ones_like(negatives.ok))
        if self.fault == "ignores weights":
            negatives = replace(negatives, weight=None)
        sign = -1.0 if self.fault == "pulls negatives" else 1.0
        return Logistic.rows(self, positive, sign * negative, negatives)


@dataclass(slots=True)
class Merged(Logistic):
    """The logistic loss, which is none of an estimate, and says that it is."""

    @property
    def estimates(self) -> bool:
        return True


def lost(fault: str, **more: bool) -> losses.LossCase:
    return losses.LossCase(partial(Lost, fault=fault), **more)


FOUND += [
    (losses.masked_slots_count_for_nothing, lost("ignores marks"), "masked slots"),
    (losses.rows_without_a_negative_cost_nothing, lost("ignores marks"), "empty rows"),
    (losses.weights_are_honoured, lost("ignores weights"), "weight"),
    (losses.equal_draws_may_be_one, losses.LossCase(Merged), "equal draws made one"),
    (losses.better_scores_never_cost_more, lost("pulls negatives"), "falls with a negative's score"),
    (losses.log_q_is_needed_where_it_says_so, lost("", needs_log_q=True), "without log_q"),
]


@dataclass(slots=True)
class Sampled(Sampler):
    """A sampler that forgets its guards' marks, or gives the positives another probability."""

    fault: str = ""

    def sample(self, context: Context, scorer: Any = None) -> Negatives:
        found = Sampler.sample(self, context, scorer)
        if self.fault == "all is well":
            return replace(found, ok=torch.ones_like(found.ok))
        assert found.positive_log_q is not None
        return replace(found, positive_log_q=found.positive_log_q + 0.1)


def sampled(fault: str) -> samplers.SamplerCase:
    def make(seed: int) -> Sampler:
        return Sampled(Uniform(), guards=[KnownPositives()], candidates=4, seed=seed, fault=fault)

    return samplers.SamplerCase(make, PROBLEM)


FOUND += [
    (samplers.ok_is_honest, sampled("all is well"), "slots are ok that"),
    (samplers.positives_are_on_the_scale_of_the_negatives, sampled("tilted"), "positive_log_q"),
]


class Stepped:
    """An engine's case, each of whose engines has a fault in its step."""

    def __init__(self, fault: str) -> None:
        usual = test_engines.CASES["rows"]
        self.case = replace(usual, make=lambda: self.broken(usual.make(), fault), steps=12)

    def broken(self, engine: Engine, fault: str) -> Engine:
        kind = type(engine)

        def step(self: Engine, context: Context, lr: float) -> Outcome:
            if fault == "climbs":
                return kind.step(self, context, -lr)
            done = kind.step(self, context, lr)
            with torch.no_grad():
                if fault == "moves without negatives":
                    next(iter(self.model.parameters())).mul_(0.99)
                if fault == "by chance":
                    next(iter(self.model.parameters())).add_(random.random())
            return done

        engine.__class__ = type(kind.__name__, (kind,), {"step": step, "__slots__": ()})
        return engine


FOUND += [
    (engines.the_loss_falls, Stepped("climbs").case, "the loss went from"),
    (engines.rows_without_a_negative_move_nothing, Stepped("moves without negatives").case, "without negatives"),
    (engines.a_step_size_of_zero_moves_nothing, Stepped("moves without negatives").case, "a step of size zero"),
    (engines.steps_repeat_bit_by_bit, Stepped("by chance").case, "a second run"),
    (engines.state_goes_on_where_it_was, Stepped("by chance").case, "after"),
]


@dataclass(slots=True)
class Fed(PairFeed):
    """Pairs, of which the first comes twice in each batch."""

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        got = PairFeed.batch(self, seed, epoch, index, batch_size)
        return Batch(
            *(part.index_copy(0, torch.tensor([1]), part[:1]) for part in (got.queries, got.items, got.examples))
        )


@dataclass(slots=True)
class Loose(Hold):
    """A controller that leaves its bounds, or forgets what it was."""

    fault: str = ""

    @property
    def value(self) -> float:
        return self._value * (2.0 if self.fault == "leaves its bounds" else 1.0)

    def load_state(self, state: Mapping[str, Any]) -> None:
        Hold.load_state(self, state)
        if self.fault == "forgets":
            self._smoothed = None


def loose(fault: str) -> control.ControllerCase:
    return control.ControllerCase(lambda: Loose("y", 0.2, 1.0, 0.1, 2.0, fault=fault), "y", 0.1, 2.0)


PLACES = torch.arange(150)
FOUND += [
    (feeds.every_example_comes_once, feeds.FeedCase(lambda: Fed(PLACES % 12, PLACES % 20)), "come twice"),
    (control.the_value_stays_in_its_bounds, loose("leaves its bounds"), "leaves the bounds"),
    (control.state_goes_on_where_it_was, loose("forgets"), "goes on as"),
]


@pytest.mark.parametrize(("check", "case", "says"), FOUND, ids=[row[0].__name__ for row in FOUND])
def test_a_broken_promise_is_found(check: Callable[[Any], None], case: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check(case)


@pytest.fixture
def _generators() -> Iterator[None]:
    """The global generators stay as the next test expects them."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])  # noqa: NPY002
    torch.set_rng_state(before[2])


@pytest.mark.usefixtures("_generators")
@pytest.mark.parametrize("draw", [random.random, np.random.rand, partial(torch.rand, 1)])
def test_any_global_generator_is_watched(draw: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="the global generator"), promises.global_randomness_untouched():
        draw()


def test_one_number_of_many_is_enough() -> None:
    many = torch.arange(9.0)
    other = many.index_fill(0, torch.tensor([4]), 9.0)
    for compare in (promises.same, promises.near):
        compare(many, many.clone(), "many")
        with pytest.raises(AssertionError, match=r"many"):
            compare(many, other, "many")
    assert not promises.alike({"a": many}, {"a": other})
    assert not promises.alike({"a": many}, {"a": many, "b": many})
    with pytest.raises(AssertionError, match="was written to"), promises.unwritten({"a": [many]}):
        many[3] = 0.5


@dataclass(slots=True)
class Heavy(Part):
    """A part that leaves a tensor behind when it moves."""

    here: Tensor = field(default_factory=lambda: torch.ones(2))
    there: Tensor = field(default_factory=lambda: torch.ones(3))

    def to(self, device: torch.device) -> None:
        self.here = self.here.to(device)


def test_a_tensor_that_stays_behind_is_found() -> None:
    with pytest.raises(AssertionError, match=r"1 of 2 tensors stay behind"):
        promises.moves_whole(Heavy())


def test_a_contract_runs_every_check_and_says_whose_promise_broke() -> None:
    seen: list[str] = []

    def fine(case: str) -> None:
        seen.append(case)

    def bad(case: str) -> None:
        """Bad is good. Or not."""
        promises.hold(case == "other", "it is not")

    promises.run("Name", "other", [fine, bad, fine])
    assert seen == ["other", "other"]
    with pytest.raises(AssertionError, match=r"Name breaks a promise \(Bad is good\. Or not\): it is not"):
        promises.run("Name", "case", [fine, bad])


def test_states_are_told_apart_from_what_goes_on() -> None:
    """A state that shares its tensors with the part changes while the part lives on."""

    class Shared:
        def __init__(self) -> None:
            self.tensor = torch.zeros(2)

        def state(self) -> State:
            return {"tensor": self.tensor}

        def load_state(self, state: Mapping[str, Any]) -> None:
            self.tensor = state["tensor"].clone()

    one = Shared()
    with pytest.raises(AssertionError, match="give copies"), promises.moved(one, Shared()):
        one.tensor += 1
