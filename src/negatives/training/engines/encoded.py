"""The engine for encoders of rows and items: each row and each distinct item of a batch is encoded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import ConfigError
from negatives.models import Model
from negatives.ranks import Ranks
from negatives.scoring import Items, Vectors, distinct
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.divided import Divided, Share
from negatives.training.engines.gradients import differentiate
from negatives.training.engines.mixed import MixedOptimiser
from negatives.training.engines.pool import PoolPass, PoolProducts, through_pool
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
    from there to the parameters. Tables with sparse gradients move row by row, others as a whole.

    Several processes may divide the rows of each step (:meth:`divide`), to the same loss and step up to rounding.
    """

    model_type = Model
    _optimiser: MixedOptimiser = field(init=False)
    _divided: Divided = field(init=False)

    def _prepare(self) -> None:
        if not self.model.inner_product:
            raise ConfigError(f"{type(self.model).__name__} does not score by the inner product of its encodings")
        self._divided = Divided(self.model)
        self._optimiser = MixedOptimiser(self.model, self.update)

    def divide(self, ranks: Ranks) -> None:
        self._divided = Divided(self.model, ranks)

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        model, mine = self.model, self._divided
        self._optimiser.forget()
        model.refresh(context)
        with torch.enable_grad():
            vectors = self._encoded(context.queries)
        everyone = mine.joined(vectors, context.rows)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, OfBatch(model, everyone))
        start = perf_counter()
        share, pool = mine.share(context), negatives.pool
        own = share.of(negatives)
        ids = torch.cat([share.context.positives[:, None], own.ids], 1) if pool is None else pool
        asked, flat = distinct(torch.cat([share.context.positives, ids.reshape(-1)]), model.n_items)
        places = flat[: own.ids.shape[0]], flat[own.ids.shape[0] :].view(ids.shape)
        with torch.enable_grad():
            items = model.encode_items(asked)
        self._spend("forward", start)
        step = self._rows_apart if pool is None else self._shared
        done, of_vectors, of_items = step(share, own, vectors.detach(), items.detach(), places)
        start = perf_counter()
        loss = finite(mine.summed(done.total) / share.total, context)
        self._through(context, [vectors, items], [of_vectors, of_items])
        start = self._spend("backward", start)
        self._optimiser.step(lr, mine)
        self._spend("update", start)
        return Outcome(loss, negatives, *mine.seen(context.rows, done.positive, done.seen))

    def state(self) -> State:
        return self._optimiser.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._optimiser.load_state(state)

    def _encoded(self, queries: Tensor) -> Tensor:
        with torch.autocast(queries.device.type, torch.bfloat16, enabled=self.update.half):
            return self._divided.queries(queries).float()

    def _rows_apart(
        self, share: Share, negatives: Negatives, vectors: Tensor, items: Tensor, places: tuple[Tensor, Tensor]
    ) -> tuple[PoolPass, Tensor, Tensor]:
        """Negatives per row: the scores, and the gradients of the vectors and of the distinct items."""
        start = perf_counter()
        each = torch.arange(len(vectors), device=vectors.device)
        scores = kernels.gather_scores(vectors, items, each, places[1])
        start = self._spend("forward", start)
        total, positive, negative = differentiate(self.loss, scores[:, 0], scores[:, 1:], negatives)
        grad = torch.cat([positive[:, None], negative], 1) / share.total
        start = self._spend("loss", start)
        of_vectors, touched, summed = kernels.score_backward(vectors, items, each, places[1], grad)
        of_items = torch.zeros_like(items).index_copy_(0, touched, summed)
        self._spend("backward", start)
        return PoolPass(total, scores[:, 0], positive, scores[:, 1:]), of_vectors, of_items

    def _shared(
        self, share: Share, negatives: Negatives, vectors: Tensor, items: Tensor, places: tuple[Tensor, Tensor]
    ) -> tuple[PoolPass, Tensor, Tensor]:
        """As :meth:`_rows_apart` for a shared pool, by matrix products; the scores are never whole."""
        start = perf_counter()
        products = PoolProducts(vectors, items[places[1]], self.update.half)
        self._spend("forward", start)
        done, of_good = through_pool(self.loss, products, items[places[0]], negatives, self._spend)
        start = perf_counter()
        of_items = (
            torch.zeros_like(items).index_add_(0, places[0], of_good).index_add_(0, places[1], products.grad_pool)
        )
        self._spend("backward", start)
        return done, products.per_row.div_(share.total), of_items.div_(share.total)

    def _through(self, context: Context, ends: list[Tensor], grads: list[Tensor]) -> None:
        """Take the gradients of all encodings, and this process's share of the penalty's, to the parameters."""
        penalty = self.model.penalty(context)
        if penalty is not None:
            ends = [*ends, penalty]
            grads = [*grads, torch.full_like(penalty, 1 / self._divided.ranks.count)]
        known = [(end, grad) for end, grad in zip(ends, grads, strict=True) if end.requires_grad]
        torch.autograd.backward([end for end, _ in known], [grad for _, grad in known])
