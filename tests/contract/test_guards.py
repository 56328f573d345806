"""Every guard of the table through the same checks, and each against a brute-force form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch

from negatives.control.base import Schedule
from negatives.errors import ConfigError, NoNegativeLeft
from negatives.guards import KnownPositives, RelativeMargin, registry
from negatives.randomness import bits, integers
from negatives.types import Candidates, Catalogue, Context, Csr, shared_pool

ROWS, M, N_ITEMS, N_QUERIES = 12, 9, 15, 5
Row = tuple[Context, Candidates, int]


def catalogue() -> Catalogue:
    rows = torch.arange(N_QUERIES).repeat_interleave(3)
    known = Csr.from_pairs(rows, (rows * 4 + torch.tensor([0, 2, 5]).repeat(N_QUERIES)) % N_ITEMS, N_QUERIES, N_ITEMS)
    return Catalogue(
        N_QUERIES, N_ITEMS, torch.ones(N_ITEMS, dtype=torch.int64), known, item_groups=torch.tensor(GROUPS)
    )


def context() -> Context:
    rows = torch.arange(ROWS)
    return Context(rows % N_QUERIES, rows % N_ITEMS, rows)


def candidates(*, pool: bool = False) -> Candidates:
    """Candidates with duplicates, marked slots, ties, and scores of both signs."""
    rows, slots = torch.arange(ROWS)[:, None], torch.arange(M)
    ids = integers(1, rows[:1] if pool else rows, slots, N_ITEMS).expand(ROWS, M)
    ok = torch.ones((1, 1), dtype=torch.bool).expand(ROWS, M) if pool else integers(2, rows, slots, 5) > 0
    scores = (integers(3, rows, slots, 9) - 4).float() / 2
    return Candidates(ids if pool else ids * ok, None, ok, scores, (torch.arange(ROWS) - ROWS / 2).float() / 2)


def ids_of(context: Context, drawn: Candidates, row: int) -> list[int]:
    return drawn.ids[row].tolist()


def not_known(context: Context, drawn: Candidates, row: int) -> list[bool]:
    known = catalogue().known
    assert known is not None
    return [item not in known.row(int(context.queries[row])).tolist() for item in drawn.ids[row].tolist()]


def not_own(context: Context, drawn: Candidates, row: int) -> list[bool]:
    return [item != int(context.positives[row]) for item in drawn.ids[row].tolist()]


def first_copies(context: Context, drawn: Candidates, row: int) -> list[bool]:
    seen: set[int] = set()
    found = []
    for item, ok in zip(drawn.ids[row].tolist(), drawn.ok[row].tolist(), strict=True):
        found.append(not ok or item not in seen)
        seen |= {item} if ok else set()
    return found


def below(limit: Callable[[float], float]) -> Callable[[Context, Candidates, int], list[bool]]:
    def rule(context: Context, drawn: Candidates, row: int) -> list[bool]:
        assert drawn.scores is not None
        assert drawn.positive_scores is not None
        return [score < limit(float(drawn.positive_scores[row])) for score in drawn.scores[row].tolist()]

    return rule


def within(context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert drawn.scores is not None
    return [-1.0 <= score <= 0.5 for score in drawn.scores[row].tolist()]


def not_two_best(context: Context, drawn: Candidates, row: int) -> list[bool]:
    assert drawn.scores is not None
    scores, ok = drawn.scores[row].tolist(), drawn.ok[row].tolist()
    best = sorted((slot for slot in range(M) if ok[slot]), key=lambda slot: (-scores[slot], slot))[:2]
    return [slot not in best for slot in range(M)]


def taught(queries: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """A teacher whose scores are hashed from query and item."""
    return (queries[:, None] * 7 + items * 5) % 11 / 11


def below_teacher(context: Context, drawn: Candidates, row: int) -> list[bool]:
    query, own = int(context.queries[row]), int(context.positives[row])
    limit = (query * 7 + own * 5) % 11 / 11 - 0.2
    return [(query * 7 + item * 5) % 11 / 11 < limit for item in drawn.ids[row].tolist()]


def other_group(context: Context, drawn: Candidates, row: int) -> list[bool]:
    own = GROUPS[int(context.positives[row])]
    return [GROUPS[item] != own or own < 0 for item in drawn.ids[row].tolist()]


GROUPS = [-1 if item % 4 == 3 else item % 5 for item in range(N_ITEMS)]
CASES: dict[str, list[tuple[dict, Callable[[Context, Candidates, int], list[bool]]]]] = {
    "known_positives": [({}, not_known)],
    "own_positive": [({}, not_own)],
    "duplicates": [({}, first_copies)],
    "absolute_margin": [({"margin": 0.5}, below(lambda s: s - 0.5)), ({"margin": -1}, below(lambda s: s + 1))],
    "relative_margin": [({"share": 0.5}, below(lambda s: 0.5 * s if s > 0 else 1.5 * s))],
    "teacher": [({"score": taught, "margin": 0.2}, below_teacher)],
    "same_answer": [({}, other_group)],
    "score_bounds": [({"low": -1.0, "high": 0.5}, within)],
    "rank_skip": [({"n": 2}, not_two_best), ({"n": 0}, lambda *_: [True] * M), ({"n": 99}, lambda *_: [False] * M)],
}
FLAT = [pytest.param(n, v, rule, id=f"{n}{i}") for n, cases in CASES.items() for i, (v, rule) in enumerate(cases)]
every_guard = pytest.mark.parametrize(("name", "values", "rule"), FLAT)


def test_every_guard_has_a_case() -> None:
    assert set(registry) == set(CASES)


@every_guard
@pytest.mark.parametrize("pool", [False, True])
def test_marks_agree_with_brute_force(name: str, values: dict, rule: Callable, pool: bool) -> None:
    guard, drawn = registry.build({"name": name, **values}), candidates(pool=pool)
    assert (shared_pool(drawn.ids) is not None) is pool
    guard.bind(catalogue())
    found = guard.allow(context(), drawn)
    assert found.shape == (ROWS, M)
    assert found.dtype == torch.bool
    for row in range(ROWS):
        expected = rule(context(), drawn, row)
        ok = drawn.ok[row].tolist()
        kept = [allowed for allowed, one in zip(found[row].tolist(), ok, strict=True) if one]
        assert kept == [allowed for allowed, one in zip(expected, ok, strict=True) if one]


@every_guard
def test_candidates_are_not_changed(name: str, values: dict, rule: Callable) -> None:
    guard, drawn = registry.build({"name": name, **values}), candidates()
    guard.bind(catalogue())
    guard.allow(context(), drawn)
    for field in ("ids", "ok", "scores", "positive_scores"):
        assert torch.equal(getattr(drawn, field), getattr(candidates(), field))


@every_guard
def test_scores_are_asked_for_only_where_said(name: str, values: dict, rule: Callable) -> None:
    guard, drawn = registry.build({"name": name, **values}), replace(candidates(), scores=None, positive_scores=None)
    guard.bind(catalogue())
    if guard.needs_scores:
        with pytest.raises(ConfigError, match=name):
            guard.allow(context(), drawn)
    else:
        guard.allow(context(), drawn)


@every_guard
def test_state_round_trip(name: str, values: dict, rule: Callable) -> None:
    guard, fresh = registry.build({"name": name, **values}), registry.build({"name": name, **values})
    for one in (guard, fresh):
        one.bind(catalogue())
    fresh.load_state(guard.state())
    assert torch.equal(fresh.allow(context(), candidates()), guard.allow(context(), candidates()))


@every_guard
def test_log_q_is_kept_only_where_marks_depend_on_the_item_alone(name: str, values: dict, rule: Callable) -> None:
    """``mean(ok f / q)`` over draws with replacement must be the sum of ``f`` over allowed items, or log_q is lost."""
    guard = registry.build({"name": name, **values})
    guard.bind(catalogue())
    n, m = 20_000, 6
    rows = torch.arange(n)
    by_item = bits(5, torch.arange(N_ITEMS), 0).double() / 2**63
    ids = integers(6, rows[:, None], torch.arange(m), N_ITEMS)
    batch = Context(torch.zeros_like(rows), torch.ones_like(rows), rows)
    scores = by_item[ids].float()
    drawn = Candidates(ids, None, torch.ones_like(ids, dtype=torch.bool), scores, torch.full((n,), 0.3))
    ok = guard.allow(batch, drawn)
    estimates = (ok * N_ITEMS).double().mean(1)
    single = Context(torch.zeros(1).long(), torch.ones(1).long(), torch.zeros(1).long())
    each = torch.arange(N_ITEMS)[None]
    seen = Candidates(each, None, torch.ones_like(each, dtype=torch.bool), by_item[None].float(), torch.full((1,), 0.3))
    total = guard.allow(single, seen).sum() if guard.keeps_log_q else torch.tensor(N_ITEMS)
    error = float((estimates.mean() - total).abs() / (estimates.std() / n**0.5).clamp(min=1e-9))
    assert (error < 5) is guard.keeps_log_q or (name == "rank_skip" and values["n"] == 0)


@dataclass(frozen=True, slots=True)
class _Falling(Schedule):
    def at(self, progress: float) -> float:
        return 1.0 - progress


def test_numbers_may_be_schedules() -> None:
    guard = RelativeMargin(share=_Falling())
    drawn = replace(candidates(), positive_scores=torch.ones(ROWS))
    for progress in (0.0, 0.5, 1.0):
        found = guard.allow(replace(context(), progress=progress), drawn)
        assert torch.equal(found, drawn.scores < 1.0 - progress)


@pytest.mark.parametrize("name", ["known_positives", "same_answer"])
def test_a_guard_bound_to_other_data_forgets_the_old(name: str) -> None:
    known = Csr.from_pairs(torch.arange(N_QUERIES), torch.arange(N_QUERIES) + 3, N_QUERIES, N_ITEMS)
    other = replace(catalogue(), known=known, item_groups=torch.arange(N_ITEMS) % 2)
    used, fresh = registry.build(name), registry.build(name)
    used.bind(catalogue())
    before = used.allow(context(), candidates())
    for one in (used, fresh):
        one.bind(other)
    assert torch.equal(used.allow(context(), candidates()), fresh.allow(context(), candidates()))
    assert not torch.equal(used.allow(context(), candidates()), before)


class TestKnownPositives:
    full = Csr.from_pairs(torch.full((4,), 2), torch.arange(4), 3, 4)

    def test_a_query_that_knows_everything_is_allowed_by_default(self) -> None:
        KnownPositives(self.full).bind(Catalogue(3, 4, torch.ones(4)))

    def test_strict_names_the_query(self) -> None:
        with pytest.raises(NoNegativeLeft, match="query 2 knows all 4 items"):
            KnownPositives(self.full, strict=True)
        with pytest.raises(NoNegativeLeft, match="query 2"):
            KnownPositives(strict=True).bind(Catalogue(3, 4, torch.ones(4), self.full))

    def test_no_table(self) -> None:
        with pytest.raises(ConfigError, match="no table"):
            KnownPositives().bind(Catalogue(3, 4, torch.ones(4)))
        with pytest.raises(ConfigError, match="no table"):
            KnownPositives().allow(context(), candidates())

    def test_a_table_over_other_items(self) -> None:
        with pytest.raises(ConfigError, match="4 items but the data has 5"):
            KnownPositives(self.full).bind(Catalogue(3, 5, torch.ones(5)))
