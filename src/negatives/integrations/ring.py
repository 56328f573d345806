"""The sampled softmax over the items of all ranks, whose vectors travel from rank to rank.

A rank holds its own vectors and those of one other at a time, and scores of its rows with these; gathering holds the
vectors of all. Going round once more for the gradients, each block of vectors collects what every rank asks of it and
comes home with the sum.

After: ring attention, Liu et al., 2023; Inf-CL, Cheng et al., 2024, "Breaking the memory barrier: near infinite batch
size scaling for contrastive loss", there without correction by ``log_q`` and without guards.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from negatives.errors import ConfigError, LogQUnknown
from negatives.ranks import Group, Ranks
from negatives.types import Negatives


def ring_softmax(
    queries: Tensor,
    items: Tensor,
    negatives: Negatives,
    temperature: float = 1.0,
    correction: bool = True,
    group: Group = None,
) -> Tensor:
    """Losses of :class:`negatives.losses.SampledSoftmax` with the items of all ranks as negatives.

    ``softplus( log sum_j ok_j w_j e^{s_j/T - log(k q_j)} - s⁺/T )``, the values and gradients of
    ``SampledSoftmax(T).rows(s⁺, queries @ everyone.T, negatives)`` with ``everyone`` from ``gather_ranks``; hand them
    to ``joined_mean``. Every rank must take part, and in the backward pass too.

    Args:
        queries: ``(rows, d)`` vectors of this rank's rows.
        items: ``(rows, d)`` vectors of their positives, which all ranks have as negatives.
        negatives: Of a sampler with the proposal ``GatheredBatch``, for this rank's rows; ``(rows, total)``.
        temperature: ``T``.
        correction: False leaves ``log(k q)`` out, and ``log_q`` may be unknown.
        group: Ranks that take part; all when None.

    Returns:
        ``(rows,)``, float32 at least; zero for a row without an allowed negative.

    Raises:
        ConfigError: The negatives are not as many as the items of all ranks.
        LogQUnknown: ``log_q`` is asked for and not known.

    >>> ok, ids = torch.tensor([[False, True], [True, False]]), torch.arange(2).expand(2, 2)
    >>> ring_softmax(torch.eye(2), torch.eye(2), Negatives(ids, torch.zeros(2, 2), ok), correction=False)
    tensor([0.3133, 0.3133])
    """
    ranks = Ranks.here(group)
    sizes = ranks.sizes(items)
    if queries.shape != items.shape or negatives.k != sum(sizes):
        raise ConfigError(
            f"ring_softmax: {tuple(queries.shape)} queries, {tuple(items.shape)} items and {negatives.k} negatives of "
            f"{sum(sizes)} rows of all ranks; give each row its item, and draw with GatheredBatch"
        )
    if correction and negatives.log_q is None:
        raise LogQUnknown("ring_softmax needs log_q; set correction=False, or leave out what makes it unknowable")
    dtype = torch.promote_types(queries.dtype, torch.float32)
    queries, items = queries.to(dtype), items.to(dtype)
    bias = torch.zeros((1, negatives.k), dtype=dtype, device=queries.device)
    if correction and negatives.log_q is not None:
        bias = -(_once(negatives.log_q).to(dtype) + math.log(max(negatives.k, 1)))
    if negatives.weight is not None:
        bias = bias + negatives.weight.detach().to(dtype).log()
    rest: Tensor = _Ring.apply(queries, items, bias, negatives.ok, 1.0 / temperature, sizes, ranks)  # type: ignore[no-untyped-call]
    return softplus(rest - (queries * items).sum(1) / temperature)


def _once(values: Tensor) -> Tensor:
    """``(1, k)`` of what all rows share."""
    return values[:1] if values.shape[0] > 1 and values.stride(0) == 0 else values


class _Ring(torch.autograd.Function):
    """``log sum_j ok_j exp(a s_j + b_j)`` per row, block by block of the items."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, items: Tensor, bias: Tensor, ok: Tensor, scale: float, sizes: list[int], ranks: Ranks
    ) -> Tensor:
        top = queries.new_full((len(queries),), -math.inf)
        total = torch.zeros_like(top)
        for owner, block in _round(_padded(items, sizes), sizes, ranks):
            scores = _scores(queries, block, bias, ok, scale, owner)
            new = torch.maximum(top, scores.amax(1)) if scores.shape[1] else top
            safe = new.where(new > -math.inf, 0.0)
            total = total * (top - safe).exp() + (scores - safe[:, None]).exp().sum(1)
            top = new
        found = total.log() + top.where(top > -math.inf, 0.0)
        ctx.save_for_backward(queries, items, bias, ok, found)
        ctx.scale, ctx.sizes, ctx.ranks = scale, sizes, ranks
        return found

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        queries, items, bias, ok, found = ctx.saved_tensors
        sizes, ranks = ctx.sizes, ctx.ranks
        known = found.where(found > -math.inf, 0.0)[:, None]
        grad, of_queries, width = grad * ctx.scale, torch.zeros_like(queries), queries.shape[1]
        held = _padded(torch.cat([items, torch.zeros_like(items)], 1), sizes)
        for hop in range(ranks.count):
            owner = _columns(sizes, ranks, hop)
            rows = owner.stop - owner.start
            block = held[:rows, :width]
            share = (_scores(queries, block, bias, ok, ctx.scale, owner) - known).exp() * grad[:, None]
            of_queries += share @ block
            held[:rows, width:] += share.T @ queries
            held = _passed_on(held, ranks)  # after the last hop it is home
        return of_queries, held[: len(items), width:], None, None, None, None, None


