"""Pairs of nodes that random walks visit near each other, made anew in each epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import InputError
from negatives.kernels.walks import walks
from negatives.randomness import Purpose, stream
from negatives.training.feeds import Batch, Feed
from negatives.types import Csr

BLOCK = 1 << 20
"""Pairs that are made and shuffled at a time."""


@dataclass(slots=True)
class WalkFeed(Feed):
    """DeepWalk's and node2vec's examples: a centre and each node up to ``window`` steps before or after it.

    An epoch begins ``walks`` walks at every node that has neighbours, in a random order. They are made block by block,
    and the pairs of a block are shuffled. Batches hold about ``batch_size`` pairs: those of a block divided evenly;
    fewer where walks end early, which only happens in graphs with directions.

    Args:
        graph: Neighbours of each node.
        length: Steps of a walk.
        walks: Walks from each node.
        window: Largest distance between a centre and its context.
        p: Return parameter of node2vec.
        q: In-out parameter of node2vec.
        device: Where batches are given; walks are made on the CPU.

    Raises:
        InputError: No node has a neighbour.
    """

    graph: Csr
    length: int = 20
    walks: int = 10
    window: int = 5
    p: float = 1.0
    q: float = 1.0
    device: torch.device | str = "cpu"
    _starts: Tensor = field(init=False, repr=False)
    _slots: tuple[Tensor, Tensor] = field(init=False, repr=False)
    _block: tuple[tuple[int, int, int, int], Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._starts = (self.graph.lengths() > 0).nonzero()[:, 0]
        if self._starts.numel() == 0:
            raise InputError("no node has a neighbour, so there is nowhere to walk", hint="give more edges")
        places = torch.arange(self.length + 1)
        gaps = (places[:, None] - places).abs()
        centres, contexts = ((gaps > 0) & (gaps <= self.window)).nonzero(as_tuple=True)
        self._slots = centres, contexts

    @property
    def rows(self) -> int:
        return self._starts.numel() * self.walks * self._slots[0].numel()

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        per_block = self._per_block(batch_size)
        block, place = divmod(index, per_block)
        centres, contexts = self._pairs(seed, epoch, block, batch_size)
        batches = min(per_block, self.steps(batch_size) - block * per_block)
        n = centres.numel()
        start = n * place // batches
        rows = slice(start, max(start + 1, n * (place + 1) // batches))
        examples = torch.arange(rows.start, rows.stop) + self._walks_of(block, batch_size)[0] * self._slots[0].numel()
        return Batch(*(part.to(self.device) for part in (centres[rows], contexts[rows], examples)))

    def to(self, device: torch.device) -> Feed:
        """The same feed, whose batches are moved to another device."""
        return WalkFeed(self.graph, self.length, self.walks, self.window, self.p, self.q, device)

    def _per_block(self, batch_size: int) -> int:
        """Batches of a block: as many as fit, but no fewer than one walk fills."""
        return max(1, BLOCK // batch_size, -(-self._slots[0].numel() // batch_size))

    def _walks_of(self, block: int, batch_size: int) -> tuple[int, int]:
        """Numbers of the first walk of a block and of the one after its last, in proportion to its batches."""
        per_block, steps = self._per_block(batch_size), self.steps(batch_size)
        total = self._starts.numel() * self.walks
        return total * block * per_block // steps, total * min(steps, (block + 1) * per_block) // steps

    def _pairs(self, seed: int, epoch: int, block: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """Shuffled centres and contexts of a block, each ``(n,)`` int64."""
        which = seed, epoch, block, batch_size
        if self._block is None or self._block[0] != which:
            self._block = which, *self._made(*which)
        return self._block[1:]

    def _made(self, seed: int, epoch: int, block: int, batch_size: int) -> tuple[Tensor, Tensor]:
        first, last = self._walks_of(block, batch_size)
        numbers = self.ordered(seed, epoch, lambda key: kernels.shuffled(key, self._starts.numel() * self.walks))
        numbers = numbers[first:last]
        starts = self._starts[numbers % self._starts.numel()]
        key = stream(seed, Purpose.WALKS, epoch)
        paths = walks(self.graph, starts, self.length, key, examples=numbers, p=self.p, q=self.q)
        per_walk = self._slots[0].numel()
        order = kernels.shuffled(stream(seed, Purpose.SHUFFLE, epoch) ^ (block + 1), len(paths) * per_walk)
        rows, slots = order // per_walk, order % per_walk
        centres, contexts = (paths[rows, place[slots]].long() for place in self._slots)
        kept = (centres >= 0) & (contexts >= 0)
        return (centres, contexts) if bool(kept.all()) else (centres[kept], contexts[kept])
