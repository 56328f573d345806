"""Names in formats whose columns end at a blank."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars


def words(names: polars.Series) -> Iterator[str]:
    """Names without blanks, each once: those that then stand twice, and empty ones, get ``#`` and their index.

    >>> list(words(polars.Series(["a b", "a_b", ""])))
    ['a_b', 'a_b#1', '#2']
    """
    seen: set[str] = set()
    for index, name in enumerate(names):
        word = re.sub(r"\s", "_", name or "")
        if not word or word in seen:
            word = f"{word}#{index}"
        seen.add(word)
        yield word
