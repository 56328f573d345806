"""Files of human similarity ratings and of analogies."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from negatives.data.similarity import distinct
from negatives.data.words import composed
from negatives.errors import InputError

log = logging.getLogger(__name__)
HINT = "write 'word word score' on each line, or ': section' and four words a line"


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
    and four words on the others. Lines that begin with ``#`` are left out. A pair that stands twice counts once, with
    its highest score; that is logged. The name of a set is that of the file in lower case, without ``en-`` in front and
    counts behind: ``EN-WS-353-ALL.txt`` is ``ws353``.

    Raises:
        InputError: The folder is missing or empty, or a line is neither.
    """
    if not folder.is_dir():
        raise InputError("no such folder", path=folder, hint="give a folder of similarity sets and analogies")
    sets: list[Similarity] = []
    questions: list[tuple[str, str, str, str]] = []
    notes: list[str] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        rows = _rows(path)
        if rows and len(rows[0][1]) == 4:
            questions += [_four(path, line, words) for line, words in rows]
        elif rows:
            rated = distinct([_rated(path, line, words) for line, words in rows], path.name, notes)
            ratings = torch.tensor([rating for _, _, rating in rated], dtype=torch.float64)
            sets.append(Similarity(set_name(path.name), [(a, b) for a, b, _ in rated], ratings))
    for note in notes:
        log.info(note)
    if not sets and not questions:
        raise InputError("the folder holds no evaluation set", path=folder, hint=HINT)
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
        lines = composed(path.read_bytes().decode("utf-8-sig")).split("\n")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", path=path, hint=HINT) from error
    found = [(at, one.replace(",", " ").lower().split()) for at, one in enumerate(lines, 1)]
    return [(at, words) for at, words in found if words and not words[0].startswith(("#", ":"))]


def _four(path: Path, line: int, words: list[str]) -> tuple[str, str, str, str]:
    if len(words) != 4:
        raise InputError(f"{len(words)} words, not four", path=path, line=line, hint=HINT)
    return words[0], words[1], words[2], words[3]


def _rated(path: Path, line: int, words: list[str]) -> tuple[str, str, float]:
    try:
        first, second, rating = words
        return first, second, float(rating)
    except ValueError as error:
        raise InputError("not 'word word score'", path=path, line=line, hint=HINT) from error
