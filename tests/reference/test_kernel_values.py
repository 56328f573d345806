"""Kernels against loops over Python's own numbers, small enough to run uncompiled as well."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from negatives import kernels
from negatives.kernels.jit.mix import upper
from negatives.kernels.walks import walks
from negatives.randomness import EXAMPLE_STEP, MASK64, Purpose, integers, mix, stream, uniforms
from negatives.types import Csr

KEY = stream(9, Purpose.CANDIDATES)
N, ROWS, SLOTS = 9, 400, 5
KNOWN = Csr.from_pairs(torch.tensor([0, 0, 0, 1, *[2] * N]), torch.tensor([0, 3, 8, 4, *range(N)]), 4, N)
QUERIES = torch.arange(ROWS) % 4
WEIGHTS = [5.0, 0.0, 1.0, 2.0, 0.5, 9.0, 3.0, 0.0, 1.5]


def near(ids: torch.Tensor, chances: list[float]) -> None:
    """Counts lie within five and a half standard errors."""
    n = ids.numel()
    counts = torch.bincount(ids.reshape(-1), minlength=len(chances)).tolist()
    for count, chance in zip(counts, chances, strict=True):
        assert abs(count - n * chance) <= 5.5 * math.sqrt(n * chance * (1 - chance)) + 1e-9


def allowed(query: int, weights: list[float]) -> list[float]:
    left = [0.0 if item in KNOWN.row(query).tolist() else weight for item, weight in enumerate(weights)]
    return [one / sum(left) for one in left] if sum(left) else left


def test_free_draws_are_the_hash_of_example_and_slot() -> None:
    examples = torch.arange(ROWS) * 7
    found = kernels.draw_uniform(examples, SLOTS, N, KEY)
    assert torch.equal(found, integers(KEY, examples[:, None], torch.arange(SLOTS), N))
    near(found, [1 / N] * N)


@pytest.mark.parametrize("tries", [1, 3, 16])
@pytest.mark.parametrize("k", [SLOTS, 20])
def test_draws_leave_out_what_is_known_and_keep_their_shares(tries: int, k: int) -> None:
    examples, table = torch.arange(ROWS), kernels.build_alias(torch.tensor(WEIGHTS))
    guard = {"queries": QUERIES, "known": KNOWN, "tries": tries}
    for _ in range(2):  # a filter of pairs is made at the second use
        uniform = kernels.draw_uniform(examples, k, N, KEY, **guard)  # type: ignore[arg-type]
        alias = kernels.draw_alias(table, examples, k, KEY, **guard)  # type: ignore[arg-type]
        for query in (0, 1, 3):
            near(uniform[query == QUERIES], allowed(query, [1.0] * N))
            near(alias[query == QUERIES], allowed(query, WEIGHTS))
        assert bool((uniform[QUERIES == 2] == -1).all())
        assert bool((alias[QUERIES == 2] == -1).all())


@pytest.mark.parametrize("tries", [1, 4])
def test_draws_are_the_twins_also_where_the_first_tries_fail(tries: int) -> None:
    examples, queries = torch.arange(40), torch.arange(40) % 4
    table = kernels.build_alias(torch.tensor(WEIGHTS))

    def drawn() -> list[torch.Tensor]:
        return [
            kernels.draw_uniform(examples, 3, N, KEY, queries=queries, known=KNOWN, tries=tries),
            kernels.draw_alias(table, examples, 3, KEY, queries=queries, known=KNOWN, tries=tries),
        ]

    found = drawn()
    with kernels.use("numpy"):
        assert all(torch.equal(*pair) for pair in zip(found, drawn(), strict=True))


def test_an_alias_table_gives_each_item_its_weight() -> None:
    for weights in (WEIGHTS, [1.0] * 7, [0.0, 4.0], [1e-3, 1.0, 1e3, 1.0], [0.3] * 3 + [0.1]):
        table = kernels.build_alias(torch.tensor(weights))
        total = sum(weights)
        assert table.probability.tolist() == pytest.approx([one / total for one in weights], rel=1e-5)
        near(kernels.draw_alias(table, torch.arange(1500), 4, KEY), [one / total for one in weights])


def test_membership_and_excluded_mass() -> None:
    sets = [set(KNOWN.row(query).tolist()) for query in range(4)]
    queries, ids = torch.tensor([0, 1, 2, 3, 0]), torch.arange(N).repeat(5, 1)
    expected = [[item in sets[query] for item in range(N)] for query in queries.tolist()]
    assert kernels.contains(KNOWN, queries, ids).tolist() == expected
    pool = torch.tensor([8, 4, 4, 0, 7])
    found = kernels.contains_pool(KNOWN, queries, pool).tolist()
    assert found == [[item in sets[query] for item in pool.tolist()] for query in queries.tolist()]
    mass = kernels.excluded_mass(KNOWN, queries, torch.tensor(WEIGHTS))
    assert mass.tolist() == pytest.approx([sum(WEIGHTS[item] for item in sets[query]) for query in queries.tolist()])


def test_a_second_pool_does_not_see_the_first() -> None:
    queries = torch.tensor([0, 1])
    for pool in ([0, 3, 8], [1, 2, 5], [4, 4, 1], [8, 7, 6]):
        found = kernels.contains_pool(KNOWN, queries, torch.tensor(pool)).tolist()
        assert found == [[item in KNOWN.row(query).tolist() for item in pool] for query in (0, 1)]


def places(query: int, n: int) -> list[int]:
    """Where the items of a query stand among equals, written from the definition with Python's integers."""
    key = mix(mix(mix(0) + 19 * EXAMPLE_STEP & MASK64) & MASK64)
    word = mix(key ^ (query * EXAMPLE_STEP & MASK64)) >> 32
    found = []
    for item in range(n):
        value = item ^ word
        value = (value ^ value >> 16) * 0x7FEB352D % 2**32
        value = (value ^ value >> 15) * 0x846CA68B % 2**32
        found.append(value ^ value >> 16)
    return found


