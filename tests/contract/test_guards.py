"""Every guard of the table through the contract, each against a rule by brute force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
import torch
from tables import Faults, pairs
from torch import Tensor

from negatives.control.base import Schedule
from negatives.errors import ConfigError, NoNegativeLeft
from negatives.guards import KnownPositives, RelativeMargin, registry
from negatives.guards.base import Guard
from negatives.testing import guards as contract
from negatives.testing.guards import CHECKS, GuardCase, Rule
from negatives.testing.problems import Problem, candidates, problem
from negatives.types import Candidates, Catalogue, Context, Csr, Negatives, State

PROBLEM = problem(20)


def by_row(rule: Callable[[Problem, Context, Candidates, int], list[bool]]) -> Rule:
    """A rule that looks at one row at a time, in plain Python."""

    def whole(made: Problem, context: Context, drawn: Candidates) -> Tensor:
        return torch.tensor([rule(made, context, drawn, row) for row in range(context.rows)])

    return whole


@by_row
def not_known(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    known = set(made.known.row(int(context.queries[row])).tolist())
    return [item not in known for item in drawn.ids[row].tolist()]


@by_row
def not_own(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    return [item != int(context.positives[row]) for item in drawn.ids[row].tolist()]


@by_row
def first_copies(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    seen: set[int] = set()
    found = []
    for item, ok in zip(drawn.ids[row].tolist(), drawn.ok[row].tolist(), strict=True):
        found.append(not ok or item not in seen)
        seen |= {item} if ok else set()
    return found


def below(limit: Callable[[float], float]) -> Rule:
    @by_row
    def rule(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
        assert drawn.scores is not None
        assert drawn.positive_scores is not None
        return [score < limit(float(drawn.positive_scores[row])) for score in drawn.scores[row].tolist()]

    return rule


@by_row
def within(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert drawn.scores is not None
    return [-1.0 <= score <= 0.5 for score in drawn.scores[row].tolist()]


@by_row
def not_two_best(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert drawn.scores is not None
    scores, ok = drawn.scores[row].tolist(), drawn.ok[row].tolist()
    slots = range(len(scores))
    best = sorted((slot for slot in slots if ok[slot]), key=lambda slot: (-scores[slot], slot))[:2]
    return [slot not in best for slot in slots]


def taught(queries: Tensor, items: Tensor) -> Tensor:
    """A teacher whose scores are hashed from query and item."""
    return (queries[:, None] * 7 + items * 5) % 11 / 11


@by_row
def below_teacher(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    query, own = int(context.queries[row]), int(context.positives[row])
    limit = (query * 7 + own * 5) % 11 / 11 - 0.2
    return [(query * 7 + item * 5) % 11 / 11 < limit for item in drawn.ids[row].tolist()]


@by_row
def other_group(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert made.catalogue.item_groups is not None
    groups = made.catalogue.item_groups.tolist()
    own = groups[int(context.positives[row])]
    return [groups[item] != own or own < 0 for item in drawn.ids[row].tolist()]


@by_row
def of_the_kind(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert made.catalogue.query_kinds is not None
    assert made.catalogue.item_kinds is not None
    asked, kinds = int(made.catalogue.query_kinds[context.queries[row]]), made.catalogue.item_kinds.tolist()
    return [asked < 0 or kinds[item] == asked for item in drawn.ids[row].tolist()]


@by_row
def within_or_given(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert drawn.scores is not None
    assert made.catalogue.given is not None
    given = set(made.catalogue.given.row(int(context.queries[row])).tolist())
    pairs = zip(drawn.ids[row].tolist(), drawn.scores[row].tolist(), strict=True)
    return [item in given or -1.0 <= score <= 0.5 for item, score in pairs]


@by_row
def not_known_but_given(made: Problem, context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert made.catalogue.given is not None
    query = int(context.queries[row])
    known, given = set(made.known.row(query).tolist()), set(made.catalogue.given.row(query).tolist())
    return [item not in known or item in given for item in drawn.ids[row].tolist()]


def always(answer: bool) -> Rule:
    return lambda made, context, drawn: torch.full(drawn.ids.shape, answer)


SPECS: dict[str, list[tuple[Mapping[str, Any], Rule]]] = {
    "known_positives": [({}, not_known)],
    "own_positive": [({}, not_own)],
    "duplicates": [({}, first_copies)],
    "absolute_margin": [({"margin": 0.5}, below(lambda s: s - 0.5)), ({"margin": -1}, below(lambda s: s + 1))],
    "relative_margin": [({"share": 0.5}, below(lambda s: 0.5 * s if s > 0 else 1.5 * s))],
    "teacher": [({"score": taught, "margin": 0.2}, below_teacher)],
    "same_answer": [({}, other_group)],
    "fitting_kind": [({}, of_the_kind)],
    "unless_given": [
        ({"guards": [{"name": "score_bounds", "low": -1.0, "high": 0.5}]}, within_or_given),
        ({"guards": ["known_positives"]}, not_known_but_given),
    ],
    "score_bounds": [({"low": -1.0, "high": 0.5}, within)],
    "rank_skip": [({"n": 2}, not_two_best), ({"n": 0}, always(True)), ({"n": 99}, always(False))],
}


@dataclass(slots=True)
class Seen(Guard):
    """Marks items that were a negative in the last ``keep`` batches: a guard that learns, and must remember."""

    keep: int = 2
    forgets: bool = False
    _batches: list[Tensor] = field(default_factory=list, init=False)

    def observe(self, context: Context, negatives: Negatives) -> None:
        self._batches = [*self._batches, torch.unique(negatives.ids[negatives.ok])[:4]][-self.keep :]

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        seen = torch.cat(self._batches) if self._batches else torch.empty(0, dtype=torch.int64)
        return ~torch.isin(candidates.ids, seen)

    def state(self) -> State:
        return {} if self.forgets else {"batches": list(self._batches)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._batches = list(state.get("batches", []))


def build(name: str, values: Mapping[str, Any]) -> Guard:
    return registry.build({"name": name, **values})


CASES = {
    f"{name}{number}": GuardCase(partial(build, name, values), PROBLEM, rule)
    for name, specs in SPECS.items()
    for number, (values, rule) in enumerate(specs)
} | {"seen": GuardCase(Seen, PROBLEM)}
FAULTS: Faults = {}


def test_every_guard_has_a_case() -> None:
    assert set(registry) == set(SPECS)


@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: GuardCase, check: Callable[[GuardCase], None]) -> None:
    check(case)


def test_a_guard_that_learns_and_does_not_remember_is_found() -> None:
    forgetful = GuardCase(partial(Seen, forgets=True), PROBLEM)
    with pytest.raises(AssertionError, match="it has no state, but what it has seen"):
        contract.state_goes_on_where_it_was(forgetful)


@pytest.mark.parametrize("name", ["duplicates", "rank_skip"])
def test_marks_that_depend_on_what_else_was_drawn_give_log_q_up(name: str) -> None:
    @dataclass(slots=True)
    class Boast(type(build(name, {}))):  # type: ignore[misc]
        @property
        def keeps_log_q(self) -> bool:
            return True

    with pytest.raises(AssertionError, match="sum over allowed items"):
        contract.log_q_survives_where_it_says_so(GuardCase(Boast, PROBLEM))
    assert not build(name, {}).keeps_log_q


@dataclass(frozen=True, slots=True)
class _Falling(Schedule):
    def at(self, progress: float) -> float:
        return 1.0 - progress


def test_numbers_may_be_schedules() -> None:
    guard = RelativeMargin(share=_Falling())
    context = PROBLEM.batch()
    drawn = replace(candidates(PROBLEM, context), positive_scores=torch.ones(context.rows))
    assert drawn.scores is not None
    for progress in (0.0, 0.5, 1.0):
        found = guard.allow(replace(context, progress=progress), drawn)
        assert torch.equal(found, drawn.scores < 1.0 - progress)


class TestKnownPositives:
    full = Csr.from_pairs(torch.full((4,), 2), torch.arange(4), 3, 4)

    def test_a_query_that_knows_everything_is_allowed_by_default(self) -> None:
        guard = KnownPositives(self.full)
        guard.bind(Catalogue(3, 4, torch.ones(4)))
        rows = torch.arange(3)
        drawn = Candidates(torch.arange(4).expand(3, 4).clone(), None, torch.ones(3, 4, dtype=torch.bool))
        allowed = guard.allow(Context(rows, rows, rows), drawn)
        assert allowed.all(1).tolist() == [True, True, False]
        assert not allowed[2].any()

    def test_strict_names_the_query(self) -> None:
        with pytest.raises(NoNegativeLeft, match="query 2 knows all 4 items"):
            KnownPositives(self.full, strict=True)
        with pytest.raises(NoNegativeLeft, match="query 2"):
            KnownPositives(strict=True).bind(Catalogue(3, 4, torch.ones(4), self.full))

    def test_no_table(self) -> None:
        with pytest.raises(ConfigError, match="no table"):
            KnownPositives().bind(Catalogue(3, 4, torch.ones(4)))
        with pytest.raises(ConfigError, match="no table"):
            KnownPositives().allow(PROBLEM.batch(), candidates(PROBLEM, PROBLEM.batch()))

    def test_a_table_over_other_items(self) -> None:
        with pytest.raises(ConfigError, match="4 items but the data has 5"):
            KnownPositives(self.full).bind(Catalogue(3, 5, torch.ones(5)))
