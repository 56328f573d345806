"""How one training step changes a model: by rows for tables, by autograd for everything else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import ConfigError, NonFiniteScores
from negatives.losses.base import Loss
from negatives.models import Model, TableModel
from negatives.sampler import Sampler
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives, State

CELLS = 1 << 19
"""Scores of rows with a shared pool that are computed and differentiated at a time: they stay in the cache."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gives back.

    Args:
        loss: Mean loss of the batch.
        negatives: What the sampler chose.
        positive: ``(rows,)`` detached scores of the positives.
        negative: ``(seen, k)`` detached scores of the negatives of the first rows: of all, or of as many as
            signals are measured on, where a shared pool's scores are streamed.
    """

    loss: float
    negatives: Negatives
    positive: Tensor
    negative: Tensor


@dataclass(slots=True)
class Engine(ABC):
    """Takes one training step.

    Args:
        model: What is trained.
        sampler: Where negatives come from.
        loss: What is minimised.
        seconds: Time spent so far by part of the step, besides the sampler's own.
    """

    model: Model
    sampler: Sampler
    loss: Loss
    seconds: dict[str, float] = field(default_factory=dict)

    @abstractmethod
    def step(self, context: Context, lr: float) -> Outcome:
        """Sample, score, differentiate and update for one batch.

        Raises:
            NonFiniteScores: The loss is NaN or infinite.
        """

    @abstractmethod
    def state(self) -> State:
        """The optimiser's memory."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""

    def _spend(self, part: str, start: float) -> float:
        now = perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - start
        return now


