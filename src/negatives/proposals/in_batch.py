"""The positives of the batch's other rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import draw_uniform
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import conditional_log_q, redraw, some_rows
from negatives.proposals.static import ItemMass, check_counts, counts_from
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class InBatch(Proposal):
    """Use the positives of the batch as negatives of its other rows.

    A slot of a random batch holds item ``i`` with its training frequency, so ``q(i) = c_i / sum_j c_j``: that is
    ``log_q``, the chance over random batches and not that of the batch at hand. It holds when batches are drawn
    at random from the training pairs.

    * Per row: each row gets ``k`` positives of other rows, drawn with replacement. Excluded items are skipped; a
      row for which no other row holds an allowed item gets -1, as does the only row of a batch.
    * As a pool: the positives themselves, in the order of the rows, the row's own included
      (the guards ``own_positive`` and ``known_positives`` mark it). With ``k`` below the number of rows, ``k`` of
      them at random without replacement; with ``k`` above, all of them, so that the pool is shorter than ``k``.

    Source: Henderson et al., 2017, "Efficient natural language response suggestion for Smart Reply".

    Args:
        counts: ``(n_items,)`` counts; those of the training data when left out.

    Raises:
        ConfigError: On a draw, when there are no counts, or a positive of the batch has count zero.
    """

    counts: Tensor | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    _mass: ItemMass | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.counts is not None

    @property
    def of_batch(self) -> bool:
        """True: they are positives of the other rows."""
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Take the counts from the training data, unless they were given."""
        self.counts = counts_from(self.counts if self._given else None, catalogue, "in_batch")
        self._mass = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`; draws depend on the batch, but not on the order of its rows."""
        mass = self._checked(context)
        if context.rows == 1:
            ids = torch.full((1, k), -1, dtype=torch.int64, device=context.device)
            return ids, torch.zeros(ids.shape, device=context.device)
        if exclude is None:
            ids = _Others(context, k).draw(torch.arange(context.rows, device=context.device), key)
            return ids, mass.log_prob(ids)
        others = _Others(context, k, exclude.n_cols)
        ids = redraw(others.draw, others.weights, context, key, exclude)
        return ids, conditional_log_q(mass.log_prob(ids), mass.log_allowed(context, exclude), ids)

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`; at most as many items as the batch has rows."""
        mass, ids = self._checked(context), context.positives[some_rows(context, k, key)]
        return ids, mass.log_prob(ids)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """Log of the training frequency ``(rows, n)``."""
        return self._ready().log_prob(ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._ready().log_allowed(context, exclude)

    def _checked(self, context: Context) -> ItemMass:
        mass = self._ready()
        unseen = mass.log_prob(context.positives) == -torch.inf
        if bool(unseen.any()):
            raise ConfigError(
                f"in_batch: item {int(context.positives[unseen][0])} is a positive of the batch but has count 0; "
                "the counts must be those of the training pairs"
            )
        return mass

    def _ready(self) -> ItemMass:
        if self._mass is None:
            if self.counts is None:
                raise ConfigError("in_batch has no counts; give counts=... or bind the sampler to the data")
            counts = check_counts(self.counts, "in_batch").double()
            if float(counts.sum()) <= 0:
                raise ConfigError("in_batch: all counts are zero")
            self._mass = ItemMass((counts / counts.sum()).float())
        return self._mass


@dataclass(slots=True)
class _Others:
    """Draws of other rows' positives. Rows are numbered in the order of their examples.

    Args:
        context: The batch, of two rows or more.
        k: Draws per row.
        n_items: Number of items; only :meth:`weights` needs it.
    """

    context: Context
    k: int
    n_items: int = 0
    held: Tensor = field(init=False)
    place: Tensor = field(init=False)

    def __post_init__(self) -> None:
        order = torch.argsort(self.context.examples, stable=True)
        self.held = self.context.positives[order]
        self.place = torch.empty_like(order)
        self.place[order] = torch.arange(self.context.rows, device=order.device)

    def draw(self, rows: Tensor, key: int) -> Tensor:
        """``(n, k)`` items for the rows at positions ``(n,)``."""
        found = draw_uniform(self.context.examples[rows], self.k, self.context.rows - 1, key)
        return self.held[found + (found >= self.place[rows, None])]

    def weights(self, rows: Tensor) -> Tensor:
        """``(n, n_items)`` float64, how often each item is a positive of another row."""
        table = torch.bincount(self.held, minlength=self.n_items).double().repeat(rows.numel(), 1)
        own = self.context.positives[rows, None]
        return table.scatter_add_(1, own, torch.full(own.shape, -1.0, dtype=table.dtype, device=table.device))
