"""The softmax over a shared pool in one pass: against the loss and its gradient by PyTorch, in both number formats."""

from __future__ import annotations

import pytest
import torch

from negatives import kernels
from negatives.kernels.pool_softmax import pool_softmax_
from negatives.losses import BSL, SampledSoftmax
from negatives.randomness import generator
from negatives.types import Negatives

ROWS, POOL = 37, 90


def negatives(masked: bool, weighted: bool = False) -> Negatives:
    random = generator(4)
    ids = torch.arange(POOL).expand(ROWS, -1)
    ok = torch.ones(1, 1, dtype=torch.bool).expand(ROWS, POOL)
    if masked:
        ok = torch.rand(ROWS, POOL, generator=random) < 0.8
        ok[5] = False  # nothing is allowed here
    log_q = torch.randn(POOL, generator=random).expand(ROWS, -1)
    return Negatives(ids, log_q, ok, torch.ones(ROWS, POOL) if weighted else None)


@pytest.mark.parametrize("path", ["numba", "torch", "numpy"])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("correction", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradients_are_those_of_the_loss(
    path: str, masked: bool, correction: bool, dtype: torch.dtype
) -> None:
    random, loss, given = generator(9), SampledSoftmax(0.7, correction), negatives(masked)
    scores = (3 * torch.randn(ROWS, POOL, generator=random)).to(dtype)
    positive = torch.randn(ROWS, generator=random)
    leaves = positive.clone().requires_grad_(), scores.float().clone().requires_grad_()
    rows = loss.rows(*leaves, given)
    expected = torch.autograd.grad(rows.sum(), leaves)
    with kernels.use(path):
        found = loss.fused_(positive, scores, given)
    assert found is not None
    torch.testing.assert_close(found[0], rows.detach(), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found[1], expected[0], atol=1e-5, rtol=1e-4)
    close = {"atol": 1e-6, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 1e-6, "rtol": 5e-3}
    torch.testing.assert_close(scores.float(), expected[1], **close)
    if masked:
        assert float(found[0][5]) == float(found[1][5]) == 0.0
        assert not bool(scores[5].any())


@pytest.mark.parametrize("path", ["numba", "torch"])
@pytest.mark.parametrize("masked", [True, False])
def test_the_bilateral_loss_has_the_same_pass(path: str, masked: bool) -> None:
    random, loss, given = generator(11), BSL(0.7, 0.5), negatives(masked)
    scores, positive = 3 * torch.randn(ROWS, POOL, generator=random), torch.randn(ROWS, generator=random)
    leaves = positive.clone().requires_grad_(), scores.clone().requires_grad_()
    rows = loss.rows(*leaves, given)
    expected = torch.autograd.grad(rows.sum(), leaves)
    with kernels.use(path):
        found = loss.fused_(positive, scores, given)
    assert found is not None
    torch.testing.assert_close(found[0], rows.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[1], expected[0])
    torch.testing.assert_close(scores, expected[1], atol=1e-6, rtol=1e-4)


def test_threads_do_not_change_a_bit() -> None:
    before, found = kernels.threads(), []
    for n in (1, 3):
        kernels.set_threads(n)
        scores = torch.randn(900, 512, generator=generator(2)).bfloat16()
        losses, grad = pool_softmax_(scores, torch.zeros(900), 1.0)
        found.append((losses, grad, scores))
    kernels.set_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_large_scores_stay_finite() -> None:
    scores = torch.tensor([[300.0, -300.0], [-400.0, -500.0]])
    losses, grad = pool_softmax_(scores, torch.tensor([-300.0, 500.0]), 1.0)
    torch.testing.assert_close(losses, torch.tensor([600.0, 0.0]))
    torch.testing.assert_close(grad, torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(scores, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))


def test_weights_are_left_to_the_plain_way() -> None:
    scores = torch.zeros(ROWS, POOL)
    assert SampledSoftmax().fused_(torch.zeros(ROWS), scores, negatives(False, weighted=True)) is None
    assert not bool(scores.any())


def test_scores_that_cannot_change_in_place_are_refused() -> None:
    with pytest.raises(ValueError, match="in place"):
        pool_softmax_(torch.zeros(1, 4).expand(3, 4), torch.zeros(3), 1.0)
