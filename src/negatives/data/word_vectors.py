"""Word vectors in the formats of word2vec, which gensim, fastText and many others read and write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from negatives.data.vector_blocks import Rows, VectorFile


def write_text(file: IO[str], words: Iterable[str], vectors: Tensor, header: bool = True) -> None:
    """Write the text format; words must not hold blanks.

    Args:
        file: Open for text in UTF-8.
        words: ``n`` names.
        vectors: ``(n, d)``.
        header: Whether a first line says how many of which length, as word2vec has it and GloVe has not.
    """
    if header:
        file.write(f"{vectors.shape[0]} {vectors.shape[1]}\n")
    for word, row in zip(words, vectors.float().numpy(), strict=True):
        file.write(f"{word} {' '.join(map(str, row))}\n")


def write_binary(file: IO[bytes], words: Iterable[str], vectors: Tensor) -> None:
    """Write the binary format; words must not hold blanks."""
    file.write(f"{vectors.shape[0]} {vectors.shape[1]}\n".encode())
    for word, row in zip(words, vectors.float().numpy().astype("<f4"), strict=True):
        file.write(word.encode() + b" " + row.tobytes() + b"\n")


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words and their vectors.

    Args:
        words: ``n`` names, each once.
        vectors: ``(n, d)`` float32.
        notes: What was found: vectors that are zero or not finite, words that stood twice.
    """

    words: list[str]
    vectors: Tensor
    notes: tuple[str, ...]


def load_word_vectors(path: Path) -> WordVectors:
    """The vectors of a file in any format of :mod:`negatives.data.vector_blocks`, compressed or not.

    Of a word that stands there twice the first vector is kept.

    Raises:
        InputError: The file is missing, cut off, or of another format; names the line of a text.
    """
    source = VectorFile(path)
    words, blocks = list[str](), list[Rows]()
    for names, rows in source.blocks():
        words += names
        blocks.append(rows)
    vectors = _together(blocks)
    first = {word: at for at, word in zip(range(len(words) - 1, -1, -1), reversed(words), strict=True)}
    twice = len(words) - len(first)
    if twice:
        kept = sorted(first.values())
        words, vectors = [words[at] for at in kept], vectors[kept]
    finite = np.isfinite(vectors).all(1)
    counted = (
        (twice, "words that stand there again left out"),
        (int((~finite).sum()), "vectors that are not finite"),
        (int((~vectors.any(1)).sum()), "vectors of zeros"),
    )
    found = [f"{len(words):,} words, vectors of {vectors.shape[1]} numbers"]
    found += [f"{count:,} {what}" for count, what in counted if count]
    notes = (*(f"{path.name}: {note}" for note in found), *source.notes)
    return WordVectors(words, torch.from_numpy(vectors), notes)


def _together(blocks: list[Rows]) -> Rows:
    """All blocks in one table; each is given up as soon as it is copied, so that they are held once."""
    if len(blocks) < 2:
        return blocks[0] if blocks else np.empty((0, 0), np.float32)
    table = np.empty((sum(map(len, blocks)), blocks[0].shape[1]), np.float32)
    stop = len(table)
    while blocks:
        block = blocks.pop()
        table[stop - len(block) : stop] = block
        stop -= len(block)
    return table
