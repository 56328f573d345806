"""Ways to hold rows back. Each looks at a few columns and gives a mask of the rows held back, whatever the rows are.

A loader gives its rows in an order that follows from their ids where it can, so a split depends on the seed and on the
data, not on the order of a file. The methods are those of LensKit's ``splitting``: by row, by a share of each user's
rows, by the last of each, by time, and by whole users, items or groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError
from negatives.kernels import latest_of_each, lowest_of_each
from negatives.randomness import Purpose, permutation, stream, uniforms

STREAMS = {"test": (Purpose.SPLIT, 0), "valid": (Purpose.SPLIT, 1), "canaries": (Purpose.CANARIES, 0)}

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


@dataclass(frozen=True, slots=True)
class Basis:
    """What rows may be divided by; a column is None where the data does not say it.

    Args:
        n: Number of rows.
        queries: ``(n,)`` int64, whose row it is; in growing order for what takes a share of each query's rows.
        items: ``(n,)`` int64, what the row is about.
        times: ``(n,)`` float64, when it was.
        groups: ``(n,)`` int64, rows that belong together: a session, a document.
        covered: Columns ``(n, k)`` of which every id must stay in some row, whatever is held back.
        ordered: Whether each query's rows stand in the order in which they came.
    """

    n: int
    queries: Tensor | None = None
    items: Tensor | None = None
    times: Tensor | None = None
    groups: Tensor | None = None
    covered: tuple[Tensor, ...] = ()
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is held back.

    Args:
        share: Share of the rows, or of the queries, items or groups where they stay whole.
        key: Random stream.
        most: Number of rows that the part should not exceed, or None.
        tested: Share of all rows that the test part has, once it is chosen.
        spare: Number of queries of which nothing should be held back, where a method takes of each.
        free: ``(n,)`` bool, rows of queries of which nothing is held back for validation; None where nobody looked.
    """

    share: float
    key: int
    most: int | None = None
    tested: float = 0.0
    spare: int = 0
    free: Tensor | None = None

    def of(self, n: int) -> float:
        """The share of ``n`` rows, so that ``most`` is kept."""
        return self.share if self.most is None else min(self.share, self.most / max(1, n))


RANDOM = "use --set split.kind=random"
_HINTS = {"groups": "name their column with --columns group=..., or " + RANDOM}
Method = Callable[[Basis, Asked], Tensor]
"""Chooses rows: ``(n,)`` bool."""


def none_at_all(basis: Basis, asked: Asked) -> Tensor:
    """Nothing is held back."""
    return torch.zeros(basis.n, dtype=torch.bool)


def any_rows(basis: Basis, asked: Asked) -> Tensor:
    """A share of the rows, at random.

    In a random order, the rows in which a covered id comes up first stay, the others may go.
    """
    order = permutation(asked.key, basis.n)
    count = round(asked.of(basis.n) * basis.n)
    held = torch.zeros(basis.n, dtype=torch.bool)
    stays = torch.zeros(basis.n, dtype=torch.bool)
    for column in basis.covered:
        ids = column[order].T.reshape(-1)
        first = torch.full((int(ids.max()) + 1 if ids.numel() else 0,), basis.n, dtype=torch.int64)
        first.scatter_reduce_(0, ids, torch.arange(ids.numel()) % max(basis.n, 1), "amin")
        stays[order[first[first < basis.n]]] = True
    held[order[~stays[order]][:count]] = True
    return held


def share_of_each(basis: Basis, asked: Asked) -> Tensor:
    """A share of each query's rows, at random; each query keeps at least one.

    A query with ``n`` rows gives ``floor(n share + u)``, ``u`` uniform, so the share holds on average.
    """
    sizes, starts = _segments(basis)
    return lowest_of_each(starts, _wanted(sizes, asked.of(basis.n), asked.key), asked.key)


def share_of_some(basis: Basis, asked: Asked, most_of_one: float = 0.3) -> Tensor:
    """The share that the test part has, of some queries' rows; so many queries that the asked share is held back.

    A mean over these queries weighs them as a test part does that takes its share of every query's rows. Were the
    asked share taken of all queries, those with many rows would stand for the rest.

    Args:
        basis: The rows.
        asked: How much.
        most_of_one: Largest share of a query's rows.
    """
    share = asked.of(basis.n)
    if share <= 0:
        return none_at_all(basis, asked)
    part = max(share, min(asked.tested, most_of_one))
    sizes, starts = _segments(basis)
    want = _wanted(sizes, part, asked.key) * (_per_query(sizes, asked.key, 2) < share / part)
    held = lowest_of_each(starts, want, asked.key)
    return held if bool(held.any()) else share_of_each(basis, asked)