def test_the_best_without_the_known_ties_by_the_hash() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, 9.0, 3.0, 2.0, -1.0, 3.0, 8.0]).repeat(4, 1)
    ids, best = kernels.top_k(scores, 4, exclude=KNOWN, queries=torch.arange(4))
    for query in range(4):
        left = [item for item in range(9) if item not in KNOWN.row(query).tolist()]
        order = sorted(left, key=lambda item: (-float(scores[0, item]), places(query, 9)[item]))
        assert ids[query].tolist() == (order + [-1] * 4)[:4]
    assert best[0].tolist() == [3.0, 3.0, 3.0, 2.0]
    assert bool((best[2] == -math.inf).all())
    wide = torch.arange(200.0).flip(0)[None]
    assert kernels.top_k(wide, 3)[0].tolist() == [[0, 1, 2]]
    assert kernels.top_k(wide.flip(1), 3)[0].tolist() == [[199, 198, 197]]


def test_exponentials_sums_and_largest() -> None:
    scores = torch.tensor([[0.5, -1.0, 2.0, 30.0], [1.0, 1.0, -200.0, 0.0]])
    bias, ok = torch.tensor([0.1, 0.2, -0.3, 5.0]), torch.tensor([[True, True, True, False], [True, False, True, True]])
    terms, total, top = kernels.exp_rows(scores, 0.5, bias, ok)
    for row in range(2):
        logits = [0.5 * float(s) + float(b) for s, b in zip(scores[row], bias, strict=True)]
        kept = [logits[j] for j in range(4) if ok[row, j]]
        assert float(top[row]) == pytest.approx(max(kept))
        expected = [math.exp(logits[j] - max(kept)) if ok[row, j] else 0.0 for j in range(4)]
        assert terms[row].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-12)
        assert float(total[row]) == pytest.approx(sum(expected), rel=1e-5)


