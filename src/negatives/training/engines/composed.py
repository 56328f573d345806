"""The engine for models whose query vectors are composed of rows: PyTorch differentiates the composition alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor

from negatives.kernels import distances as kernels
from negatives.kernels import sum_rows
from negatives.models.knowledge import ComposedModel
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.gradients import differentiate
from negatives.training.engines.pool import PoolProducts, through_pool
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives

PRODUCTS = ("dot", "l2")
"""Comparisons that are one matrix product over a shared pool."""


@dataclass(slots=True)
class Leaves:
    """The gathered rows of one batch, with a gradient each, and what is made of them.

    Args:
        heads: ``(rows, w)`` rows of the queries' entities.
        relations: ``(rows, v)`` rows of their relations.
        tails: ``(rows, w)`` rows of the positives; only the extras read them.
        table: ``(relations, v)`` rows of all relations, for extras that look at all.
        vectors: ``(rows, w)`` composed query vectors.
        extras: What the objective holds beside the loss, summed over the rows, or None.
    """

    heads: Tensor
    relations: Tensor
    tails: Tensor
    table: Tensor
    vectors: Tensor
    extras: Tensor | None


@dataclass(slots=True)
class ComposedEngine(Engine):
    """For :class:`ComposedModel`: kernels score and differentiate vectors against entities and update touched rows.

    The loss is differentiated down to the scores, kernels take it from there to the composed vectors and the
    entities, and autograd from the vectors to the rows they are made of. As with free tables (``rows.py``), the
    gradient of a batch is the sum over its rows.
    """

    model: ComposedModel
    model_type = ComposedModel
    family = "composed of rows of entities"
    _entities: RowOptimiser = field(init=False)
    _relations: RowOptimiser = field(init=False)

    def _prepare(self) -> None:
        rule, decay = self.update.optimiser, self.update.weight_decay
        self._entities = RowOptimiser(self.model.entities.data, rule, decay)
        self._relations = RowOptimiser(self.model.relations.data, rule, decay)
        self.memory = {"entities": self._entities, "relations": self._relations}

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        leaves = self._compose(context)
        pool = negatives.pool
        if pool is not None and self.model.kind in PRODUCTS:
            return self._step_pool(context, negatives, leaves, lr, start)
        return self._step_rows(context, negatives, leaves, lr, start)

    def _compose(self, context: Context) -> Leaves:
        model = self.model
        with torch.enable_grad():
            heads, relations = (rows.detach().requires_grad_() for rows in model.gather(context.queries))
            tails = model.entities[context.positives].detach().requires_grad_()
            table = model.relations.detach().requires_grad_()
            vectors = model.composed(heads, relations, context)
            extras = model.extras((heads, relations, tails), context.queries, table)
            return Leaves(heads, relations, tails, table, vectors, extras)

    def _step_rows(self, context: Context, negatives: Negatives, leaves: Leaves, lr: float, start: float) -> Outcome:
        ids = torch.cat([context.positives[:, None], negatives.ids], 1)
        table, kind = self._entities.table, self.model.kind
        vectors = leaves.vectors.detach()
        if negatives.scores is None or negatives.positive_scores is None or self.model.drops:
            scores = kernels.pair_scores(vectors, table, ids, kind)
        else:
            scores = torch.cat([negatives.positive_scores[:, None], negatives.scores], 1)
        start = self._spend("forward", start)
        total, positive, negative = differentiate(self.loss, scores[:, 0], scores[:, 1:], negatives)
        loss = finite(total / context.rows, context)
        grad = torch.cat([positive[:, None], negative], 1)
        start = self._spend("loss", start)
        per_row, sums = kernels.pair_backward(vectors, table, ids, scores, grad, kind, spare=2 * context.rows)
        items, summed = sums.with_rows(*self._through(context, leaves, per_row))
        start = self._spend("backward", start)
        self._update(context, leaves, items, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, scores[:, 0], scores[:, 1:])

    def _step_pool(self, context: Context, negatives: Negatives, leaves: Leaves, lr: float, start: float) -> Outcome:
        pool, good = negatives.ids[0], leaves.tails.detach()
        bad = self._entities.table[pool]
        products = PoolProducts(leaves.vectors.detach(), bad, self.update.half, self.model.kind == "l2")
        self._spend("forward", start)
        known = None if self.model.drops else negatives.scores
        done, of_good = through_pool(self.loss, products, good, negatives, self._spend, known)
        loss = finite(done.total / context.rows, context)
        start = perf_counter()
        extra_ids, extra = self._through(context, leaves, products.per_row)
        each = torch.cat([products.grad_pool, of_good, extra])
        items, summed = sum_rows(torch.cat([pool, context.positives, extra_ids]), each, len(self._entities.table))
        start = self._spend("backward", start)
        self._update(context, leaves, items, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, done.positive, done.seen)

    def _through(self, context: Context, leaves: Leaves, per_row: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient of the vectors to that of entities: their ids ``(m,)`` and gradients ``(m, w)``."""
        if leaves.extras is None:
            torch.autograd.backward([leaves.vectors], [per_row])
        else:
            torch.autograd.backward([leaves.vectors, leaves.extras], [per_row, torch.ones_like(leaves.extras)])
        assert leaves.heads.grad is not None
        heads = self.model.query_heads[context.queries]
        if leaves.tails.grad is None:
            return heads, leaves.heads.grad
        return torch.cat([heads, context.positives]), torch.cat([leaves.heads.grad, leaves.tails.grad])

    def _update(self, context: Context, leaves: Leaves, items: Tensor, summed: Tensor, lr: float) -> None:
        self._entities.step(items, summed, lr)
        grad, whole = leaves.relations.grad, leaves.table.grad
        if grad is None:
            return
        rows, summed = sum_rows(self.model.query_relations[context.queries], grad, len(self._relations.table))
        if whole is not None:  # every relation was scored
            summed, rows = whole.index_add_(0, rows, summed), torch.arange(len(whole), device=rows.device)
        self._relations.step(rows, summed, lr)
