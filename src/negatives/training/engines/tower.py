"""The engine for a query tower and a table of items: PyTorch differentiates the tower, kernels move the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives import kernels
from negatives.models.tower import TowerModel
from negatives.ranks import Ranks
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.divided import Divided, Share
from negatives.training.engines.gradients import differentiate, differentiate_pool_
from negatives.training.engines.grouping import Encoded, blocks, grouped, in_groups, summed_by
from negatives.training.engines.mixed import MixedOptimiser
from negatives.training.engines.pool import Blocks, PoolPass, PoolProducts, by_blocks
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives, State

CELLS = 1 << 19
"""Scores of rows with a shared pool that are computed and differentiated at a time: they stay in the cache."""
LEAST = 64
"""Rows that one matrix product has at least, however large the pool."""


@dataclass(slots=True)
class TowerEngine(Engine):
    """For :class:`TowerModel`: time and memory of a step grow with the negatives drawn, not with the items.

    The gradient is that of the mean loss. It goes down to the scores by autograd, from there to the query vectors and
    the touched items by matrix products or kernels, and through the tower by autograd again. Neighbouring rows of
    one query are encoded and scored once. Tower parameters whose gradient is sparse move row by row too, by the lazy
    form of the optimiser; the others by PyTorch's.

    Several processes may divide the rows of each step (:meth:`divide`), to the same loss and step up to rounding.
    """

    model: TowerModel
    model_type = TowerModel
    family = "a tower beside a table of items"
    _items: RowOptimiser = field(init=False)
    _tower: MixedOptimiser = field(init=False)
    _divided: Divided = field(init=False)

    def _prepare(self) -> None:
        self._divided = Divided(self.model)
        rule, table = self.model.table_steps.table_optimiser or self.update.optimiser, self.model.item_table
        self._items = RowOptimiser(table.data, rule, self.update.weight_decay)
        self._tower = MixedOptimiser(self.model, self.update, [table])

    def divide(self, ranks: Ranks) -> None:
        self._divided = Divided(self.model, ranks)

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        mine = self._divided
        self.model.refresh(context)
        distinct, owner = grouped(context.queries)
        share = mine.share(context)
        own, of = mine.groups(share, owner, distinct.numel())
        with torch.enable_grad():
            vectors = mine.queries(distinct, own)
        everyone = Encoded(self.model, context.queries, mine.joined(vectors, context.rows, owner), owner)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, everyone)
        start = perf_counter()
        encoded = everyone if of is owner else Encoded(self.model, share.context.queries, vectors.detach(), of)
        step = self._step_rows if negatives.pool is None else self._step_pool
        done, per_query, items, summed = step(share, encoded, share.of(negatives), start)
        start = perf_counter()
        loss = finite(mine.summed(done.total) / share.total, context)
        self._through(context, vectors, per_query)
        start = self._spend("backward", start)
        self._update(items, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, *mine.seen(context.rows, done.positive, done.seen))

    def state(self) -> State:
        return {"items": self._items.state(), **self._tower.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._items.load_state(state["items"])
        self._tower.load_state(state)

    def _step_rows(
        self, share: Share, encoded: Encoded, negatives: Negatives, start: float
    ) -> tuple[PoolPass, Tensor, Tensor, Tensor]:
        """Negatives per row: the scores, gradients of the distinct vectors, touched items, and their gradients."""
        ids = torch.cat([share.context.positives[:, None], negatives.ids], 1)
        if negatives.scores is None or negatives.positive_scores is None:
            scores = encoded.score(encoded.queries, ids)
        else:
            scores = torch.cat([negatives.positive_scores[:, None], negatives.scores], 1)
        start = self._spend("forward", start)
        total, positive, negative = differentiate(self.loss, scores[:, 0], scores[:, 1:], negatives)
        grad = torch.cat([positive[:, None], negative], 1) / share.total
        start = self._spend("loss", start)
        table = self._items.table
        per_row, items, summed = kernels.score_backward(encoded.vectors, table, encoded.owner, ids, grad)
        done = PoolPass(total, scores[:, 0], positive, scores[:, 1:])
        self._spend("backward", start)
        return done, summed_by(per_row, encoded.owner, len(encoded.vectors)), items, summed

    def _step_pool(
        self, share: Share, encoded: Encoded, negatives: Negatives, start: float
    ) -> tuple[PoolPass, Tensor, Tensor, Tensor]:
        """As :meth:`_step_rows`, by matrix products over blocks of queries; the scores are never whole.

        Scores of the positives and their gradients go through kernels, for rows may share their query's vector.
        """
        vectors, owner, pool = encoded.vectors, encoded.owner, negatives.ids[0]
        products = PoolProducts(vectors, self._items.table[pool], self.update.half)
        positive = encoded.score(encoded.queries, share.context.positives)
        self._spend("forward", start)
        size = max(LEAST, CELLS // pool.numel())
        shared = in_groups(negatives, owner, len(vectors))
        each = Blocks(blocks(owner, len(vectors), size, shared is not None), owner)

        def gradient(good: Tensor, scores: Tensor, some: slice, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
            mine, part = owner[rows] - some.start, negatives.take(rows)
            if shared is not None:
                part = replace(shared.take(some), positive_log_q=part.positive_log_q)
                losses, of_good, grad = differentiate(self.loss, good, scores.float(), part, mine)
            elif mine.numel() == len(scores):
                return *differentiate_pool_(self.loss, good, scores, part, size), scores
            else:
                losses, of_good, grad = differentiate(self.loss, good, scores[mine].float(), part)
                grad = summed_by(grad, mine, len(scores))
            return losses, of_good, grad.to(scores.dtype)

        done = by_blocks(products, positive, each, gradient, self._spend)
        start = perf_counter()
        pairs = share.context.positives[:, None], done.of_positive[:, None]
        per_row, items, summed = kernels.score_backward(vectors, self._items.table, owner, *pairs)
        per_query = products.per_row.add_(summed_by(per_row, owner, len(vectors)))
        both = torch.cat([pool, items]), torch.cat([products.grad_pool, summed])
        items, summed = kernels.sum_rows(*both, self.model.n_items)
        self._spend("backward", start)
        return done, per_query.div_(share.total), items, summed.div_(share.total)

    def _through(self, context: Context, vectors: Tensor, per_query: Tensor) -> None:
        """Take the gradient of the vectors, and this process's share of the penalty's, to the tower's parameters."""
        self._tower.forget()
        penalty = self.model.penalty(context)
        if vectors.requires_grad:
            torch.autograd.backward([vectors], [per_query], retain_graph=penalty is not None)
        if penalty is not None:
            (penalty / self._divided.ranks.count).backward()  # type: ignore[no-untyped-call]

    def _update(self, items: Tensor, summed: Tensor, lr: float) -> None:
        table = {"items": self._items.table}
        touched = self._divided.sum_rows({"items": (items, summed)}, table)["items"]
        self._items.step(*touched, lr * self.model.table_steps.table_rate)
        self._tower.step(lr, self._divided)
