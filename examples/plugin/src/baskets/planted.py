"""Baskets whose next one is known: each user goes round the aisles, one aisle a basket."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from negatives.randomness import Purpose, integers, stream

AISLES = ("bakery", "dairy", "fruit", "greens", "drinks", "sweets", "frozen", "paper")
SHELVES = 6
"""Items of an aisle."""
TAKEN = 3
"""Items of a basket."""


def lines(users: int = 200, baskets: int = 7, seed: int = 0) -> Iterator[str]:
    """Lines ``user item item item``: one basket a line, in the order of time.

    >>> next(lines())
    'user000 fruit2 fruit3 fruit4'
    """
    key = stream(seed, Purpose.NOISE)
    first = integers(key, torch.arange(users), 0, len(AISLES)).tolist()
    for basket in range(baskets):
        for user in range(users):
            aisle = AISLES[(first[user] + basket) % len(AISLES)]
            shelf, step = integers(key, torch.tensor(user), 1 + basket + torch.tensor([0, 100]), SHELVES - 1).tolist()
            shelves = [(shelf + place * (1 + 4 * (step % 2))) % SHELVES + 1 for place in range(TAKEN)]
            yield f"user{user:03} " + " ".join(f"{aisle}{one}" for one in shelves)


__all__ = ["lines"]
