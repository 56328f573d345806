"""Frequencies of a million draws against the probabilities that the proposals claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from negatives.guards import KnownPositives
from negatives.proposals import registry
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import all_log_probs, draw_allowed, pick
from negatives.randomness import Purpose, integers, stream, uniforms
from negatives.testing.problems import Problem, problem
from negatives.testing.proposals import ProposalCase, draws_follow_the_claim, look, probabilities
from negatives.testing.statistics import frequencies_fit
from negatives.types import Candidates, Catalogue, Context, Csr

MILLION = 1_000_000
PROBLEMS = {n: problem(n) for n in (20, 300)}
SPECS: dict[str, Mapping[str, Any]] = {
    "uniform": {},
    "every": {},
    "bigram": {"weight": 0.7},
    "seen": {},
    "popularity": {},
    "log_uniform": {},
    "learned_unigram": {"every": 1, "decay": 0.9},
    "in_batch": {},
    "mixed": {"parts": ["in_batch", "uniform", "popularity"], "weights": [2, 1, 1]},
    "typed": {},
    "neighbourhood": {"hops": 1},
    "cached": {"size": 30},
    "nearest_items": {"n": 12, "around": "anchor"},
    "retrieved": {"start": 1, "stop": 12},
    "queue": {"size": 200},
    "cluster": {},
    "matched": {"best": 2},
    "adversarial_tree": {"dim": 4},
    "buckets": {"count": 2, "size": 8},
    "shortlist": {"size": 16, "probes": 4},
    "given": {},
}
SECOND_FORMS: dict[str, Mapping[str, Any]] = {
    "rare": {"name": "popularity", "alpha": -0.5, "smoothing": 1.0},
    "some neighbours": {"name": "neighbourhood", "hops": 1, "most": 3},
    "near the positive": {"name": "neighbourhood", "hops": 1, "around": "positive"},
    "mixed sets": {"name": "mixed", "parts": ["typed", "neighbourhood", "cached", "uniform"], "weights": [3, 2, 2, 1]},
    "retrieved pool": {"name": "retrieved", "stop": 4, "shared": True},
    "counted clusters": {"name": "cluster", "balanced": True, "within": "counts"},
}
POOLS = ("uniform", "seen", "popularity", "log_uniform", "learned_unigram", "queue", "rare")
"""Proposals whose pool is drawn anew, whatever the batch."""


@dataclass(slots=True)
class Tilted(Proposal):
    """Depends on the query and knows only its own probabilities: ``q(i | u)`` proportional to ``(i + 3u) mod 5``."""

    @property
    def conditional(self) -> bool:
        return True

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        if exclude is not None:
            return draw_allowed(self, context, k, key, exclude)
        weights = all_log_probs(self, context, 20).exp()
        ids = pick(weights, uniforms(key, context.examples[:, None], torch.arange(k)))
        return ids, self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        return ((ids + 3 * context.queries[:, None]) % 5 / 40.0).log()


def build(name: str, mixed: bool = False) -> Proposal:
    """A proposal of the tables, alone or three times as often as uniform draws."""
    spec = SECOND_FORMS[name] if name in SECOND_FORMS else {"name": name, **SPECS[name]}
    return registry.build({"name": "mixed", "parts": [spec, "uniform"], "weights": [3, 1]} if mixed else spec)


def case(name: str, n_items: int = 20, mixed: bool = False) -> ProposalCase:
    return ProposalCase(partial(build, name, mixed), PROBLEMS[n_items])


def exclusion(made: Problem, excluding: str) -> Csr | None:
    return {"nothing": None, "known": made.known, "others": made.excluded}[excluding]


def test_every_proposal_is_drawn_from() -> None:
    assert set(registry) == set(SPECS)


@pytest.mark.parametrize("excluding", ["nothing", "others"])
@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "mixed"])
@pytest.mark.parametrize("n_items", PROBLEMS)
@pytest.mark.parametrize("name", SPECS)
def test_a_million_draws_follow_the_claim(name: str, n_items: int, mixed: bool, excluding: str) -> None:
    made = case(name, n_items, mixed)
    draws_follow_the_claim(made, exclusion(made.problem, excluding), MILLION)


@pytest.mark.parametrize("excluding", ["nothing", "known", "others"])
@pytest.mark.parametrize("name", [*SECOND_FORMS, "tilted"])
def test_second_forms_follow_the_claim(name: str, excluding: str) -> None:
    made = ProposalCase(Tilted, PROBLEMS[20]) if name == "tilted" else case(name)
    draws_follow_the_claim(made, exclusion(made.problem, excluding), MILLION)


@pytest.mark.nightly
@pytest.mark.parametrize("excluding", ["nothing", "known", "others"])
@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "mixed"])
@pytest.mark.parametrize("n_items", PROBLEMS)
@pytest.mark.parametrize("name", SPECS)
def test_twenty_million_draws_follow_the_claim(name: str, n_items: int, mixed: bool, excluding: str) -> None:
    made = case(name, n_items, mixed)
    draws_follow_the_claim(made, exclusion(made.problem, excluding), 20 * MILLION)


@pytest.mark.parametrize("name", POOLS)
def test_frequencies_of_a_pool(name: str) -> None:
    made = case(name)
    context, proposal = made.problem.batch(), made.trained()
    ids, _ = proposal.pool(context, MILLION, context.key(Purpose.CANDIDATES))
    claimed = probabilities(proposal, context, 20)[0]
    frequencies_fit(torch.bincount(ids, minlength=20), claimed, "a pool")


def total_of_pools(made: ProposalCase, size: int, steps: int) -> tuple[Tensor, Tensor]:
    """How often items stand in pools of batches drawn at random from the training pairs, and what is claimed."""
    proposal, pairs = made.trained(), made.problem.every_pair()
    totals = torch.zeros(20, dtype=torch.int64)
    for step in range(steps):
        rows = integers(stream(3, Purpose.SHUFFLE), torch.tensor([step]), torch.arange(32), pairs.rows)
        context = Context(pairs.queries[rows], pairs.positives[rows], rows, seed=5, step=step)
        ids, _ = proposal.pool(context, size, context.key(Purpose.CANDIDATES))
        totals += torch.bincount(ids, minlength=20)
    return totals, probabilities(proposal, made.problem.batch(), 20)[0]


@pytest.mark.parametrize("name", ["in_batch", "mixed"])
def test_frequencies_of_pools_over_random_batches(name: str) -> None:
    """A slot of a pool holds an item with probability ``q``, over batches drawn at random from the training pairs."""
    totals, claimed = total_of_pools(case(name), 16, 3000)
    frequencies_fit(totals, claimed, "pools of random batches")


def test_a_pool_smaller_than_the_batch_takes_any_of_its_rows() -> None:
    """Batches whose first rows hold other items than the last ones: each row is taken equally often."""
    proposal = registry.build({"name": "in_batch", "counts": torch.ones(20, dtype=torch.int64)})
    totals = torch.zeros(20, dtype=torch.int64)
    for step in range(4000):
        context = Context(torch.zeros(20).long(), torch.arange(20), torch.arange(20) + 20 * step, step=step)
        totals += torch.bincount(proposal.pool(context, 5, 77)[0], minlength=20)
    assert int(totals.sum()) == 20_000
    frequencies_fit(totals, torch.full((20,), 0.05, dtype=torch.float64), "rows of a batch in small pools")


@pytest.mark.parametrize("name", ["uniform", "popularity", "mixed"])
@pytest.mark.parametrize("excluding", [False, True])
def test_slots_and_rows_are_independent(name: str, excluding: bool) -> None:
    """Pairs of neighbouring slots, and of neighbouring rows, fall as the product of their probabilities."""
    made = case(name)
    pairs, proposal = made.problem.every_pair(), made.trained()
    context = replace(pairs, queries=torch.full_like(pairs.queries, 4))
    look(proposal, made.problem, context)
    exclude = made.problem.excluded if excluding else None
    ids, _ = proposal.draw(context, MILLION // context.rows // 2 * 2, context.key(Purpose.CANDIDATES), exclude)
    group = torch.arange(20) % 5
    claimed = probabilities(proposal, replace(context, queries=context.queries[:1]), 20, exclude)[0]
    p = torch.zeros(5, dtype=torch.float64).index_add_(0, group, claimed / claimed.sum())
    found = group[ids]
    even = context.rows // 2 * 2
    for one, other in ((found[:, ::2], found[:, 1::2]), (found[0:even:2], found[1:even:2])):
        together = torch.bincount((one * 5 + other).flatten(), minlength=25)
        frequencies_fit(together, torch.outer(p, p).flatten(), "pairs of neighbours")


def big_known(n_queries: int, n_items: int, each: int) -> tuple[Csr, Tensor]:
    """Random known positives, as sets and as a dense table; the last query knows all but two items."""
    queries = torch.arange(n_queries - 1)[:, None].expand(-1, each)
    items = integers(stream(1, Purpose.INIT), queries[:, :1], torch.arange(each), n_items)
    rest = torch.arange(2, n_items)
    rows = torch.cat([queries.flatten(), torch.full_like(rest, n_queries - 1)])
    cols = torch.cat([items.flatten(), rest])
    dense = torch.zeros((n_queries, n_items), dtype=torch.bool)
    dense[rows, cols] = True
    return Csr.from_pairs(rows, cols, n_queries, n_items), dense


def count_violations(name: str, n_draws: int, chunk: int = 1_000_000) -> tuple[int, int]:
    """Guarded draws made, and known positives among them, looked up in a dense table."""
    n_queries, n_items, k = 500, 800, 32
    table, dense = big_known(n_queries, n_items, 200)
    proposal = registry.build(name)
    counts = 1 + integers(stream(2, Purpose.INIT), torch.arange(n_items), 0, 100)
    proposal.bind(Catalogue(n_queries, n_items, counts, table))
    guard, drawn, violations = KnownPositives(table), 0, 0
    for step in range(-(-n_draws // chunk)):
        rows = torch.arange(step * (-(-chunk // k)), (step + 1) * (-(-chunk // k)))
        context = Context(rows % n_queries, rows % n_items, rows, seed=7, epoch=step, step=step)
        ids, _ = proposal.draw(context, k, context.key(Purpose.CANDIDATES), guard.known)
        drawn += ids.numel()
        violations += int(dense[context.queries[:, None], ids].sum()) + int((ids < 0).sum())
    return drawn, violations


@pytest.mark.parametrize("name", ["uniform", "seen", "popularity", "log_uniform", "learned_unigram", "in_batch"])
def test_no_known_positive_in_a_million_guarded_draws(name: str) -> None:
    drawn, violations = count_violations(name, 1_000_000)
    assert drawn >= 1_000_000
    assert violations == 0


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["uniform", "popularity"])
def test_no_known_positive_in_a_hundred_million_guarded_draws(name: str) -> None:
    drawn, violations = count_violations(name, 100_000_000)
    assert drawn >= 100_000_000
    assert violations == 0


def test_no_known_positive_is_allowed_in_a_million_cells_of_shared_pools() -> None:
    table, dense = big_known(500, 800, 200)
    proposal, guard = registry.build({"name": "uniform", "n_items": 800}), KnownPositives(table)
    for step in range(4):
        rows = torch.arange(512)
        context = Context((rows + 3 * step) % 500, rows, rows, step=step)
        ids, _ = proposal.pool(context, 512, context.key(Purpose.CANDIDATES))
        ids = ids.expand(512, -1)
        ok = guard.allow(context, Candidates(ids, None, torch.ones(1, 1, dtype=torch.bool).expand(512, 512)))
        assert torch.equal(ok, ~dense[context.queries[:, None], ids])
