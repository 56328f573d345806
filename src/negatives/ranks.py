"""Processes that train together, and all that they tell one another: who they are, sums, rows of all, one word of all.

Everything here is what one process needs where there is no process group, so that the same code runs with and without
``torchrun``. A call that talks must be made by every rank, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable
from torch.utils.data import get_worker_info

T = TypeVar("T")
Group = Any
"""A ``torch.distributed.ProcessGroup``; None for the default one."""
WORKERS, STEPS, ROWS = 1 << 7, 1 << 26, 1 << 20
"""Processes of a rank (itself and the workers of its loader), steps, and rows of a step that have numbers of their own.

Up to 1,024 ranks fit into 63 bits."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes that share a training, as one of them sees them; one alone by default.

    Args:
        rank: Number of this process among them.
        count: How many there are.
        group: Their process group; None for the default one.

    >>> Ranks(1, 3).share(8), Ranks().summed(torch.ones(1))
    (slice(3, 6, None), tensor([1.]))
    """

    rank: int = 0
    count: int = 1
    group: Group = None

    @classmethod
    def here(cls, group: Group = None) -> Ranks:
        """The ranks of a process group; one alone without any, in a worker of a loader, or outside the group."""
        if not (dist.is_available() and dist.is_initialized()) or get_worker_info() is not None:
            return cls()
        rank = dist.get_rank(group)
        return cls(rank, dist.get_world_size(group), group) if rank >= 0 else cls()

    def share(self, n: int, rank: int | None = None) -> slice:
        """The part of ``n`` rows that is a rank's, one after another; the first ranks have one more where it is uneven.

        Args:
            n: Rows of all ranks.
            rank: Whose; this one's when None.
        """
        rank, (each, more) = self.rank if rank is None else rank, divmod(n, self.count)
        first = rank * each + min(rank, more)
        return slice(first, first + each + (rank < more))

    def sizes(self, rows: Tensor) -> list[int]:
        """Rows of each rank, where this one has those of ``rows``."""
        if self.count == 1:
            return [rows.shape[0]]
        own = torch.tensor([rows.shape[0]], device=rows.device)
        found = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(found, own, group=self.group)
        return [int(one) for one in found]

    def gathered(self, rows: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """The rows ``(total, ...)`` of all ranks, rank by rank, without gradients.

        Args:
            rows: ``(rows, ...)`` of this rank; all but the first dimension the same on all ranks.
            sizes: Rows of each rank, as :meth:`sizes` gives them, where they are known; shorter ranks are padded.
        """
        if self.count == 1:
            return rows
        sizes = self.sizes(rows) if sizes is None else sizes
        padded = rows.detach().contiguous()
        if rows.shape[0] < max(sizes):
            padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
            padded[: rows.shape[0]] = rows.detach()
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(found, padded, group=self.group)
        return torch.cat([one[:size] for one, size in zip(found, sizes, strict=True)])

    def joined(self, vectors: Tensor, sizes: list[int]) -> Tensor:
        """As :meth:`gathered`, with gradients: a row's is the sum of what the losses of all ranks ask of it.

        Every rank must take the backward pass.
        """
        if self.count == 1:
            return vectors
        found: Tensor = _Joined.apply(vectors, sizes, self)  # type: ignore[no-untyped-call]
        return found

    def summed(self, values: Tensor) -> Tensor:
        """The sum over the ranks of a tensor of one shape."""
        if self.count == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total, group=self.group)
        return total

    def means(self, values: Mapping[str, float], device: torch.device, sums: Sequence[str] = ()) -> dict[str, float]:
        """The mean over the ranks of each number; of those ranks where it is finite, NaN where it is on none.

        Args:
            values: Of this rank, with the same names in the same order on all.
            device: Where the group talks.
            sums: Names of those that are counts, which are added up.
        """
        if self.count == 1 or not values:
            return dict(values)
        own = torch.tensor([[one, 1.0] if math.isfinite(one) else [0.0, 0.0] for one in values.values()])
        total = self.summed(own.double().to(device)).tolist()
        both = zip(values, total, strict=True)
        return {name: (one if name in sums else one / n) if n else math.nan for name, (one, n) in both}

    def spread_(self, values: Tensor) -> None:
        """Overwrite a tensor by that of the first rank, which has the same shape on all."""
        if self.count > 1:
            dist.broadcast(values, src=self._first, group=self.group)

    def told(self, value: T) -> T:
        """What the first rank has, on all of them; a plain value that can be pickled."""
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=self._first, group=self.group)
        return held[0]

    @property
    def _first(self) -> int:
        """Number of the first rank among all processes."""
        return 0 if self.group is None else dist.get_global_rank(self.group, 0)


def own_numbers(group: Group = None) -> int:
    """Where the numbers of this process begin, which no other rank and no other worker of a loader has.

    >>> own_numbers()
    0
    """
    rank = max(0, dist.get_rank(group)) if dist.is_available() and dist.is_initialized() else 0
    worker = get_worker_info()
    return (rank * WORKERS + (0 if worker is None else 1 + worker.id)) * STEPS * ROWS


class _Joined(torch.autograd.Function):
    """All ranks' rows; backward adds up what all ranks ask of this rank's rows."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, sizes: list[int], ranks: Ranks) -> Tensor:
        ctx.sizes, ctx.ranks = sizes, ranks
        return ranks.gathered(vectors, sizes)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        asked, rank = ctx.ranks.summed(grad.contiguous()), ctx.ranks.rank
        first = sum(ctx.sizes[:rank])
        return asked[first : first + ctx.sizes[rank]], None, None


ALONE = Ranks()
