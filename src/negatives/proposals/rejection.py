"""Exact draws from what is left of any distribution once some items are excluded.

With ``X`` the items excluded for a query, the distribution is ``q(i | not X) = q(i) / (1 - Q(X))`` for the items
outside ``X``. Rejection draws from it exactly; a bounded number of tries, then one draw by enumeration, keeps
it exact and always ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from negatives.kernels import contains
from negatives.randomness import Purpose, bits, stream, uniforms
from negatives.types import Context, Csr

TRIES = 16
CELLS = 1 << 22
"""Cells of a dense (rows, items) table that enumeration may hold at once."""


class Distribution(Protocol):
    """What is asked of a proposal here; each is promised by :class:`~negatives.proposals.base.Proposal`."""

    def draw(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]: ...
    def log_prob(self, ids: Tensor, context: Context) -> Tensor: ...
    def log_allowed(self, context: Context, exclude: Csr) -> Tensor: ...


def blocks(rows: Tensor, n_items: int) -> Iterator[Tensor]:
    """``rows`` ``(n,)`` in pieces whose dense tables over ``n_items`` fit in memory."""
    size = max(1, CELLS // n_items)
    for start in range(0, rows.numel(), size):
        yield rows[start : start + size]


def some_rows(context: Context, n: int, key: int) -> Tensor:
    """Positions ``(min(n, rows),)`` of rows taken at random, ascending; which rows, does not depend on their order."""
    if n >= context.rows:
        return torch.arange(context.rows, device=context.device)
    return torch.argsort(bits(key, context.examples, context.step), stable=True)[:n].sort().values


def derived(key: int, index: int) -> int:
    """A stream of its own for the ``index``-th use of a key."""
    return stream(key, Purpose.CANDIDATES, index)


def pick(weights: Tensor, uniform: Tensor) -> Tensor:
    """Positions drawn in proportion to weights, by inversion.

    Args:
        weights: ``(rows, n)`` float64, not negative.
        uniform: ``(rows, k)`` float64 in ``[0, 1)``.

    Returns:
        ``(rows, k)`` int64, never a position of weight zero; -1 where all weights of the row are zero.

    >>> pick(torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 0.99]], dtype=torch.float64))
    tensor([[1, 1]])
    """
    sums = weights.cumsum(1)
    total = sums[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))
    found = torch.searchsorted(sums, torch.minimum(uniform * total, below), right=True)
    return torch.where(total > 0, found, -1)


def excluded_mask(exclude: Csr, queries: Tensor) -> Tensor:
    """``(rows, n_items)`` bool, True for the items excluded for each row's query."""
    start, stop = exclude.indptr[queries], exclude.indptr[queries + 1]
    lengths = stop - start
    rows = torch.repeat_interleave(torch.arange(queries.numel(), device=queries.device), lengths)
    first = torch.repeat_interleave(start - (lengths.cumsum(0) - lengths), lengths, output_size=rows.numel())
    mask = torch.zeros((queries.numel(), exclude.n_cols), dtype=torch.bool, device=queries.device)
    mask[rows, exclude.indices[first + torch.arange(first.numel(), device=queries.device)].long()] = True
    return mask


def redraw(
    draw: Callable[[Tensor, int], Tensor],
    weights: Callable[[Tensor], Tensor],
    context: Context,
    key: int,
    exclude: Csr,
    tries: int = TRIES,
) -> Tensor:
    """Draw, redraw what is excluded, and enumerate what is left after ``tries``.

    Args:
        draw: Gives ids ``(n, k)`` for the rows at positions ``(n,)``, with a key.
        weights: Gives the same distribution as weights ``(n, n_items)`` float64 for those rows.
        context: The batch.
        key: Random stream.
        exclude: Items that must not be drawn, per query.
        tries: Draws before enumeration.

    Returns:
        ids ``(rows, k)`` int64; -1 where no item is left.
    """
    rows = torch.arange(context.rows, device=context.device)
    ids = draw(rows, key)
    bad = contains(exclude, context.queries, ids)
    for attempt in range(1, tries):
        rows = bad.any(1).nonzero()[:, 0]
        if rows.numel() == 0:
            return ids
        ids[rows] = torch.where(bad[rows], draw(rows, derived(key, attempt)), ids[rows])
        bad[rows] = contains(exclude, context.queries[rows], ids[rows])
    rows = bad.any(1).nonzero()[:, 0]
    slots = torch.arange(ids.shape[1], device=ids.device)
    for part in blocks(rows, exclude.n_cols):
        left = weights(part).masked_fill(excluded_mask(exclude, context.queries[part]), 0.0)
        chosen = pick(left, uniforms(derived(key, tries), context.examples[part, None], slots))
        ids[part] = torch.where(bad[part], chosen, ids[part])
    return ids


def all_log_probs(proposal: Distribution, context: Context, n_items: int) -> Tensor:
    """``(rows, n_items)`` float64 log-probability of every item, nothing excluded."""
    items = torch.arange(n_items, device=context.device)
    return proposal.log_prob(items.expand(context.rows, -1), context).double()


def log_allowed(proposal: Distribution, context: Context, exclude: Csr) -> Tensor:
    """``(rows,)`` float32, ``log(1 - Q(excluded))``, summed over the items that stay; -inf if none does."""
    found = torch.empty(context.rows, dtype=torch.float32, device=context.device)
    positions = torch.arange(context.rows, device=context.device)
    for part in blocks(positions, exclude.n_cols):
        some = context.take(part)
        log_probs = all_log_probs(proposal, some, exclude.n_cols)
        found[part] = log_probs.masked_fill(excluded_mask(exclude, some.queries), -torch.inf).logsumexp(1).float()
    return found


def conditional_log_q(log_prob: Tensor, log_rest: Tensor, ids: Tensor) -> Tensor:
    """``log q(i) - log(1 - Q(excluded))``, and 0 in slots that hold no item (id -1).

    Args:
        log_prob: ``(rows, k)`` unconditional log-probability.
        log_rest: ``(rows,)`` log-probability of not being excluded.
        ids: ``(rows, k)``.
    """
    return torch.where(ids >= 0, log_prob - log_rest[:, None], 0.0)


def draw_allowed(proposal: Distribution, context: Context, k: int, key: int, exclude: Csr) -> tuple[Tensor, Tensor]:
    """What a proposal's ``draw`` promises under ``exclude``, for one that can draw without it.

    Args:
        proposal: Draws without exclusion and knows its ``log_prob``.
        context: The batch.
        k: Draws per row.
        key: Random stream.
        exclude: Items that must not be drawn, per query.

    Returns:
        ids ``(rows, k)`` int64, -1 where no item is left, and the conditional log_q ``(rows, k)``.
    """
    ids = redraw(
        lambda rows, one: proposal.draw(context.take(rows), k, one)[0].clone(),
        lambda rows: all_log_probs(proposal, context.take(rows), exclude.n_cols).exp(),
        context,
        key,
        exclude,
    )
    log_prob = proposal.log_prob(ids.clamp(min=0), context)
    return ids, conditional_log_q(log_prob, proposal.log_allowed(context, exclude), ids)
