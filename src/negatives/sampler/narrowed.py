"""Any proposal without some of its items: what is left of its distribution, exactly.

With ``N`` the items that are never drawn and ``X`` those excluded for the query, draws follow
``q(i) / (1 - Q(X or N))`` over all other items. ``X`` differs by query and is known before training; ``N`` is the same
for all and may change from step to step, so it costs no table of queries by items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.kernels import contains
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import CELLS, blocks, conditional_log_q
from negatives.proposals.static import StaticTable
from negatives.randomness import Purpose, stream
from negatives.types import Catalogue, Context, Csr, Scorer, State

TRIES = 8
"""Draws before what is left is drawn from by the proposal's own exclusion."""
NEARLY_ALL = 0.9
"""Above this share that is gone, what is left is summed by itself, for ``1 - x`` would lose digits."""


@dataclass(slots=True)
class Never:
    """Items that are not drawn.

    Args:
        mask: ``(n_items,)`` bool, True for them.
    """

    mask: Tensor
    gone: Tensor = field(init=False, repr=False)
    left: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.gone, self.left = self.mask.nonzero()[:, 0], (~self.mask).nonzero()[:, 0]

    @property
    def mostly(self) -> bool:
        """True when they are more than half of all."""
        return 2 * self.gone.numel() > self.mask.numel()


