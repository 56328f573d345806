"""Guarded draws follow the distribution conditional on not being known, on every path to an item."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from negatives import kernels
from negatives.randomness import Purpose, generator, stream
from negatives.types import Csr

PATHS = ("numba", "torch")
KEY = stream(11, Purpose.CANDIDATES)
WEIGHTS = torch.tensor([5.0, 0.0, 1.0, 2.0, 0.5, 30.0, 3.0, 0.0, 1.5, 4.0])
KNOWN = Csr.from_pairs(torch.tensor([0, 0, 0, 2]), torch.tensor([5, 0, 7, 9]), 3, 10)


def p_value(ids: torch.Tensor, expected: torch.Tensor) -> float:
    """Chi-square of the counts of ``ids`` against probabilities; an impossible item gives zero."""
    counts = torch.bincount(ids.reshape(-1), minlength=len(expected)).double()
    if bool(counts[expected == 0].any()):
        return 0.0
    possible = expected > 0
    return float(stats.chisquare(counts[possible].numpy(), (expected[possible] * counts.sum()).numpy()).pvalue)


@pytest.mark.parametrize("tries", [1, 2, 16])
@pytest.mark.parametrize("path", PATHS)
def test_enumeration_and_rejection_draw_from_one_distribution(path: str, tries: int) -> None:
    examples, queries = torch.arange(3000), torch.arange(3000) % 3
    table = kernels.build_alias(WEIGHTS)
    guard = {"queries": queries, "known": KNOWN, "tries": tries}
    with kernels.use(path):
        uniform = kernels.draw_uniform(examples, 20, 10, KEY, **guard)
        alias = kernels.draw_alias(table, examples, 20, KEY, **guard)
    for query in range(3):
        allowed = torch.ones(10, dtype=torch.float64)
        allowed[KNOWN.row(query).long()] = 0
        assert p_value(uniform[queries == query], allowed / allowed.sum()) > 1e-4
        conditional = allowed * WEIGHTS
        assert p_value(alias[queries == query], conditional / conditional.sum()) > 1e-4


@pytest.mark.parametrize("path", [*PATHS, "numpy", "triton"])
def test_rows_without_an_allowed_item_give_minus_one(path: str) -> None:
    everything = Csr.from_pairs(torch.zeros(4, dtype=torch.int64), torch.arange(4), 2, 4)
    weighted = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([1, 3]), 2, 4)
    table = kernels.build_alias(torch.tensor([0.0, 1.0, 0.0, 2.0]))
    examples, queries = torch.arange(6), torch.tensor([0, 1, 0, 1, 0, 1])
    with kernels.use(path):
        uniform = kernels.draw_uniform(examples, 3, 4, KEY, queries=queries, known=everything)
        alias = kernels.draw_alias(table, examples, 3, KEY, queries=queries, known=weighted)
    for ids in (uniform, alias):
        assert torch.equal(ids < 0, (queries == 0)[:, None].expand(6, 3))


def test_long_sets_of_known_items_are_never_drawn() -> None:
    n_items = 5000
    pairs = (torch.rand(3, n_items, generator=generator(1)) < torch.tensor([[0.999], [0.5], [0.02]])).nonzero()
    known = Csr.from_pairs(pairs[:, 0], pairs[:, 1], 3, n_items)
    examples, queries = torch.arange(600), torch.arange(600) % 3
    table = kernels.build_alias(torch.rand(n_items, generator=generator(2)) ** 8)
    members = [set(known.row(query).tolist()) for query in range(3)]
    drawn = []
    for path in PATHS:
        with kernels.use(path):
            uniform = kernels.draw_uniform(examples, 40, n_items, KEY, queries=queries, known=known, tries=4)
            alias = kernels.draw_alias(table, examples, 40, KEY, queries=queries, known=known, tries=4)
        drawn.append((uniform, alias))
        for ids in (uniform, alias):
            for query in range(3):
                assert not members[query].intersection(ids[queries == query].reshape(-1).tolist())
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))


def test_tables_that_share_their_columns_keep_their_own_known_items() -> None:
    """Rows cut from a table without a copy, and the table itself, each drawn from often enough to have a filter."""
    n_rows, n_items = 40, 60
    pairs = (torch.rand(n_rows, n_items, generator=generator(5)) < 0.4).nonzero()
    whole = Csr.from_pairs(pairs[:, 0], pairs[:, 1], n_rows, n_items)
    cuts = [whole, Csr(whole.indptr[20:], whole.indices, n_items), Csr(whole.indptr[7:31], whole.indices, n_items)]
    table = kernels.build_alias(torch.rand(n_items, generator=generator(6)))
    for _ in range(3):
        for known in cuts:
            queries = torch.arange(400) % known.n_rows
            for ids in (
                kernels.draw_uniform(torch.arange(400), 2, n_items, KEY, queries=queries, known=known),
                kernels.draw_alias(table, torch.arange(400), 2, KEY, queries=queries, known=known),
            ):
                assert not kernels.contains(known, queries, ids).any()


def test_a_large_alias_table_is_lean_and_never_draws_weight_zero() -> None:
    weights = torch.arange(200_000).double() % 5
    table = kernels.build_alias(weights)
    parts = (table.cell, table.fine, table.alias, table.probability)
    assert sum(part.numel() * part.element_size() for part in parts) == 17 * len(weights)
    ids = kernels.draw_alias(table, torch.arange(1000), 500, KEY)
    shares = torch.bincount(ids.reshape(-1) % 5, minlength=5) / ids.numel()
    torch.testing.assert_close(shares, torch.arange(5) / 10, atol=3e-3, rtol=0)
    assert shares[0] == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 1.0, 7.0, 1e-9]), min_size=1, max_size=50).filter(any))
def test_the_twin_fills_the_same_table(weights: list[float]) -> None:
    table = kernels.build_alias(torch.tensor(weights))
    with kernels.use("numpy"):
        twin = kernels.build_alias(torch.tensor(weights))
    assert torch.equal(table.cell, twin.cell)
    assert torch.equal(table.fine, twin.fine)
    assert torch.equal(table.alias, twin.alias)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, float("nan")], [1.0, float("inf")], [2.0, -1.0]])
def test_weights_that_are_no_distribution_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="not negative, and not all zero"):
        kernels.build_alias(torch.tensor(weights))
