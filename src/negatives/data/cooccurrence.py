"""How often words stand near each other, counted in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.data.corpus import Corpus
from negatives.data.corpus.encode import pieces
from negatives.errors import ConfigError
from negatives.kernels.cells import count_cells_, empty_table, insert_cells_
from negatives.types import Csr

FIRST = 1 << 20
PIECE = 50_000
"""Tokens that are counted at a time."""
FILLED = 0.7
"""Largest share of the table that is in use."""


@dataclass(frozen=True, slots=True)
class Cooccurrence:
    """Cells ``a <= b`` of the symmetric table ``x_ab = sum over pairs at distance t <= window of 1/t``.

    Args:
        rows: ``(n,)`` int32 words ``a``, in an order that has nothing to do with the words.
        cols: ``(n,)`` int32 words ``b``.
        counts: ``(n,)`` float32.
        notes: What was counted and what was dropped.
    """

    rows: Tensor
    cols: Tensor
    counts: Tensor
    notes: tuple[str, ...]

    def known(self, n_words: int) -> Csr:
        """The words near each word, in both directions."""
        codes = torch.empty(2 * self.rows.numel(), dtype=torch.int64)
        n = self.rows.numel()
        torch.add(self.rows.long() * n_words, self.cols.long(), out=codes[:n])
        torch.add(self.cols.long() * n_words, self.rows.long(), out=codes[n:])
        codes = torch.unique_consecutive(codes.sort().values)
        indptr = torch.zeros(n_words + 1, dtype=torch.int64)
        indptr[1:] = torch.bincount(codes // n_words, minlength=n_words).cumsum(0)
        return Csr(indptr, (codes % n_words).to(torch.int32), n_words)


def count_cooccurrence(corpus: Corpus, window: int = 10, most: int = 1 << 26) -> Cooccurrence:
    """Count all pairs of words at most ``window`` apart in a sentence, each as one over its distance.

    Args:
        corpus: The text.
        window: Largest distance.
        most: Largest number of places in the table, a power of two; 12 bytes each. When it is full, cells below a
            bound are forgotten, and the bound doubles; cells that come back later then start from zero.

    Raises:
        ConfigError: The window is below 1, or the table is too small for one sentence.
    """
    if window < 1:
        raise ConfigError(f"the window of co-occurrence is {window}; it must be at least 1")
    n = len(corpus.words)
    keys, values = empty_table(min(FIRST, most))
    used, bound, forgotten = 0, 0.0, 0
    for first, stop in pieces(corpus.bounds, max(1, min(PIECE, int(most * FILLED / 4 / window)))):
        tokens, bounds = corpus.tokens(first, stop)
        while used + window * tokens.numel() > FILLED * keys.numel():
            if keys.numel() < most:
                keys, values = _moved(keys, values, 2 * keys.numel(), 0.0)
                continue
            if not used:
                raise ConfigError(f"a table of {most} cells is too small for sentences of {tokens.numel()} words")
            bound = 2 * bound or 0.3
            keys, values = _moved(keys, values, keys.numel(), bound)
            left = int((keys >= 0).sum())
            forgotten, used = forgotten + used - left, left
        used += count_cells_(tokens, bounds, window, n, keys, values)
    filled = keys >= 0
    codes = keys[filled]
    notes = [f"co-occurrence: {codes.numel():,} pairs of words at most {window} apart"]
    if forgotten:
        notes.append(f"co-occurrence: {forgotten:,} pairs with a count below {bound:g} forgotten, to bound the memory")
    return Cooccurrence((codes // n).int(), (codes % n).int(), values[filled].clone(), tuple(notes))


def _moved(keys: Tensor, values: Tensor, slots: int, bound: float) -> tuple[Tensor, Tensor]:
    """The cells of at least ``bound`` in a table of ``slots`` places."""
    kept = (keys >= 0) & (values >= bound)
    old_keys, old_values = keys[kept], values[kept]
    new_keys, new_values = empty_table(slots)
    insert_cells_(old_keys, old_values, new_keys, new_values)
    return new_keys, new_values
