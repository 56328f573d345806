"""Rate of each kernel beside the same work in plain PyTorch, measured in the same run.

    python benchmarks/kernels.py                 # one thread
    python benchmarks/kernels.py --threads 2
    python benchmarks/kernels.py --quick         # a small problem, to see that everything runs

The problem has the size of Gowalla: 30,000 queries, 41,000 items, 27 known items per query, 64 dimensions.
PyTorch has no alias draw with exclusion; beside it stands ``torch.multinomial``, which excludes nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives import kernels
from negatives.randomness import Purpose, generator, integers, stream
from negatives.types import Csr

KEY = stream(0, Purpose.CANDIDATES)
Case = tuple[int, Callable[[], object], Callable[[], object]]
"""Number of results, the kernel, and the same in PyTorch."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One batch of a factorisation, and the sets and tables around it."""

    known: Csr
    users: Tensor
    items: Tensor
    queries: Tensor
    examples: Tensor
    ids: Tensor
    grad: Tensor
    pool: Tensor
    popularity: Tensor


def problem(quick: bool) -> Problem:
    """Random data with a long-tailed popularity."""
    n_users, n_items, batch, k, m = (3_000, 4_100, 1_024, 8, 128) if quick else (30_000, 41_000, 8_192, 32, 1_024)
    random = generator(0)
    popularity = 1.0 / torch.arange(1, n_items + 1, dtype=torch.float64) ** 0.8
    popularity = popularity[torch.randperm(n_items, generator=random)]
    cols = kernels.draw_alias(kernels.build_alias(popularity), torch.arange(n_users), 29, KEY)
    known = Csr.from_pairs(torch.arange(n_users).repeat_interleave(29), cols.reshape(-1), n_users, n_items)
    return Problem(
        known,
        torch.randn(n_users, 64, generator=random),
        torch.randn(n_items, 64, generator=random),
        torch.randint(0, n_users, (batch,), generator=random),
        torch.arange(batch),
        torch.randint(0, n_items, (batch, k), generator=random),
        torch.randn(batch, k, generator=random),
        torch.randint(0, n_items, (m,), generator=random),
        popularity,
    )


def seconds(call: Callable[[], object], budget: float) -> float:
    """Shortest of several runs within about ``budget`` seconds; the first run is not counted."""
    call()
    best, spent = float("inf"), 0.0
    while spent < budget:
        start = time.perf_counter()
        call()
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
    return best


@torch.no_grad()
def rejected(p: Problem) -> Tensor:
    """Uniform draws in PyTorch; known ones are found among sorted codes and drawn again."""
    codes = codes_of(p)
    ids = torch.randint(0, p.known.n_cols, p.ids.shape, generator=generator(1))
    while True:
        wanted = p.queries[:, None] * p.known.n_cols + ids
        bad = codes[torch.searchsorted(codes, wanted).clamp(max=len(codes) - 1)] == wanted
        if not bad.any():
            return ids
        ids[bad] = torch.randint(0, p.known.n_cols, (int(bad.sum()),), generator=generator(2))


def backward(p: Problem) -> tuple[Tensor, Tensor]:
    """The gradient of all scores with respect to the query rows and the item table."""
    item_rows = p.items[p.ids]
    vectors = p.users[p.queries]
    per_row = torch.bmm(p.grad[:, None], item_rows)[:, 0]
    outer = (p.grad[:, :, None] * vectors[:, None]).reshape(-1, p.items.shape[1])
    return per_row, torch.zeros_like(p.items).index_add_(0, p.ids.reshape(-1), outer)


def codes_of(p: Problem) -> Tensor:
    """One sorted number for each known pair."""
    rows = torch.repeat_interleave(torch.arange(p.known.n_rows), p.known.lengths())
    return rows * p.known.n_cols + p.known.indices


def draws(p: Problem) -> dict[str, Case]:
    """Draws per row, with and without exclusion."""
    k, n_items, size = p.ids.shape[1], p.known.n_cols, p.ids.numel()
    table = kernels.build_alias(p.popularity)
    exclude = {"queries": p.queries, "known": p.known}
    return {
        "draw_uniform, exact exclusion": (
            size,
            lambda: kernels.draw_uniform(p.examples, k, n_items, KEY, **exclude),
            lambda: rejected(p),
        ),
        "draw_uniform": (
            size,
            lambda: kernels.draw_uniform(p.examples, k, n_items, KEY),
            lambda: integers(KEY, p.examples[:, None], torch.arange(k), n_items),
        ),
        "draw_alias, exact exclusion": (
            size,
            lambda: kernels.draw_alias(table, p.examples, k, KEY, **exclude),
            lambda: torch.multinomial(p.popularity, size, replacement=True),
        ),
    }


