"""Every kernel against its naive twin and the tensor path, and whatever the number of threads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from negatives import kernels
from negatives.kernels import LossKernel
from negatives.randomness import Purpose, generator, stream
from negatives.types import Csr, Negatives

PATHS = ("numba", "torch", "triton")
KEY = stream(3, Purpose.CANDIDATES)


def sets(n_rows: int, n_cols: int, density: float, seed: int) -> Csr:
    pairs = (torch.rand(n_rows, n_cols, generator=generator(seed)) < density).nonzero()
    return Csr.from_pairs(pairs[:, 0], pairs[:, 1], n_rows, n_cols)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.floats(0, 1), st.integers(0, 10_000))
def test_draws_are_the_same_bits_on_every_path(k: int, n_items: int, density: float, seed: int) -> None:
    known = sets(4, n_items, density, seed)
    examples, queries = torch.tensor([5, 0, 7, 2**40, 9]), torch.tensor([0, 3, 1, 2, 2])
    weights = torch.rand(n_items, generator=generator(seed)) * (torch.arange(n_items) % 3 > 0) + 1e-3
    weights[0] = 0 if n_items > 1 else 1
    table = kernels.build_alias(weights)
    key = stream(seed, Purpose.CANDIDATES)
    with kernels.use("numpy"):
        uniform = kernels.draw_uniform(examples, k, n_items, key, queries=queries, known=known, tries=3)
        alias = kernels.draw_alias(table, examples, k, key, queries=queries, known=known, tries=3)
    for path in [*PATHS, "numba"]:  # again, for the second use of a table makes a filter of its pairs
        with kernels.use(path):
            drawn = kernels.draw_uniform(examples, k, n_items, key, queries=queries, known=known, tries=3)
            assert torch.equal(drawn, uniform), path
            drawn = kernels.draw_alias(table, examples, k, key, queries=queries, known=known, tries=3)
            assert torch.equal(drawn, alias), path
    bad = kernels.contains(known, queries, uniform.clamp(min=0)) & (uniform >= 0)
    assert not bad.any()
    full = (known.lengths()[queries] == n_items)[:, None]
    assert torch.equal(uniform < 0, full.expand_as(uniform))


@pytest.mark.parametrize("path", PATHS)
def test_membership_and_mass(path: str) -> None:
    known, queries = sets(6, 50, 0.3, 1), torch.tensor([3, 0, 5, 5])
    ids, pool = torch.randint(0, 50, (4, 12), generator=generator(2)), torch.tensor([7, 7, 0, 49, 13])
    share = torch.rand(50, generator=generator(3))
    for call in (
        lambda: kernels.contains(known, queries, ids),
        lambda: kernels.contains_pool(known, queries, pool),
        lambda: kernels.excluded_mass(known, queries, share),
    ):
        with kernels.use("numpy"):
            expected = call()
        with kernels.use(path):
            torch.testing.assert_close(call(), expected)


@pytest.mark.parametrize("path", PATHS)
def test_scores_gradients_sums_and_products(path: str) -> None:
    random = generator(4)
    users, items = torch.randn(9, 16, generator=random), torch.randn(30, 16, generator=random)
    queries, ids = torch.tensor([2, 2, 8, 0]), torch.randint(0, 30, (4, 7), generator=random)
    grad = torch.randn(4, 7, generator=random) * (torch.rand(4, 7, generator=random) < 0.6)
    adjacency = sets(5, 30, 0.4, 5)
    values = torch.rand(adjacency.nnz, generator=random)
    for call in (
        lambda: kernels.gather_scores(users, items, queries, ids),
        lambda: kernels.score_backward(users, items, queries, ids, grad),
        lambda: kernels.sum_rows(ids.reshape(-1), torch.arange(28.0 * 3).reshape(28, 3), 30),
        lambda: kernels.total_rows(ids.reshape(-1), torch.arange(28.0 * 3).reshape(28, 3), 30),
        lambda: kernels.spmm(adjacency.indptr, adjacency.indices, values, items),
    ):
        with kernels.use("numpy"):
            expected = call()
        with kernels.use(path):
            torch.testing.assert_close(call(), expected)


@pytest.mark.parametrize("path", PATHS)
def test_top_k_skips_the_excluded_and_breaks_ties_by_the_hash(path: str) -> None:
    scores = torch.randint(0, 5, (6, 40), generator=generator(6)).float()
    exclude, queries = sets(6, 40, 0.7, 7), torch.tensor([5, 1, 0, 0, 2, 3])
    with kernels.use("numpy"):
        ids, values = kernels.top_k(scores, 15, exclude=exclude, queries=queries)
    with kernels.use(path):
        found = kernels.top_k(scores, 15, exclude=exclude, queries=queries)
        plain, numbered = kernels.top_k(scores, 3)[0], kernels.top_k(scores, 3, queries=torch.arange(6))[0]
        parts = [kernels.top_k(scores[:, at : at + 20], 20, queries=queries, first=at) for at in (0, 20)]
        whole = kernels.top_k(scores, 40, queries=queries)[0]
    assert torch.equal(found[0], ids)
    assert torch.equal(found[1], values)
    assert torch.equal(plain, numbered)
    for row in range(6):  # in the parts stands the order of the whole
        for at, (some, _) in zip((0, 20), parts, strict=True):
            order = [item for item in whole[row].tolist() if at <= item < at + 20]
            assert (some[row] + at).tolist() == order


@pytest.mark.parametrize("path", PATHS)
def test_equal_scores_favour_no_column(path: str) -> None:
    """A model that scores all alike finds k of n, whichever of them are right: chi-square over 4,000 queries."""
    rows, n, k = 4000, 100, 7
    with kernels.use(path):
        ids = kernels.top_k(torch.full((rows, n), 0.5), k, queries=1000 + 3 * torch.arange(rows))[0]
    expected = rows * k / n
    for slots in (ids, ids[:, :1] // 10):
        seen = torch.bincount(slots.reshape(-1), minlength=n if slots is ids else 10).double()
        expected = slots.numel() / seen.numel()
        spread = float(((seen - expected) ** 2 / expected).sum())
        assert spread < seen.numel() + 4 * (2 * seen.numel()) ** 0.5
    assert all(len(set(row)) == k for row in ids.tolist())


@pytest.mark.parametrize("path", [*PATHS, "numpy"])
@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam"])
def test_row_optimisers_agree_with_torch(path: str, name: str) -> None:
    random = generator(8)
    start = torch.randn(12, 5, generator=random)
    mine, theirs = start.clone(), torch.nn.Parameter(start.clone())
    accumulator, moments = torch.zeros(12, 5), (torch.zeros(12, 5), torch.zeros(12, 5))
    make = {
        "sgd": lambda: torch.optim.SGD([theirs], lr=0.1),
        "adagrad": lambda: torch.optim.Adagrad([theirs], lr=0.1),
        "adam": lambda: torch.optim.SparseAdam([theirs], lr=0.1),
    }[name]
    optimiser = make()
    for step in range(1, 4):
        rows = torch.randperm(12, generator=random)[:4]
        grad = torch.randn(4, 5, generator=random)
        theirs.grad = torch.sparse_coo_tensor(rows[None], grad, (12, 5), check_invariants=True).coalesce()
        with torch.sparse.check_sparse_tensor_invariants():
            optimiser.step()
        with kernels.use(path):
            if name == "sgd":
                kernels.sgd_rows_(mine, rows, grad, 0.1)
            elif name == "adagrad":
                kernels.adagrad_rows_(mine, accumulator, rows, grad, 0.1)
            else:
                kernels.adam_rows_(mine, moments, rows, grad, 0.1, step)
    torch.testing.assert_close(mine, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    random = generator(9)
    users, items = torch.randn(50, 8, generator=random), torch.randn(90, 8, generator=random)
    queries = torch.randint(0, 50, (1500,), generator=random)
    known = sets(50, 90, 0.5, 10)
    before, results = kernels.threads(), []
    for n in (1, 2, 5):
        kernels.set_threads(n)
        ids = kernels.draw_uniform(torch.arange(1500), 6, 90, KEY, queries=queries, known=known)
        grad = kernels.gather_scores(users, items, queries, ids)
        results.append([ids, grad, *kernels.score_backward(users, items, queries, ids, grad)])
    kernels.set_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def stepped(users: torch.Tensor, items: torch.Tensor, queries: torch.Tensor, ids: torch.Tensor) -> list[torch.Tensor]:
    """Both tables after two fused steps; a third of the gradients are zero, one whole row among them."""
    grad = torch.randn(ids.shape, generator=generator(12)) * (torch.rand(ids.shape, generator=generator(13)) < 0.7)
    grad[3] = 0.0
    tables = [users.clone(), items.clone()]
    kernels.sgd_pairs_(tables[0], tables[1], queries, ids, grad, 0.1)
    kernels.sgd_pairs_(tables[0], tables[1], queries, ids, grad, 0.1, 0.5)
    return tables


@pytest.mark.parametrize("path", PATHS)
def test_the_fused_step_is_the_sum_of_all_gradients_and_decays_what_it_touches(path: str) -> None:
    random = generator(11)
    users, items = torch.randn(50, 24, generator=random), torch.randn(90, 24, generator=random)
    queries, ids = torch.randint(0, 40, (60,), generator=random), torch.randint(0, 70, (60, 3), generator=random)
    with kernels.use("numpy"):
        expected = stepped(users, items, queries, ids)
    with kernels.use(path):
        found = stepped(users, items, queries, ids)
    for mine, theirs, start in zip(found, expected, (users, items), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
        assert torch.equal(mine[70:], start[70:])


def test_the_fused_step_gives_the_same_bits_on_any_number_of_threads() -> None:
    random = generator(14)
    users, items = torch.randn(50, 40, generator=random), torch.randn(90, 40, generator=random)
    queries, ids = torch.randint(0, 50, (9000,), generator=random), torch.randint(0, 90, (9000, 2), generator=random)
    before, results = kernels.threads(), []
    for n in (1, 2, 3):
        kernels.set_threads(n)
        results.append(stepped(users, items, queries, ids))
    kernels.set_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 60), st.integers(0, 10_000))
def test_orders_are_the_same_on_every_path(n: int, seed: int) -> None:
    key = stream(seed, Purpose.SHUFFLE)
    with kernels.use("numpy"):
        expected = kernels.shuffled(key, n)
    assert torch.equal(kernels.shuffled(key, n), expected)
    assert sorted(expected.tolist()) == list(range(n))


def test_every_order_is_equally_likely() -> None:
    counts = torch.zeros(4, 4)
    for seed in range(4000):
        counts[torch.arange(4), kernels.shuffled(stream(seed, Purpose.SHUFFLE), 4)] += 1
    statistic = float(((counts - 1000) ** 2 / 1000).sum())
    assert statistic < 32  # chi-square with 9 degrees of freedom, p < 0.0002


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("biased", ["no", "shared", "own"])
@pytest.mark.parametrize("marked", [False, True])
def test_exponentials_of_rows(path: str, biased: str, marked: bool) -> None:
    random = generator(15)
    scores = torch.randn(7, 37, generator=random) * 30
    bias = {"no": None, "shared": torch.randn(37, generator=random), "own": torch.randn(7, 37, generator=random)}[
        biased
    ]
    ok = torch.rand(7, 37, generator=random) < 0.5 if marked else None
    if ok is not None:
        ok[2] = False
    with kernels.use("numpy"):
        expected = kernels.exp_rows(scores, 1.7, bias, ok)
    with kernels.use(path):
        found = kernels.exp_rows(scores, 1.7, bias, ok)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=1e-30)
    if ok is not None:
        assert not found[0][~ok].any()
        assert (float(found[1][2]), float(found[2][2])) == (0.0, 0.0)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("marked", [False, True])
def test_resampled_slots_and_their_chances(path: str, marked: bool) -> None:
    random = generator(18)
    logits = torch.randn(400, 21, generator=random) * 5
    ok = torch.rand(400, 21, generator=random) < 0.4 if marked else None
    if ok is not None:
        ok[7] = False
    given = logits, ok, torch.arange(400) * 3, 4, KEY
    with kernels.use("numpy"):
        slots, chances = kernels.resample(*given)
    with kernels.use(path):
        found, shares = kernels.resample(*given)
    same = found == slots
    assert float(same.float().mean()) > 0.999  # a number on a border may fall to either side
    torch.testing.assert_close(shares[same], chances[same], rtol=1e-4, atol=1e-7)
    if ok is not None:
        assert bool(ok.gather(1, found)[ok.any(1)].all())
        assert (found[7].tolist(), shares[7].tolist()) == ([20] * 4, [0.0] * 4)


@pytest.mark.parametrize("path", PATHS)
def test_exponentials_reach_from_one_to_zero_and_let_nan_through(path: str) -> None:
    x = torch.linspace(-100, 0, 4001)[None]
    with kernels.use(path):
        e, total, top = kernels.exp_rows(x, 1.0)
        spoilt = kernels.exp_rows(torch.tensor([[0.0, torch.nan, 1.0]]), 1.0)[1]
    assert float(top) == 0.0
    torch.testing.assert_close(e.double(), x.double().exp(), rtol=3e-6, atol=1e-37)
    torch.testing.assert_close(total[:, 0], e.sum(1))
    assert bool(spoilt.isnan())


@pytest.mark.parametrize(
    "loss", [LossKernel("bpr", mean=True), LossKernel("hinge", 0.7, True), LossKernel("logistic", 0.2)]
)
@pytest.mark.parametrize("marked", [False, True])
def test_asynchronous_pairs_on_one_thread_are_plain_sgd(loss: LossKernel, marked: bool) -> None:
    random = generator(16)
    tables = torch.randn(20, 12, generator=random), torch.randn(30, 12, generator=random)
    queries, positives = (torch.randint(0, 20, (40,), generator=random) for _ in range(2))
    ids = torch.randint(0, 30, (40, 3), generator=random)
    everything = torch.ones(1, 1, dtype=torch.bool).expand(40, 3)
    ok = torch.rand(40, 3, generator=random) < 0.6 if marked else everything
    weight = torch.rand(40, 3, generator=random) if marked else None
    negatives = Negatives(ids, None, ok, weight)
    given = {"loss": loss, "lr": 0.1, "weight_decay": 0.3}
    results = []
    for path in ("numpy", "numba"):
        mine = [table.clone() for table in tables]
        with kernels.use(path):
            results.append([kernels.async_pairs_((mine[0], mine[1]), queries, positives, negatives, **given), *mine])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert float((results[0][1] - tables[0]).abs().max()) > 0.05


@pytest.mark.parametrize("loss", [LossKernel("bpr", mean=True), LossKernel("hinge", 0.7)])
def test_one_negative_is_the_same_step_in_one_pass(loss: LossKernel) -> None:
    """The short cut for pairs, and the long way for rows whose negative is the positive itself."""
    random = generator(17)
    tables = torch.randn(9, 37, generator=random), torch.randn(8, 37, generator=random)
    queries, positives = (torch.randint(0, 8, (60,), generator=random) for _ in range(2))
    ids = torch.randint(0, 8, (60, 1), generator=random)
    assert bool((ids[:, 0] == positives).any())
    negatives = Negatives(ids, None, torch.ones(1, 1, dtype=torch.bool).expand(60, 1))
    given = {"loss": loss, "lr": 0.02, "weight_decay": 0.3}
    results = []
    for path in ("numpy", "numba"):
        mine = [table.clone() for table in tables]
        with kernels.use(path):
            results.append([kernels.async_pairs_((mine[0], mine[1]), queries, positives, negatives, **given), *mine])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
