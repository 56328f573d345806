"""Every kernel that has a form for other devices against the compiled one on the CPU, and draws against a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import test_proposals
import torch
from life import CPU
from places import PRETENDED, device
from pretend import OnDevice
from test_contracts import MAKERS
from torch import Tensor

from negatives import kernels
from negatives.kernels import distances
from negatives.kernels.pool_softmax import pool_softmax, pool_softmax_
from negatives.randomness import generator, integers, uniforms
from negatives.testing.promises import tensors_in
from negatives.testing.proposals import draws_follow_the_claim
from negatives.types import Csr, moved

ROWS, K, ITEMS, QUERIES, D, KEY = 40, 6, 90, 25, 8, 0xC0FFEE


@dataclass(frozen=True, slots=True)
class Numbers:
    """What kernels are given; one query knows every item, one all but one."""

    known: Csr
    queries: Tensor
    examples: Tensor
    ids: Tensor
    users: Tensor
    items: Tensor
    grad: Tensor
    ok: Tensor
    chances: Tensor


def numbers() -> Numbers:
    random, rows = generator(3), torch.arange(ROWS)
    sets = uniforms(KEY, torch.arange(QUERIES)[:, None], torch.arange(ITEMS)) < 0.3
    sets[1], sets[2] = True, True
    sets[2, 7] = False
    users, items = (torch.randn(n, D, generator=random) for n in (QUERIES, ITEMS))
    queries, ids = rows % QUERIES, integers(KEY ^ 1, rows[:, None], torch.arange(K), ITEMS)
    grad = torch.randn(ROWS, K, generator=random)
    grad[4] = 0.0
    ok = uniforms(KEY ^ 2, rows[:, None], torch.arange(K)) < 0.8
    chances = (1.0 + torch.arange(ITEMS)).reciprocal()
    known = Csr.from_pairs(*sets.nonzero(as_tuple=True), QUERIES, ITEMS)
    return Numbers(known, queries, rows * 3, ids, users, items, grad, ok, chances / chances.sum())


def updated(n: Numbers, how: str) -> tuple[Tensor, ...]:
    """A table after a step of an optimiser by rows."""
    table, rows, grad = n.items.clone(), torch.unique(n.ids), torch.ones(1, device=n.ids.device)
    grad = n.items[rows] * grad
    if how == "sgd":
        kernels.sgd_rows_(table, rows, grad, 0.1, 0.01)
        return (table,)
    kept = torch.zeros_like(table), torch.zeros_like(table)
    if how == "adagrad":
        kernels.adagrad_rows_(table, kept[0], rows, grad, 0.1, 0.01)
    else:
        kernels.adam_rows_(table, kept, rows, grad, 0.1, 3, 0.01)
    return table, *kept


def in_place(n: Numbers) -> tuple[Tensor, ...]:
    """Loss and gradients of a pool in one pass."""
    scores = n.users[n.queries] @ n.items[:K].T
    return *pool_softmax_(scores, n.users[n.queries, 0], 1.3, n.chances[:K].log(), n.ok), scores


def kept_nowhere(n: Numbers) -> tuple[Tensor, ...]:
    """Loss and gradients of a pool, block by block."""
    leaves = [one.clone().requires_grad_() for one in (n.users[n.queries], n.users[n.queries, 0], n.items[:K])]
    loss = pool_softmax(leaves[0], leaves[1], leaves[2], 1.3, n.chances[:K].log(), n.ok, block=9)
    return loss, *torch.autograd.grad(loss.sum(), leaves)


def pairs(n: Numbers) -> tuple[Tensor, ...]:
    """Both tables after a fused step."""
    users, items = n.users.clone(), n.items.clone()
    kernels.sgd_pairs_(users, items, n.queries, n.ids, n.grad, 0.1, 0.01)
    return users, items


def known(n: Numbers) -> Mapping[str, Any]:
    return {"queries": n.queries, "known": n.known}


WORK: dict[str, Callable[[Numbers], Any]] = {
    "draw_uniform": lambda n: kernels.draw_uniform(n.examples, K, ITEMS, KEY),
    "draw_uniform, excluding": lambda n: kernels.draw_uniform(n.examples, K, ITEMS, KEY, **known(n)),
    "draw_uniform, two tries": lambda n: kernels.draw_uniform(n.examples, K, ITEMS, KEY, **known(n), tries=2),
    "draw_alias": lambda n: kernels.draw_alias(kernels.build_alias(n.chances), n.examples, K, KEY),
    "draw_alias, excluding": lambda n: kernels.draw_alias(
        kernels.build_alias(n.chances), n.examples, K, KEY, **known(n)
    ),
    "contains": lambda n: kernels.contains(n.known, n.queries, n.ids),
    "contains_pool": lambda n: kernels.contains_pool(n.known, n.queries, n.ids[:3].flatten()),
    "excluded_mass": lambda n: kernels.excluded_mass(n.known, n.queries, n.chances),
    "gather_scores": lambda n: kernels.gather_scores(n.users, n.items, n.queries, n.ids),
    "score_backward": lambda n: kernels.score_backward(n.users, n.items, n.queries, n.ids, n.grad),
    "sum_rows": lambda n: kernels.sum_rows(n.queries, n.grad, QUERIES),
    "total_rows": lambda n: kernels.total_rows(n.queries, n.grad, QUERIES + 2),
    "sgd_pairs_": pairs,
    "sgd_rows_": lambda n: updated(n, "sgd"),
    "adagrad_rows_": lambda n: updated(n, "adagrad"),
    "adam_rows_": lambda n: updated(n, "adam"),
    "top_k": lambda n: kernels.top_k(n.users @ n.items.T, K, exclude=n.known, queries=n.queries[:QUERIES]),
    "best": lambda n: kernels.best(n.users, n.items, K, exclude=n.known, rows=n.queries[:QUERIES]),
    "exp_rows": lambda n: kernels.exp_rows(n.grad, 1.3, n.chances[:K], n.ok),
    "resample": lambda n: kernels.resample(n.grad, n.ok, n.examples, K, KEY),
    "pool_softmax_": in_place,
    "pool_softmax": kept_nowhere,
    "spmm": lambda n: kernels.spmm(n.known.indptr, n.known.indices, n.chances[n.known.indices.long()], n.items),
    **{
        f"{name} by {kind}": lambda n, work=work, kind=kind: work(n, kind)
        for kind in ("dot", "l1", "l2", "modulus")
        for name, work in {
            "pair_scores": lambda n, kind: distances.pair_scores(n.users[n.queries], n.items, n.ids, kind),
            "pool_scores": lambda n, kind: distances.pool_scores(n.users, n.items, kind),
        }.items()
    },
}
"""Each kernel on the same numbers."""


@pytest.mark.parametrize("name", WORK)
def test_a_kernel_gives_what_it_gives_on_the_cpu(name: str) -> None:
    wanted = list(tensors_in(WORK[name](numbers())))
    with device() as (where, _):
        found = list(tensors_in(WORK[name](moved(numbers(), where))))
        assert all(one.device == where for one in found)
        found = [one.detach().to(CPU) for one in found]
    assert len(found) == len(wanted) > 0
    for one, two in zip(found, wanted, strict=True):
        if one.dtype.is_floating_point:
            torch.testing.assert_close(one.double(), two.detach().double(), atol=2e-5, rtol=1e-4)
        else:
            assert torch.equal(one, two)


@pytest.mark.skipif(PRETENDED, reason="too many draws for a device that is pretended; the contract draws fewer there")
@pytest.mark.parametrize("excluding", [False, True])
@pytest.mark.parametrize("name", test_proposals.CASES)
def test_a_million_draws_follow_the_claim(name: str, excluding: bool) -> None:
    with device() as (where, _), OnDevice(where, MAKERS):
        case = moved(test_proposals.CASES[name], where)
        draws_follow_the_claim(case, case.problem.excluded if excluding else None, 1_000_000)