def _scores(queries: Tensor, block: Tensor, bias: Tensor, ok: Tensor, scale: float, owner: slice) -> Tensor:
    """``(rows, n)``, minus infinity where not allowed."""
    scores = torch.addmm(bias[:, owner], queries, block.T, alpha=scale)
    return scores.masked_fill_(~ok[:, owner], -math.inf)


def _padded(rows: Tensor, sizes: list[int]) -> Tensor:
    """``(most rows of any rank, ...)``, contiguous, a copy."""
    found = rows.new_zeros((max(sizes), *rows.shape[1:]))
    found[: len(rows)] = rows
    return found


def _columns(sizes: list[int], ranks: Ranks, hop: int) -> slice:
    """Whose block this rank holds after so many hops, as columns of the joined batch."""
    owner = (ranks.rank - hop) % ranks.count
    first = sum(sizes[:owner])
    return slice(first, first + sizes[owner])


def _round(held: Tensor, sizes: list[int], ranks: Ranks) -> Any:
    """The blocks of all ranks with their columns, this rank's first; the next one comes while one is in use."""
    for hop in range(ranks.count):
        last = hop == ranks.count - 1
        coming, waiting = (held, []) if last else _sent(held, ranks)
        owner = _columns(sizes, ranks, hop)
        yield owner, held[: owner.stop - owner.start]
        for one in waiting:
            one.wait()
        held = coming


def _passed_on(held: Tensor, ranks: Ranks) -> Tensor:
    """What the rank before has held."""
    if ranks.count == 1:
        return held
    coming, waiting = _sent(held, ranks)
    for one in waiting:
        one.wait()
    return coming


def _sent(held: Tensor, ranks: Ranks) -> tuple[Tensor, list[Any]]:
    """Send to the next rank and receive from the one before; what comes, and what to wait for."""
    coming = torch.empty_like(held)
    after, before = (_world(ranks, (ranks.rank + by) % ranks.count) for by in (1, -1))
    both = [dist.P2POp(dist.isend, held, after, ranks.group), dist.P2POp(dist.irecv, coming, before, ranks.group)]
    return coming, dist.batch_isend_irecv(both)


def _world(ranks: Ranks, rank: int) -> int:
    return rank if ranks.group is None else dist.get_global_rank(ranks.group, rank)
