"""One training step divided among processes that all have the batch: each takes some rows, all take the same step.

The sampler runs on the whole batch in every process, so that its negatives and all that it remembers are those of one
process; what it asks a tower is divided, and the answers are gathered, so that all processes see the same bits. Then
each scores and differentiates its own rows; gradients are added up, and all move by the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from negatives import kernels
from negatives.models import Model
from negatives.ranks import ALONE, Ranks
from negatives.sampler.core import OBSERVED_ROWS
from negatives.types import Context, Negatives, Scorer, shared_pool

BUCKET = 1 << 23
"""Numbers of gradients that are added up at a time."""

Touched = tuple[Tensor, Tensor]
"""Distinct rows ``(u,)`` of a table, and the gradient ``(u, d)`` of each."""


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of a step that are one process's.

    Args:
        context: They; the batch itself where these are all.
        rows: Their places in the batch.
        total: What a sum over the rows of all processes is divided by to have the mean.
    """

    context: Context
    rows: slice
    total: int

    def of(self, negatives: Negatives) -> Negatives:
        """What was drawn for these rows."""
        return part_of(negatives, self.rows)


@dataclass(slots=True)
class Divided:
    """What one of several processes does of a step; all of it where there is one.

    A model with a ``refresh`` of its own has computed its vectors there, each process for itself, and knows the batch
    by its rows: its rows are then taken from the answer for the whole batch. Any other is asked for its rows alone, and
    encodes its part of a shared pool.

    Args:
        model: What is trained; the same weights in all processes.
        ranks: The processes.
    """

    model: Model
    ranks: Ranks = ALONE
    whole: bool = field(init=False)

    def __post_init__(self) -> None:
        self.whole = self.ranks.count == 1 or type(self.model).refresh is not Model.refresh

    @property
    def scorer(self) -> Scorer:
        """What the sampler asks."""
        return self.model if self.whole else _Asked(self.model, self.ranks)

    def rows(self, n: int) -> tuple[slice, int]:
        """This process's part of ``n`` rows, and how many processes have these; all of them where there are too few."""
        count = self.ranks.count
        return (self.ranks.share(n), 1) if n >= count else (slice(0, n), count)

    def share(self, context: Context) -> Share:
        """This process's part of a batch."""
        rows, times = self.rows(context.rows)
        if self.ranks.count == 1 or times > 1:
            return Share(context, rows, context.rows * times)
        parts = context.queries[rows], context.positives[rows], context.examples[rows]
        own = replace(context, queries=parts[0], positives=parts[1], examples=parts[2])
        return Share(own, rows, context.rows)

    def groups(self, share: Share, owner: Tensor, n: int) -> tuple[slice, Tensor]:
        """The groups that this process's rows are of, where neighbouring rows share one, and the group of each row.

        Args:
            share: Its rows.
            owner: ``(rows,)`` int64, ascending, the group of each row of the batch.
            n: Groups of the batch.

        Returns:
            Their places, and ``(own rows,)`` numbers among them; ``owner`` itself where these are all rows.
        """
        if share.rows == slice(0, owner.numel()):
            return slice(0, n), owner
        own = owner[share.rows]
        first, last = own[[0, -1]].tolist()
        return slice(first, last + 1), own - first

    def queries(self, queries: Tensor, rows: slice | None = None) -> Tensor:
        """Vectors of some queries ``(n,)`` of a step, those of this process's rows unless others are named."""
        if self.ranks.count == 1:
            return self.model.encode_queries(queries)
        return self.model.encode_part(queries, self.rows(len(queries))[0] if rows is None else rows)

    def joined(self, own: Tensor, n: int, owner: Tensor | None = None) -> Tensor:
        """The vectors of all rows of a step, without gradients, from those of each process's.

        Args:
            own: ``(own rows, d)``, or ``(own groups, d)`` of vectors that neighbouring rows share.
            n: Rows of the step.
            owner: ``(n,)`` int64, ascending, the group of each row; None where each row is one.
        """
        if self.ranks.count == 1 or self.rows(n)[1] > 1:
            return own.detach()
        sizes = _sizes(self.ranks, n)
        if owner is not None:  # a group that is divided comes from the last process that has rows of it
            begins = torch.tensor([0, *sizes[:-1]]).cumsum(0).to(owner.device)
            sizes = pad(owner[begins], (0, 1), value=int(owner[-1]) + 1).diff().tolist()
        return self.ranks.gathered(own.detach()[: sizes[self.ranks.rank]], sizes)

    def positives(self, context: Context) -> Tensor:
        """Vectors of the positives of this process's rows."""
        return self._of_rows(self.model.encode_items, context.positives)

    def pool(self, ids: Tensor) -> Tensor:
        """Vectors ``(m, d)`` of a pool ``(m,)``; the gradient of each goes to the process that has encoded it."""
        if self.whole or len(ids) < self.ranks.count:
            return self.model.encode_items(ids)
        return self.ranks.joined(self.model.encode_items(ids[self.ranks.share(len(ids))]), _sizes(self.ranks, len(ids)))

    def scores(self, context: Context, items: Tensor) -> Tensor:
        """Scores of this process's rows with the items of the batch, ``(rows,)`` or ``(rows, k)``."""
        rows, _ = self.rows(context.rows)
        if self.whole:
            return self.model.score(context.queries, items)[rows]
        return self.model.score(context.queries[rows], items[rows])

    def summed(self, loss: Tensor) -> Tensor:
        """The loss of all rows."""
        return self.ranks.summed(loss.detach())

    def seen(self, rows: int, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the positives of all rows, and of the negatives of the first rows, from those of each process's.

        Args:
            rows: Rows of the batch.
            positive: ``(own rows,)``.
            negative: ``(seen, k)``, of all own rows or at least of the first 512.
        """
        if self.ranks.count == 1 or self.rows(rows)[1] > 1:
            return positive, negative
        sizes = _sizes(self.ranks, rows)
        few = [max(0, min(size, OBSERVED_ROWS - sum(sizes[:rank]))) for rank, size in enumerate(sizes)]
        return self.ranks.gathered(positive, sizes), self.ranks.gathered(negative[: few[self.ranks.rank]], few)

    def sum_rows(self, touched: Mapping[str, Touched | None], tables: Mapping[str, Tensor]) -> dict[str, Touched]:
        """The gradients of the rows of tables that any process has touched, added up.

        Args:
            touched: What this one has touched, by table; None where it has no gradient of it. All name the same tables.
            tables: The tables ``(n, d)``.

        Returns:
            By table, without those that no process has a gradient of; the same bits in all processes.
        """
        if self.ranks.count == 1 or not touched:
            return {name: one for name, one in touched.items() if one is not None}
        device = next(iter(tables.values())).device
        own = [-1 if one is None else one[0].numel() for one in touched.values()]
        counts = self.ranks.gathered(torch.tensor([own], device=device), [1] * self.ranks.count).T.tolist()
        found = {}
        for (name, one), sizes in zip(touched.items(), counts, strict=True):
            if max(sizes) < 0:
                continue
            table, sizes = tables[name], [max(0, size) for size in sizes]
            rows, grads = (table.new_empty(0, dtype=torch.int64), table[:0].detach()) if one is None else one
            if not sum(sizes):
                found[name] = rows, grads
                continue
            both = self.ranks.gathered(rows, sizes), self.ranks.gathered(grads, sizes)
            found[name] = kernels.sum_rows(*both, len(table))
        return found

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of all processes; a parameter without any has none afterwards."""
        if self.ranks.count == 1:
            return
        some: list[nn.Parameter] = []
        size = 0
        for parameter in parameters:
            some.append(parameter)
            size += parameter.numel()
            if size >= BUCKET:
                self._sum(some)
                some, size = [], 0
        if some:
            self._sum(some)

    def _sum(self, parameters: Sequence[nn.Parameter]) -> None:
        grads = [None if (one := parameter.grad) is None else one.to_dense() for parameter in parameters]
        there = torch.tensor([float(grad is not None) for grad in grads], device=parameters[0].device)
        flat = [torch.zeros_like(one) if grad is None else grad for one, grad in zip(parameters, grads, strict=True)]
        total = self.ranks.summed(torch.cat([there, *(one.reshape(-1).float() for one in flat)]))
        found, counts = total[len(grads) :], total[: len(grads)].tolist()
        parts = torch.split(found, [one.numel() for one in parameters])
        for parameter, part, count in zip(parameters, parts, counts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if count else None

    def _of_rows(self, encode: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
        if self.ranks.count == 1:
            return encode(ids)
        rows, _ = self.rows(len(ids))
        return encode(ids)[rows] if self.whole else encode(ids[rows])


@dataclass(slots=True)
class _Asked:
    """A model whose answers to the sampler are computed in parts, one in each process, and gathered."""

    model: Model
    ranks: Ranks

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self._in_parts(self.model.encode_queries, queries)

    def encode_items(self, items: Tensor) -> Tensor:
        flat = self._in_parts(self.model.encode_items, items.reshape(-1))
        return flat.view(*items.shape, flat.shape[-1])

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        pool = shared_pool(items)
        if pool is not None and self.model.inner_product:
            return self.encode_queries(queries) @ self.encode_items(pool).T
        return self._in_parts(self.model.score, queries, items)

    def _in_parts(self, ask: Callable[..., Tensor], *asked: Tensor) -> Tensor:
        n = len(asked[0])
        if n < self.ranks.count:
            return ask(*asked).detach()
        rows = self.ranks.share(n)
        return self.ranks.gathered(ask(*(one[rows] for one in asked)).detach(), _sizes(self.ranks, n))


def _sizes(ranks: Ranks, n: int) -> list[int]:
    """How many of ``n`` rows each process has."""
    shares = (ranks.share(n, rank) for rank in range(ranks.count))
    return [one.stop - one.start for one in shares]


def part_of(negatives: Negatives, rows: slice) -> Negatives:
    """The negatives of some rows; as they are where these are all."""
    return negatives if rows == slice(0, len(negatives.ids)) else negatives.take(rows)