def members(p: Problem) -> dict[str, Case]:
    """Which candidates are known, per row and for a shared pool."""
    codes = codes_of(p)

    def known_codes(ids: Tensor) -> Tensor:
        wanted = p.queries[:, None] * p.known.n_cols + ids
        return codes[torch.searchsorted(codes, wanted).clamp(max=len(codes) - 1)] == wanted

    return {
        "contains": (p.ids.numel(), lambda: kernels.contains(p.known, p.queries, p.ids), lambda: known_codes(p.ids)),
        "contains_pool": (
            p.queries.numel() * p.pool.numel(),
            lambda: kernels.contains_pool(p.known, p.queries, p.pool),
            lambda: known_codes(p.pool[None]),
        ),
    }


def products(p: Problem) -> dict[str, Case]:
    """Scores, their gradient, and sums of rows."""
    size, n_items = p.ids.numel(), p.known.n_cols
    rows, values = p.ids.reshape(-1), p.users[p.queries].repeat_interleave(p.ids.shape[1], 0)
    return {
        "gather_scores": (
            size,
            lambda: kernels.gather_scores(p.users, p.items, p.queries, p.ids),
            lambda: torch.bmm(p.items[p.ids], p.users[p.queries][:, :, None]),
        ),
        "score_backward": (
            size,
            lambda: kernels.score_backward(p.users, p.items, p.queries, p.ids, p.grad),
            lambda: backward(p),
        ),
        "sum_rows": (
            size,
            lambda: kernels.sum_rows(rows, values, n_items),
            lambda: torch.zeros_like(p.items).index_add_(0, rows, values),
        ),
    }


def propagation(p: Problem) -> dict[str, Case]:
    """The product of a sparse matrix with the item table."""
    weights = torch.rand(p.known.nnz, generator=generator(4))
    matrix = torch.sparse_coo_tensor(
        torch.stack([torch.arange(p.known.n_rows).repeat_interleave(p.known.lengths()), p.known.indices.long()]),
        weights,
        (p.known.n_rows, p.known.n_cols),
        is_coalesced=True,
        check_invariants=True,
    )
    return {
        "spmm": (
            p.known.nnz,
            lambda: kernels.spmm(p.known.indptr, p.known.indices, weights, p.items),
            lambda: torch.sparse.mm(matrix, p.items),
        )
    }


def updates(p: Problem) -> dict[str, Case]:
    """Adam on the rows that a batch touches."""
    n_items, touched = p.known.n_cols, torch.unique(p.ids.reshape(-1))
    change, moments = torch.randn(len(touched), 64, generator=generator(5)), torch.zeros(2, n_items, 64)

    def sparse_adam() -> None:
        parameter = torch.nn.Parameter(moments[0].clone())
        grad = torch.sparse_coo_tensor(touched[None], change, (n_items, 64), check_invariants=False)
        parameter.grad = grad.coalesce()
        torch.optim.SparseAdam([parameter]).step()

    return {
        "adam_rows_": (
            len(touched),
            lambda: kernels.adam_rows_(moments[0], (moments[0], moments[1]), touched, change, 1e-3, 1),
            sparse_adam,
        )
    }


def rankings(p: Problem) -> dict[str, Case]:
    """The best items of a block of scores."""
    scores = torch.randn(256, p.known.n_cols, generator=generator(3))
    return {"top_k of 20": (scores.numel(), lambda: kernels.top_k(scores, 20), lambda: torch.topk(scores, 20))}


def cases(p: Problem) -> dict[str, Case]:
    """All kernels."""
    return draws(p) | members(p) | products(p) | propagation(p) | updates(p) | rankings(p)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of the kernels and of PyTorch")
    parser.add_argument("--quick", action="store_true", help="a small problem and short runs")
    parser.add_argument("--only", default="", help="only kernels whose name holds this text")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    kernels.set_threads(given.threads)
    p = problem(given.quick)
    print(f"{'kernel':<32}{'million/s':>12}{'PyTorch':>12}{'ratio':>8}")
    for name, (results, ours, theirs) in cases(p).items():
        if given.only in name:
            mine, other = (seconds(call, 0.02 if given.quick else 0.5) for call in (ours, theirs))
            print(f"{name:<32}{results / mine / 1e6:>12.1f}{results / other / 1e6:>12.1f}{other / mine:>8.1f}")


if __name__ == "__main__":
    main()
