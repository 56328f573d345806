"""The engine for encoders of rows and items: each row and each distinct item of a batch is encoded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from negatives import kernels
from negatives.errors import ConfigError
from negatives.models import Model
from negatives.scoring import Items, Vectors, distinct
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.dense import DenseOptimiser
from negatives.training.engines.gradients import differentiate
from negatives.training.engines.pool import PoolProducts, through_pool
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives, State


class OfBatch(Vectors):
    """The vectors of a batch's rows, and the model for whoever asks for other queries.

    Args:
        model: The model.
        vectors: ``(rows, width)`` detached vectors of the rows.
    """

    def __init__(self, model: Model, vectors: Tensor) -> None:
        super().__init__(vectors, Items(model.encode_items))
        self.model = model

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(n, width)`` of any queries, as the model gives them outside a batch."""
        return self.model.encode_queries(queries)


@dataclass(slots=True)
class EncodedEngine(Engine):
    """For models whose score is the inner product of two encodings, and whose rows have vectors of their own.

    The rows are encoded before the sampler draws, which is shown their vectors, and each distinct item among positives
    and negatives is encoded once. Loss and scores are differentiated down to the vectors, PyTorch takes the gradient
    from there to the parameters. Tables with sparse gradients move row by row, whatever part of the model has read
    them; others as a whole.
    """

    model_type = Model
    _rows: dict[str, RowOptimiser] = field(init=False)
    _dense: DenseOptimiser | None = field(init=False)

    def _prepare(self) -> None:
        if not self.model.inner_product:
            raise ConfigError(f"{type(self.model).__name__} does not score by the inner product of its encodings")
        rule = self.model.table_steps.table_optimiser or self.update.optimiser
        sparse = {id(parameter) for parameter in self.model.sparse_parameters()}
        named = [(name, one) for name, one in self.model.named_parameters() if one.requires_grad]
        tables = {name: one for name, one in named if id(one) in sparse}
        self._rows = {name: RowOptimiser(one.data, rule, self.update.weight_decay) for name, one in tables.items()}
        rest = [one for _, one in named if id(one) not in sparse]
        self._dense = DenseOptimiser(rest, self.update) if rest else None

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        model = self.model
        for parameter in model.parameters():
            parameter.grad = None
        model.refresh(context)
        with torch.enable_grad():
            vectors = self._encoded(context.queries)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, OfBatch(model, vectors.detach()))
        start = perf_counter()
        pool = negatives.pool
        ids = torch.cat([context.positives[:, None], negatives.ids], 1) if pool is None else pool
        asked, flat = distinct(torch.cat([context.positives, ids.reshape(-1)]), model.n_items)
        places = flat[: context.rows], flat[context.rows :].view(ids.shape)
        with torch.enable_grad():
            items = model.encode_items(asked)
        self._spend("forward", start)
        step = self._rows_apart if pool is None else self._shared
        outcome, of_vectors, of_items = step(context, negatives, vectors.detach(), items.detach(), places)
        start = perf_counter()
        self._through(context, [vectors, items], [of_vectors, of_items])
        start = self._spend("backward", start)
        self._update(lr)
        self._spend("update", start)
        return outcome

    def state(self) -> State:
        return {
            "rows": {name: rows.state() for name, rows in self._rows.items()},
            "dense": {} if self._dense is None else self._dense.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        for name, rows in self._rows.items():
            rows.load_state(state["rows"][name])
        if self._dense is not None:
            self._dense.load_state(state["dense"])

    def _encoded(self, queries: Tensor) -> Tensor:
        with torch.autocast(queries.device.type, torch.bfloat16, enabled=self.update.half):
            return self.model.encode_queries(queries).float()

    def _rows_apart(
        self, context: Context, negatives: Negatives, vectors: Tensor, items: Tensor, places: tuple[Tensor, Tensor]
    ) -> tuple[Outcome, Tensor, Tensor]:
        """Negatives per row: the outcome, and the gradients of the vectors and of the distinct items."""
        start = perf_counter()
        each = torch.arange(context.rows, device=vectors.device)
        scores = kernels.gather_scores(vectors, items, each, places[1])
        start = self._spend("forward", start)
        total, positive, negative = differentiate(self.loss, scores[:, 0], scores[:, 1:], negatives)
        loss = finite(total / context.rows, context)
        grad = torch.cat([positive[:, None], negative], 1) / context.rows
        start = self._spend("loss", start)
        of_vectors, touched, summed = kernels.score_backward(vectors, items, each, places[1], grad)
        of_items = torch.zeros_like(items).index_copy_(0, touched, summed)
        self._spend("backward", start)
        return Outcome(loss, negatives, scores[:, 0], scores[:, 1:]), of_vectors, of_items

    def _shared(
        self, context: Context, negatives: Negatives, vectors: Tensor, items: Tensor, places: tuple[Tensor, Tensor]
    ) -> tuple[Outcome, Tensor, Tensor]:
        """As :meth:`_rows_apart` for a shared pool, by matrix products; the scores are never whole."""
        start = perf_counter()
        products = PoolProducts(vectors, items[places[1]], self.update.half)
        self._spend("forward", start)
        done, of_good = through_pool(self.loss, products, items[places[0]], negatives, self._spend)
        loss = finite(done.total / context.rows, context)
        start = perf_counter()
        of_items = (
            torch.zeros_like(items).index_add_(0, places[0], of_good).index_add_(0, places[1], products.grad_pool)
        )
        self._spend("backward", start)
        outcome = Outcome(loss, negatives, done.positive, done.seen)
        return outcome, products.per_row.div_(context.rows), of_items.div_(context.rows)

    def _through(self, context: Context, ends: list[Tensor], grads: list[Tensor]) -> None:
        """Take the gradients of all encodings, and that of the penalty, to the parameters."""
        penalty = self.model.penalty(context)
        if penalty is not None:
            ends, grads = [*ends, penalty], [*grads, torch.ones_like(penalty)]
        known = [(end, grad) for end, grad in zip(ends, grads, strict=True) if end.requires_grad]
        torch.autograd.backward([end for end, _ in known], [grad for _, grad in known])
        if self.model.table_steps.max_norm is not None:
            dense = [p for p in self.model.parameters() if p.grad is not None and not p.grad.is_sparse]
            nn.utils.clip_grad_norm_(dense, self.model.table_steps.max_norm)

    def _update(self, lr: float) -> None:
        named = dict(self.model.named_parameters())
        for name, rows in self._rows.items():
            grad = named[name].grad
            if grad is not None:
                touched = kernels.sum_rows(grad._indices()[0], grad._values(), len(rows.table))
                rows.step(*touched, lr * self.model.table_steps.table_rate)
        if self._dense is not None:
            self._dense.step(lr)
