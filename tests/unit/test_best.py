"""The best items by inner product: right answers by Python's own numbers, whoever else is asked, from any memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from negatives import kernels
from negatives.randomness import generator, tie_words, ties
from negatives.types import Csr

KNOWN = Csr.from_pairs(torch.tensor([0, 0, 1, *[2] * 90]), torch.tensor([0, 89, 4, *range(90)]), 3, 90)


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = kernels.threads()
    yield
    kernels.set_threads(before)


def whole(rows: int, columns: int, seed: int) -> Tensor:
    """Small whole numbers, whose products are exact, so that many are equal."""
    return torch.randint(-2, 3, (rows, columns), generator=generator(seed)).float()


def expected(queries: Tensor, items: Tensor, k: int, left_out: list[list[int]], numbers: list[int]) -> list[list[int]]:
    """Sorted by score and tie, in Python."""
    found = []
    for query, gone, number in zip(queries.tolist(), left_out, numbers, strict=True):
        places = ties(tie_words(torch.tensor(number)), torch.arange(len(items))).tolist()
        scores = [sum(a * b for a, b in zip(query, item, strict=True)) for item in items.tolist()]
        order = sorted(range(len(items)), key=lambda i: (-scores[i], places[i]))
        found.append(([i for i in order if i not in gone] + [-1] * k)[:k])
    return found


@pytest.mark.parametrize("d", [3, 16, 19])
@pytest.mark.parametrize("k", [1, 7, 100])
def test_the_best_of_all_and_of_what_is_left(k: int, d: int) -> None:
    queries, items = whole(9, d, 1), whole(90, d, 2)
    rows = torch.tensor([0, 2, 1, 1, 0, 2, 0, 1, 1])
    known = [KNOWN.row(row).tolist() for row in rows.tolist()]
    ids, scores = kernels.best(queries, items, k, exclude=KNOWN, rows=rows)
    assert ids.tolist() == expected(queries, items, k, known, rows.tolist())
    exact = (queries @ items.T).gather(1, ids.clamp(min=0))
    assert torch.equal(scores, torch.where(ids >= 0, exact, -torch.inf))
    alone = kernels.best(queries[:1], items, k)[0]
    assert alone.tolist() == expected(queries[:1], items, k, [[]], [0])


def test_only_some_may_be_answered_and_ties_go_by_the_numbers_given() -> None:
    queries, items, only = whole(7, 6, 3), whole(90, 6, 4), torch.tensor([88, 3, 4, 60, 3, 17])
    rows, numbers = torch.tensor([1, 0, 1, 2, 0, 0, 1]), torch.arange(7) * 11
    ids, scores = kernels.best(queries, items, 5, exclude=KNOWN, rows=rows, only=only, ties=numbers)
    gone = [sorted({*range(90)} - set(only.tolist()) | set(KNOWN.row(row).tolist())) for row in rows.tolist()]
    assert ids.tolist() == expected(queries, items, 5, gone, numbers.tolist())
    assert (scores[3] == -math.inf).all()
    assert kernels.best(queries, items, 5, only=only[:0])[0].tolist() == [[-1] * 5] * 7


def test_equal_scores_favour_no_item() -> None:
    queries, items = torch.ones(7, 5), torch.ones(90, 5)
    for some in (queries, queries[:1]):
        n = len(some)
        ids = kernels.best(some, items, 5, rows=torch.arange(n))[0]
        assert ids.tolist() == expected(some, items, 5, [[]] * n, list(range(n)))


def test_many_parts_have_the_answers_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, items = whole(7, 5, 9), whole(90, 5, 10)
    for k in (1, 20, 100):
        ids, scores = kernels.best(queries, items, k, exclude=KNOWN, rows=torch.arange(7) % 3)
        with monkeypatch.context() as patch:
            patch.setattr("negatives.kernels.jit.best.WORTH", 1)
            parts = kernels.best(queries, items, k, exclude=KNOWN, rows=torch.arange(7) % 3)
        assert torch.equal(parts[0], ids)
        assert torch.equal(parts[1], scores)


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("d", [10, 64])
def test_every_bit_is_the_same_alone_and_among_others_and_for_any_threads(d: int) -> None:
    random = generator(5)
    queries, items = torch.randn(530, d, generator=random), torch.randn(3000, d, generator=random)
    items[1500:] = items[:1500]  # ties everywhere
    numbers = torch.arange(530) + 40
    kernels.set_threads(1)
    ids, scores = kernels.best(queries, items, 10, ties=numbers)
    for n in (2, 3):
        kernels.set_threads(n)
        again = kernels.best(queries, items, 10, ties=numbers)
        assert torch.equal(again[0], ids)
        assert torch.equal(again[1], scores)
        for part in (slice(7, 8), slice(3, 9), slice(1, 300)):
            some = kernels.best(queries[part], items, 10, ties=numbers[part])
            assert torch.equal(some[0], ids[part])
            assert torch.equal(some[1], scores[part])
    subset = torch.unique(ids)
    some = kernels.best(queries[:5], items, 10, ties=numbers[:5], only=subset)
    assert torch.equal(some[1], scores[:5])


def test_it_agrees_with_all_scores_at_once() -> None:
    random = generator(6)
    queries, items = torch.randn(40, 33, generator=random), torch.randn(700, 33, generator=random)
    products = queries.double() @ items.double().T
    ids, scores = kernels.best(queries, items, 20)
    assert torch.equal(ids, products.topk(20).indices)
    torch.testing.assert_close(scores, products.topk(20).values.float(), rtol=1e-5, atol=1e-5)


def test_scores_that_are_no_numbers_leave_their_items_out_as_in_top_k() -> None:
    items = torch.tensor([[1.0], [math.nan], [math.inf], [-math.inf], [-1.0], [0.0]])
    queries = torch.tensor([[1.0], [-1.0], [0.0], [math.nan]])
    for path in ("numba", "torch", "numpy"):
        with kernels.use(path):
            ids, scores = kernels.best(queries, items, 6, rows=torch.arange(4))
            direct = kernels.top_k(queries * items.T, 6, queries=torch.arange(4))
        assert torch.equal(ids, direct[0])
        assert torch.equal(scores, direct[1])
        assert (ids[3] == -1).all()
        assert not bool(torch.signbit(scores[scores == 0]).any())


def test_a_table_is_read_where_it_lies_in_a_file(tmp_path: Path) -> None:
    items = torch.randn(500, 24, generator=generator(7))
    path = tmp_path / "items.npy"
    np.save(path, items.numpy())
    path.chmod(0o444)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the tensor is not written to
        mapped = torch.from_numpy(np.load(path, mmap_mode="r"))
    queries = torch.randn(3, 24, generator=generator(8))
    for some in (queries, queries[:1]):
        for one, other in zip(kernels.best(some, mapped, 5), kernels.best(some, items, 5), strict=True):
            assert torch.equal(one, other)
    spread = torch.stack([items, items], 2)[:, :, 0]
    assert torch.equal(kernels.best(queries, spread, 5)[0], kernels.best(queries, items, 5)[0])


@pytest.mark.parametrize("path", ["numba", "torch", "numpy"])
def test_nothing_asked_nothing_there_and_nothing_in_common(path: str) -> None:
    with kernels.use(path):
        assert kernels.best(torch.ones(0, 3), torch.ones(4, 3), 2)[0].shape == (0, 2)
        assert kernels.best(torch.ones(2, 3), torch.ones(4, 3), 0)[1].shape == (2, 0)
        assert kernels.best(torch.ones(2, 3), torch.ones(0, 3), 2)[0].tolist() == [[-1, -1]] * 2
        assert kernels.best(torch.ones(1, 0), torch.ones(4, 0), 2)[1].tolist() == [[0.0, 0.0]]


def test_what_does_not_fit_is_refused() -> None:
    queries, items = torch.ones(2, 3), torch.ones(4, 3)
    with pytest.raises(ValueError, match="vectors of queries and items"):
        kernels.best(queries, items[:, :2], 1)
    with pytest.raises(ValueError, match="float32"):
        kernels.best(queries, items.double(), 1)
    with pytest.raises(ValueError, match="queries too"):
        kernels.best(queries, items, 1, exclude=KNOWN)
    with pytest.raises(ValueError, match="up to 90 items"):
        kernels.best(queries, items, 1, exclude=KNOWN, rows=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="ties and queries"):
        kernels.best(queries, items, 1, ties=torch.tensor([0]))
    for wrong in (-1, 4):
        with pytest.raises(IndexError, match=r"\[0, 4\)"):
            kernels.best(queries, items, 1, only=torch.tensor([0, wrong]))
