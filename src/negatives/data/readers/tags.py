"""The citeulike folder as classification: the words of an article are its features, its tags the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.labelled import LabelledTable
from negatives.data.readers.blocks import blocks
from negatives.data.readers.citeulike import counted, read_words
from negatives.errors import InputError

TAGS, WORDS, TAG_NAMES, WORD_NAMES = "tag-item.dat", "mult.dat", "tags.dat", "vocabulary.dat"


def read_tags(folder: Path) -> LabelledTable:
    """Read ``mult.dat`` (words of each article) and ``tag-item.dat`` (articles of each tag).

    Raises:
        InputError: A count does not match its line, a tag names an article without a line in ``mult.dat``, or a file
            of names has another length.
    """
    features = read_words(folder / WORDS)
    sizes, articles = counted(folder / TAGS, 1)
    labels = np.repeat(np.arange(sizes.size), sizes)
    if articles.size and articles.max() >= features.n_rows:
        line = int(labels[articles.argmax()]) + 1
        message = f"article {articles.max()} is beyond the {features.n_rows:,} lines of {WORDS}"
        raise InputError(message, path=folder / TAGS, line=line, hint="take both files from the same data set")
    order = np.argsort(articles, kind="stable")
    notes = (
        f"{WORDS}: {features.n_rows:,} articles, {features.n_cols:,} words",
        f"{TAGS}: {sizes.size:,} tags, {articles.size:,} pairs",
    )
    return LabelledTable(
        articles[order],
        pl.Series("label", labels[order]),
        features,
        notes,
        n_labels=int(sizes.size),
        label_names=_names(folder / TAG_NAMES, sizes.size),
        feature_names=_names(folder / WORD_NAMES, features.n_cols),
    )


def _names(path: Path, expected: int) -> pl.Series | None:
    """One name per line; None where the file is missing or states fewer names."""
    if not path.is_file():
        return None
    names = [name for _, block in blocks(path) for name in block.decode().split("\n")[:-1]]
    if len(names) < expected:
        raise InputError(
            f"{len(names):,} names for {expected:,}", path=path, hint="take all files from the same data set"
        )
    return pl.Series("name", [name.strip() for name in names[:expected]], dtype=pl.String)
