"""Batches of running text: blocks of whole sentences in random order, frequent words thinned out anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from negatives.data.corpus import Corpus
from negatives.data.corpus.encoded import Bounds
from negatives.kernels.words import PLACES, chances, keep_words
from negatives.randomness import Purpose, permutation, stream
from negatives.training.feeds import Batch, Feed


@dataclass(slots=True)
class CorpusFeed(Feed):
    """Centre words of a text in blocks of about ``batch_size`` words, counted before thinning.

    The item of a row is the word at a place of the text, its query the nearest kept word before it, or after it at
    the beginning of a sentence. Rows stand in the order of the text and ``examples`` is ``sentence * 2^16 + place``,
    so an engine can rebuild the whole window from the batch alone.

    Args:
        corpus: The text.
        sample: Share of the text above which words are thinned out; 0 keeps all.
    """

    corpus: Corpus
    sample: float = 1e-3
    _keep: Tensor = field(init=False, repr=False)
    _starts: Bounds = field(default_factory=lambda: np.zeros(1, np.int64), init=False, repr=False)
    _starts_of: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._keep = chances(self.corpus.counts, self.sample)

    @property
    def rows(self) -> int:
        """Words that stay on average."""
        return max(1, round(float((self.corpus.counts * (self._keep / 2.0**32)).sum())))

    def steps(self, batch_size: int) -> int:
        return len(self._blocks(batch_size)) - 1

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        starts = self._blocks(batch_size)
        order = self.ordered(seed, epoch, lambda key: permutation(key, len(starts) - 1), batch_size)
        block = int(order[index])
        first, stop = int(starts[block]), int(starts[block + 1])
        tokens, bounds = self.corpus.tokens(first, stop)
        key = stream(seed, Purpose.DROPOUT, epoch)
        words, examples = keep_words(tokens, bounds, first, self._keep, key)
        if not words.numel():  # a short block of frequent words: all of them stay
            words, examples = keep_words(tokens, bounds, first, torch.full_like(self._keep, 1 << 32), key)
        return Batch(_neighbours(words, examples), words, examples)

    def _blocks(self, batch_size: int) -> Bounds:
        if self._starts_of != batch_size:
            self._starts, self._starts_of = self.corpus.blocks(batch_size), batch_size
        return self._starts


def _neighbours(words: Tensor, examples: Tensor) -> Tensor:
    """The word before each word of the same sentence, or after it where it is the first."""
    sentence = examples // PLACES
    before, after = words.roll(1), words.roll(-1)
    same = sentence == sentence.roll(1)
    if words.numel():
        same[0] = False
    return torch.where(same, before, after)