def last_of_each(basis: Basis, asked: Asked) -> Tensor:
    """The latest row of each query that has two or more; of a random share of the queries where ``most`` asks for it.

    Raises:
        InputError: The rows have no times and no order.
    """
    sizes, starts = _segments(basis)
    chosen = _some(sizes, sizes > 1, asked)
    ends = starts[1:] - 1
    latest = ends if basis.ordered else latest_of_each(starts, _times(basis, "leave_last_out"), asked.key)
    held = torch.zeros(basis.n, dtype=torch.bool)
    held[latest[chosen]] = True
    return held


def last_of_free(basis: Basis, asked: Asked) -> Tensor:
    """The latest row of some queries that have two or more, and of which nothing was held back for validation.

    So many that the asked share of the rows is held back, if there are as many. Nothing that a model is asked before
    the test part then follows a row that it does not see.
    """
    sizes, starts = _segments(basis)
    may = sizes > 1
    if asked.free is not None:
        may &= asked.free[(starts[1:] - 1).clamp(min=0)]
    held = torch.zeros(basis.n, dtype=torch.bool)
    held[(starts[1:] - 1)[_lowest(_per_query(sizes, asked.key), may, round(asked.of(basis.n) * basis.n))]] = True
    return held


def last_share_of_each(basis: Basis, asked: Asked) -> Tensor:
    """A share of each query's rows, the latest; each query keeps at least one.

    Raises:
        InputError: The rows have no times and no order.
    """
    sizes, starts = _segments(basis)
    want = _wanted(sizes, asked.of(basis.n), asked.key)
    want *= _some(sizes, want > 0, asked)
    queries = torch.repeat_interleave(sizes)
    place = torch.arange(basis.n)
    if not basis.ordered:
        order = torch.argsort(_times(basis, "temporal_user"), stable=True)
        place[order[torch.argsort(queries[order], stable=True)]] = torch.arange(basis.n)
    return starts[1:][queries] - place <= want[queries]


def last_group_of_each(basis: Basis, asked: Asked) -> Tensor:
    """The last group of each query that has two or more: what stands together at the end of its rows, in their order.

    Raises:
        InputError: The rows have no groups.
    """
    groups, queries = _column(basis.groups, "groups", "group"), _column(basis.queries, "queries", "group")
    sizes, starts = _segments(basis)
    begins = torch.ones(basis.n, dtype=torch.bool)
    begins[1:] = (groups[1:] != groups[:-1]) | (queries[1:] != queries[:-1])
    runs = begins.cumsum(0)
    ends = (starts[1:] - 1).clamp(min=0)
    last = runs[ends]
    several = (sizes > 0) & (runs[starts[:-1].clamp(max=max(0, basis.n - 1))] < last)
    return (runs == last[queries]) & _some(sizes, several, asked)[queries]


def after_cut(basis: Basis, asked: Asked) -> Tensor:
    """The latest share of all rows: those strictly after one cut in time.

    Raises:
        InputError: The rows have no times, or all of them the same.
    """
    times, share = _times(basis, "by time"), asked.of(basis.n)
    kept = max(1, basis.n - round(basis.n * share))
    late = times > torch.kthvalue(times, kept).values
    if share > 0 and not late.any():
        raise InputError(
            "the latest times are all equal, so no cut holds rows back",
            hint="use --set split.kind=leave_last_out" if basis.ordered else RANDOM,
        )
    return late


def cold_items(basis: Basis, asked: Asked) -> Tensor:
    """All rows of a random share of the items."""
    items = _column(basis.items, "items", "cold_items")
    return _cold(items, asked)[items]


