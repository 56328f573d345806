"""Equal draws of a pool made one: the same estimate of a sum over all items, with fewer items to score."""

from __future__ import annotations

import math

import torch
from torch import Tensor

EVEN = 64
"""Slots come in multiples of it: kernels of matrix products are compiled for each size anew."""


def merged(ids: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The items of a pool with their equal draws made one, and a ``log_q`` under which they estimate what all draws do.

    ``(1/u) sum_i f(i)/q'_i = (1/k) sum_j f(i_j)/q_j`` for every ``f``, where ``1/q'_i`` is ``u/k`` times the sum of
    ``1/q_j`` over the draws that slot ``i`` stands for. A few equal draws stay apart, so that ``u`` is a multiple of
    ``EVEN``, or ``k``.

    Args:
        ids: ``(k,)`` item ids; -1 for slots that nothing could fill.
        log_q: ``(k,)`` log-probability of each draw.

    Returns:
        Ids ``(u,)`` ascending, ``log q'`` ``(u,)``, and how many draws each slot stands for, ``(u,)`` float.

    >>> ids, log_q, repeats = merged(torch.tensor([4, 2] + 63 * [7]), torch.tensor([0.5, 0.25] + 63 * [0.25]).log())
    >>> ids[:4].tolist(), ids.numel(), repeats[:4].tolist(), [round(one, 3) for one in log_q[:3].exp().tolist()]
    ([2, 4, 7, 7], 64, [1.0, 1.0, 2.0, 1.0], [0.254, 0.508, 0.127])
    """
    ids, order = ids.sort(stable=True)
    first = torch.ones_like(ids, dtype=torch.bool)
    first[1:] = ids[1:] != ids[:-1]
    k, distinct = ids.numel(), int(first.sum())
    u = min(k, EVEN * math.ceil(distinct / EVEN))
    kept = first | ((~first).cumsum(0) <= u - distinct)
    place = kept.cumsum(0) - 1
    slot = torch.where(kept, place, place.where(first, 0).cummax(0).values)  # the others join the first of their like
    stands = log_q.new_zeros(u, dtype=torch.float64).index_add_(0, slot, (-log_q[order].double()).exp())
    corrected = math.log(max(k, 1) / max(u, 1)) - stands.log()
    return ids[kept], corrected.to(log_q.dtype), torch.bincount(slot, minlength=u).to(log_q.dtype)