def test_resampled_slots_follow_the_softmax() -> None:
    logits, ok = torch.tensor([[0.0, 1.0, 2.0, 9.0]]).repeat(ROWS, 1), torch.tensor([[True, True, True, False]])
    slots, chances = kernels.resample(logits, ok.repeat(ROWS, 1), torch.arange(ROWS), 3, KEY)
    e = [1.0, math.e, math.e**2, 0.0]
    expected = [one / sum(e) for one in e]
    near(slots, expected)
    torch.testing.assert_close(chances, torch.tensor(expected)[slots])
    u = uniforms(KEY, torch.arange(ROWS)[:, None], torch.arange(3))
    ends = torch.tensor(expected, dtype=torch.float64).cumsum(0)
    assert float((slots == torch.searchsorted(ends, u, right=True)).double().mean()) > 0.99


def test_sparse_products_gathered_scores_and_their_gradient() -> None:
    made = torch.Generator().manual_seed(0)
    indptr, indices = torch.tensor([0, 2, 2, 5]), torch.tensor([1, 3, 0, 1, 2], dtype=torch.int32)
    values, dense = torch.randn(5, generator=made), torch.randn(4, 6, generator=made)
    matrix = torch.zeros(3, 4)
    for row in range(3):
        for at in range(int(indptr[row]), int(indptr[row + 1])):
            matrix[row, indices[at].long()] = values[at]
    torch.testing.assert_close(kernels.spmm(indptr, indices, values, dense), matrix @ dense)
    users, items = (torch.randn(n, 6, generator=made, requires_grad=True) for n in (3, 5))
    rows, ids = torch.tensor([2, 0, 2]), torch.tensor([[4, 1], [1, 1], [0, 4]])
    expected = torch.einsum("rd,rkd->rk", users[rows], items[ids])
    torch.testing.assert_close(kernels.gather_scores(users, items, rows, ids), expected)
    grad = torch.randn(3, 2, generator=made)
    (expected * grad).sum().backward()
    per_row, unique, summed = kernels.score_backward(users.detach(), items.detach(), rows, ids, grad)
    assert users.grad is not None
    assert items.grad is not None
    torch.testing.assert_close(torch.zeros(3, 6).index_add_(0, rows, per_row), users.grad)
    assert sorted(unique.tolist()) == [0, 1, 4]
    torch.testing.assert_close(summed, items.grad[unique])
    target = torch.tensor([3, 0, 3])
    distinct, total = kernels.sum_rows(target, dense[:3], 5)
    torch.testing.assert_close(total, torch.zeros(5, 6).index_add_(0, target, dense[:3])[distinct])


def test_optimisers_of_rows_are_their_formulas() -> None:
    rows, grad = torch.tensor([2, 0]), torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    x, g = [[3.0, -4.0], [1.0, 2.0]], grad.tolist()  # rows 2 and 0
    start = torch.tensor([[1.0, 2.0], [7.0, 7.0], [3.0, -4.0]])
    lr, decay = 0.1, 0.01
    slope = [[g[r][c] + decay * x[r][c] for c in range(2)] for r in range(2)]

    def check(table: torch.Tensor, steps: list[list[float]]) -> None:
        expected = [[x[r][c] - steps[r][c] for c in range(2)] for r in range(2)]
        torch.testing.assert_close(table[rows], torch.tensor(expected))
        assert table[1].tolist() == [7.0, 7.0]

    table = start.clone()
    kernels.sgd_rows_(table, rows, grad, lr, decay)
    check(table, [[lr * s for s in row] for row in slope])
    table, squares = start.clone(), torch.full((3, 2), 4.0)
    kernels.adagrad_rows_(table, squares, rows, grad, lr, decay)
    check(table, [[lr * s / math.sqrt(4.0 + s * s) for s in row] for row in slope])
    assert squares[2].tolist() == pytest.approx([4.0 + s * s for s in slope[0]], rel=1e-5)
    table, moments = start.clone(), (torch.full((3, 2), 0.5), torch.full((3, 2), 0.25))
    kernels.adam_rows_(table, moments, rows, grad, lr, 3, decay)
    rate = lr * math.sqrt(1 - 0.999**3) / (1 - 0.9**3)
    means = [[0.9 * 0.5 + 0.1 * s for s in row] for row in slope]
    powers = [[0.999 * 0.25 + 0.001 * s * s for s in row] for row in slope]
    check(table, [[rate * means[r][c] / math.sqrt(powers[r][c]) for c in range(2)] for r in range(2)])
    assert moments[0][2].tolist() == pytest.approx(means[0], rel=1e-5)


