"""The engine for models of two free tables: kernels update their rows without autograd."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor

from negatives import kernels
from negatives.models import TableModel
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.gradients import differentiate
from negatives.training.engines.pool import PoolProducts, through_pool
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives


@dataclass(slots=True)
class RowEngine(Engine):
    """For models of two free tables: the loss is differentiated down to the scores, kernels do the rest.

    The gradient of a batch is the *sum* over its rows, so that the step size does not depend on the batch's length.
    """

    model: TableModel
    model_type = TableModel
    family = "made of two free tables"
    _queries: RowOptimiser = field(init=False)
    _items: RowOptimiser = field(init=False)

    def _prepare(self) -> None:
        rule, decay = self.update.optimiser, self.update.weight_decay
        self._queries = RowOptimiser(self.model.query_table.data, rule, decay)
        self._items = RowOptimiser(self.model.item_table.data, rule, decay)
        self.memory = {"queries": self._queries, "items": self._items}

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        pool = negatives.pool
        if pool is None:
            return self._step_rows(context, negatives, lr, start)
        return self._step_pool(context, negatives, pool, lr, start)

    def _step_rows(self, context: Context, negatives: Negatives, lr: float, start: float) -> Outcome:
        ids = torch.cat([context.positives[:, None], negatives.ids], 1)
        if negatives.scores is None or negatives.positive_scores is None:
            with torch.no_grad():
                scores = self.model.score(context.queries, ids)
        else:
            scores = torch.cat([negatives.positive_scores[:, None], negatives.scores], 1)
        start = self._spend("forward", start)
        total, *grads = differentiate(self.loss, scores[:, 0], scores[:, 1:], negatives)
        loss = finite(total / context.rows, context)
        grad = torch.cat([grads[0][:, None], grads[1]], 1)
        start = self._spend("loss", start)
        users, items = self._queries.table, self._items.table
        if self.update.optimiser == "sgd" and self.model.similarity == "dot":
            kernels.sgd_pairs_(users, items, context.queries, ids, grad, lr, self.update.weight_decay)
            self._spend("update", start)
            return Outcome(loss, negatives, scores[:, 0], scores[:, 1:])
        if self.model.similarity == "cosine":
            rows, index, summed = _cosine_backward(users, items, context.queries, ids, scores, grad)
        else:
            rows, index, summed = kernels.score_backward(users, items, context.queries, ids, grad)
        start = self._spend("backward", start)
        self._update(context.queries, rows, (grad != 0).any(1), index, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, scores[:, 0], scores[:, 1:])

    def _step_pool(self, context: Context, negatives: Negatives, pool: Tensor, lr: float, start: float) -> Outcome:
        cosine = self.model.similarity == "cosine"
        users, norm_u = _unit(self._queries.table[context.queries], cosine)
        good, norm_g = _unit(self._items.table[context.positives], cosine)
        bad, norm_b = _unit(self._items.table[pool], cosine)
        self._spend("forward", start)
        products = PoolProducts(users, bad, self.update.half)
        done, of_good = through_pool(self.loss, products, good, negatives, self._spend)
        loss = finite(done.total / context.rows, context)
        start = perf_counter()
        grad_users = _tangent(products.per_row, users, norm_u)
        items = torch.cat([pool, context.positives])
        each = torch.cat([_tangent(products.grad_pool, bad, norm_b), _tangent(of_good, good, norm_g)])
        index, summed = kernels.sum_rows(items, each, len(self._items.table))
        start = self._spend("backward", start)
        self._update(context.queries, grad_users, done.of_positive != 0, index, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, done.positive, done.seen)

    def _update(self, queries: Tensor, rows: Tensor, used: Tensor, items: Tensor, summed: Tensor, lr: float) -> None:
        """Move what the batch has touched; rows without a gradient, which are not ``used``, touch nothing."""
        if not bool(used.all()):
            queries, rows = queries[used], rows[used]
        distinct, per_query = kernels.sum_rows(queries, rows, len(self._queries.table))
        self._queries.step(distinct, per_query, lr)
        self._items.step(items, summed, lr)


def _unit(vectors: Tensor, cosine: bool) -> tuple[Tensor, Tensor | None]:
    if not cosine:
        return vectors, None
    norms = vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return vectors / norms, norms


def _tangent(grad: Tensor, unit: Tensor, norms: Tensor | None) -> Tensor:
    """The gradient through ``unit = x / |x|``; unchanged where nothing was scaled."""
    if norms is None:
        return grad
    return (grad - (grad * unit).sum(1, keepdim=True) * unit) / norms


def _cosine_backward(
    users: Tensor, items: Tensor, queries: Tensor, ids: Tensor, scores: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`kernels.score_backward` for ``s = <u, v> / (|u| |v|)``."""
    norm_u = users[queries].norm(dim=1, keepdim=True).clamp(min=1e-12)
    norm_v = items.norm(dim=1).clamp(min=1e-12)
    rows, index, summed = kernels.score_backward(users, items, queries, ids, grad / norm_u / norm_v[ids])
    along = grad * scores
    rows -= along.sum(1, keepdim=True) / norm_u**2 * users[queries]
    shares = torch.zeros(len(items), device=items.device).index_add_(0, ids.reshape(-1), along.reshape(-1))
    summed -= (shares / norm_v**2)[index, None] * items[index]
    return rows, index, summed
