"""How much is held back, and how much of it is looked at."""

from __future__ import annotations

from typing import TypedDict, cast

import torch
from torch import Tensor

from negatives.config import RunConfig
from negatives.data.splits import folded
from negatives.randomness import Purpose, permutation, stream
from negatives.types import Csr


class Held(TypedDict, total=False):
    """Shares of a split that were asked for; what is left out the reader decides."""

    test: float
    valid: float


class Shares(Held, total=False):
    """The same for data in which known positives can be hidden."""

    canaries: float


def held(config: RunConfig) -> Held:
    """Shares of the test and the validation part, where they were asked for."""
    given = shares(config)
    given.pop("canaries", None)
    return given


def shares(config: RunConfig) -> Shares:
    """Shares of the test, the validation part and the canaries, where they were asked for."""
    given = {name: getattr(config.split, name) for name in Shares.__annotations__}
    return cast(Shares, {name: value for name, value in given.items() if value is not None})


def split_seed(config: RunConfig) -> int:
    """The seed by which the data is divided."""
    return folded(config.split_seed, config.split.fold or 0)


def most(config: RunConfig, part: str) -> int | None:
    """How many queries of a part are evaluated at most; None for all."""
    return config.evaluation.queries if part == "valid" else None


def chosen(n: int, most: int | None, seed: int) -> Tensor:
    """``most`` of the places below ``n`` in order, chosen by the seed; all where there are not more.

    >>> chosen(3, None, 0).tolist(), chosen(3, 2, 0).numel()
    ([0, 1, 2], 2)
    """
    if most is None or n <= most:
        return torch.arange(n)
    places: Tensor = permutation(stream(seed, Purpose.PROBES), n)[:most].sort().values
    return places


def no_pairs(n_rows: int, n_cols: int) -> Csr:
    """Sets without items, for data without canaries or exclusions."""
    return Csr(torch.zeros(n_rows + 1, dtype=torch.int64), torch.empty(0, dtype=torch.int32), n_cols)


def share(hidden: int, others: int) -> float:
    """Share of what is hidden."""
    return hidden / max(1, hidden + others)
