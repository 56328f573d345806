"""The offline search collection: the first line of a docstring asks for the function that it describes."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from negatives.data.offline.sources import mine
from negatives.data.offline.views import split_name
from negatives.data.readers.beir import Collection, Judged

LEAST_WORDS = 4
"""Shorter first lines say too little to search by."""


def documented_functions(root: Path | None = None, cache: bool = True) -> Collection:
    """Functions and classes as documents, first lines of docstrings as queries.

    A document holds the words of the qualified name, what the code uses, and the docstring after its first line; so
    the query itself is not in it. Equal first lines are one query with several answers.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.
    """
    records = mine(root, cache).filter(pl.col("kind") != "module", pl.col("doc").is_not_null())
    documents: dict[str, str] = {}
    queries: dict[str, str] = {}
    judged: list[Judged] = []
    for module, name, uses, doc in records.select("module", "name", "uses", "doc").iter_rows():
        label = f"{module}.{name}"
        first, _, rest = doc.strip().partition("\n")
        if label in documents or len(first.split()) < LEAST_WORDS:
            continue
        words = [word for one in (label, *dict.fromkeys(uses)) for part in one.split(".") for word in split_name(part)]
        documents[label] = " ".join([*words, rest.strip()]).strip()
        query = queries.setdefault(first.strip().lower(), f"q{len(queries)}")
        judged.append((query, label, 1))
    texts = {name: text for text, name in queries.items()}
    notes = (
        f"standard library: {len(documents):,} functions and classes with a docstring of {LEAST_WORDS} words or more",
        f"standard library: {len(texts):,} different first lines as queries",
    )
    return Collection(documents, {}, texts, {"all": judged}, notes)
