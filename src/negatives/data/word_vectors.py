"""Word vectors in the two formats of word2vec, which gensim, fastText and many others read and write.

Both begin with a line ``number dimension``. Text: a line ``word v v v ...`` for each word. Binary: the word, a blank,
and the float32 numbers in little-endian order, then a line feed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from negatives.data.readers.blocks import faults_told, open_bytes
from negatives.errors import InputError

HINT = "give vectors as word2vec, gensim or fastText write them"
LONGEST_WORD = 10_000


def write_text(file: IO[str], words: Iterable[str], vectors: Tensor) -> None:
    """Write the text format; words must not hold blanks.

    Args:
        file: Open for text in UTF-8.
        words: ``n`` names.
        vectors: ``(n, d)``.
    """
    file.write(f"{vectors.shape[0]} {vectors.shape[1]}\n")
    for word, row in zip(words, vectors.float().numpy(), strict=True):
        file.write(f"{word} {' '.join(map(str, row))}\n")


def write_binary(file: IO[bytes], words: Iterable[str], vectors: Tensor) -> None:
    """Write the binary format; words must not hold blanks."""
    file.write(f"{vectors.shape[0]} {vectors.shape[1]}\n".encode())
    for word, row in zip(words, vectors.float().numpy().astype("<f4"), strict=True):
        file.write(word.encode() + b" " + row.tobytes() + b"\n")


def read_word_vectors(path: Path) -> tuple[list[str], Tensor]:
    """Words and vectors ``(n, d)`` float32 of a file in either format, compressed or not.

    Raises:
        InputError: The file is missing, cut off, or of another format; names the line of a text.
    """
    with faults_told(path), open_bytes(path) as file:
        n, dim = _head(path, file.readline(1000))
        return _read(path, file, n, dim)


def _head(path: Path, line: bytes) -> tuple[int, int]:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[1]) < 1:
        raise InputError("the first line is not 'number dimension'", path=path, line=1, hint=HINT)
    return int(parts[0]), int(parts[1])


def _read(path: Path, file: IO[bytes], n: int, dim: int) -> tuple[list[str], Tensor]:
    """What follows the first line; text where the first entry is a line of ``1 + dim`` parts that are numbers."""
    words: list[str] = []
    rows: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    first = file.read(64 * 1024)
    line = first.partition(b"\n")[0]
    parts = line.split()
    if len(parts) == dim + 1 and _numbers(parts[1:]) is not None:
        lines = (first + file.read()).split(b"\n")
        for at, one in enumerate(lines[:n], 2):
            fields = one.rstrip(b"\r ").rsplit(b" ", dim)
            row = _numbers(fields[1:])
            if len(fields) != dim + 1 or row is None:
                raise InputError(f"not a word and {dim} numbers", path=path, line=at, hint=HINT)
            words.append(fields[0].decode(errors="replace"))
            rows.append(row)
    else:
        rest = first + file.read()
        at = 0
        while len(words) < n:
            blank = rest.find(b" ", at, at + LONGEST_WORD)
            if blank < 0 or blank + 1 + 4 * dim > len(rest):
                break
            words.append(rest[at:blank].lstrip(b"\n").decode(errors="replace"))
            rows.append(np.frombuffer(rest, "<f4", dim, blank + 1))
            at = blank + 1 + 4 * dim
    if len(words) != n:
        raise InputError(
            f"{len(words):,} of {n:,} words are there", path=path, hint="the file is cut off; fetch it again"
        )
    return words, torch.from_numpy(np.array(rows, np.float32).reshape(n, dim))


def _numbers(parts: Sequence[bytes]) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
    try:
        return np.array([float(part) for part in parts], np.float32)
    except ValueError:
        return None
