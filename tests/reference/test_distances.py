"""Comparisons of composed queries with items: every path against the naive twin, and whatever the number of threads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from negatives import kernels
from negatives.kernels import distances
from negatives.randomness import generator

PATHS = ("numba", "torch")
every_kind = pytest.mark.parametrize("kind", distances.KINDS)


def case(rows: int, k: int, n: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Vectors, a table, ids with repetitions, and a gradient with zeros."""
    random = generator(seed)
    vectors, table = torch.randn(rows, d, generator=random), torch.randn(n, d, generator=random)
    ids = torch.randint(0, n, (rows, k), generator=random)
    grad = torch.randn(rows, k, generator=random) * (torch.rand(rows, k, generator=random) < 0.7)
    return vectors, table, ids, grad


def dense(ids: Tensor, sums: Tensor, n: int) -> Tensor:
    assert len(ids.unique()) == len(ids)
    whole = torch.zeros(n, sums.shape[1])
    whole[ids] = sums
    return whole


@every_kind
@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 7), st.sampled_from([2, 6, 34]), st.integers(0, 9999))
def test_paths_agree(kind: str, rows: int, k: int, n: int, d: int, seed: int) -> None:
    vectors, table, ids, grad = case(rows, k, n, d, seed)
    more, extra = torch.tensor([0, n - 1, 0]), torch.randn(3, d, generator=generator(seed + 1))
    found = {}
    for path in ("numpy", *PATHS):
        with kernels.use(path):
            scores = distances.pair_scores(vectors, table, ids, kind)
            pool = distances.pool_scores(vectors, table, kind)
            per_row, sums = distances.pair_backward(vectors, table, ids, scores, grad, kind, spare=3)
            items, summed = sums.with_rows(more, extra)
            assert set(items.tolist()) == set(ids.flatten().tolist()) | {0, n - 1}
            found[path] = scores, pool, per_row, dense(items, summed, n)
    for path in PATHS:
        for ours, naive in zip(found[path], found["numpy"], strict=True):
            torch.testing.assert_close(ours, naive, atol=1e-4, rtol=1e-4)


@every_kind
def test_threads_do_not_change_a_bit(kind: str) -> None:
    vectors, table, ids, grad = case(300, 20, 500, 64, 3)
    found = []
    before = kernels.threads()
    for n in (1, 3):
        kernels.set_threads(n)
        scores = distances.pair_scores(vectors, table, ids, kind)
        per_row, sums = distances.pair_backward(vectors, table, ids, scores, grad, kind)
        found.append((scores, distances.pool_scores(vectors, table, kind), per_row, sums.sums, sums.items))
    kernels.set_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_equal_vectors_have_a_finite_gradient() -> None:
    same, ids, grad = torch.ones(1, 4), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1)
    for kind in ("l1", "l2", "modulus"):
        scores = distances.pair_scores(same, same, ids, kind)
        per_row, sums = distances.pair_backward(same, same, ids, scores, grad, kind)
        assert float(scores) == 0
        assert torch.equal(per_row, torch.zeros_like(same))
        assert torch.equal(sums.sums, torch.zeros_like(same))


def test_what_does_not_fit_is_refused() -> None:
    vectors, table, ids, grad = case(2, 2, 3, 4, 1)
    with pytest.raises(ValueError, match="none of dot"):
        distances.pair_scores(vectors, table, ids, "l3")
    with pytest.raises(ValueError, match="even length"):
        distances.pair_scores(vectors[:, :3], table[:, :3], ids, "modulus")
    with pytest.raises(ValueError, match="cannot be compared"):
        distances.pool_scores(vectors, table[:, :2], "dot")
    with pytest.raises(IndexError, match="item ids"):
        distances.pair_scores(vectors, table, ids + 3, "dot")
    scores = distances.pair_scores(vectors, table, ids, "dot")
    with pytest.raises(ValueError, match="raise spare"):
        distances.pair_backward(vectors, table, ids, scores, grad, "dot")[1].with_rows(ids[0], vectors)
