"""Running text as word ids with an unknown word and an end of line: what language models train and test on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from negatives.errors import InputError

UNKNOWN, END = "<unk>", "<eos>"
PARTS = ("train", "valid", "test")

Lines = list[list[str]]


@dataclass(frozen=True, slots=True)
class TextData:
    """A text in parts, as ids; lines follow one another, each ended by ``<eos>``.

    Args:
        name: Short name of the data.
        words: Name of each word id, by falling frequency in the training part.
        parts: ``(n,)`` int64 ids of ``train``, ``valid`` and ``test``.
        counts: ``(n_words,)`` int64 in the training part.
        notes: What was read and how.
        tokens: How a text is cut into words, a row of :data:`negatives.data.loading.text.CUTS`.
    """

    name: str
    words: pl.Series
    parts: Mapping[str, Tensor]
    counts: Tensor
    notes: tuple[str, ...] = ()
    tokens: str = "blank"

    @property
    def n_words(self) -> int:
        return len(self.words)

    @property
    def end(self) -> int:
        """Id of ``<eos>``."""
        found = self.words.index_of(END)
        assert found is not None
        return int(found)


@dataclass(frozen=True, slots=True)
class TextSplit:
    """How a text becomes ids, and how one without given parts is divided.

    Args:
        tokens: ``blank``, ``words``, or ``auto``: blank where the text is cut into words already.
        key: Key of the text in JSON Lines; None looks for it.
        min_count: Words that occur less often in the training part become ``<unk>``.
        max_words: Only so many of the most frequent words stay.
        test: Share of the lines that becomes the test part.
        valid: Share of the lines that becomes the validation part.
        seed: Seed of the choice of lines.
    """

    tokens: str = "auto"
    key: str | None = None
    min_count: int = 2
    max_words: int | None = None
    test: float = 0.05
    valid: float = 0.05
    seed: int = 0


def encoded(parts: Mapping[str, Lines], how: TextSplit, name: str, notes: list[str], path: Path | None) -> TextData:
    """Number the words of the training part and write all parts as ids.

    Raises:
        InputError: The training part has fewer than 100 words.
    """
    counts = Counter(word for line in parts["train"] for word in line)
    total = sum(counts.values())
    if total < 100:
        raise InputError(f"only {total} words to train on", path=path, hint="give at least 100 words")
    rare = [word for word, count in counts.items() if count < how.min_count]
    kept = sorted((word for word in counts if counts[word] >= how.min_count), key=lambda w: (-counts[w], w))
    kept = [word for word in kept if word not in (UNKNOWN, END)][: how.max_words]
    unknown = total - sum(counts[word] for word in kept) - counts[END]
    ranked = {word: counts[word] for word in kept} | {UNKNOWN: unknown, END: len(parts["train"]) + counts[END]}
    words = sorted(ranked, key=lambda w: (-ranked[w], w))
    place = {word: index for index, word in enumerate(words)}
    ids = {part: _ids(parts.get(part, []), place) for part in PARTS}
    notes.append(f"text: {len(words):,} words; {len(rare):,} that occur less than {how.min_count} times are {UNKNOWN}")
    for part in PARTS:
        share = float((ids[part] == place[UNKNOWN]).float().mean()) if ids[part].numel() else 0.0
        notes.append(f"{part}: {len(parts.get(part, [])):,} lines, {ids[part].numel():,} words, {share:.1%} {UNKNOWN}")
    return TextData(
        name, pl.Series("word", words), ids, torch.bincount(ids["train"], minlength=len(words)), tuple(notes)
    )


def _ids(lines: Lines, place: Mapping[str, int]) -> Tensor:
    unknown, end = place[UNKNOWN], place[END]
    found = [np.array([*(place.get(word, unknown) for word in line), end], np.int64) for line in lines]
    return torch.from_numpy(np.concatenate(found)) if found else torch.empty(0, dtype=torch.int64)


def repeated(parts: Mapping[str, Tensor], end: int) -> list[str]:
    """What is told of the lines of ``valid`` and ``test`` that stand in ``train`` too.

    Args:
        parts: ``(n,)`` int64 ids of each part, each line ended by ``end``.
        end: Id of the end of a line.

    >>> repeated({"train": torch.tensor([3, 4, 0, 5, 0]), "test": torch.tensor([5, 0, 3, 0])}, 0)
    ['test: 1 of 2 lines stand in the training part too; they stay, for running text is not cut']
    """
    trained = set(_lines(parts["train"], end))
    notes = []
    for part in ("valid", "test"):
        lines = _lines(parts[part], end) if part in parts else []
        if twice := sum(line in trained for line in lines):
            what = f"{part}: {twice:,} of {len(lines):,} lines stand in the training part too"
            notes.append(f"{what}; they stay, for running text is not cut")
    return notes


def _lines(tokens: Tensor, end: int) -> list[bytes]:
    """Each line of a text of ids as bytes, equal where the lines are."""
    ends = (torch.nonzero(tokens == end)[:, 0] + 1).tolist()
    ids = tokens.numpy()
    return [ids[start:stop].tobytes() for start, stop in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
