"""Ends of the range: empty input, refused ids, ties, masks, many threads, and how the kernels are compiled."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from negatives import kernels
from negatives.kernels.jit import cache
from negatives.randomness import generator
from negatives.types import Csr

ALL = ("numba", "torch", "numpy")


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = kernels.threads()
    yield
    kernels.set_threads(before)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 200),
    st.integers(0, 60),
    st.sampled_from([0.0, 0.2, 0.9]),
    st.integers(0, 10_000),
)
def test_top_k_is_the_same_on_every_path(rows: int, n: int, k: int, density: float, seed: int) -> None:
    random = generator(seed)
    scores = torch.randint(-4, 4, (rows, n), generator=random) / 2.0
    scores[torch.rand(rows, n, generator=random) < 0.05] = float("nan")
    scores[torch.rand(rows, n, generator=random) < 0.05] = -torch.inf
    scores[torch.rand(rows, n, generator=random) < 0.05] = -0.0
    scores[torch.rand(rows, n, generator=random) < 0.05] = torch.inf
    pairs = (torch.rand(3, n, generator=random) < density).nonzero()
    exclude = Csr.from_pairs(pairs[:, 0], pairs[:, 1], 3, n)
    queries = torch.randint(0, 3, (rows,), generator=random)
    found = []
    for path in ALL:
        with kernels.use(path):
            found.append(kernels.top_k(scores, k, exclude=exclude, queries=queries))
    for ids, values in found[1:]:
        assert torch.equal(ids, found[0][0])
        assert torch.equal(values, found[0][1])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 200),
    st.integers(0, 40),
    st.integers(0, 60),
    st.sampled_from([0.0, 0.2, 0.9]),
    st.integers(0, 10_000),
)
def test_the_best_are_the_same_bits_on_every_path(rows: int, n: int, d: int, k: int, density: float, seed: int) -> None:
    random = generator(seed)
    # Of numbers with eight bits the twins' sums in float64 are exact, so that all round alike.
    queries, items = (torch.randn(size, d, generator=random).bfloat16().float() for size in (rows, n))
    items[torch.rand(n, generator=random) < 0.3] = items[0].clone()
    items[torch.rand(n, d, generator=random) < 0.003] = float("nan")
    pairs = (torch.rand(3, n, generator=random) < density).nonzero()
    exclude = Csr.from_pairs(pairs[:, 0], pairs[:, 1], 3, n)
    owners = torch.randint(0, 3, (rows,), generator=random)
    only = torch.randint(0, n, (n,), generator=random) if seed % 2 else None
    found = []
    for path in ALL:
        with kernels.use(path):
            found.append(kernels.best(queries, items, k, exclude=exclude, rows=owners, only=only))
    for ids, values in found[1:]:
        assert torch.equal(ids, found[0][0])
        assert torch.equal(values, found[0][1])


def test_top_k_of_wide_rows_agrees_with_torch() -> None:
    scores = torch.randn(9, 5000, generator=generator(1))
    scores[0] = torch.arange(5000.0)
    for k in (1, 20, 300):
        ids, values = kernels.top_k(scores, k)
        assert torch.equal(values, torch.topk(scores, k).values)
        assert torch.equal(scores.gather(1, ids), values)
        assert all(len(set(row)) == k for row in ids.tolist())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 9))
def test_sums_of_rows_come_in_order_of_first_use(index: list[int], d: int) -> None:
    values = torch.arange(len(index) * d).reshape(len(index), d).float()
    for path in ALL:
        with kernels.use(path):
            distinct, sums = kernels.sum_rows(torch.tensor(index, dtype=torch.int64), values)
        assert distinct.tolist() == list(dict.fromkeys(index))
        assert sums.shape == (len(distinct), d)
        for item, row in zip(distinct.tolist(), sums, strict=True):
            assert torch.equal(row, values[[i for i, other in enumerate(index) if other == item]].sum(0))


@pytest.mark.usefixtures("restored_threads")
def test_every_bit_is_the_same_for_any_number_of_threads() -> None:
    random = generator(3)
    users, items = torch.randn(700, 32, generator=random), torch.randn(900, 32, generator=random)
    queries = torch.randint(0, 700, (3000,), generator=random)
    ids = torch.randint(0, 900, (3000, 9), generator=random)
    grad = torch.randn(3000, 9, generator=random) * (torch.rand(3000, 9, generator=random) < 0.7)
    pairs = (torch.rand(700, 900, generator=random) < 0.05).nonzero()
    known = Csr.from_pairs(pairs[:, 0], pairs[:, 1], 700, 900)
    weights = torch.rand(known.nnz, generator=random)
    scores = users @ items.T
    rows = torch.randperm(900, generator=random)[:800]
    results = []
    for n in (1, 2, 3, 7):
        kernels.set_threads(n)
        table, moments = items.clone(), (torch.zeros(900, 32), torch.zeros(900, 32))
        kernels.adam_rows_(table, moments, rows, items[rows], 0.1, 1, weight_decay=0.1)
        results.append(
            [
                table,
                *kernels.score_backward(users, items, queries, ids, grad),
                *kernels.sum_rows(ids.reshape(-1), users[queries].repeat_interleave(9, 0), 900),
                kernels.spmm(known.indptr, known.indices, weights, items),
                kernels.contains_pool(known, queries, ids[:, 0]),
                kernels.excluded_mass(known, queries, torch.rand(900, generator=generator(4))),
                *kernels.top_k(scores, 20, exclude=known, queries=torch.arange(700)),
            ]
        )
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_membership_at_the_ends() -> None:
    known = Csr.from_pairs(torch.tensor([0, 0, 2]), torch.tensor([0, 6, 3]), 3, 7)
    queries, pool = torch.tensor([0, 1, 2, 0]), torch.tensor([6, 3, 6, 40, 0])
    for path in ALL:
        with kernels.use(path):
            found = kernels.contains(known, queries, torch.tensor([[-1, 6], [-1, 0], [3, 2], [0, 3]]))
            assert found.tolist() == [[False, True], [False, False], [True, False], [True, False]]
            marks = kernels.contains_pool(known, queries, pool)
            assert torch.equal(marks, kernels.contains(known, queries, pool.expand(4, 5)))
            assert kernels.contains_pool(known, queries, pool[:0]).shape == (4, 0)


@pytest.mark.parametrize("path", ALL)
def test_empty_batches(path: str) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    users, items = torch.ones(2, 4), torch.ones(3, 4)
    with kernels.use(path):
        assert kernels.draw_uniform(none, 5, 3, 7).shape == (0, 5)
        assert kernels.gather_scores(users, items, none, none.reshape(0, 5)).shape == (0, 5)
        per_row, distinct, sums = kernels.score_backward(users, items, none, none.reshape(0, 5), torch.zeros(0, 5))
        assert (per_row.shape, distinct.shape, sums.shape) == ((0, 4), (0,), (0, 4))
        kernels.sgd_rows_(items, none, torch.zeros(0, 4), 0.1)
    assert torch.equal(items, torch.ones(3, 4))


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_weight_decay_agrees_with_torch(path: str, name: str) -> None:
    random = generator(5)
    mine, rows = torch.randn(6, 3, generator=random), torch.arange(6)
    theirs, squares = torch.nn.Parameter(mine.clone()), torch.zeros(6, 3)
    kind = {"sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad}[name]
    optimiser = kind([theirs], lr=0.1, weight_decay=0.3)
    for _ in range(3):
        theirs.grad = torch.randn(6, 3, generator=random)
        with kernels.use(path):
            if name == "sgd":
                kernels.sgd_rows_(mine, rows, theirs.grad, 0.1, 0.3)
            else:
                kernels.adagrad_rows_(mine, squares, rows, theirs.grad, 0.1, 0.3)
        optimiser.step()
    torch.testing.assert_close(mine, theirs.detach())


def test_ids_and_sets_that_do_not_fit_are_refused() -> None:
    users, items, rows = torch.ones(2, 4), torch.ones(3, 4), torch.tensor([0, 1])
    known = Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 5)
    with pytest.raises(IndexError, match=r"item ids must lie in \[0, 3\); found -1 to 2"):
        kernels.gather_scores(users, items, rows, torch.tensor([[0, -1], [1, 2]]))
    with pytest.raises(IndexError, match="queries"):
        kernels.draw_uniform(rows, 2, 5, 7, queries=torch.tensor([0, 2]), known=known)
    with pytest.raises(ValueError, match="give queries too"):
        kernels.draw_uniform(rows, 2, 5, 7, known=known)
    with pytest.raises(ValueError, match="name up to 5 items"):
        kernels.draw_uniform(rows, 2, 4, 7, queries=rows, known=known)
    with pytest.raises(ValueError, match="tries must be at least 1"):
        kernels.draw_uniform(rows, 2, 5, 7, queries=rows, known=known, tries=0)
    with pytest.raises(ValueError, match="queries and rows"):
        kernels.draw_uniform(rows, 2, 5, 7, queries=rows[:1], known=known)
    with pytest.raises(ValueError, match="gradient and ids"):
        kernels.score_backward(users, items, rows, torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 2))
    with pytest.raises(ValueError, match="contiguous float32"):
        kernels.sgd_rows_(torch.ones(4, 3).T, rows, torch.ones(2, 4), 0.1)
    with pytest.raises(ValueError, match="none of numba, triton, torch, numpy"), kernels.use("fortran"):
        pass
    with pytest.raises(ValueError, match="at least 1"):
        kernels.set_threads(0)


def test_importing_the_facade_does_not_import_numba() -> None:
    code = "import sys, negatives.kernels; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_loops_run_uncompiled() -> None:
    code = """
