"""Rows held back from each query: the kernels against their naive twin, and against a sort of all rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from negatives import kernels
from negatives.kernels import latest_of_each, lowest_of_each, move_up_
from negatives.randomness import Purpose, bits, stream

KEY = stream(5, Purpose.SPLIT)


def starts_of(sizes: list[int]) -> Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 30)), max_size=12), st.integers(0, 2**64 - 1))
def test_the_lowest_of_each_on_every_path(segments: list[tuple[int, int]], key: int) -> None:
    starts = starts_of([size for size, _ in segments])
    want = torch.tensor([min(size, count) for size, count in segments], dtype=torch.int64)
    with kernels.use("numpy"):
        expected = lowest_of_each(starts, want, key)
    found = lowest_of_each(starts, want, key)
    assert torch.equal(found, expected)
    counts = torch.stack([found[a:b].sum() for a, b in pairwise(starts.tolist())]) if segments else want
    assert torch.equal(counts, want.clamp(min=0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=9), max_size=9), st.integers(0, 2**64 - 1))
def test_the_latest_of_each_on_every_path(times: list[list[int]], key: int) -> None:
    starts = starts_of([len(one) for one in times])
    flat = torch.tensor([time for one in times for time in one], dtype=torch.float64)
    with kernels.use("numpy"):
        expected = latest_of_each(starts, flat, key)
    assert torch.equal(latest_of_each(starts, flat, key), expected)


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_long_queries_as_by_sorting_all_rows(share: float) -> None:
    sizes = np.random.default_rng(1).integers(1, 3000, 40)
    queries = torch.from_numpy(np.repeat(np.arange(40), sizes))
    n, starts = queries.numel(), starts_of(sizes.tolist())
    want = torch.from_numpy((sizes * share).astype(np.int64))
    hashed = bits(KEY, torch.arange(n), 0).bitwise_right_shift_(32).bitwise_and_(0x7FFFFFFF)
    order = torch.from_numpy(np.lexsort((hashed.numpy(), queries.numpy())))
    expected = torch.zeros(n, dtype=torch.bool)
    expected[order] = torch.arange(n) - starts[queries[order]] < want[queries[order]]
    assert torch.equal(lowest_of_each(starts, want, KEY), expected)
    threads = kernels.threads()
    try:
        for few in (1, 3):
            kernels.set_threads(few)
            assert torch.equal(lowest_of_each(starts, want, KEY), expected)
    finally:
        kernels.set_threads(threads)
    times = torch.randint(0, 50, (n,), generator=torch.Generator().manual_seed(0)).double()
    order = torch.from_numpy(np.lexsort((hashed.numpy(), -times.numpy(), queries.numpy())))
    assert torch.equal(latest_of_each(starts, times, KEY), order[starts[:-1]])


def test_equal_times_are_settled_by_chance() -> None:
    starts = torch.arange(0, 4001, 2)
    first = latest_of_each(starts, torch.zeros(4000).double(), KEY) == starts[:-1]
    assert 0.45 < float(first.float().mean()) < 0.55


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
def test_what_is_kept_moves_up_on_every_path(dtype: torch.dtype) -> None:
    values = torch.randint(-9, 9, (5000,), generator=torch.Generator().manual_seed(1)).to(dtype)
    for share in (0.0, 0.3, 1.0):
        kept = torch.rand(5000, generator=torch.Generator().manual_seed(2)) < share
        for path in ("numpy", "numba"):
            with kernels.use(path):
                assert torch.equal(move_up_(values.clone(), kept), values[kept])
    for bad in (values.float(), values[::2], values[:-1]):
        with pytest.raises(ValueError, match="contiguous"):
            move_up_(bad, torch.ones(5000, dtype=torch.bool))
