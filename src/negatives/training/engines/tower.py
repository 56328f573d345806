"""The engine for a query tower and a table of items: PyTorch differentiates the tower, kernels move the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from negatives import kernels
from negatives.models.tower import TowerModel
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.dense import DenseOptimiser
from negatives.training.engines.gradients import differentiate, differentiate_pool_
from negatives.training.engines.grouping import Encoded, blocks, grouped, in_groups, summed_by
from negatives.training.engines.pool import Blocks, PoolProducts, by_blocks
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
    """

    model: TowerModel
    model_type = TowerModel
    family = "a tower beside a table of items"
    _items: RowOptimiser = field(init=False)
    _rows: dict[str, RowOptimiser] = field(init=False)
    _dense: DenseOptimiser | None = field(init=False)

    def _prepare(self) -> None:
        rule, decay = self.model.table_steps.table_optimiser or self.update.optimiser, self.update.weight_decay
        self._items = RowOptimiser(self.model.item_table.data, rule, decay)
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        sparse = {names[id(parameter)]: parameter for parameter in self.model.sparse_parameters()}
        self._rows = {name: RowOptimiser(parameter.data, rule, decay) for name, parameter in sparse.items()}
        rest = [p for p in self._parameters() if names[id(p)] not in sparse]
        self._dense = DenseOptimiser(rest, self.update) if rest else None

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        self.model.refresh(context)
        distinct, owner = grouped(context.queries)
        with torch.enable_grad():
            vectors = self.model.encode_queries(distinct)
        start = self._spend("forward", start)
        encoded = Encoded(self.model, context.queries, vectors.detach(), owner)
        negatives = self.sampler.sample(context, encoded)
        start = perf_counter()
        step = self._step_rows if negatives.pool is None else self._step_pool
        outcome, per_query, items, summed = step(context, encoded, negatives, start)
        start = perf_counter()
        self._through(context, vectors, per_query)
        start = self._spend("backward", start)
        self._update(items, summed, lr)
        self._spend("update", start)
        return outcome

    def state(self) -> State:
        return {
            "items": self._items.state(),
            "rows": {name: rows.state() for name, rows in self._rows.items()},
            "dense": {} if self._dense is None else self._dense.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._items.load_state(state["items"])
        for name, rows in self._rows.items():
            rows.load_state(state["rows"][name])
        if self._dense is not None:
            self._dense.load_state(state["dense"])

    def _parameters(self) -> list[nn.Parameter]:
        """What the tower is made of: all but the item table."""
        return [p for p in self.model.parameters() if p.requires_grad and p is not self.model.item_table]

    def _step_rows(
        self, context: Context, encoded: Encoded, negatives: Negatives, start: float
    ) -> tuple[Outcome, Tensor, Tensor, Tensor]:
        """Negatives per row: the outcome, gradients of the distinct vectors, touched items, and their gradients."""
        ids = torch.cat([context.positives[:, None], negatives.ids], 1)
        if negatives.scores is None or negatives.positive_scores is None:
            scores = encoded.score(context.queries, ids)
        else:
            scores = torch.cat([negatives.positive_scores[:, None], negatives.scores], 1)
        start = self._spend("forward", start)
        total, positive, negative = differentiate(self.loss, scores[:, 0], scores[:, 1:], negatives)
        loss = finite(total / context.rows, context)
        grad = torch.cat([positive[:, None], negative], 1) / context.rows
        start = self._spend("loss", start)
        table = self._items.table
        per_row, items, summed = kernels.score_backward(encoded.vectors, table, encoded.owner, ids, grad)
        outcome = Outcome(loss, negatives, scores[:, 0], scores[:, 1:])
        self._spend("backward", start)
        return outcome, summed_by(per_row, encoded.owner, len(encoded.vectors)), items, summed

    def _step_pool(
        self, context: Context, encoded: Encoded, negatives: Negatives, start: float
    ) -> tuple[Outcome, Tensor, Tensor, Tensor]:
        """As :meth:`_step_rows`, by matrix products over blocks of queries; the scores are never whole.

        Scores of the positives and their gradients go through kernels, for rows may share their query's vector.
        """
        vectors, owner, pool = encoded.vectors, encoded.owner, negatives.ids[0]
        products = PoolProducts(vectors, self._items.table[pool], self.update.half)
        positive = encoded.score(context.queries, context.positives)
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
        loss = finite(done.total / context.rows, context)
        start = perf_counter()
        pairs = context.positives[:, None], done.of_positive[:, None]
        per_row, items, summed = kernels.score_backward(vectors, self._items.table, owner, *pairs)
        per_query = products.per_row.add_(summed_by(per_row, owner, len(vectors)))
        both = torch.cat([pool, items]), torch.cat([products.grad_pool, summed])
        items, summed = kernels.sum_rows(*both, self.model.n_items)
        outcome = Outcome(loss, negatives, positive, done.seen)
        self._spend("backward", start)
        return outcome, per_query.div_(context.rows), items, summed.div_(context.rows)

    def _through(self, context: Context, vectors: Tensor, per_query: Tensor) -> None:
        """Take the gradient of the vectors, and that of the penalty, to the tower's parameters."""
        for parameter in self._parameters():
            parameter.grad = None
        penalty = self.model.penalty(context)
        if vectors.requires_grad:
            torch.autograd.backward([vectors], [per_query], retain_graph=penalty is not None)
        if penalty is not None:
            penalty.backward()  # type: ignore[no-untyped-call]
        if self.model.table_steps.max_norm is not None:
            dense = [p for p in self._parameters() if p.grad is not None and not p.grad.is_sparse]
            nn.utils.clip_grad_norm_(dense, self.model.table_steps.max_norm)

    def _update(self, items: Tensor, summed: Tensor, lr: float) -> None:
        table_lr = lr * self.model.table_steps.table_rate
        self._items.step(items, summed, table_lr)
        named = dict(self.model.named_parameters())
        for name, rows in self._rows.items():
            grad = named[name].grad
            if grad is not None:
                index, values = grad._indices()[0], grad._values()
                rows.step(*kernels.sum_rows(index, values, len(rows.table)), table_lr)
        if self._dense is not None:
            self._dense.step(lr)