import numpy, torch
from negatives import kernels
from negatives.types import Csr
known = Csr.from_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1]), 2, 5)
rows, items = torch.tensor([0, 1, 1]), torch.arange(10.0).reshape(5, 2)
def everything():
    table = kernels.build_alias(torch.tensor([5.0, 1.0, 0.0, 1.0, 2.0]))
    ids = kernels.draw_alias(table, rows, 3, 7, queries=rows, known=known, tries=2)
    scores = kernels.gather_scores(items, items, rows, ids)
    yield from (ids, kernels.draw_uniform(rows, 3, 5, 7, queries=rows, known=known, tries=1), scores)
    yield from kernels.score_backward(items, items, rows, ids, scores)
    yield from kernels.top_k(items.T.contiguous(), 3, exclude=known, queries=rows[:2])
    yield from kernels.best(items[:2], items, 3, exclude=known, rows=rows[:2])
    yield kernels.contains_pool(known, rows, torch.tensor([2, 1, 2]))
with numpy.errstate(over="ignore"):
    compiled = list(everything())
with kernels.use("numpy"):
    assert all(torch.equal(a, b) for a, b in zip(compiled, everything(), strict=True))
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


def test_the_environment_chooses_the_twin() -> None:
    code = (
        "import sys, torch; from negatives import kernels\n"
        "kernels.draw_alias(kernels.build_alias(torch.ones(9)), torch.arange(2), 2, 7)\n"
        "sys.exit('numba' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NEGATIVES_KERNELS": "numpy"})


