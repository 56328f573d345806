"""Load a text of any size as a corpus, and hold contexts of words out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from negatives.data.corpus import Corpus, encode, join_phrases
from negatives.data.corpus.encode import pieces
from negatives.data.loading.text import Text, sentences
from negatives.types import Csr

NEAR = 5
"""Words on each side that count as contexts of a word in held-out text."""
HELD = 500_000
"""Held-out words whose contexts are ranked: enough for steady figures, and little memory for texts of any length."""
Hashes = npt.NDArray[np.uint64]
FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class CorpusSplit:
    """How a text becomes a corpus.

    Args:
        tokens: ``blank``, ``words`` or ``auto``.
        key: Key of the text in JSON Lines; None looks for it.
        min_count: Words that occur less often are dropped.
        max_words: Only so many of the most frequent words stay.
        phrases: How often neighbours that belong together are joined to one word.
        phrase_threshold: The larger, the fewer phrases.
        hold_out: Every so many-th sentence is held out; 0 for none.
    """

    tokens: str = "auto"
    key: str | None = None
    min_count: int = 5
    max_words: int | None = None
    phrases: int = 0
    phrase_threshold: float = 100.0
    hold_out: int = 0


def load_corpus(path: Path | None, how: CorpusSplit) -> tuple[Corpus, list[str]]:
    """A text as a corpus, and what was read and dropped.

    Args:
        path: A file or a folder; None for docstrings and comments of the standard library.
        how: How it is cut and what stays.

    Raises:
        InputError: The text cannot be used, or no word occurs often enough.
    """
    if path is None:
        from negatives.data.offline.prose import paragraphs

        source, text_notes = paragraphs(), ["text: docstrings and comments of the standard library"]
    else:
        text = Text(path, how.tokens, how.key)
        source, text_notes = sentences(text), text.notes
    corpus = encode(source, min_count=how.min_count, max_words=how.max_words, hold_out=how.hold_out, path=path)
    for _ in range(how.phrases):
        corpus = join_phrases(corpus, how.min_count, how.phrase_threshold)
    return corpus, [*text_notes, *corpus.notes, *repeated(corpus)]


def held_contexts(corpus: Corpus, odd: int) -> Csr:
    """The words near each word in every other held-out sentence; of long texts, in the first :data:`HELD` words."""
    ids, bounds = _held(corpus)
    n = len(corpus.words)
    sentence = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    left, right = [], []
    for step in range(1, NEAR + 1):
        same = (sentence[step:] == sentence[:-step]) & (sentence[step:] % 2 == odd) & (ids[step:] != ids[:-step])
        left += [ids[:-step][same], ids[step:][same]]
        right += [ids[step:][same], ids[:-step][same]]
    rows, cols = (torch.from_numpy(np.concatenate(part).astype(np.int64)) for part in (left, right))
    return Csr.from_pairs(rows, cols, n, n)


def repeated(corpus: Corpus) -> list[str]:
    """What is told of the held-out sentences that stand in the corpus too; they stay, for running text is not cut."""
    ids, bounds = _held(corpus)
    asked = sentence_hashes(ids, bounds)
    wanted, found = np.unique(asked), np.zeros(0, np.uint64)
    if not wanted.size:
        return []
    for first, stop in pieces(corpus.bounds):
        tokens, within = (part.numpy() for part in corpus.tokens(first, stop))
        hashes = sentence_hashes(tokens, within)
        found = np.union1d(found, hashes[wanted[np.searchsorted(wanted, hashes).clip(max=wanted.size - 1)] == hashes])
    twice = int(np.isin(asked, found).sum())
    what = f"{twice:,} of {len(asked):,} held-out sentences stand in the training text too"
    return [f"evaluation: {what}; they stay, for running text is not cut"] if twice else []


def sentence_hashes(ids: npt.NDArray[np.int32], bounds: npt.NDArray[np.int64]) -> Hashes:
    """A number for each sentence that is the same for the same words in the same order.

    Args:
        ids: ``(n,)`` words of all sentences.
        bounds: ``(sentences + 1,)`` where each begins; none is empty.
    """
    if len(bounds) < 2:
        return np.empty(0, np.uint64)
    place = (np.arange(len(ids)) - np.repeat(bounds[:-1], np.diff(bounds))).astype(np.uint64)
    mixed = (ids.astype(np.uint64) + np.uint64(1)) * FACTOR + place * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(29)
    return np.add.reduceat(mixed * FACTOR, bounds[:-1])


def _held(corpus: Corpus) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Held-out sentences whose contexts are ranked; never less than one."""
    ids, bounds = corpus.held
    bounds = bounds[: max(2, int(np.searchsorted(bounds, HELD, "right")))]
    return ids[: bounds[-1]], bounds
