"""The engine for a query tower and a table of items: PyTorch differentiates the tower, kernels move the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from negatives import kernels
from negatives.errors import ConfigError
from negatives.models.tower import TowerModel
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import Engine, Outcome, finite, rows_of
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives, State, shared_pool

CELLS = 1 << 19
"""Scores of rows with a shared pool that are computed and differentiated at a time: they stay in the cache."""
LEAST = 64
"""Rows that one matrix product has at least, however large the pool."""


@dataclass(slots=True)
class Encoded:
    """The tower's vectors of one batch: what the sampler sees as the model, so that a batch is encoded once.

    Args:
        model: The model.
        queries: ``(rows,)`` int64 queries of the batch.
        vectors: ``(distinct, width)`` detached vectors of its distinct neighbours.
        owner: ``(rows,)`` int64, the row of ``vectors`` that each query has.
    """

    model: TowerModel
    queries: Tensor
    vectors: Tensor
    owner: Tensor

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, width)``."""
        return self.vectors[self.owner] if queries is self.queries else self.model.encode_queries(queries)

    def encode_items(self, items: Tensor) -> Tensor:
        """Vectors ``(..., width)``."""
        return self.model.encode_items(items)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)``, of candidates per query ``(rows, k)`` or of a shared pool."""
        if queries is not self.queries:
            return self.model.score(queries, items)
        table, pool = self.model.item_table.detach(), shared_pool(items)
        if pool is None:
            pairs = items[:, None] if items.dim() == 1 else items
            scores = kernels.gather_scores(self.vectors, table, self.owner, pairs)
            return scores[:, 0] if items.dim() == 1 else scores
        scores = self.vectors @ table[pool].T
        return scores if self.owner.numel() == len(self.vectors) else scores[self.owner]


@dataclass(slots=True)
class TowerEngine(Engine):
    """For :class:`TowerModel`: time and memory of a step grow with the negatives drawn, not with the items.

    The gradient is that of the mean loss. It goes down to the scores by autograd, from there to the query vectors and
    the touched items by matrix products or kernels, and through the tower by autograd again. Neighbouring rows of
    one query are encoded and scored once. Tower parameters whose gradient is sparse move row by row too, by the lazy
    form of the optimiser; the others by PyTorch's.

    Args:
        optimiser: ``sgd``, ``adagrad`` or ``adam``.
        weight_decay: L2 factor on the tower and on touched rows.
        half: Multiply by a shared pool in bfloat16.
    """

    optimiser: str = "adam"
    weight_decay: float = 0.0
    half: bool = False
    _items: RowOptimiser = field(init=False)
    _rows: dict[str, RowOptimiser] = field(init=False)
    _dense: torch.optim.Optimizer | None = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, TowerModel):
            raise ConfigError(f"{type(self.model).__name__} is not a tower beside a table of items")
        rule = self.model.table_optimiser or self.optimiser
        self._items = RowOptimiser(self.model.item_table.data, rule, self.weight_decay)
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        sparse = {id(parameter) for parameter in self._tower.sparse_parameters()}
        self._rows = {
            names[id(parameter)]: RowOptimiser(parameter.data, rule, self.weight_decay)
            for parameter in self._tower.sparse_parameters()
        }
        rest = [p for p in self._parameters() if id(p) not in sparse]
        self._dense = dense_optimiser(self.optimiser, rest, self.weight_decay) if rest else None

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        self.model.refresh(context)
        distinct, owner = grouped(context.queries)
        with torch.enable_grad():
            vectors = self.model.encode_queries(distinct)
        start = self._spend("forward", start)
        encoded = Encoded(self._tower, context.queries, vectors.detach(), owner)
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
        dense = {} if self._dense is None else self._dense.state_dict()["state"]
        return {
            "items": self._items.state(),
            "rows": {name: rows.state() for name, rows in self._rows.items()},
            "dense": {str(index): dict(values) for index, values in dense.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._items.load_state(state["items"])
        for name, rows in self._rows.items():
            rows.load_state(state["rows"][name])
        if self._dense is not None:
            whole = self._dense.state_dict()
            whole["state"] = {int(index): dict(values) for index, values in state["dense"].items()}
            self._dense.load_state_dict(whole)

    @property
    def _tower(self) -> TowerModel:
        assert isinstance(self.model, TowerModel)
        return self.model

    def _parameters(self) -> list[nn.Parameter]:
        """What the tower is made of: all but the item table."""
        return [p for p in self.model.parameters() if p.requires_grad and p is not self._tower.item_table]

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
        total, positive, negative = self._differentiate(scores[:, 0], scores[:, 1:], negatives)
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
        """As :meth:`_step_rows`, by matrix products over blocks of queries; the scores are never whole."""
        vectors, owner, pool = encoded.vectors, encoded.owner, negatives.ids[0]
        bad, positive = self._items.table[pool], encoded.score(context.queries, context.positives)
        low, low_bad = (vectors.bfloat16(), bad.bfloat16()) if self.half else (vectors, bad)
        per_query, grad_bad, grad_pos = torch.empty_like(vectors), torch.zeros_like(bad), torch.empty_like(positive)
        total, seen = torch.zeros((), device=vectors.device), []
        shared = in_groups(negatives, owner, len(vectors))
        for some, rows in blocks(owner, len(vectors), max(LEAST, CELLS // pool.numel()), shared is not None):
            scores = low[some] @ low_bad.T
            mine = owner[rows] - some.start
            if rows.start < OBSERVED_ROWS:
                seen.append(scores[mine[: OBSERVED_ROWS - rows.start]].float())
            start = self._spend("forward", start)
            if shared is None:
                losses, grad_pos[rows], grad = self._each(positive[rows], scores, mine, rows_of(negatives, rows))
            else:
                part = replace(rows_of(shared, some), positive_log_q=sliced(negatives.positive_log_q, rows))
                losses, grad_pos[rows], grad = self._grouped(positive[rows], scores, mine, part)
            total += losses
            start = self._spend("loss", start)
            per_query[some] = grad @ low_bad
            grad_bad += grad.T @ low[some]
            start = self._spend("backward", start)
        loss = finite(total / context.rows, context)
        pairs = context.positives[:, None], grad_pos[:, None]
        per_row, items, summed = kernels.score_backward(vectors, self._items.table, owner, *pairs)
        per_query += summed_by(per_row, owner, len(vectors))
        items, summed = kernels.sum_rows(torch.cat([pool, items]), torch.cat([grad_bad, summed]), self.model.n_items)
        outcome = Outcome(loss, negatives, positive, torch.cat(seen))
        self._spend("backward", start)
        return outcome, per_query.div_(context.rows), items, summed.div_(context.rows)

    def _each(
        self, positive: Tensor, scores: Tensor, owner: Tensor, negatives: Negatives
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The summed loss, and gradients of the positives and of the scores, which each row reads for itself."""
        if owner.numel() == len(scores):
            fused = self.loss.fused_(positive, scores, negatives)
            if fused is not None:
                return fused[0].sum(), fused[1], scores
        negative = scores.float() if owner.numel() == len(scores) else scores[owner].float()
        losses, grad_positive, grad = self._differentiate(positive, negative, negatives)
        return losses, grad_positive, summed_by(grad, owner, len(scores)).to(scores.dtype)

    def _grouped(
        self, positive: Tensor, scores: Tensor, owner: Tensor, negatives: Negatives
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`_each` for rows that share their negatives in groups."""
        leaves = positive.detach().requires_grad_(), scores.float().detach().requires_grad_()
        with torch.enable_grad():
            loss = self.loss.grouped(*leaves, negatives, owner).sum()
        grad_positive, grad = torch.autograd.grad(loss, leaves)
        return loss.detach(), grad_positive, grad.to(scores.dtype)

    def _through(self, context: Context, vectors: Tensor, per_query: Tensor) -> None:
        """Take the gradient of the vectors, and that of the penalty, to the tower's parameters."""
        for parameter in self._parameters():
            parameter.grad = None
        penalty = self.model.penalty(context)
        if vectors.requires_grad:
            torch.autograd.backward([vectors], [per_query], retain_graph=penalty is not None)
        if penalty is not None:
            penalty.backward()  # type: ignore[no-untyped-call]
        if self._tower.max_norm is not None:
            dense = [p for p in self._parameters() if p.grad is not None and not p.grad.is_sparse]
            nn.utils.clip_grad_norm_(dense, self._tower.max_norm)

    def _update(self, items: Tensor, summed: Tensor, lr: float) -> None:
        table_lr = lr * self._tower.table_rate
        self._items.step(items, summed, table_lr)
        named = dict(self.model.named_parameters())
        for name, rows in self._rows.items():
            grad = named[name].grad
            if grad is not None:
                index, values = grad._indices()[0], grad._values()
                rows.step(*kernels.sum_rows(index, values, len(rows.table)), table_lr)
        if self._dense is not None:
            for group in self._dense.param_groups:
                group["lr"] = lr
            self._dense.step()


def grouped(queries: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct neighbours ``(u,)`` of ``queries`` ``(rows,)``, and which of them each row is, ``(rows,)``.

    >>> grouped(torch.tensor([4, 4, 2, 4]))
    (tensor([4, 2, 4]), tensor([0, 0, 1, 2]))
    """
    distinct, owner = torch.unique_consecutive(queries, return_inverse=True)
    return (queries, owner) if distinct.numel() == queries.numel() else (distinct, owner)


def blocks(owner: Tensor, distinct: int, size: int, by_query: bool = False) -> list[tuple[slice, slice]]:
    """Ranges of distinct queries and of their rows.

    Args:
        owner: ``(n,)`` int64, ascending.
        distinct: Number of distinct queries.
        size: Rows of one block, or its queries with ``by_query``; one query may have more rows.
        by_query: What ``size`` counts.
    """
    starts = torch.searchsorted(owner, torch.arange(distinct + 1, device=owner.device)).tolist()
    found, first = [], 0
    for query in range(1, distinct + 1):
        last = query == distinct
        if last or (query - first >= size if by_query else starts[query + 1] - starts[first] > size):
            found.append((slice(first, query), slice(starts[first], starts[query])))
            first = query
    return found


def in_groups(negatives: Negatives, owner: Tensor, groups: int) -> Negatives | None:
    """The negatives of each group, if all rows of a group have the same and there are fewer groups than rows."""
    if groups == owner.numel() or negatives.weight is not None:
        return None
    first = torch.searchsorted(owner, torch.arange(groups, device=owner.device))

    def of_groups(part: Tensor | None) -> Tensor | None:
        if part is None:
            return None
        return part[:groups] if part.stride(0) == 0 else part[first]

    ok = of_groups(negatives.ok)
    assert ok is not None
    if negatives.ok.stride(0) != 0 and not torch.equal(ok[owner], negatives.ok):
        return None
    ids = negatives.ids[:groups]
    return Negatives(ids, of_groups(negatives.log_q), ok, positive_log_q=negatives.positive_log_q)


def sliced(part: Tensor | None, rows: slice) -> Tensor | None:
    """Some rows of a part that may be missing."""
    return None if part is None else part[rows]


def summed_by(values: Tensor, owner: Tensor, n: int) -> Tensor:
    """Sums ``(n, d)`` of the rows of ``values`` ``(rows, d)`` that have one ``owner``."""
    if len(values) == n:
        return values
    return values.new_zeros(n, values.shape[1]).index_add_(0, owner, values)


def dense_optimiser(name: str, parameters: list[nn.Parameter], decay: float) -> torch.optim.Optimizer:
    """PyTorch's optimiser of a name; the step size is set at each step.

    Raises:
        ConfigError: The name is not known.
    """
    if name == "adam":
        return torch.optim.Adam(parameters, lr=1e-3, weight_decay=decay, fused=True)
    if name == "adagrad":
        return torch.optim.Adagrad(parameters, lr=1e-2, weight_decay=decay)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=1e-2, weight_decay=decay)
    raise ConfigError(f"no optimiser is called {name!r}; choose sgd, adagrad or adam")


__all__ = ["TowerEngine"]
