"""Shared steps of the losses: masks, sums over allowed negatives, and a fused log-sum-exp."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from negatives import kernels
from negatives.errors import ConfigError, InputError, LogQUnknown
from negatives.kernels.checks import all_ok
from negatives.types import Negatives, in_line


def check_above(name: str, value: float, bound: float = 0.0) -> None:
    """Refuse a parameter that is not a finite number above ``bound``.

    Raises:
        ConfigError: The value does not fit.
    """
    if not (math.isfinite(value) and value > bound):
        raise ConfigError(f"{name} is {value}; it must be a finite number above {bound:g}")


def check_at_least(name: str, value: float, bound: float = 0.0) -> None:
    """Refuse a parameter that is not a finite number of at least ``bound``.

    Raises:
        ConfigError: The value does not fit.
    """
    if not (math.isfinite(value) and value >= bound):
        raise ConfigError(f"{name} is {value}; it must be a finite number of at least {bound:g}")


def rows_that_count(positive: Tensor, negative: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor, Negatives]:
    """Scores and negatives of the rows that are no padding, one after another: ``(n,)``, ``(n, k)`` and ``(n, k)``.

    Args:
        positive: Scores of all rows in their shape, or of those that count alone, ``(n,)``.
        negative: ``(..., k)`` likewise.
        negatives: What the sampler returned.

    Raises:
        InputError: The shapes do not go together.
    """
    places = negatives.places()
    flat = negatives.flat(places)
    for what, one, inner in (("positives", positive, ()), ("negatives", negative, (negatives.k,))):
        if one.shape not in ((*negatives.shape, *inner), (*flat.shape, *inner)):
            raise InputError(
                f"scores of {what} have the shape {tuple(one.shape)} for negatives of {tuple(negatives.ids.shape)}",
                hint=f"give one for each row, {(*negatives.shape, *inner)}, or for each that counts",
            )
    if positive.shape == negatives.shape:
        positive = in_line(positive, negatives.shape, places)
    if negative.shape[:-1] == negatives.shape:
        negative = in_line(negative, negatives.shape, places)
    return positive, negative, flat


def masked(values: Tensor, ok: Tensor) -> Tensor:
    """``(rows, k)`` values with minus infinity where not allowed; no gradient flows there."""
    return values if all_ok(ok) else values.masked_fill(~ok, -math.inf)


def weighted_sum(values: Tensor, negatives: Negatives) -> Tensor:
    """``sum_j w_j values_j`` per row, ``(rows,)``, for ``values`` that are already zero where not allowed."""
    if negatives.weight is None:
        return values.sum(1)
    weight = negatives.weight.detach().masked_fill(~negatives.ok, 0.0)
    return (values * weight.to(values.dtype)).sum(1)


def weighted_mean(values: Tensor, negatives: Negatives) -> Tensor:
    """``(1/n) sum_j w_j values_j`` per row, ``(rows,)``, where ``n`` counts the allowed negatives."""
    return weighted_sum(values, negatives) / negatives.ok.sum(1).clamp(min=1)


def known_log_q(negatives: Negatives, loss: str, hint: str) -> Tensor:
    """``log_q``, ``(rows, k)`` or ``(k,)`` when rows share it.

    Raises:
        LogQUnknown: The sampler could not know it.
    """
    if negatives.log_q is None:
        raise LogQUnknown(
            f"{loss} needs log_q, but this sampler's selection or guards make it unknowable; choose a selection "
            f"that keeps it (all, random, softmax), or {hint}"
        )
    log_q = negatives.log_q
    return log_q[0] if log_q.shape[0] > 1 and log_q.stride(0) == 0 else log_q


@torch.no_grad()
def last_of_list(negative: Tensor, negatives: Negatives, log_q: Tensor, at: int) -> Tensor:
    """Estimated score of the last place of a list of ``at`` items, ``(rows,)``.

    From the top, each negative stands for ``w_j/(k q_j)`` items; the score where they stand for ``at`` is the last
    one's, or the lowest of the row where they never do. 0 in rows without an allowed negative.

    Args:
        negative: ``(rows, k)`` scores.
        negatives: Gives ``ok`` and ``weight``.
        log_q: ``(rows, k)`` or ``(k,)``.
        at: Length of the list.
    """
    stands = (-log_q.double() - math.log(max(negatives.k, 1))).exp().expand(negative.shape)
    if negatives.weight is not None:
        stands = stands * negatives.weight.detach()
    counts = negatives.ok & (stands > 0.0)
    stands = stands.where(counts, 0.0)
    slots = negatives.k
    if negative.device.type == "cpu":  # elsewhere sorting all takes less time than waiting for a number
        least = float(stands.where(counts, torch.inf).amin()) if stands.numel() else math.inf
        slots = min(slots, max(1, math.ceil(at / least))) if least > 0.0 else slots
    best = negative.masked_fill(~counts, -torch.inf).topk(slots, dim=1)
    reached = stands.gather(1, best.indices).cumsum(1)
    place = torch.minimum((reached < at * (1.0 - 1e-6)).sum(1), counts.sum(1) - 1).clamp(0, slots - 1)
    return best.values.gather(1, place.unsqueeze(1)).squeeze(1).where(counts.any(1), 0.0)


def _exp_rows(scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    if scores.dtype == torch.float32 and (bias is None or bias.dtype == torch.float32):
        return kernels.exp_rows(scores, scale, bias, ok)
    with kernels.use("torch"):  # other number formats
        return kernels.exp_rows(scores, scale, bias, ok)


class _LogSumExp(torch.autograd.Function):
    """``log sum_j exp(a x_j + b_j)`` per row over allowed slots: the fewest passes over ``(rows, k)``."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor) -> Tensor:
        terms, total, top = _exp_rows(scores, scale, bias, None if all_ok(ok) else ok)
        ctx.save_for_backward(terms, total)
        ctx.scale = scale
        return (total.log() + top).squeeze(1)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        terms, total = ctx.saved_tensors
        factor = (grad.unsqueeze(1) * ctx.scale / total).masked_fill_(total == 0.0, 0.0)
        return terms * factor, None, None, None


def log_sum_exp(negative: Tensor, temperature: float, negatives: Negatives, log_q: Tensor | None = None) -> Tensor:
    """``log sum_j ok_j w_j exp(s_j / T - log(k q_j))`` per row, ``(rows,)``; minus infinity for an empty row.

    Without ``log_q`` the last term is left out. Computed in float32 at least. About twice as fast as the chain
    of PyTorch calls for ``(2048, 4096)`` on a CPU, because each pass works in place.

    Args:
        negative: ``(rows, k)`` scores.
        temperature: ``T``.
        negatives: Gives ``ok`` and ``weight``.
        log_q: ``(rows, k)`` or ``(k,)``.
    """
    dtype = torch.promote_types(negative.dtype, torch.float32)
    bias = None if log_q is None else -(log_q.to(dtype) + math.log(max(negatives.k, 1)))
    if negatives.weight is not None:
        logs = negatives.weight.detach().to(dtype).log()
        bias = logs if bias is None else bias + logs
    result: Tensor = _LogSumExp.apply(negative.to(dtype), 1.0 / temperature, bias, negatives.ok)  # type: ignore[no-untyped-call]
    return result
