"""Batches of running text: several streams side by side, each batch the next window of all of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.randomness import Purpose, integers, stream
from negatives.training.feeds import Batch, Feed


@dataclass(slots=True)
class TextFeed(Feed):
    """The text from beginning to end, cut into ``batch_size // window`` streams.

    The query is the position of the last word of the prefix, the item the word after it. Each epoch begins at another
    word, so that windows and streams do not always cut the text at the same places.

    Args:
        tokens: ``(n,)`` int64 word ids.
        window: Words of each stream in one batch.

    Raises:
        ConfigError: The text is shorter than a batch's streams.

    >>> TextFeed(torch.arange(14), 3).batch(0, 0, 0, 6).queries.view(2, 3).diff().tolist()
    [[1, 1], [1, 1]]
    """

    tokens: Tensor
    window: int

    @property
    def rows(self) -> int:
        return self.tokens.numel() - 1 - self.window

    def steps(self, batch_size: int) -> int:
        return -(-self._length(batch_size) // self.window)

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        length, streams = self._length(batch_size), self.streams(batch_size)
        shift = int(integers(stream(seed, Purpose.SHUFFLE, epoch), torch.tensor(0), 0, self.window))
        first = index * self.window
        place = torch.arange(first, min(first + self.window, length), device=self.tokens.device)
        starts = torch.arange(streams, device=self.tokens.device) * length
        queries = (shift + starts[:, None] + place).reshape(-1)
        return Batch(queries, self.tokens[queries + 1], queries)

    def streams(self, batch_size: int) -> int:
        """Number of streams."""
        return max(1, batch_size // self.window)

    def to(self, device: torch.device) -> Feed:
        return TextFeed(self.tokens.to(device), self.window)

    def _length(self, batch_size: int) -> int:
        """Words of one stream."""
        length = self.rows // self.streams(batch_size)
        if length < 1:
            raise ConfigError(
                f"{self.tokens.numel()} words are too few for {self.streams(batch_size)} streams; lower batch_size"
            )
        return length
