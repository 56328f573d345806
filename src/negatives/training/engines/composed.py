"""The engine for models whose query vectors are composed of rows: PyTorch differentiates the composition alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import distances as kernels
from negatives.kernels import sum_rows
from negatives.models.knowledge import ComposedModel
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import BLOCK, Engine, Outcome, finite, rows_of
from negatives.training.engines.pool_products import PoolProducts
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives, State

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
    entities, and autograd from the vectors to the rows they are made of. As in :class:`RowEngine`, the gradient of a
    batch is the sum over its rows.

    Args:
        optimiser: ``sgd``, ``adagrad`` or ``adam``.
        weight_decay: L2 factor on touched rows.
        half: Multiply by a shared pool in bfloat16.
    """

    optimiser: str = "adagrad"
    weight_decay: float = 0.0
    half: bool = False
    _entities: RowOptimiser = field(init=False)
    _relations: RowOptimiser = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, ComposedModel):
            raise ConfigError(f"{type(self.model).__name__} does not compose queries from rows of entities")
        self._entities = RowOptimiser(self.model.entities.data, self.optimiser, self.weight_decay)
        self._relations = RowOptimiser(self.model.relations.data, self.optimiser, self.weight_decay)

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        leaves = self._compose(context)
        pool = negatives.pool
        if pool is not None and self._model.kind in PRODUCTS:
            return self._step_pool(context, negatives, leaves, lr, start)
        return self._step_rows(context, negatives, leaves, lr, start)

    def state(self) -> State:
        return {"entities": self._entities.state(), "relations": self._relations.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._entities.load_state(state["entities"])
        self._relations.load_state(state["relations"])

    @property
    def _model(self) -> ComposedModel:
        assert isinstance(self.model, ComposedModel)
        return self.model

    def _compose(self, context: Context) -> Leaves:
        model = self._model
        with torch.enable_grad():
            heads, relations = (rows.detach().requires_grad_() for rows in model.gather(context.queries))
            tails = model.entities[context.positives].detach().requires_grad_()
            table = model.relations.detach().requires_grad_()
            vectors = model.composed(heads, relations, context)
            extras = model.extras((heads, relations, tails), context.queries, table)
            return Leaves(heads, relations, tails, table, vectors, extras)

    def _step_rows(self, context: Context, negatives: Negatives, leaves: Leaves, lr: float, start: float) -> Outcome:
        ids = torch.cat([context.positives[:, None], negatives.ids], 1)
        table, kind = self._entities.table, self._model.kind
        vectors = leaves.vectors.detach()
        if negatives.scores is None or negatives.positive_scores is None or self._model.drops:
            scores = kernels.pair_scores(vectors, table, ids, kind)
        else:
            scores = torch.cat([negatives.positive_scores[:, None], negatives.scores], 1)
        start = self._spend("forward", start)
        total, positive, negative = self._differentiate(scores[:, 0], scores[:, 1:], negatives)
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
        """As :meth:`RowEngine._step_pool`: matrix products over blocks of rows, the loss over chunks of those."""
        vectors, pool = leaves.vectors.detach(), negatives.ids[0]
        good, bad = leaves.tails.detach(), self._entities.table[pool]
        products = PoolProducts(vectors, bad, self.half, self._model.kind == "l2")
        positive = products.pairs(good)
        grad_pos = torch.empty_like(positive)
        total, seen = torch.zeros((), device=vectors.device), []
        known = None if self._model.drops else negatives.scores
        block = max(1, BLOCK // pool.numel())
        for at in range(0, context.rows, block):
            rows = slice(at, at + block)
            scores = products.scores(rows) if known is None else products.taken(known[rows])
            start = self._spend("forward", start)
            if at < OBSERVED_ROWS:
                seen.append(scores[: OBSERVED_ROWS - at].to(torch.float32, copy=True))
            losses, grad_pos[rows] = self._pool_gradient(positive[rows], scores, rows_of(negatives, rows))
            total += losses
            start = self._spend("loss", start)
            products.backward(rows, scores)
            start = self._spend("backward", start)
        loss = finite(total / context.rows, context)
        grad_good = products.pairs_backward(good, positive, grad_pos)
        extra_ids, extra = self._through(context, leaves, products.per_row)
        each = torch.cat([products.grad_pool, grad_good, extra])
        items, summed = sum_rows(torch.cat([pool, context.positives, extra_ids]), each, len(self._entities.table))
        start = self._spend("backward", start)
        self._update(context, leaves, items, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, positive, torch.cat(seen))

    def _through(self, context: Context, leaves: Leaves, per_row: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient of the vectors to that of entities: their ids ``(m,)`` and gradients ``(m, w)``."""
        if leaves.extras is None:
            torch.autograd.backward([leaves.vectors], [per_row])
        else:
            torch.autograd.backward([leaves.vectors, leaves.extras], [per_row, torch.ones_like(leaves.extras)])
        assert leaves.heads.grad is not None
        heads = self._model.query_heads[context.queries]
        if leaves.tails.grad is None:
            return heads, leaves.heads.grad
        return torch.cat([heads, context.positives]), torch.cat([leaves.heads.grad, leaves.tails.grad])

    def _update(self, context: Context, leaves: Leaves, items: Tensor, summed: Tensor, lr: float) -> None:
        self._entities.step(items, summed, lr)
        grad, whole = leaves.relations.grad, leaves.table.grad
        if grad is None:
            return
        rows, summed = sum_rows(self._model.query_relations[context.queries], grad, len(self._relations.table))
        if whole is not None:  # every relation was scored
            summed, rows = whole.index_add_(0, rows, summed), torch.arange(len(whole), device=rows.device)
        self._relations.step(rows, summed, lr)


__all__ = ["ComposedEngine"]
