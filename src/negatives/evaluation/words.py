"""How good word vectors are: human similarity ratings and analogies (Mikolov et al., 2013)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from negatives.errors import InputError

QUESTIONS = 512
"""Analogies that are answered by one matrix product."""
MEND = "write 'word word score' on each line, or ': section' and four words a line"


@dataclass(frozen=True, slots=True)
class Similarity:
    """Pairs of words with ratings by people.

    Args:
        name: Short name of the set.
        pairs: The words, in lower case.
        ratings: ``(n,)`` float64.
    """

    name: str
    pairs: list[tuple[str, str]]
    ratings: Tensor


@dataclass(frozen=True, slots=True)
class Analogies:
    """Questions ``a`` is to ``b`` as ``c`` is to what, each with its answer.

    Args:
        questions: Four words each, in lower case.
    """

    questions: list[tuple[str, str, str, str]]


def read_sets(folder: Path) -> tuple[list[Similarity], Analogies]:
    """All similarity sets and analogies of a folder.

    Similarity sets are lines ``word word score``, divided by tabs, blanks or commas; analogies have lines ``: section``
    and four words on the others. Lines that begin with ``#`` are left out. The name of a set is that of the file in
    lower case, without ``en-`` in front and counts behind: ``EN-WS-353-ALL.txt`` is ``ws353``.

    Raises:
        InputError: The folder is missing or empty, or a line is neither.
    """
    if not folder.is_dir():
        raise InputError("no such folder", path=folder, mend="give a folder of similarity sets and analogies")
    sets, questions = [], []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        rows = _rows(path)
        if rows and len(rows[0][1]) == 4:
            questions += [_four(path, line, words) for line, words in rows]
        elif rows:
            rated = [_rated(path, line, words) for line, words in rows]
            ratings = torch.tensor([rating for _, _, rating in rated], dtype=torch.float64)
            sets.append(Similarity(set_name(path.name), [(a, b) for a, b, _ in rated], ratings))
    if not sets and not questions:
        raise InputError("the folder holds no evaluation set", path=folder, mend=MEND)
    return sets, Analogies(questions)


def set_name(file: str) -> str:
    """Short name of a similarity set by its file.

    >>> [set_name(one) for one in ("EN-WS-353-ALL.txt", "EN-SIMLEX-999.txt", "EN-MEN-TR-3k.txt", "mine.tsv")]
    ['ws353', 'simlex999', 'men', 'mine']
    """
    stem = file.lower().split(".")[0].removeprefix("en-")
    for suffix in ("-all", "-tr-3k"):
        stem = stem.removesuffix(suffix)
    return stem.replace("-", "")


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", path=path, mend=MEND) from error
    found = [(at, one.replace(",", " ").lower().split()) for at, one in enumerate(lines, 1)]
    return [(at, words) for at, words in found if words and not words[0].startswith(("#", ":"))]


def _four(path: Path, line: int, words: list[str]) -> tuple[str, str, str, str]:
    if len(words) != 4:
        raise InputError(f"{len(words)} words, not four", path=path, line=line, mend=MEND)
    return words[0], words[1], words[2], words[3]


def _rated(path: Path, line: int, words: list[str]) -> tuple[str, str, float]:
    try:
        first, second, rating = words
        return first, second, float(rating)
    except ValueError as error:
        raise InputError("not 'word word score'", path=path, line=line, mend=MEND) from error


def in_part(part: str, *words: str) -> bool:
    """Whether an item belongs to ``valid`` (a third, by a hash of its words) or ``test`` (the rest); ``all`` has both.

    >>> [in_part("valid", "tiger", "cat"), in_part("test", "tiger", "cat"), in_part("all", "tiger", "cat")]
    [False, True, True]
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


def ranks(values: Tensor) -> Tensor:
    """Ranks from one ``(n,)`` float64; equal values share the mean of theirs.

    >>> ranks(torch.tensor([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    found: Tensor = (ends - (counts.double() - 1) / 2)[inverse]
    return found


def spearman_terms(pairs: Tensor) -> Tensor:
    """``(n,)`` terms whose mean is Spearman's rank correlation of the two columns of ``pairs`` ``(n, 2)``.

    ``z_a z_b`` with both columns as ranks of mean 0 and variance 1; zeros where a column is constant. They are what
    paired tests compare.
    """
    if pairs.shape[0] < 2:
        return torch.zeros(pairs.shape[0], dtype=torch.float64)
    columns = torch.stack([ranks(pairs[:, 0]), ranks(pairs[:, 1])], 1)
    centred = columns - columns.mean(0)
    terms: Tensor = (centred / centred.square().mean(0).sqrt().clamp(min=1e-12)).prod(1)
    return terms


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
    of unit length (3CosAdd).

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
        found.append((scores.argmax(1) == right).double())
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
    best = torch.topk(scores, min(k, scores.shape[1] - 1))
    return best.indices, best.values


__all__ = [
    "Analogies",
    "Similarity",
    "analogies",
    "in_part",
    "nearest",
    "ranks",
    "read_sets",
    "similarity",
    "spearman_terms",
    "word_index",
]
