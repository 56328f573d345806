"""N-gram models of sentences: draw noise sentences, tell their exact probability, learn from more sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.randomness import uniforms

LONGEST = 60
"""Words of a noise sentence; longer ones end here."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences of one batch.

    Args:
        words: ``(n, longest)`` int64; what is behind the end is ``<eos>`` too.
        lengths: ``(n,)`` int64 with the ``<eos>``.
    """

    words: Tensor
    lengths: Tensor

    def pick(self, rows: Tensor) -> Sentences:
        """Some of them."""
        lengths = self.lengths[rows]
        return Sentences(self.words[rows, : int(lengths.max()) if lengths.numel() else 1], lengths)

    def to(self, device: torch.device | str) -> Sentences:
        """The same sentences on another device."""
        return Sentences(self.words.to(device), self.lengths.to(device))

    def text(self) -> Tensor:
        """All words one after another, ``(sum of lengths,)``."""
        inside = torch.arange(self.words.shape[1]) < self.lengths[:, None]
        return self.words[inside]


def cut_behind(tokens: Tensor, marks: Tensor, end: int) -> Tensor:
    """The text with ``end`` put in behind every mark that no ``end`` follows yet.

    Args:
        tokens: ``(n,)`` int64, lines one after another, each ended by ``end``.
        marks: ``(m,)`` int64, words behind which a sentence ends.
        end: Id of the end of a sentence.

    >>> cut_behind(torch.tensor([4, 2, 5, 2, 0]), torch.tensor([2]), 0).tolist()
    [4, 2, 0, 5, 2, 0]
    """
    cut = torch.isin(tokens, marks) & (tokens.roll(-1) != end)  # the last word is an end, and no mark
    copies = 1 + cut.long()
    text = tokens.repeat_interleave(copies)
    text[copies.cumsum(0)[cut] - 1] = end
    return text


def sentences_of(tokens: Tensor, end: int, longest: int = LONGEST) -> Sentences:
    """The lines of a text of ids, each ended by ``end``; longer ones than ``longest`` are left out.

    >>> sentences_of(torch.tensor([4, 5, 0, 6, 0]), 0).words.tolist()
    [[4, 5, 0], [6, 0, 0]]
    """
    ends = (tokens == end).nonzero()[:, 0]
    starts = torch.cat([ends.new_zeros(1), ends[:-1] + 1])[: ends.numel()]
    lengths = ends + 1 - starts
    kept = (lengths <= longest) & (lengths > 1)
    starts, lengths = starts[kept], lengths[kept]
    width = int(lengths.max()) if lengths.numel() else 1
    place = torch.arange(width)
    words = tokens[(starts[:, None] + place).clamp(max=max(0, tokens.numel() - 1))]
    return Sentences(torch.where(place < lengths[:, None], words, end), lengths)


def unlike(sentences: Sentences, *others: Sentences) -> Tensor:
    """Whether each sentence stands in none of the others, ``(n,)`` bool.

    >>> some = sentences_of(torch.tensor([4, 5, 0, 6, 0]), 0)
    >>> unlike(some, sentences_of(torch.tensor([6, 0]), 0)).tolist()
    [True, False]
    """
    known = {row for other in others for row in _rows(other)}
    return torch.tensor([row not in known for row in _rows(sentences)], dtype=torch.bool)


def _rows(sentences: Sentences) -> list[bytes]:
    """Each sentence as bytes, equal where the sentences are."""
    rows = zip(sentences.words.numpy(), sentences.lengths.tolist(), strict=True)
    return [words[:length].tobytes() for words, length in rows]


@dataclass(slots=True)
class Ngram:
    """Words by the one or two before them, mixed with shorter contexts.

    ``q(c | a, b) = w_3 n(a,b,c) / n(a,b) + w_2 n(b,c) / n(b) + w_1 n(c) / N``; a context that was never seen gives its
    weight to the shorter one.

    Args:
        tokens: ``(n,)`` int64, sentences one after another, each ended by ``end``.
        end: Id of the end of a sentence.
        order: 1, 2 or 3.
        weight: Share of the probability that each order keeps for itself; the rest goes to the next shorter one.

    Raises:
        ConfigError: The order or the weight is out of range.
    """

    tokens: Tensor
    end: int
    order: int = 3
    weight: float = 0.8
    _next: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _codes: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _whole: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _n: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3) or not 0.0 <= self.weight <= 1.0:
            raise ConfigError(f"an n-gram has order 1, 2 or 3 and a weight up to 1, not {self.order}, {self.weight}")
        self._n = int(self.tokens.max()) + 1
        ended = self.tokens == self.end
        before = torch.cat([self.tokens.new_full((1,), self.end), self.tokens[:-1]])
        first = torch.cat([self.tokens.new_full((1,), self.end), before[:-1]])
        starts = torch.cat([ended.new_ones(1), ended[:-1]])
        first = torch.where(starts, self.end, first)  # nothing stands before the first word but the end
        for context in (torch.zeros_like(before), before, first * self._n + before)[: self.order]:
            codes, order = context.sort(stable=True)
            self._codes.append(codes)
            self._next.append(self.tokens[order])
            self._whole.append((context * self._n + self.tokens).sort().values)

    def draw(self, n: int, key: int, longest: int = LONGEST) -> Sentences:
        """``n`` sentences."""
        rows = torch.arange(n)
        words = torch.full((n, longest), self.end)
        lengths = torch.full((n,), longest)
        first = before = torch.full((n,), self.end)
        alive = torch.ones(n, dtype=torch.bool)
        for place in range(longest - 1):
            chance = uniforms(key, rows, 2 * place)
            drawn = self._one(self._contexts(first, before), chance, uniforms(key, rows, 2 * place + 1))
            drawn = torch.where(alive, drawn, self.end)
            words[:, place] = drawn
            ended = alive & (drawn == self.end)
            lengths[ended] = place + 1
            alive &= ~ended
            if not bool(alive.any()):
                break
            first, before = before, drawn
        return Sentences(words[:, : int(lengths.max())], lengths)

    def log_prob(self, sentences: Sentences) -> Tensor:
        """Log-probability of each sentence ``(n,)`` float64, its end among it; -inf for words never seen."""
        ends = sentences.words.new_full((sentences.words.shape[0], 2), self.end)
        padded = torch.cat([ends, sentences.words], 1)
        first, before, word = (padded[:, at : at + sentences.words.shape[1]] for at in range(3))
        found = self._probability(self._contexts(first, before), word).log()
        inside = torch.arange(word.shape[1]) < sentences.lengths[:, None]
        return torch.where(inside, found, 0.0).sum(1)

    def with_more(self, tokens: Tensor) -> Ngram:
        """The model re-estimated from its own text and more sentences, each ended."""
        return Ngram(torch.cat([self.tokens, tokens]), self.end, self.order, self.weight)

    def _contexts(self, first: Tensor, before: Tensor) -> list[Tensor]:
        return [torch.zeros_like(before), before, first * self._n + before][: self.order]

    def _one(self, contexts: list[Tensor], chance: Tensor, place: Tensor) -> Tensor:
        """One word for each context: the order first, then one of the places where the context was seen."""
        drawn = torch.empty_like(contexts[0])
        left = torch.ones_like(drawn, dtype=torch.bool)
        for level in range(self.order - 1, -1, -1):
            start = torch.searchsorted(self._codes[level], contexts[level])
            stop = torch.searchsorted(self._codes[level], contexts[level], right=True)
            taken = left & (stop > start)
            if level:
                taken &= chance < self.weight
                chance = torch.where(stop > start, (chance - self.weight) / max(1 - self.weight, 1e-12), chance)
            at = start + (place * (stop - start)).long()
            drawn = torch.where(taken, self._next[level][at.clamp(max=self._next[level].numel() - 1)], drawn)
            left &= ~taken
        return drawn

    def _probability(self, contexts: list[Tensor], word: Tensor) -> Tensor:
        found = torch.zeros(word.shape, dtype=torch.float64)
        left = torch.ones(word.shape, dtype=torch.float64)
        for level in range(self.order - 1, -1, -1):
            codes, whole = self._codes[level], self._whole[level]
            size = _count(codes, contexts[level])
            pair = _count(whole, contexts[level] * self._n + word)
            share = torch.where(size > 0, self.weight if level else 1.0, 0.0)
            found += left * share * pair / size.clamp(min=1)
            left = left * (1 - share)
        return found


def _count(codes: Tensor, wanted: Tensor) -> Tensor:
    wanted = wanted.contiguous()
    return (torch.searchsorted(codes, wanted, right=True) - torch.searchsorted(codes, wanted)).double()


def shuffled_words(sentences: Sentences, key: int) -> Sentences:
    """The same words of each sentence in a random order; the end stays at the end."""
    n, width = sentences.words.shape
    rank = uniforms(key, torch.arange(n)[:, None], torch.arange(width))
    inside = torch.arange(width) < sentences.lengths[:, None] - 1
    order = torch.where(inside, rank, 2.0 + torch.arange(width)).argsort(1)
    return Sentences(sentences.words.gather(1, order), sentences.lengths)