def test_the_cache_folder_is_private_and_writable(tmp_path: Path) -> None:
    assert cache.usable(tmp_path / "new" / "folder")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert not cache.usable(shared)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert not cache.usable(blocked / "folder")
    assert stat.S_IMODE((tmp_path / "new" / "folder").stat().st_mode) & 0o077 == 0


def test_without_a_writable_folder_kernels_compile_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from negatives.kernels.jit import compile as compiling

    monkeypatch.setattr(cache, "location", lambda: None)
    assert compiling.kernel(lambda x: x + 1)(2) == 3


def test_the_filter_of_pairs_goes_with_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made at the second use, refuses no known pair, lets most others pass, and does not outlive the table."""
    from negatives.kernels.jit import members

    known = Csr.from_pairs(torch.arange(300) % 60, torch.arange(300) * 7 % 97, 60, 97)
    before = len(members._filters)
    assert members.pair_filter(known).size == 0
    words = members.pair_filter(known)
    assert words.size * 64 >= members.FILTER_BITS * known.nnz
    assert words is members.pair_filter(known)
    pairs = [(query, item) for query in range(60) for item in range(97)]
    bits = [int(members.pair_bit(query, item, words.size)) for query, item in pairs]
    marked = {pair for pair, bit in zip(pairs, bits, strict=True) if int(words[bit >> 6]) >> (bit & 63) & 1}
    held = {(query, int(item)) for query in range(60) for item in known.row(query)}
    assert held <= marked
    assert len(marked) < len(held) + 0.15 * len(pairs)
    monkeypatch.setattr(members, "FILTER_BYTES", words.nbytes - 1)
    assert members.pair_filter(known).size == 0
    del known
    assert len(members._filters) == before
