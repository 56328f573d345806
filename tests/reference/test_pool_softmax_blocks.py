"""The softmax over a pool that keeps no scores: values, gradients, and the largest tensor that it ever makes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from negatives import kernels
from negatives.kernels.pool_softmax import pool_softmax
from negatives.randomness import generator

ROWS, POOL, D = 37, 90, 8


def leaves(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    random = generator(4)
    return tuple(  # type: ignore[return-value]
        torch.randn(*shape, generator=random).to(dtype).requires_grad_() for shape in ((ROWS, D), (ROWS,), (POOL, D))
    )


def plain(
    vectors: Tensor, positive: Tensor, pool: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None
) -> Tensor:
    """The same with all scores at once."""
    logits = vectors.float() @ pool.float().T * scale
    logits = logits if bias is None else logits + bias
    logits = logits if ok is None else logits.masked_fill(~ok, -torch.inf)
    some = torch.ones(ROWS, dtype=torch.bool) if ok is None else ok.any(1)
    gap = logits[some].logsumexp(1) - positive[some].float() * scale
    return torch.zeros(ROWS).masked_scatter(some, torch.nn.functional.softplus(gap))


def masks() -> Tensor:
    ok = torch.rand(ROWS, POOL, generator=generator(5)) < 0.8
    ok[5] = False  # nothing is allowed here
    return ok


BIASES = {"none": None, "for all": torch.randn(POOL, generator=generator(6)), "by row": torch.randn(ROWS, POOL)}


@pytest.mark.parametrize("path", ["numba", "torch"])
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("block", [1, 10, None])
def test_loss_and_gradients_are_those_of_all_scores_at_once(
    path: str, bias: str, masked: bool, block: int | None
) -> None:
    ok, upstream = masks() if masked else None, torch.randn(ROWS, generator=generator(7))
    found, wanted = leaves(), leaves()
    with kernels.use(path):
        losses = pool_softmax(*found, 1 / 0.7, BIASES[bias], ok, block=block)
        losses.backward(upstream)
    expected = plain(*wanted, 1 / 0.7, BIASES[bias], ok)
    expected.backward(upstream)
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-5)
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-5, rtol=1e-4)
    if masked:
        assert float(losses[5].detach()) == 0.0
        assert not bool(found[0].grad[5].any())


@pytest.mark.parametrize("path", ["numba", "torch"])
def test_bfloat16_and_autocast(path: str) -> None:
    exact = plain(*leaves(), 1.0, None, None)
    with kernels.use(path):
        half = pool_softmax(*leaves(torch.bfloat16))
        whole = leaves()
        with torch.autocast("cpu", torch.bfloat16):
            losses = pool_softmax(*whole)
        losses.sum().backward()
    assert half.dtype == losses.dtype == whole[0].grad.dtype == torch.float32
    for one in (half, losses):
        torch.testing.assert_close(one, exact, atol=0.05, rtol=0.02)


class Largest(TorchDispatchMode):
    """The most numbers that any tensor made inside has storage for."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(one, Tensor):
                self.numel = max(self.numel, one.untyped_storage().nbytes() // one.element_size())
        return found


def test_no_tensor_is_as_large_as_all_scores() -> None:
    rows, m, d, block = 512, 256, 4, 16
    vectors, pool = (torch.randn(n, d, requires_grad=True) for n in (rows, m))
    with kernels.use("torch"):
        with Largest() as mine:
            pool_softmax(vectors, torch.zeros(rows), pool, block=block).sum().backward()
        with Largest() as usual:
            (vectors @ pool.T).logsumexp(1).sum().backward()
    assert usual.numel == rows * m
    assert mine.numel == max(block * m, rows * d)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        pool_softmax(torch.zeros(2, 3), torch.zeros(2), torch.zeros(4, 3), block=0)
    with pytest.raises(ValueError, match="same size"):
        pool_softmax(torch.zeros(2, 3), torch.zeros(3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match="width"):
        pool_softmax(torch.zeros(2, 3), torch.zeros(2), torch.zeros(4, 2))


def test_no_rows_and_no_pool() -> None:
    assert pool_softmax(torch.zeros(0, 3), torch.zeros(0), torch.zeros(4, 3)).shape == (0,)


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_can_be_compiled() -> None:
    found, wanted = leaves(), leaves()
    with kernels.use("torch"):
        pool_softmax(*found, 0.5, None, masks(), block=10, compiled=True).sum().backward()
    plain(*wanted, 0.5, None, masks()).sum().backward()
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-5, rtol=1e-4)