@dataclass(slots=True)
class Narrowed(Proposal):
    """A proposal that never draws some items.

    Rejects draws, which is cheap where little of the distribution is gone. Where most of one that is the same for all
    queries is gone, draws come from a table of what is left; where most of one that depends on the query is, they cost
    a table of rows by items. Pools that a proposal draws in a way of its own (in-batch, every, mixed) lose the items
    and are so much smaller.

    Args:
        inner: The proposal.
        never: Items that are not drawn.
    """

    inner: Proposal
    never: Never

    @property
    def conditional(self) -> bool:
        return self.inner.conditional

    @property
    def needs_queries(self) -> bool:
        return self.inner.needs_queries

    @property
    def of_batch(self) -> bool:
        return self.inner.of_batch

    @property
    def needs_scorer(self) -> bool:
        return self.inner.needs_scorer

    def bind(self, catalogue: Catalogue) -> None:
        self.inner.bind(catalogue)

    def observe(self, context: Context) -> None:
        self.inner.observe(context)

    def refresh(self, context: Context, scorer: Scorer) -> None:
        self.inner.refresh(context, scorer)

    def state(self) -> State:
        return self.inner.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state(state)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        if (table := self._table(context)) is not None:
            return table.draw(context, k, key, exclude)
        ids = self.inner.draw(context, k, key, exclude)[0].clone()
        bad = self._bad(ids)
        for attempt in range(1, TRIES):
            rows = bad.any(1).nonzero()[:, 0]
            if not rows.numel():
                break
            some = self._drawn(context, rows, k, stream(key, Purpose.REDRAWN, attempt), exclude)
            ids[rows] = torch.where(bad[rows], some, ids[rows])
            bad[rows] &= self._bad(ids[rows])
        rows = bad.any(1).nonzero()[:, 0]
        for part in torch.split(rows, max(1, CELLS // max(1, self.never.gone.numel()))) if rows.numel() else ():
            both = self._with_excluded(context, part, exclude)
            some = self._drawn(context, part, k, stream(key, Purpose.REDRAWN, TRIES), both)
            ids[part] = torch.where(bad[part], some, ids[part])
        log_prob = self.inner.log_prob(ids.clamp(min=0), context)
        return ids, conditional_log_q(log_prob, self._log_rest(context, exclude), ids)

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`."""
        if type(self.inner).pool is Proposal.pool:
            return Proposal.pool(self, context, k, key)
        ids, log_q = self.inner.pool(context, k, key)
        kept = ((ids >= 0) & ~self.never.mask[ids.clamp(min=0)]).nonzero()[:, 0]
        if not kept.numel():
            return ids.new_full((1,), -1), log_q.new_zeros(1)
        return ids[kept], log_q[kept] - self._log_rest(context.pooled(), None)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; minus infinity for what is never drawn."""
        log_prob = self.inner.log_prob(ids, context) - self._log_rest(context, None)[:, None]
        return log_prob.nan_to_num_(nan=-torch.inf, neginf=-torch.inf).masked_fill_(self.never.mask[ids], -torch.inf)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`."""
        left, inner = self._log_rest(context, None) == -torch.inf, self.inner.empty(context)
        return left if inner is None else left | inner

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        found = self._log_rest(context, exclude) - self._log_rest(context, None)
        return found.nan_to_num(nan=-torch.inf, neginf=-torch.inf)

    def _bad(self, ids: Tensor) -> Tensor:
        """``(rows, k)`` bool: draws that must be drawn again."""
        return self.never.mask[ids.clamp(min=0)] & (ids >= 0)

    def _table(self, context: Context) -> StaticTable | None:
        """What is left of a distribution that all rows share, where it is little."""
        if self.inner.conditional or self.inner.of_batch or not context.rows or not self.never.mostly:
            return None
        weights = torch.zeros(self.never.mask.numel(), dtype=torch.float64, device=context.device)
        weights[self.never.left] = self._shared(self.never.left, context)
        return StaticTable.of(weights, "what is left to draw") if bool(weights.any()) else None

    def _shared(self, items: Tensor, context: Context) -> Tensor:
        """``(n,)`` float64 probability of items ``(n,)`` under a distribution that all rows share."""
        first = context.take(torch.zeros(1, dtype=torch.int64, device=context.device))
        return self.inner.log_prob(items[None], first)[0].double().exp()

    def _drawn(self, context: Context, rows: Tensor, k: int, key: int, exclude: Csr | None) -> Tensor:
        """Ids ``(n, k)`` for the rows at positions ``(n,)``, among them some that must be drawn again."""
        if self.inner.of_batch:
            return self.inner.draw(context, k, key, exclude)[0][rows]
        return self.inner.draw(context.take(rows), k, key, exclude)[0]

    def _with_excluded(self, context: Context, some: Tensor, exclude: Csr | None) -> Csr:
        """What is excluded for the queries of ``some`` rows, and what is never drawn, in one table."""
        distinct = torch.unique(context.queries[some])
        n_rows = int(context.queries.max()) + 1 if exclude is None else exclude.n_rows
        rows, items = distinct.repeat_interleave(self.never.gone.numel()), self.never.gone.repeat(distinct.numel())
        if exclude is not None:
            held = exclude.pick(distinct)
            rows = torch.cat([rows, distinct.repeat_interleave(held.lengths())])
            items = torch.cat([items, held.indices.to(torch.int64)])
        return Csr.from_pairs(rows, items, n_rows, self.never.mask.numel()).to(context.device)

    def _log_rest(self, context: Context, exclude: Csr | None) -> Tensor:
        """``(rows,)`` float32, ``log(1 - Q(X or N))``; minus infinity where nothing is left."""
        if not context.rows:
            return torch.zeros(0, device=context.device)
        if self.never.mostly:
            return self._mass(self.never.left, context, exclude).log().float()
        whole = torch.ones(context.rows, dtype=torch.float64, device=context.device)
        if exclude is not None:
            whole = self.inner.log_allowed(context, exclude).double().exp()
        rest = whole - self._mass(self.never.gone, context, exclude)
        close = (rest < (1.0 - NEARLY_ALL) * whole).nonzero()[:, 0]
        if close.numel():
            rest[close] = self._mass(self.never.left, context.take(close), exclude)
        return rest.log().float()

    def _mass(self, items: Tensor, context: Context, exclude: Csr | None) -> Tensor:
        """``(rows,)`` float64 probability of the items ``(n,)`` that are not excluded for each row's query."""
        if not items.numel():
            return torch.zeros(context.rows, dtype=torch.float64, device=context.device)
        if not self.inner.conditional:
            return self._shared_mass(items, context, exclude)
        found = torch.empty(context.rows, dtype=torch.float64, device=context.device)
        for part in blocks(torch.arange(context.rows, device=context.device), items.numel()):
            some = context.take(part)
            each = items.expand(some.rows, -1)
            mass = self.inner.log_prob(each, some).double().exp()
            if exclude is not None:
                mass = mass.masked_fill(contains(exclude, some.queries, each), 0.0)
            found[part] = mass.sum(1)
        return found

    def _shared_mass(self, items: Tensor, context: Context, exclude: Csr | None) -> Tensor:
        """As :meth:`_mass`, for a distribution that all rows share: one look at the items, then at what is excluded."""
        each = self._shared(items, context)
        total = each.sum()
        if exclude is None:
            return total.expand(context.rows).clone()
        weights = torch.zeros(self.never.mask.numel(), dtype=torch.float64, device=context.device)
        weights[items] = each
        held = exclude.pick(context.queries)
        each_row = torch.arange(context.rows, device=context.device)
        rows = each_row.repeat_interleave(held.lengths(), output_size=held.nnz)
        out = torch.zeros(context.rows, dtype=torch.float64, device=context.device)
        left = total - out.index_add_(0, rows, weights[held.indices.to(torch.int64)])
        return left.where(left > 1e-12 * total, 0.0)  # what rounding leaves of nothing
