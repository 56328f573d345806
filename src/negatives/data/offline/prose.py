"""The standard library's own prose as an offline text: docstrings and comments, a paragraph a sentence."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from negatives.data.offline.sources import mine, sources
from negatives.data.words import words_of


def paragraphs(root: Path | None = None, cache: bool = True) -> Iterator[list[str]]:
    """Words of each paragraph of the docstrings, then of each block of comments, in lower case.

    Args:
        root: Folder of sources; None for the standard library of the running Python.
        cache: Use the user's cache folder for the docstrings.
    """
    for doc in mine(root, cache)["doc"].drop_nulls():
        for paragraph in re.split(r"\n\s*\n", doc):
            if words := words_of(paragraph):
                yield words
    for path in sources(root or Path(sysconfig.get_paths()["stdlib"])):
        yield from _comments(path.read_text(encoding="utf-8", errors="replace"))


def _comments(text: str) -> Iterator[list[str]]:
    lines = (line.strip() for line in text.splitlines())
    for comment, block in groupby(lines, key=lambda line: line.startswith("#")):
        if comment and (words := words_of(" ".join(block))):
            yield words
