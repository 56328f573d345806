"""Sums over runs of rows, and known items laid end to end: what the other modules of this folder share.

Sums run over sorted segments, so that results do not change from run to run as atomic additions would.
"""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.types import Csr

BUDGET = 1 << 24
"""Numbers that a temporary tensor may hold."""


def listed(known: Csr, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Known items of ``queries`` ``(rows,)`` laid end to end: row numbers, items, and items per row."""
    starts = known.indptr[queries]
    lengths = known.indptr[queries + 1] - starts
    rows = torch.repeat_interleave(torch.arange(queries.numel(), device=queries.device), lengths)
    offset = torch.arange(rows.numel(), device=queries.device) - (lengths.cumsum(0) - lengths)[rows]
    return rows, known.indices[starts[rows] + offset].to(torch.int64), lengths


def halvings(lengths: Tensor, most: int) -> int:
    """Steps of a binary search in sets of ``lengths`` ``(n,)``, none of which has more than ``most`` members.

    As many as the longest needs on a CPU. Elsewhere as many as any could need: to ask for a number would make the CPU
    wait for all that the device has still to do.
    """
    if lengths.device.type == "cpu":
        most = int(lengths.max()) if lengths.numel() else 0
    return most.bit_length()


def segments(lengths: Tensor, cols: Tensor, weights: Tensor, dense: Tensor) -> Tensor:
    """``out[s] = sum_p weights[p] dense[cols[p]]`` over consecutive segments; some columns at a time."""
    d = dense.shape[1]
    out = torch.zeros(lengths.numel(), d, dtype=dense.dtype, device=dense.device)
    step = max(1, BUDGET // max(cols.numel(), 1))
    for c in range(0, d if cols.numel() else 0, step):
        block = weights[:, None] * dense[:, c : c + step][cols]
        out[:, c : c + step] = torch.segment_reduce(block, "sum", lengths=lengths, axis=0, unsafe=True)
    return out


def by_target(targets: Tensor, sources: Tensor, weights: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct ``targets`` ``(n,)`` in order of first use, with the weighted sums of their rows of ``dense``."""
    order = torch.argsort(targets, stable=True)
    distinct, lengths = torch.unique_consecutive(targets[order], return_counts=True)
    summed = segments(lengths, sources[order], weights[order], dense)
    by_use = torch.argsort(order[lengths.cumsum(0) - lengths])
    return distinct[by_use], summed[by_use]
