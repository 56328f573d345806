"""For language: the docstrings of the standard library as running text."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from negatives.data.offline.sources import mine
from negatives.data.words import CUTS

LINE = re.compile(r"(?<=[.!?:])\s+|\n\s*\n")


def docstring_lines(root: Path | None = None, cache: bool = True) -> tuple[list[list[str]], list[str]]:
    """Sentences of all docstrings, each as lower-case words and marks, examples left out, and what was read.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.

    >>> LINE.split("Don't. Go\\n\\non!")
    ["Don't.", 'Go', 'on!']
    """
    docs = mine(root, cache).filter(pl.col("doc").str.len_chars() > 0)["doc"]
    lines = [CUTS["marks"](one) for doc in docs for one in LINE.split(doc) if ">>>" not in one]
    lines = [line for line in lines if len(line) > 2]
    words = sum(len(line) for line in lines)
    return lines, [f"standard library: {len(docs):,} docstrings, {len(lines):,} sentences, {words:,} words"]
