"""Ways to hold a part of the pairs back. Each returns a mask of the pairs held back.

Pairs are sorted by query and item, so a split depends on the seed and on the data, never on the order of a file.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.data.pairs import Pairs
from negatives.errors import ConfigError, InputError
from negatives.randomness import Purpose, bits, stream, uniforms

STREAMS = {"test": (Purpose.SPLIT, 0), "valid": (Purpose.SPLIT, 1), "canaries": (Purpose.CANARIES, 0)}
SPLITS = ("auto", "given", "random", "leave_last_out", "temporal", "cold_items")


FOLD = 1 << 64
"""Seeds that differ by a multiple of it differ in the validation part alone."""


def folded(seed: int, fold: int) -> int:
    """The seed of another validation part: it is chosen anew, and the test part stays.

    What is left to choose canaries from differs with the validation part, so the canaries do too.

    >>> [key_of(part, folded(3, 1)) == key_of(part, 3) for part in ("test", "valid", "canaries")]
    [True, False, True]
    """
    return seed + fold * FOLD


def key_of(part: str, seed: int) -> int:
    """The key by which a part is chosen; no two parts share one, or their choices would hang together.

    >>> len({key_of(part, 0) for part in ("test", "valid", "canaries")})
    3
    """
    fold, seed = divmod(seed, FOLD)
    purpose, index = STREAMS[part]
    return stream(seed, purpose, index + fold if part == "valid" else index)


def _rank(queries: Tensor, value: Tensor | None, key: int) -> tuple[Tensor, Tensor]:
    """Position of each pair among its query's pairs, and how many pairs its query has; both ``(n,)`` int64.

    The order is by descending ``value``, ties settled by hashed bits; without values it is random.
    """
    n = queries.numel()
    hashed = bits(key, torch.arange(n), 0).bitwise_right_shift_(32).bitwise_and_(0x7FFFFFFF)
    if value is None:
        order = torch.from_numpy(np.argsort(hashed.bitwise_or_(queries << 31).numpy(), kind="stable"))
    else:
        order = torch.from_numpy(np.lexsort((hashed.numpy(), -value.numpy(), queries.numpy())))
    sizes = torch.bincount(queries)
    starts = sizes.cumsum(0) - sizes
    rank = torch.empty(n, dtype=torch.int64)
    rank[order] = torch.arange(n) - starts[queries[order]]
    return rank, sizes[queries]


def random_share(pairs: Pairs, share: float, key: int) -> Tensor:
    """A share of each query's pairs, at random; each query keeps at least one.

    A query with ``n`` pairs gives ``floor(n share + u)``, ``u`` uniform, so the share holds on average.
    """
    if len(pairs) == 0:
        return torch.zeros(0, dtype=torch.bool)
    rank, size = _rank(pairs.queries, None, key)
    want = torch.floor(size * share + _per_query(pairs, key)).to(torch.int64)
    return rank < torch.minimum(want, size - 1)


def share_of_some(pairs: Pairs, share: float, part: float, key: int) -> Tensor:
    """The share ``part`` of the pairs of some queries, so many that the share ``share`` of all pairs is held back.

    A mean over these queries weighs them as a test part does that takes ``part`` of every query's pairs. Were
    ``share`` taken of all queries, those with many pairs would stand for the rest.
    """
    held = random_share(pairs, max(share, part), key)
    return held & (_per_query(pairs, key, 2) < share / max(share, part)) if share > 0 else held & False


def _per_query(pairs: Pairs, key: int, slot: int = 1) -> Tensor:
    """One uniform number for each query, given to all its pairs, ``(n,)`` float64."""
    return uniforms(key, torch.arange(int(pairs.queries.max()) + 1), slot)[pairs.queries]


def last_of_each(pairs: Pairs, share: float, key: int) -> Tensor:
    """The latest pair of a random share of the queries that have two or more.

    Raises:
        InputError: The pairs have no times.
    """
    rank, size = _rank(pairs.queries, _times(pairs, "leave_last_out"), key)
    chosen = _per_query(pairs, key) < share
    return (rank == 0) & (size > 1) & chosen


def after_cut(pairs: Pairs, share: float) -> Tensor:
    """The latest share of all pairs: those strictly after one cut in time.

    Raises:
        InputError: The pairs have no times, or all of them the same.
    """
    times = _times(pairs, "temporal")
    kept = max(1, len(pairs) - round(len(pairs) * share))
    late = times > torch.kthvalue(times, kept).values
    if share > 0 and not late.any():
        raise InputError(
            "the latest times are all equal, so no cut holds pairs back", hint="use --set split.kind=random"
        )
    return late


def cold_share(pairs: Pairs, n_items: int, share: float, key: int, keep_queries: bool) -> Tensor:
    """All pairs of a random share of the items that have pairs.

    Args:
        pairs: Pairs ``(n,)``.
        n_items: Number of items.
        share: Share of the items.
        key: Random stream.
        keep_queries: Leave out items that would take a query's last pair.
    """
    cold = uniforms(key, torch.arange(n_items), 0) < share
    if keep_queries:
        left = torch.zeros(int(pairs.queries.max()) + 1 if len(pairs) else 0, dtype=torch.bool)
        left[pairs.queries[~cold[pairs.items]]] = True
        cold[pairs.items[~left[pairs.queries]]] = False
    return cold[pairs.items]


def _times(pairs: Pairs, split: str) -> Tensor:
    if pairs.times is None:
        raise InputError(
            f"the data has no times, which the split {split} needs",
            hint="name their column with --columns time=..., or use --set split.kind=random",
        )
    return pairs.times


def check_shares(**shares: float) -> None:
    """Refuse shares outside ``[0, 1)``.

    Raises:
        ConfigError: One is.
    """
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"split.{name} is {share}; a share lies between 0 and 1")
