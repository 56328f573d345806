"""Running text as word ids with an unknown word and an end of line: what language models train and test on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from negatives.data.corpus.reader import Text, sentences
from negatives.data.readers.blocks import blocks
from negatives.data.readers.parts import part_files
from negatives.data.splits import FOLD, key_of
from negatives.errors import InputError
from negatives.randomness import permutation

UNKNOWN, END = "<unk>", "<eos>"
PARTS = ("train", "valid", "test")
_TOKENISED = re.compile(r" (?:<unk>|[.,;:!?]) |@-@")

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
    """

    name: str
    words: pl.Series
    parts: Mapping[str, Tensor]
    counts: Tensor
    notes: tuple[str, ...] = ()

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
        key: Key of the text in JSON Lines.
        min_count: Words that occur less often in the training part become ``<unk>``.
        max_words: Only so many of the most frequent words stay.
        test: Share of the lines that becomes the test part.
        valid: Share of the lines that becomes the validation part.
        seed: Seed of the choice of lines.
    """

    tokens: str = "auto"
    key: str = "text"
    min_count: int = 2
    max_words: int | None = None
    test: float = 0.05
    valid: float = 0.05
    seed: int = 0


def load_text(path: Path | None, how: TextSplit, cache: bool = True) -> TextData:
    """Read a text file, a folder with train, valid and test files, or the offline text.

    Args:
        path: A file or a folder; None for docstrings of the standard library.
        how: How it becomes ids.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: A file cannot be used, or the training part is too short.
    """
    if path is None:
        from negatives.data.offline.lines import docstring_lines

        lines, notes = docstring_lines(cache=cache)
        parts, name = _divided(lines, how, notes), "stdlib"
    else:
        files, name = part_files(path), path.name.split(".")[0]
        notes = []
        read = {part: list(_lines(file, how, notes)) for part, file in files.items()}
        if "test" in read:
            parts = read if "valid" in read else _with_valid(read, how, notes)
        else:
            parts = _divided([line for one in read.values() for line in one], how, notes)
    return encoded(parts, how, name, notes, path)


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


def _lines(path: Path, how: TextSplit, notes: list[str]) -> Iterator[list[str]]:
    kind = how.tokens
    if kind == "auto":
        head = next(iter(_beginning(path)), "")
        kind = "blank" if _TOKENISED.search(head) else "auto"
    text = Text(path, kind, how.key)
    yield from sentences(text)
    notes += text.notes


def _beginning(path: Path) -> Iterator[str]:
    """The first characters of a text; faults are left to the reader."""
    for _, block in blocks(path, 1 << 16):
        yield block[: 1 << 16].decode(errors="replace")


def _divided(lines: Lines, how: TextSplit, notes: list[str]) -> dict[str, Lines]:
    """Lines by part, chosen at random; the order stays."""
    place = torch.empty(len(lines), dtype=torch.int64)
    place[permutation(key_of("test", how.seed), len(lines))] = torch.arange(len(lines))
    test, valid = round(len(lines) * how.test), round(len(lines) * how.valid)
    first = test + valid * (how.seed // FOLD)
    held = (place >= first) & (place < first + valid)
    kinds = torch.where(place < test, 2, torch.where(held, 1, 0)).tolist()
    notes.append(f"split: random, {test:,} lines for the test, {valid:,} for validation")
    return {name: [line for line, kind in zip(lines, kinds, strict=True) if kind == k] for k, name in enumerate(PARTS)}


def _with_valid(read: dict[str, Lines], how: TextSplit, notes: list[str]) -> dict[str, Lines]:
    """Given parts without a validation part: the last lines of the training part become one."""
    lines = read["train"]
    held = round(len(lines) * how.valid)
    notes.append(f"split: the last {held:,} lines of the training part for validation")
    return read | {"train": lines[: len(lines) - held], "valid": lines[len(lines) - held :]}
