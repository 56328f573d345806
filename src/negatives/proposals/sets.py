"""Uniform draws from a set of items that each row owns: what typed and neighbourhood proposals are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.kernels import contains
from negatives.proposals.rejection import conditional_log_q, derived
from negatives.randomness import bits, bounded
from negatives.types import Context, Csr

TRIES = 4
"""Draws before what is allowed of a set is listed."""


def listed(sets: Csr, owners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Members of the rows ``owners`` ``(n,)`` laid end to end: place in ``owners``, member, and size of each set."""
    start, sizes = sets.indptr[owners], sets.lengths()[owners]
    rows = torch.repeat_interleave(torch.arange(owners.numel(), device=owners.device), sizes)
    offset = torch.arange(rows.numel(), device=owners.device) - (sizes.cumsum(0) - sizes)[rows]
    return rows, sets.indices[start[rows] + offset].to(torch.int64), sizes


def member_count(sets: Csr, owners: Tensor, exclude: Csr, queries: Tensor) -> Tensor:
    """``(rows,)`` int64: how many members of each row's set are excluded for its query."""
    rows, items, _ = listed(exclude, queries)
    inside = contains(sets, owners[rows], items[:, None])[:, 0]
    return torch.bincount(rows[inside], minlength=owners.numel())


def draw_members(sets: Csr, owners: Tensor, context: Context, k: int, key: int, exclude: Csr | None = None) -> Tensor:
    """Uniform draws with replacement from what is allowed of each row's set, ``(rows, k)``; -1 where nothing is.

    Args:
        sets: Items of each owner.
        owners: ``(rows,)`` int64 row of ``sets`` for each row of the batch.
        context: The batch.
        k: Draws per row.
        key: Random stream.
        exclude: Items that must not be drawn, per query.
    """
    ids = _members(sets, owners, context.examples, k, key)
    if exclude is None:
        return ids
    bad = (ids >= 0) & contains(exclude, context.queries, ids.clamp(min=0))
    for attempt in range(1, TRIES):
        rows = bad.any(1).nonzero()[:, 0]
        if rows.numel() == 0:
            return ids
        again = _members(sets, owners[rows], context.examples[rows], k, derived(key, attempt))
        ids[rows] = torch.where(bad[rows], again, ids[rows])
        bad[rows] &= contains(exclude, context.queries[rows], ids[rows].clamp(min=0))
    rows = bad.any(1).nonzero()[:, 0]
    if rows.numel():
        left = _from_list(sets, owners[rows], context.queries[rows], context.examples[rows], k, key, exclude)
        ids[rows] = torch.where(bad[rows], left, ids[rows])
    return ids


def _upper(key: int, examples: Tensor, k: int, bound: Tensor) -> Tensor:
    """``(rows, k)`` integers below ``bound`` ``(rows,)``."""
    return bounded(bits(key, examples[:, None], torch.arange(k, device=examples.device)), bound[:, None])


def _members(sets: Csr, owners: Tensor, examples: Tensor, k: int, key: int) -> Tensor:
    sizes = sets.lengths()[owners]
    if sets.nnz == 0:
        return torch.full((owners.numel(), k), -1, dtype=torch.int64, device=owners.device)
    places = sets.indptr[owners][:, None] + _upper(key, examples, k, sizes)
    ids = sets.indices[places.clamp(max=sets.nnz - 1)].to(torch.int64)
    return torch.where(sizes[:, None] > 0, ids, -1)


def _from_list(sets: Csr, owners: Tensor, queries: Tensor, examples: Tensor, k: int, key: int, exclude: Csr) -> Tensor:
    """As :func:`draw_members`, by listing the allowed members of each row's set."""
    rows, items, _ = listed(sets, owners)
    allowed = ~contains(exclude, queries[rows], items[:, None])[:, 0]
    rows, items = rows[allowed], items[allowed]
    counts = torch.bincount(rows, minlength=owners.numel())
    if items.numel() == 0:
        return torch.full((owners.numel(), k), -1, dtype=torch.int64, device=owners.device)
    first = counts.cumsum(0) - counts
    places = first[:, None] + _upper(derived(key, TRIES), examples, k, counts)
    return torch.where(counts[:, None] > 0, items[places.clamp(max=items.numel() - 1)], -1)


def members_log_prob(sets: Csr, owners: Tensor, ids: Tensor) -> Tensor:
    """``-log |set|`` for members, minus infinity for all else, ``(rows, n)`` float32."""
    inside = contains(sets, owners, ids)
    sizes = sets.lengths()[owners].clamp(min=1).double().log().float()
    return torch.where(inside, -sizes[:, None], -torch.inf)


def allowed_share(sets: Csr, owners: Tensor, exclude: Csr, queries: Tensor) -> Tensor:
    """``(rows,)`` float32, log of the share of each row's set that is allowed; -inf where nothing is."""
    sizes = sets.lengths()[owners]
    left = sizes - member_count(sets, owners, exclude, queries)
    return (left.double() / sizes.clamp(min=1)).log().float()


@dataclass(slots=True)
class AllowedShares:
    """:func:`allowed_share` where the owner follows from the query, remembered once computed."""

    _of: Csr | None = None
    _rest: Tensor = field(default_factory=lambda: torch.empty(0))

    def get(self, sets: Csr, owners: Tensor, exclude: Csr, queries: Tensor) -> Tensor:
        """``(rows,)`` float32."""
        if self._of is not exclude:
            self._of, self._rest = exclude, torch.full((exclude.n_rows,), torch.nan, device=queries.device)
        missing = self._rest[queries].isnan()
        if bool(missing.any()):
            some = queries[missing]
            self._rest[some] = allowed_share(sets, owners[missing], exclude, some)
        return self._rest[queries]


def with_log_q(ids: Tensor, log_prob: Tensor, log_rest: Tensor | None) -> tuple[Tensor, Tensor]:
    """Ids with their log-probability, conditional on the exclusion where there is one; 0 where nothing was drawn."""
    if log_rest is None:
        return ids, torch.where(ids >= 0, log_prob, 0.0)
    return ids, conditional_log_q(log_prob, torch.where(log_rest > -torch.inf, log_rest, 0.0), ids)
