"""What speaks for an answer: known items that are near it, or words that it shares with the question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from negatives.answering.names import Names

REASONS = {"item": pl.String, "because": pl.String, "score": pl.Float32}
"""Columns of reasons."""
MANY = 10_000
"""Known items that are looked at, at most."""
WORD = re.compile(r"\w{3,}")


def nearest_known(
    names: Names, table: Tensor, known: Sequence[int], items: Sequence[str], most: int = 3
) -> pl.DataFrame:
    """The known items that are nearest to each of some items by cosine, where it is above zero.

    Args:
        names: Names of all items.
        table: Their vectors ``(n, d)``.
        known: Ids of known items.
        items: Names of those that are looked at.
        most: How many for each.

    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> nearest_known(Names("item", pl.Series(["a", "b", "c"])), table, [0, 1], ["c"], most=1).row(0)[:2]
    ('c', 'b')
    """
    ids, others = names.ids(items), torch.tensor(list(known)[:MANY])
    normal = torch.nn.functional.normalize
    cosines = normal(table[ids], dim=-1) @ normal(table[others], dim=-1).T
    cosines = cosines.masked_fill(ids[:, None] == others, -1)
    scores, places = cosines.topk(min(most, len(others)))
    near = scores > 0
    rows = torch.arange(len(ids))[:, None].expand_as(near)[near].tolist()
    found = {
        "item": [items[row] for row in rows],
        "because": names.of(others[places[near]]).cast(pl.String),
        "score": scores[near].numpy(),
    }
    return pl.DataFrame(found, schema=REASONS)


def shared_words(names: Names, texts: Sequence[str], asked: str, items: Sequence[str], most: int = 3) -> pl.DataFrame:
    """The words of a question that stand in the text of each of some items; those that the fewest of them hold first.

    >>> texts = ["An apple a day", "the day of the jackal"]
    >>> names = Names("document", pl.Series(["a", "b"]))
    >>> shared_words(names, texts, "The day of the apple?", ["a"])["because"].to_list()
    ['day', 'apple']
    """
    words = list(dict.fromkeys(WORD.findall(asked.lower())))
    held = [set(WORD.findall(str(texts[one]).lower())) for one in names.ids(items).tolist()]
    often = Counter(word for one in held for word in words if word in one)
    rows = [
        (item, word, None)
        for item, one in zip(items, held, strict=True)
        for word in sorted((word for word in words if word in one), key=often.__getitem__)[:most]
    ]
    return pl.DataFrame(rows, schema=REASONS, orient="row")