@dataclass(slots=True)
class RowEngine(Engine):
    """For models of two free tables: the loss is differentiated down to the scores, kernels do the rest.

    The gradient of a batch is the *sum* over its rows, so that the step size does not depend on the batch's length.

    Args:
        optimiser: ``sgd``, ``adagrad`` or ``adam``.
        weight_decay: L2 factor on touched rows.
        half: Multiply by a shared pool in bfloat16.
    """

    optimiser: str = "sgd"
    weight_decay: float = 0.0
    half: bool = False
    _queries: RowOptimiser = field(init=False)
    _items: RowOptimiser = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, TableModel):
            raise ConfigError(f"{type(self.model).__name__} is not made of two free tables")
        self._queries = RowOptimiser(self.model.query_table.data, self.optimiser, self.weight_decay)
        self._items = RowOptimiser(self.model.item_table.data, self.optimiser, self.weight_decay)

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        pool = negatives.pool
        if pool is None:
            return self._step_rows(context, negatives, lr, start)
        return self._step_pool(context, negatives, pool, lr, start)

    def state(self) -> State:
        return {"queries": self._queries.state(), "items": self._items.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._queries.load_state(state["queries"])
        self._items.load_state(state["items"])

    def _step_rows(self, context: Context, negatives: Negatives, lr: float, start: float) -> Outcome:
        ids = torch.cat([context.positives[:, None], negatives.ids], 1)
        if negatives.scores is None or negatives.positive_scores is None:
            with torch.no_grad():
                scores = self.model.score(context.queries, ids)
        else:
            scores = torch.cat([negatives.positive_scores[:, None], negatives.scores], 1)
        start = self._spend("forward", start)
        total, *grads = self._differentiate(scores[:, 0], scores[:, 1:], negatives)
        loss = _finite(total / context.rows, context)
        grad = torch.cat([grads[0][:, None], grads[1]], 1)
        start = self._spend("loss", start)
        users, items = self._queries.table, self._items.table
        if self.model.similarity == "cosine":
            rows, index, summed = _cosine_backward(users, items, context.queries, ids, scores, grad)
        else:
            rows, index, summed = kernels.score_backward(users, items, context.queries, ids, grad)
        start = self._spend("backward", start)
        self._update(context.queries, rows, index, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, scores[:, 0], scores[:, 1:])

    def _step_pool(self, context: Context, negatives: Negatives, pool: Tensor, lr: float, start: float) -> Outcome:
        cosine = self.model.similarity == "cosine"
        users, norm_u = _unit(self._queries.table[context.queries], cosine)
        good, norm_g = _unit(self._items.table[context.positives], cosine)
        bad, norm_b = _unit(self._items.table[pool], cosine)
        positive = (users * good).sum(1)
        low_users, low_bad = (users.bfloat16(), bad.bfloat16()) if self.half else (users, bad)
        grad_users, grad_bad, grad_pos = torch.empty_like(users), torch.zeros_like(bad), torch.empty_like(positive)
        total, seen = torch.zeros((), device=users.device), []
        step = max(1, CELLS // pool.numel())
        for at in range(0, context.rows, step):  # (rows, k) is never whole
            rows = slice(at, at + step)
            negative = (low_users[rows] @ low_bad.T).float()
            if at < OBSERVED_ROWS:
                seen.append(negative)
            start = self._spend("forward", start)
            losses, grad_pos[rows], grad = self._differentiate(positive[rows], negative, _rows_of(negatives, rows))
            total += losses
            start = self._spend("loss", start)
            grad = grad.bfloat16() if self.half else grad
            grad_users[rows] = grad @ low_bad
            grad_bad += grad.T @ low_users[rows]
            start = self._spend("backward", start)
        loss = _finite(total / context.rows, context)
        grad_good = _tangent(grad_pos[:, None] * users, good, norm_g)
        grad_users = _tangent(grad_users.addcmul_(grad_pos[:, None], good), users, norm_u)
        items = torch.cat([pool, context.positives])
        each = torch.cat([_tangent(grad_bad, bad, norm_b), grad_good])
        index, summed = kernels.sum_rows(items, each, len(self._items.table))
        start = self._spend("backward", start)
        self._update(context.queries, grad_users, index, summed, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, positive, torch.cat(seen))

    def _differentiate(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """The summed loss, and its gradient with respect to the scores ``(rows,)`` and ``(rows, k)``."""
        leaves = positive.detach().requires_grad_(), negative.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.loss.rows(*leaves, negatives).sum()
        grad_positive, grad_negative = torch.autograd.grad(loss, leaves)
        return loss.detach(), grad_positive, grad_negative

    def _update(self, queries: Tensor, rows: Tensor, items: Tensor, summed: Tensor, lr: float) -> None:
        distinct, per_query = kernels.sum_rows(queries, rows, len(self._queries.table))
        self._queries.step(distinct, per_query, lr)
        self._items.step(items, summed, lr)


@dataclass(slots=True)
class AutogradEngine(Engine):
    """For any module: PyTorch differentiates the mean loss, dense Adam, Adagrad or SGD updates all parameters.

    Args:
        optimiser: ``sgd``, ``adagrad`` or ``adam``.
        weight_decay: L2 factor.
        half: Multiply by a shared pool in bfloat16, through autocast.
    """

    optimiser: str = "adam"
    weight_decay: float = 0.0
    half: bool = False
    _optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        decay = self.weight_decay
        if self.optimiser == "adam":
            self._optimiser = torch.optim.Adam(parameters, lr=1e-3, weight_decay=decay, fused=True)
        elif self.optimiser == "adagrad":
            self._optimiser = torch.optim.Adagrad(parameters, lr=1e-2, weight_decay=decay)
        elif self.optimiser == "sgd":
            self._optimiser = torch.optim.SGD(parameters, lr=1e-2, weight_decay=decay)
        else:
            raise ConfigError(f"no optimiser is called {self.optimiser!r}; choose sgd, adagrad or adam")

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        self.model.refresh(context)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        device = context.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.half and negatives.pool is not None):
            positive = self.model.score(context.queries, context.positives).float()
            negative = self.model.score(context.queries, negatives.ids).float()
        start = self._spend("forward", start)
        loss = self.loss(positive, negative, negatives)
        value = _finite(loss.detach(), context)
        start = self._spend("loss", start)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        start = self._spend("backward", start)
        self._optimiser.step()
        self._spend("update", start)
        return Outcome(value, negatives, positive.detach(), negative.detach())

    def state(self) -> State:
        kept = self._optimiser.state_dict()["state"]
        return {str(index): dict(values) for index, values in kept.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        whole = self._optimiser.state_dict()
        whole["state"] = {int(index): dict(values) for index, values in state.items()}
        self._optimiser.load_state_dict(whole)


def _rows_of(negatives: Negatives, rows: slice) -> Negatives:
    """The negatives of some rows."""
    parts = ("ids", "log_q", "ok", "weight", "scores", "positive_scores", "positive_log_q")
    taken = (getattr(negatives, part) for part in parts)
    return Negatives(*(None if part is None else part[rows] for part in taken))  # type: ignore[arg-type]


def _finite(loss: Tensor, context: Context) -> float:
    value = float(loss)
    if value - value != 0.0:
        raise NonFiniteScores(
            f"the loss is {value} at step {context.step} (epoch {context.epoch}); lower the learning rate"
        )
    return value


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
    shares = torch.zeros(len(items)).index_add_(0, ids.reshape(-1), along.reshape(-1))
    summed -= (shares / norm_v**2)[index, None] * items[index]
    return rows, index, summed


def engine_for(model: Model, sampler: Sampler, loss: Loss, optimiser: str, weight_decay: float, half: bool) -> Engine:
    """The engine that fits the model."""
    kind = RowEngine if isinstance(model, TableModel) else AutogradEngine
    return kind(model, sampler, loss, optimiser=optimiser, weight_decay=weight_decay, half=half)
