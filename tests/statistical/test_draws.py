"""Frequencies of a million draws against the probabilities that the proposals claim."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from negatives.guards import KnownPositives
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import AdversarialTree, Cluster, Matched, Shortlist, registry
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import all_log_probs, draw_allowed, pick
from negatives.randomness import Purpose, integers, stream, uniforms
from negatives.types import Candidates, Catalogue, Context, Csr

N_ITEMS, N_QUERIES, K = 40, 4, 112
COUNTS = (1 + torch.arange(N_ITEMS)) ** 2 % 641 * torch.arange(N_ITEMS).ne(7)
ROWS = int(COUNTS.sum())
LEVEL = 0.01
"""Chance that one of all the tests below would fail if every proposal were right."""
N_TESTS = 208
PER_ROW = (
    *(
        "in_batch",
        "bigram",
        "mixed",
        "tilted",
        "typed",
        "neighbourhood",
        "some neighbours",
        "cached",
        "mixed sets",
        "retrieved",
        "retrieved pool",
    ),
    "nearest_items",
    *("cluster", "counted clusters", "matched", "adversarial_tree", "shortlist"),
)
"""Proposals whose pools are tested apart, or that have none."""

SPECS = {
    "uniform": "uniform",
    "every": "every",
    "bigram": {"name": "bigram", "weight": 0.7},
    "popularity": {"name": "popularity"},
    "rare": {"name": "popularity", "alpha": -0.5, "smoothing": 1.0},
    "log_uniform": "log_uniform",
    "learned_unigram": {"name": "learned_unigram", "every": 1, "decay": 0.9},
    "in_batch": "in_batch",
    "mixed": {"name": "mixed", "parts": ["in_batch", "uniform", "popularity"], "weights": [2, 1, 1]},
    "typed": "typed",
    "neighbourhood": {"name": "neighbourhood", "hops": 1},
    "some neighbours": {"name": "neighbourhood", "hops": 1, "most": 10},
    "cached": {"name": "cached", "size": 60},
    "nearest_items": {"name": "nearest_items", "n": 30, "around": "anchor"},
    "mixed sets": {"name": "mixed", "parts": ["typed", "neighbourhood", "cached", "uniform"], "weights": [3, 2, 2, 1]},
    "retrieved": {"name": "retrieved", "start": 1, "stop": 30},
    "retrieved pool": {"name": "retrieved", "stop": 4, "shared": True},
    "queue": {"name": "queue", "size": 100_000},
    "cluster": "cluster",
    "counted clusters": {"name": "cluster", "balanced": True, "within": "counts"},
    "matched": {"name": "matched", "best": 2},
    "adversarial_tree": {"name": "adversarial_tree", "dim": 4},
    "shortlist": {"name": "shortlist", "size": 25, "probes": 4},
    "tilted": None,
}


@dataclass(slots=True)
class Tilted(Proposal):
    """Depends on the query and knows only its own probabilities: ``q(i | u)`` proportional to ``(i + 3u) mod 5``."""

    @property
    def conditional(self) -> bool:
        return True

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        if exclude is not None:
            return draw_allowed(self, context, k, key, exclude)
        weights = all_log_probs(self, context, N_ITEMS).exp()
        ids = pick(weights, uniforms(key, context.examples[:, None], torch.arange(k)))
        return ids, self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        return ((ids + 3 * context.queries[:, None]) % 5 / (2.0 * N_ITEMS)).log()


def known() -> Csr:
    """Query 0 knows nothing, 1 a few, 2 every second item, 3 all but items 12 and 33."""
    sets = [[], [3, 7, 39], list(range(0, N_ITEMS, 2)), [i for i in range(N_ITEMS) if i not in (12, 33)]]
    rows = torch.tensor([query for query, items in enumerate(sets) for _ in items])
    return Csr.from_pairs(rows, torch.tensor([item for items in sets for item in items]), N_QUERIES, N_ITEMS)


def batch() -> Context:
    """Every training pair once, so that the batch holds each item with exactly its training frequency."""
    rows = torch.arange(ROWS)
    positives = torch.repeat_interleave(torch.arange(N_ITEMS), COUNTS)
    return Context(rows % N_QUERIES, positives, rows, seed=11)


def catalogue() -> Catalogue:
    """Two groups of queries, about items that neighbour all items of the same parity; nothing known to start with.

    Each group has a query whose known positives are the items of the group.
    """
    owners = torch.tensor([1, 2]).repeat_interleave(torch.tensor([15, 31]))
    items = torch.cat([torch.arange(15) * 2, torch.arange(9, N_ITEMS)])
    places = torch.arange(N_ITEMS)
    pairs = (places[:, None] % 2 == places % 2).nonzero()
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    graph = Csr.from_pairs(pairs[:, 0], pairs[:, 1], N_ITEMS, N_ITEMS)
    table = Csr.from_pairs(owners, items, N_QUERIES, N_ITEMS)
    groups, anchors = torch.tensor([0, 0, 1, 1]), torch.tensor([5, 8, 11, 14])
    return Catalogue(N_QUERIES, N_ITEMS, COUNTS, table, groups, anchors, graph)


def make(name: str) -> Proposal:
    spec = SPECS[name]
    proposal = Tilted() if spec is None else registry.build(spec)
    proposal.bind(catalogue())
    context, looks = batch(), isinstance(proposal, (Cluster, Matched, AdversarialTree, Shortlist))
    model = MatrixFactorization(N_QUERIES, N_ITEMS, 8, init=0.4, seed=2)
    if looks:
        proposal.refresh(context, model)
    proposal.observe(context)
    if looks:
        proposal.refresh(replace(context, step=1), model)
    return proposal


def p_value(observed: Tensor, probability: Tensor) -> float:
    """Pearson's chi-square, rare cells taken together; what has probability zero must not occur at all."""
    possible = probability > 0
    assert int(observed[~possible].sum()) == 0
    seen, expected = observed[possible].double(), probability[possible].double() * observed.sum()
    rare = expected < 20
    if bool(rare.any()):
        seen = torch.cat([seen[~rare], seen[rare].sum()[None]])
        expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    if len(seen) == 1:
        return 1.0
    return float(chi2.sf(float(((seen - expected) ** 2 / expected).sum()), len(seen) - 1))


