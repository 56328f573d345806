"""The offline sentence pairs: sentences of one docstring, of one module, and of different modules."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from negatives.data.offline.sources import mine
from negatives.data.readers.scored_pairs import Scored, ScoredTable

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
LEAST_WORDS = 4


def related_docstrings(root: Path | None = None, cache: bool = True) -> ScoredTable:
    """Pairs with three grades: 2 for the first two sentences of one docstring, 1 for first sentences of one module, 0
    for those of different modules.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.
    """
    records = mine(root, cache).filter(pl.col("doc").is_not_null())
    found: list[tuple[str, str, str]] = []
    for module, doc in records.select("module", "doc").iter_rows():
        flat = [" ".join(part.split()) for part in SENTENCE.split(doc.strip())]
        if len(flat) > 1 and all(LEAST_WORDS <= len(part.split()) <= 40 for part in flat[:2]):
            found.append((str(module), flat[0], flat[1]))
    rows: list[Scored] = [(first, second, 2.0) for _, first, second in found]
    half = len(found) // 2
    for index, (module, first, _) in enumerate(found):
        nearby = found[index - 1]
        if nearby[0] == module and nearby[1] != first:
            rows.append((first, nearby[1], 1.0))
        other = found[(index + half) % len(found)]
        if other[0] != module and other[1] != first:
            rows.append((first, other[1], 0.0))
    notes = (f"standard library: {len(found):,} docstrings of two sentences, {len(rows):,} pairs",)
    return ScoredTable(rows, notes)
