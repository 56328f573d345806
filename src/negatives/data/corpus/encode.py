"""Number the words of a text in one pass, then drop rare words and count the ids down by frequency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from negatives.data.corpus.encoded import LONGEST, TOKENS, Bounds, Corpus, Folder, Ids
from negatives.errors import InputError

PIECE = 1 << 20
"""Tokens that are handled at a time."""
FIRST = "first.int32"


class _Numbers(dict[str, int]):
    """Words by first appearance."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


@dataclass(slots=True)
class _Writer:
    """Collects ids in pieces and adds them to a file.

    Args:
        file: Where they go.
        lengths: Lengths of the sentences so far, in pieces.
    """

    file: BinaryIO
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1024, np.int64))
    lengths: list[Bounds] = field(default_factory=list)

    def add(self, ids: Ids, lengths: Bounds) -> None:
        found = np.bincount(ids)
        if len(found) > len(self.counts):
            self.counts = np.concatenate([self.counts, np.zeros(2 * len(found) - len(self.counts), np.int64)])
        self.counts[: len(found)] += found
        self.lengths.append(lengths)
        ids.tofile(self.file)

    def bounds(self) -> Bounds:
        lengths = np.concatenate([np.zeros(1, np.int64), *self.lengths])
        return np.cumsum(lengths)


def encode(
    sentences: Iterable[list[str]],
    *,
    min_count: int = 5,
    max_words: int | None = None,
    hold_out: int = 0,
    path: Path | None = None,
) -> Corpus:
    """Write a text as ids into a folder of its own below the system's temporary folder.

    Args:
        sentences: Words of each sentence.
        min_count: Words that occur less often are dropped.
        max_words: Only so many of the most frequent words stay.
        hold_out: Every so many-th sentence is held out; 0 for none.
        path: The text's place, for messages.

    Raises:
        InputError: No word occurs often enough, or no sentence has two words that do.
    """
    folder = Folder()
    first = Path(folder.name) / FIRST
    numbers = _Numbers()
    with first.open("wb") as file:
        writer = _Writer(file)
        _number(sentences, numbers, writer)
    counts, bounds = writer.counts[: len(numbers)], writer.bounds()
    order = np.argsort(-counts, kind="stable")
    kept = order[counts[order] >= min_count][:max_words]
    if not kept.size:
        most = int(counts.max(initial=0))
        raise InputError(
            f"no word occurs {min_count} times; the most frequent occurs {most} times",
            path=path, hint="give more text, or lower reading.min_count",
        )  # fmt: skip
    table = np.full(len(numbers), -1, np.int32)
    table[kept] = np.arange(kept.size, dtype=np.int32)
    names = list(numbers)
    notes = [f"text: {int(bounds[-1]):,} words, {len(bounds) - 1:,} sentences, {len(names):,} different words"]
    words = [names[i] for i in kept]
    rare = int(counts.sum() - counts[kept].sum())
    notes.append(
        f"text: {len(words):,} words occur at least {min_count} times and stay; "
        f"{len(names) - len(words):,} others dropped, {rare / max(1, int(counts.sum())):.1%} of the text"
    )
    del numbers, names
    corpus = renumber(folder, first, bounds, table, words, hold_out=hold_out)
    corpus.notes[:0] = notes
    first.unlink()
    if corpus.n_tokens < 2:
        raise InputError("no sentence has two words that stay", path=path, hint="give more text on each line")
    return corpus


def _number(sentences: Iterable[list[str]], numbers: _Numbers, writer: _Writer) -> None:
    ids: list[int] = []
    lengths: list[int] = []
    look = numbers.__getitem__
    for words in sentences:
        ids.extend(map(look, words))
        lengths.append(len(words))
        if len(ids) >= PIECE:
            writer.add(np.array(ids, np.int32), np.array(lengths, np.int64))
            ids, lengths = [], []
    writer.add(np.array(ids, np.int32), np.array(lengths, np.int64))


def renumber(
    folder: Folder,
    source: Path,
    bounds: Bounds,
    table: Ids,
    words: list[str],
    *,
    hold_out: int = 0,
) -> Corpus:
    """Read ids, map them by ``table`` (-1 drops), cut long sentences, drop those of one word, and write the rest."""
    held_ids: list[Ids] = []
    held_lengths: list[Bounds] = []
    alone = 0
    target = Path(folder.name) / TOKENS
    with target.open("wb") as file:
        writer = _Writer(file, np.zeros(len(words), np.int64))
        for first, stop in pieces(bounds):
            old = np.fromfile(source, np.int32, int(bounds[stop] - bounds[first]), offset=4 * int(bounds[first]))
            ids = table[old]
            owner = np.repeat(np.arange(first, stop), np.diff(bounds[first : stop + 1]))[ids >= 0]
            ids, sentence = _cut(ids[ids >= 0], owner)
            sizes = np.bincount(sentence)
            lonely = sizes[sentence] < 2
            alone += int(lonely.sum())
            out = (owner % hold_out == hold_out - 1) & ~lonely if hold_out else np.zeros(len(ids), bool)
            for chosen, keep in ((True, out), (False, ~out & ~lonely)):
                lengths = np.bincount(sentence[keep], minlength=len(sizes))
                lengths = lengths[lengths > 0].astype(np.int64)
                if chosen:
                    held_ids.append(ids[keep])
                    held_lengths.append(lengths)
                else:
                    writer.add(ids[keep], lengths)
    notes = [f"text: {alone:,} sentences of one word left out"] if alone else []
    held = np.concatenate([np.empty(0, np.int32), *held_ids]), np.cumsum(np.concatenate([[0], *held_lengths]))
    if hold_out:
        notes.append(f"text: {len(held[1]) - 1:,} sentences with {len(held[0]):,} words held out")
    counts = torch.from_numpy(writer.counts[: len(words)].copy())
    return Corpus(folder, words, counts, writer.bounds(), notes, (held[0], held[1].astype(np.int64)))


def pieces(bounds: Bounds, size: int | None = None) -> list[tuple[int, int]]:
    """Ranges of sentences of about ``size`` tokens, a million when None."""
    starts = np.unique(np.searchsorted(bounds, np.arange(0, int(bounds[-1]), size or PIECE), side="right") - 1)
    ends = np.append(starts, len(bounds) - 1)
    return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


def _cut(ids: Ids, owner: Bounds) -> tuple[Ids, Bounds]:
    """Numbers from zero for the sentences, where one of more than ``LONGEST`` words becomes several."""
    new = np.concatenate([[True], owner[1:] != owner[:-1]]) if len(owner) else np.empty(0, bool)
    begin = np.maximum.accumulate(np.where(new, np.arange(len(owner)), 0))
    new |= (np.arange(len(owner)) - begin) % LONGEST == 0
    return ids, np.cumsum(new) - 1