def claimed(proposal: Proposal, query: int, exclude: Csr | None) -> Tensor:
    """What the proposal says of one query, conditional on the exclusion: ``(n_items,)`` float64."""
    context = replace(batch(), queries=torch.tensor([query]))
    q = all_log_probs(proposal, context, N_ITEMS)[0].exp().clone()
    if exclude is not None:
        q[exclude.row(query).long()] = 0.0
    return q / q.sum()


def test_every_proposal_is_drawn_from() -> None:
    assert set(registry) <= {spec if isinstance(spec, str) else spec["name"] for spec in SPECS.values() if spec}


@pytest.mark.parametrize("excluding", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_frequencies_are_those_of_log_q(name: str, excluding: bool) -> None:
    context, exclude, proposal = batch(), known() if excluding else None, make(name)
    ids, log_q = proposal.draw(context, K, context.key(Purpose.CANDIDATES), exclude)
    assert ids.numel() >= 1_000_000
    for query in range(N_QUERIES):
        rows = context.queries == query
        probability = claimed(proposal, query, exclude)
        assert p_value(torch.bincount(ids[rows].flatten(), minlength=N_ITEMS), probability) > LEVEL / N_TESTS
        torch.testing.assert_close(log_q[rows].double(), probability.log()[ids[rows]], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in PER_ROW])
def test_frequencies_of_a_pool(name: str) -> None:
    context, proposal = batch(), make(name)
    ids, _ = proposal.pool(context, 1_000_000, context.key(Purpose.CANDIDATES))
    assert p_value(torch.bincount(ids, minlength=N_ITEMS), claimed(proposal, 0, None)) > LEVEL / N_TESTS


@pytest.mark.parametrize("name", ["in_batch", "mixed"])
def test_frequencies_of_pools_over_random_batches(name: str) -> None:
    """A slot of a pool holds an item with probability ``q``, over batches drawn at random from the training pairs."""
    proposal, pairs = make(name), batch().positives
    totals, size = torch.zeros(N_ITEMS, dtype=torch.int64), 16
    for step in range(3000):
        picked = integers(stream(3, Purpose.SHUFFLE), torch.tensor([step]), torch.arange(32), ROWS)
        context = Context(torch.zeros(32).long(), pairs[picked], picked, seed=5, step=step)
        ids, _ = proposal.pool(context, size, context.key(Purpose.CANDIDATES))
        totals += torch.bincount(ids, minlength=N_ITEMS)
    assert p_value(totals, claimed(proposal, 0, None)) > LEVEL / N_TESTS


@pytest.mark.parametrize("name", ["uniform", "popularity", "mixed"])
@pytest.mark.parametrize("excluding", [False, True])
def test_slots_and_rows_are_independent(name: str, excluding: bool) -> None:
    """Pairs of neighbouring slots, and of neighbouring rows, fall as the product of their probabilities."""
    context, proposal = replace(batch(), queries=torch.ones(ROWS, dtype=torch.int64)), make(name)
    exclude = known() if excluding else None
    ids, _ = proposal.draw(context, K, context.key(Purpose.CANDIDATES), exclude)
    group = torch.arange(N_ITEMS) % 5
    p = torch.zeros(5, dtype=torch.float64).index_add_(0, group, claimed(proposal, 1, exclude))
    found = group[ids]
    even = ROWS // 2 * 2
    for one, other in ((found[:, ::2], found[:, 1::2]), (found[0:even:2], found[1:even:2])):
        pairs = torch.bincount((one * 5 + other).flatten(), minlength=25)
        assert p_value(pairs, torch.outer(p, p).flatten()) > LEVEL / N_TESTS


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


@pytest.mark.parametrize("name", ["uniform", "popularity", "log_uniform", "learned_unigram", "in_batch"])
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
