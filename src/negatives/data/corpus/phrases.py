"""Join pairs of words that stand together far more often than by chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from negatives.data.corpus.encode import pieces, renumber
from negatives.data.corpus.encoded import Corpus, Ids

MOST = 20_000_000
"""Different pairs that are counted at once; beyond that those seen once are forgotten."""
SOURCE = "joined.int32"

Longs = npt.NDArray[np.int64]


def join_phrases(corpus: Corpus, min_count: int = 5, threshold: float = 100.0) -> Corpus:
    """Make one word ``a_b`` of neighbours ``a b`` with ``(n_ab - min_count) N / (n_a n_b) > threshold``.

    From left to right, no word belongs to two phrases. Run it again for longer phrases.

    Args:
        corpus: Is used up: its file is replaced.
        min_count: Pairs seen less often are no phrases, and words that become rarer by joining are dropped.
        threshold: The larger, the fewer phrases.

    Source: Mikolov et al., NIPS 2013, section 4, with the factor ``N`` (words of the text) of its published code.
    """
    codes, counts = _pairs(corpus)
    n, single = len(corpus.words), corpus.counts.numpy().astype(float)
    score = (counts - min_count) * float(corpus.n_tokens) / (single[codes // n] * single[codes % n])
    chosen = codes[(counts >= min_count) & (score > threshold)]
    names = [f"{corpus.words[code // n]}_{corpus.words[code % n]}" for code in chosen.tolist()]
    source, bounds, found = _write(corpus, chosen)
    order = np.argsort(-found, kind="stable")
    kept = order[found[order] >= min_count]
    table = np.full(len(found), -1, np.int32)
    table[kept] = np.arange(len(kept), dtype=np.int32)
    every = [*corpus.words, *names]
    joined = renumber(corpus.folder, source, bounds, table, [every[i] for i in kept])
    source.unlink()
    joined.notes = [*corpus.notes, f"text: {int((kept >= n).sum()):,} phrases of two words joined", *joined.notes]
    joined.held = _held(corpus, chosen, table)
    return joined


def _pairs(corpus: Corpus) -> tuple[Longs, Longs]:
    """Codes ``a * n + b`` of neighbours within sentences, sorted, and how often each was seen."""
    codes, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    n = len(corpus.words)
    for first, stop in pieces(corpus.bounds):
        ids, bounds = (part.numpy() for part in corpus.tokens(first, stop))
        pair = ids[:-1].astype(np.int64) * n + ids[1:]
        inside = np.ones(len(pair), bool)
        inside[bounds[1:-1] - 1] = False
        fresh, seen = np.unique(pair[inside], return_counts=True)
        codes, place = np.unique(np.concatenate([codes, fresh]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, seen]), len(codes)).astype(np.int64)
        if len(codes) > MOST:
            codes, counts = codes[counts > 1], counts[counts > 1]
    return codes, counts


def _write(corpus: Corpus, chosen: Longs) -> tuple[Path, Longs, Longs]:
    """The text with phrases as new ids from ``len(words)`` on: file, bounds, and counts of all ids."""
    n, path = len(corpus.words), Path(corpus.folder.name) / SOURCE
    counts, lengths = np.zeros(n + len(chosen), np.int64), [np.zeros(1, np.int64)]
    with path.open("wb") as file:
        for first, stop in pieces(corpus.bounds):
            ids, bounds = (part.numpy() for part in corpus.tokens(first, stop))
            ids, sizes = _replaced(ids, bounds, chosen, n)
            counts += np.bincount(ids, minlength=len(counts))
            lengths.append(sizes)
            ids.tofile(file)
    return path, np.cumsum(np.concatenate(lengths)), counts


def _held(corpus: Corpus, chosen: Longs, table: Ids) -> tuple[Ids, Longs]:
    """The held-out sentences with the same phrases and the new ids; those of which one word stays are left out."""
    ids, bounds = corpus.held
    if len(bounds) < 2:
        return ids, bounds
    ids, sizes = _replaced(ids, bounds, chosen, len(corpus.words))
    ids, owner = table[ids], np.repeat(np.arange(len(sizes)), sizes)
    left = np.bincount(owner[ids >= 0], minlength=len(sizes))
    kept = (ids >= 0) & (left[owner] > 1)
    return ids[kept], np.cumsum(np.concatenate([np.zeros(1, np.int64), left[left > 1]]))


def _replaced(ids: Ids, bounds: Longs, chosen: Longs, n: int) -> tuple[Ids, Longs]:
    """Words with phrases as ids from ``n`` on, and how many each sentence has then."""
    pair = np.append(ids[:-1].astype(np.int64) * n + ids[1:], -1)
    pair[bounds[1:] - 1] = -1
    place = np.searchsorted(chosen, pair)
    hit = (place < len(chosen)) & (chosen[np.minimum(place, len(chosen) - 1)] == pair) if len(chosen) else pair < -1
    hit = _alternate(hit)
    keep = np.concatenate([[True], ~hit[:-1]])
    owner = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))[keep]
    return np.where(hit, n + place, ids).astype(np.int32)[keep], np.bincount(owner, minlength=len(bounds) - 1)


def _alternate(hit: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of each run of hits the first, third, fifth, ...: no word belongs to two phrases."""
    place = np.arange(len(hit))
    begin = np.maximum.accumulate(np.where(~hit, place, -1))
    odd: npt.NDArray[np.bool_] = (place - begin) % 2 == 1
    return hit & odd