def cold_items_but_last(basis: Basis, asked: Asked) -> Tensor:
    """All rows of a random share of the items, but for items that would take a query's last row."""
    items, queries = _column(basis.items, "items", "cold_items"), _column(basis.queries, "queries", "cold_items")
    cold = _cold(items, asked)
    left = torch.zeros(int(queries.max()) + 1 if basis.n else 0, dtype=torch.bool)
    left[queries[~cold[items]]] = True
    cold[items[~left[queries]]] = False
    return cold[items]


def cold_queries(basis: Basis, asked: Asked) -> Tensor:
    """All rows of a random share of the queries that have rows."""
    return _whole(_column(basis.queries, "queries", "cold_queries"), asked)


def whole_groups(basis: Basis, asked: Asked) -> Tensor:
    """All rows of a random share of the groups.

    Raises:
        InputError: The rows have no groups.
    """
    return _whole(_column(basis.groups, "groups", "group"), asked)


def any_but_first(basis: Basis, asked: Asked) -> Tensor:
    """Each row with the asked probability, but never the first of a query."""
    queries = _column(basis.queries, "queries", "random")
    again = torch.zeros(basis.n, dtype=torch.bool)
    again[1:] = queries[1:] == queries[:-1]
    return again & (uniforms(asked.key, torch.arange(basis.n), 0) < asked.of(basis.n))


def _whole(ids: Tensor, asked: Asked) -> Tensor:
    distinct = torch.unique(ids)
    count = round(asked.of(ids.numel()) * distinct.numel())
    chosen = torch.zeros(int(distinct[-1]) + 1 if distinct.numel() else 0, dtype=torch.bool)
    chosen[distinct[permutation(asked.key, distinct.numel())[:count]]] = True
    return chosen[ids]


def _cold(items: Tensor, asked: Asked) -> Tensor:
    n_items = int(items.max()) + 1 if items.numel() else 0
    return uniforms(asked.key, torch.arange(n_items), 0) < asked.of(items.numel())


def _segments(basis: Basis) -> tuple[Tensor, Tensor]:
    """Rows of each query, and where each query's rows begin, ``(queries + 1,)``."""
    queries = _column(basis.queries, "queries", "random")
    if bool((queries[1:] < queries[:-1]).any()):
        raise ValueError("rows must stand query by query, in growing order")
    sizes = torch.bincount(queries)
    return sizes, torch.nn.functional.pad(sizes.cumsum(0), (1, 0))


def _some(sizes: Tensor, may: Tensor, asked: Asked) -> Tensor:
    """Queries of which rows are held back ``(queries,)`` bool: those that may, but for some where ``most`` asks for
    fewer, and but for those that are to spare.
    """
    chance = _per_query(sizes, asked.key)
    share = 1.0 if asked.most is None else min(1.0, asked.most / max(1, int(sizes.count_nonzero())))
    found = may & (chance < share)
    return _lowest(chance, found, int(found.count_nonzero()) - asked.spare) if asked.spare else found


def _lowest(values: Tensor, may: Tensor, count: int) -> Tensor:
    """``(n,)`` bool, the ``count`` lowest of the values that may be taken, or all of them."""
    places = may.nonzero()[:, 0]
    found = torch.zeros_like(may)
    found[places[torch.argsort(values[places])[: max(0, count)]]] = True
    return found


def _wanted(sizes: Tensor, share: float, key: int) -> Tensor:
    want = torch.floor(sizes * share + _per_query(sizes, key)).to(torch.int64)
    return torch.minimum(want, sizes - 1)


def _per_query(sizes: Tensor, key: int, slot: int = 1) -> Tensor:
    """One uniform number for each query, ``(queries,)`` float64."""
    return uniforms(key, torch.arange(sizes.numel()), slot)


def _column(column: Tensor | None, name: str, split: str) -> Tensor:
    if column is None:
        raise InputError(f"the data has no {name}, which the split {split} needs", hint=_HINTS.get(name, RANDOM))
    return column


def _times(basis: Basis, split: str) -> Tensor:
    if basis.times is None:
        raise InputError(
            f"the data has no times, which the split {split} needs",
            hint="name their column with --columns time=..., or "
            + ("use --set split.kind=leave_last_out" if basis.ordered else RANDOM),
        )
    return basis.times


def check_shares(**shares: float) -> None:
    """Refuse shares outside ``[0, 1)``.

    Raises:
        ConfigError: One is.
    """
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"split.{name} is {share}; a share lies between 0 and 1")
