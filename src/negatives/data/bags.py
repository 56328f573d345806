"""Texts as bags of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
import torch

from negatives.data.pairs import SparseFeatures
from negatives.data.words import words_of


def vocabulary(texts: Iterable[str], min_rows: int = 2, most: int | None = None) -> list[str]:
    """Words of at least ``min_rows`` texts, the most frequent first, at most ``most``."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(words_of(text)))
    kept = sorted((word for word, count in counts.items() if count >= min_rows), key=lambda w: (-counts[w], w))
    return kept[:most]


def bags(texts: pl.Series, words: Sequence[str]) -> SparseFeatures:
    """How often each word stands in each text; words that are not listed are left out.

    >>> x = bags(pl.Series(["a b a", "c"]), ["a", "b"])
    >>> x.indptr.tolist(), x.indices.tolist(), x.values.tolist()
    ([0, 2, 2], [0, 1], [2.0, 1.0])
    """
    place = {word: index for index, word in enumerate(words)}
    sizes, indices, values = [0], [], []
    for text in texts:
        found = Counter(at for word in words_of(text) if (at := place.get(word)) is not None)
        ids = sorted(found)
        indices.append(np.array(ids, np.int32))
        values.append(np.array([found[one] for one in ids], np.float32))
        sizes.append(len(ids))
    flat = np.concatenate(indices or [np.empty(0, np.int32)]), np.concatenate(values or [np.empty(0, np.float32)])
    indptr = torch.from_numpy(np.cumsum(np.array(sizes, np.int64)))
    return SparseFeatures(indptr, torch.from_numpy(flat[0]), torch.from_numpy(flat[1]), len(words))
