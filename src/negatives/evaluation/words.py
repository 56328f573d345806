"""How good word vectors are: human similarity ratings and analogies (Mikolov et al., 2013)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from negatives import kernels
from negatives.evaluation.metrics.accuracy import Accuracy
from negatives.evaluation.metrics.spearman import Spearman
from negatives.evaluation.values import Decided, Rated
from negatives.evaluation.word_sets import Analogies, Similarity

QUESTIONS = 512
"""Analogies that are answered by one matrix product."""


def in_part(part: str, *words: str) -> bool:
    """Whether an item belongs to ``valid`` (a third, by a hash of its words) or ``test`` (the rest); ``all`` has both.

    >>> [in_part("valid", "tiger", "cat"), in_part("test", "tiger", "cat"), in_part("all", "tiger", "cat")]
    [True, False, True]
    """
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    return part == "all" or (digest[0] % 3 == 0) == (part == "valid")


def similarity(vectors: Tensor, index: Mapping[str, int], asked: Similarity, part: str = "all") -> Tensor:
    """Cosine and rating of each pair whose words are both known, ``(n, 2)`` float64.

    Args:
        vectors: ``(n_words, d)``.
        index: Row of each word.
        asked: The set.
        part: ``valid``, ``test`` or ``all``.
    """
    rows = [
        (index[a], index[b], place)
        for place, (a, b) in enumerate(asked.pairs)
        if a in index and b in index and in_part(part, a, b)
    ]
    if not rows:
        return torch.empty(0, 2, dtype=torch.float64)
    left, right, places = torch.tensor(rows).T
    cosine = torch.cosine_similarity(vectors[left].double(), vectors[right].double())
    return torch.stack([cosine, asked.ratings[places]], 1)


def spearman_terms(pairs: Tensor) -> Tensor:
    """``(n,)`` terms whose mean is Spearman's rank correlation of the two columns of ``pairs`` ``(n, 2)``."""
    return Spearman().of(Rated(pairs[:, 0], pairs[:, 1]))


def analogies(
    vectors: Tensor,
    index: Mapping[str, int],
    asked: Analogies,
    part: str = "all",
    most: int | None = None,
    restrict: int = 300_000,
) -> Tensor:
    """1 for each question answered rightly, else 0, ``(n,)`` float64; questions with unknown words are left out.

    The answer is the word, other than ``a``, ``b`` and ``c``, whose vector is nearest to ``b - a + c`` by cosine, all
    of unit length (3CosAdd). Of words equally near, a random one that is always the same is taken.

    Args:
        vectors: ``(n_words, d)``, the most frequent words first.
        index: Row of each word.
        asked: The questions.
        part: ``valid``, ``test`` or ``all``.
        most: Of more questions, every so many-th is asked.
        restrict: Only so many of the most frequent words are known.
    """
    known = [q for q in asked.questions if all(index.get(word, restrict) < restrict for word in q)]
    rows = [[index[word] for word in q] for q in known if in_part(part, *q)]
    if most is not None and len(rows) > most:
        rows = rows[:: -(-len(rows) // most)]
    if not rows:
        return torch.empty(0, dtype=torch.float64)
    unit = torch.nn.functional.normalize(vectors[:restrict].float(), dim=1)
    found = []
    asked_rows = torch.tensor(rows)
    for at in range(0, len(rows), QUESTIONS):
        a, b, c, right = asked_rows[at : at + QUESTIONS].T
        scores = (unit[b] - unit[a] + unit[c]) @ unit.T
        scores.scatter_(1, torch.stack([a, b, c], 1), -torch.inf)
        questions = torch.arange(at, at + len(scores))
        found.append(Accuracy().of(Decided(kernels.top_k(scores, 1, queries=questions)[0][:, 0], right)))
    return torch.cat(found)


def word_index(words: Sequence[str]) -> dict[str, int]:
    """Row of each word in lower case; the first, and so the most frequent, of several wins."""
    index: dict[str, int] = {}
    for row, word in enumerate(words):
        index.setdefault(word.lower(), row)
    return index


def nearest(vectors: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` words nearest to each of ``rows`` by cosine, itself left out: ids and cosines ``(n, k)``."""
    unit = torch.nn.functional.normalize(vectors.float(), dim=1)
    scores = unit[rows] @ unit.T
    scores[torch.arange(len(rows)), rows] = -torch.inf
    return kernels.top_k(scores, min(k, scores.shape[1] - 1), queries=rows)