def test_a_shuffled_order_holds_every_place_once_and_any_place_anywhere() -> None:
    orders = torch.stack([kernels.shuffled(stream(seed, Purpose.SHUFFLE), 6) for seed in range(600)])
    assert bool((orders.sort(1).values == torch.arange(6)).all())
    for place in range(6):
        near(orders[:, place], [1 / 6] * 6)


@pytest.mark.parametrize("tries", [0, 16])
def test_walks_follow_edges_with_node2vecs_weights(tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("negatives.kernels.walks.TRIES", tries)  # without a try the neighbours are listed
    # a triangle 0-1-2 with a tail 2-3; 4 has no neighbour
    edges = [(0, 1), (0, 2), (1, 2), (2, 3)]
    both = edges + [(b, a) for a, b in edges]
    graph = Csr.from_pairs(torch.tensor([a for a, _ in both]), torch.tensor([b for _, b in both]), 5, 5)
    starts = torch.arange(3000) % 5
    for p, q in ((1.0, 1.0), (0.25, 4.0), (4.0, 0.5)):
        paths = walks(graph, starts, 2, KEY, examples=torch.arange(3000), p=p, q=q).tolist()
        assert all(path == [4, -1, -1] for path in paths if path[0] == 4)
        assert all((path[i], path[i + 1]) in both for path in paths if path[0] < 4 for i in range(2))
        near(torch.tensor([path[1] for path in paths if path[0] == 2]), [1 / 3, 1 / 3, 0.0, 1 / 3])
        # from 0 over 2: back to 0 by 1/p, to 1, a neighbour of 0, by 1, to 3 by 1/q
        weights = [1 / p, 1.0, 0.0, 1 / q]
        over = Counter(path[2] for path in paths if path[:2] == [0, 2])
        ids = torch.tensor([node for node, n in over.items() for _ in range(n)])
        near(ids, [one / sum(weights) for one in weights])


def test_an_alias_table_holds_probabilities_to_the_last_bit_of_its_words() -> None:
    """A bucket has 256 cells; in the one where both items meet, 53 bits of another word decide."""
    weights = torch.tensor([1.0, 2.0, 4.0, 0.3, 7.7, 1e-6])
    for path in ("numpy", "numba"):
        with kernels.use(path):
            table = kernels.build_alias(weights)
        own = (table.cell.double() + table.fine.double() * 2.0**-53) / 256
        found = own.index_add(0, table.alias.long(), 1 - own) / len(weights)
        torch.testing.assert_close(found, weights.double() / weights.double().sum(), rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("bound", [3, 7, 10**7, (1 << 31) - 1])
def test_compiled_integers_take_every_bit(bound: int) -> None:
    for value in (1, bound // 2, bound - 1):
        first = -(-value * (1 << 64) // bound)
        assert [int(upper(np.uint64(word), np.uint64(bound))) for word in (first - 1, first)] == [value - 1, value]


def test_a_cell_where_two_items_meet_is_decided_alike_on_every_path() -> None:
    """About one draw in 256 falls on such a cell."""
    table, examples = kernels.build_alias(torch.tensor([1.0, 2.0, 4.0, 0.3, 7.7])), torch.arange(3000)
    found = []
    for path in ("numpy", "numba"):
        with kernels.use(path):
            found.append(kernels.draw_alias(table, examples, 4, KEY))
    assert torch.equal(*found)
