"""An interpolated n-gram model: the next word by the last few (Kneser and Ney, 1995; Chen and Goodman, 1998)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.language.base import TextModel

LONGEST = 6
LEAST = 0.1
"""Least discount, and least distance from 1, so that no word has the probability 0."""
BLOCK = 1 << 22
"""Probabilities that are looked up at a time."""


@dataclass(frozen=True, slots=True)
class Level:
    """The n-grams of one order.

    Args:
        codes: ``(n,)`` int64, ``context * n_words + word`` of each, sorted; its place is its id as a longer context.
        counts: ``(n,)`` float64.
        totals: ``(contexts,)`` float64, sum of the counts of a context.
        kinds: ``(contexts,)`` float64, words that follow it.
        discount: What is taken off each count.
    """

    codes: Tensor
    counts: Tensor
    totals: Tensor
    kinds: Tensor
    discount: float


class Ngrams(CountedModel, TextModel):
    """``p_o(w | h) = max(n(h, w) - D, 0) / n(h) + D t(h) / n(h) p_{o-1}(w | h')``, down to ``p_0 = 1 / V``.

    ``t(h)`` words follow ``h``, and ``h'`` is ``h`` without its first word. The highest order counts occurrences, the
    others in how many contexts an n-gram stands (Kneser-Ney); ``D = n_1 / (n_1 + 2 n_2)`` for each order, ``n_k`` its
    n-grams of count ``k``, kept between 0.1 and 0.9. A context that was never seen hands on to the shorter one.

    Args:
        tokens: ``(n,)`` int64, the training text.
        counts: ``(n_items,)`` words of the training text.
        order: Words of the longest n-gram.

    Raises:
        ConfigError: ``order`` is not from 1 to 6.
    """

    feed = "text"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"order": (4, 3, 5)}

    def __init__(self, tokens: Tensor, counts: Tensor, order: int = 4) -> None:
        super().__init__(tokens.numel(), counts.numel())
        if not 1 <= order <= LONGEST:
            raise ConfigError(f"order is {order}; an n-gram has from 1 to {LONGEST} words")
        self.order, self._tokens = order, tokens
        self._levels = _levels(tokens, counts.numel(), order)

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 6e-6 * sizes.examples

    def log_probs(self, words: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """See :meth:`TextModel.log_probs`; the probabilities sum to 1, so the normaliser is 1."""
        padded = torch.cat([words.new_full((self.order - 1,), end), words])
        contexts = self._contexts(padded)
        found = torch.empty(words.numel(), dtype=torch.float64)
        for start in range(0, words.numel(), BLOCK):
            some = slice(start, start + BLOCK)
            found[some] = self._probability([one[some] for one in contexts], words[some]).log()
        return found, torch.zeros_like(found)

    def following(self, words: Tensor) -> Tensor:
        """See :meth:`TextModel.following`."""
        return self._after(words[None, -max(self.order - 1, 1) :])[0]

    def score_all(self, queries: Tensor) -> Tensor:
        """``log p`` of all words after positions of the training text, ``(rows, n_items)``."""
        places = queries[:, None] + torch.arange(2 - self.order, 1) if self.order > 1 else queries[:, None]
        return self._after(self._tokens[places.clamp(min=0)])

    def _after(self, read: Tensor) -> Tensor:
        """``log p`` ``(rows, n_items)`` of all words after some words ``(rows, length)``."""
        rows = []
        for words in read:
            ids = torch.zeros(self.order, dtype=torch.int64)
            for length in range(1, self.order):
                ids[length] = self._gram(words[words.numel() - length :]) if length <= words.numel() else -1
            each = [one.expand(self.n_items) for one in ids]
            rows.append(self._probability(each, torch.arange(self.n_items)).log().float())
        return torch.stack(rows) if rows else torch.empty(0, self.n_items)

    def _gram(self, words: Tensor) -> Tensor:
        """Id of one n-gram, -1 where it was never seen."""
        found = torch.zeros((), dtype=torch.int64)
        for level, word in zip(self._levels, words, strict=False):
            found = _find(level.codes, found * self.n_items + word, found >= 0)
        return found

    def _contexts(self, padded: Tensor) -> list[Tensor]:
        """Ids ``(n,)`` of the contexts of 0, 1, ... words before each word of a text; -1 for one never seen."""
        n = padded.numel() - self.order + 1
        grams = [torch.zeros(padded.numel() + 1, dtype=torch.int64)]
        for length in range(1, self.order):  # the n-gram that ends at a word: its own words, one by one
            found = torch.zeros(padded.numel() - length + 1, dtype=torch.int64)
            for at, level in enumerate(self._levels[:length]):
                found = _find(level.codes, found * self.n_items + padded[at : at + found.numel()], found >= 0)
            grams.append(found)
        return [one[self.order - 1 - length :][:n] for length, one in enumerate(grams)]

    def _probability(self, contexts: list[Tensor], words: Tensor) -> Tensor:
        found = torch.full(words.shape, 1.0 / self.n_items, dtype=torch.float64)
        for level, context in zip(self._levels, contexts, strict=True):
            known = context >= 0
            at = _find(level.codes, context * self.n_items + words, known)
            count = torch.where(at >= 0, level.counts[at.clamp(min=0)], 0.0)
            place = context.clamp(min=0)
            total = torch.where(known, level.totals[place], 0.0)
            rest = level.discount * level.kinds[place] * found
            own = (count - level.discount).clamp(min=0)
            found = torch.where(total > 0, (own + rest) / total.clamp(min=1e-12), found)
        return found


def _find(codes: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Places of codes among sorted ones, -1 where they are not there or not ``known``."""
    wanted = wanted.contiguous()
    at = torch.searchsorted(codes, wanted).clamp(max=codes.numel() - 1)
    return torch.where(known & (codes[at] == wanted), at, -1)


def _levels(tokens: Tensor, n_words: int, order: int) -> list[Level]:
    """Counts of all orders; the highest counts occurrences, the others contexts."""
    grams, codes = [torch.zeros(tokens.numel() + 1, dtype=torch.int64)], list[Tensor]()
    for _ in range(order):  # ``grams[o][i]`` is the id of the ``o`` words from ``i`` on
        before = grams[-1][: tokens.numel() - len(codes)]
        whole = before * n_words + tokens[len(codes) : len(codes) + before.numel()]
        unique, place = torch.unique(whole, return_inverse=True)
        codes.append(unique)
        grams.append(place)
    levels = []
    for length, unique in enumerate(codes, 1):
        if length == order:
            counts = torch.bincount(grams[length], minlength=unique.numel()).double()
        else:
            longer, inner = grams[length + 1], grams[length][1 : 1 + grams[length + 1].numel()]
            inside = torch.zeros(codes[length].numel(), dtype=torch.int64).scatter_(0, longer, inner)
            counts = torch.bincount(inside, minlength=unique.numel()).double()
        context = unique // n_words
        size = codes[length - 2].numel() if length > 1 else 1
        totals = torch.zeros(size, dtype=torch.float64).index_add_(0, context, counts)
        kinds = torch.bincount(context[counts > 0], minlength=size).double()
        once, twice = float((counts == 1).sum()), float((counts == 2).sum())
        discount = min(max(once / max(once + 2 * twice, 1.0), LEAST), 1.0 - LEAST)
        levels.append(Level(unique, counts, totals, kinds, discount))
    return levels
