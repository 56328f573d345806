"""Popularity that is estimated while training, from the positives that pass by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import AliasTable
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.popularity import power_weights
from negatives.proposals.static import StaticTable, items_from
from negatives.types import Catalogue, Context, Csr, State

LARGE = 1e12


@dataclass(slots=True)
class LearnedUnigram(Proposal):
    """Draw items in proportion to a power of a running, decayed estimate of their frequency.

    After each batch ``c_i <- decay * c_i + (positives of the batch that are i)``; every ``every`` batches the
    table is rebuilt with ``q(i)`` proportional to ``(c_i + smoothing)^alpha``. Draws and ``log_q`` are always
    those of the table in use. The first table is uniform. With ``smoothing`` 0, items not seen by the time of
    a rebuild have weight zero. Several ranks add up their counts at each rebuild, so that they have one table.

    Source: after the streaming frequency estimate of Yi et al., 2019, "Sampling-bias-corrected neural modeling
    for large corpus item recommendations". That estimates the gap between two appearances of an item in hashed
    buckets; this counts appearances, exactly, with exponential decay.

    Args:
        decay: Share of the counts kept at each batch, in ``(0, 1]``; 0.999 remembers about 1,000 batches.
        alpha: The power of the counts.
        smoothing: Added to every decayed count.
        every: Batches between two rebuilds of the table.
        n_items: Number of items; taken from the data when left out.

    Raises:
        ConfigError: A value is out of range, or the number of items is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"alpha": Range(0.0, 1.25, log=False)}
    decay: float = 0.999
    alpha: float = 0.75
    smoothing: float = 1.0
    every: int = 100
    n_items: int | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    _counts: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64), init=False, repr=False)
    _own: Tensor | None = field(default=None, init=False, repr=False)
    """Counts of this rank's batches since the last rebuild, where there are several ranks."""
    _unit: float = field(default=1.0, init=False, repr=False)
    _step: int = field(default=0, init=False, repr=False)
    _table: StaticTable | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.n_items is not None
        if not 0.0 < self.decay <= 1.0:
            raise ConfigError(f"learned_unigram: decay must be above 0 and at most 1, not {self.decay}")
        if self.every < 1:
            raise ConfigError(f"learned_unigram: every must be at least 1, not {self.every}")
        if not self.smoothing >= 0:
            raise ConfigError(f"learned_unigram: smoothing must be at least 0, not {self.smoothing}")

    def bind(self, catalogue: Catalogue) -> None:
        """Take the number of items from the data, unless it was given, and begin to count."""
        self.n_items = items_from(self.n_items if self._given else None, catalogue, "learned_unigram")
        self._table, self._own, self._unit, self._step = None, None, 1.0, 0

    def observe(self, context: Context) -> None:
        """Count the positives of one batch. The counts are kept in units that grow, so that decay is free."""
        self._ready(context.device)
        self._unit /= self.decay
        counts = self._counts
        if context.ranks.count > 1:
            counts = self._own = torch.zeros_like(counts) if self._own is None else self._own
        counts.index_add_(0, context.positives, counts.new_full(context.positives.shape, self._unit))
        self._step += 1
        rebuild = self._step % self.every == 0
        if (rebuild or self._unit > LARGE) and self._own is not None:  # the unit is the same on all ranks
            self._counts += context.ranks.summed(self._own)
            self._own.zero_()
        if rebuild or self._unit > LARGE:
            self._counts /= self._unit
            self._unit = 1.0
        if rebuild:
            weights = power_weights(self._counts, self.alpha, self.smoothing, "learned_unigram")
            self._table = StaticTable.of(weights, "learned_unigram")

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        return self._ready(context.device).draw(context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the table in use."""
        return self._ready(context.device).mass.log_prob(ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._ready(context.device).mass.log_allowed(context, exclude)

    def state(self) -> State:
        """Counts, their unit, the step and the table in use; what other ranks have counted since is not there."""
        table = self._ready(self._counts.device).alias
        found = {"counts": self._counts.clone(), "unit": self._unit, "step": self._step, "table": table.state()}
        return found if self._own is None else found | {"own": self._own.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._counts, self._unit, self._step = state["counts"].clone(), float(state["unit"]), int(state["step"])
        self._own = state["own"].clone() if "own" in state else None
        self.n_items = self._counts.numel()
        self._table = StaticTable(AliasTable(**state["table"]))

    def _ready(self, device: torch.device) -> StaticTable:
        if self._table is None:
            if not self.n_items or self.n_items < 1:
                raise ConfigError("learned_unigram does not know the items; give n_items=N or bind the sampler")
            self._counts = torch.zeros(self.n_items, dtype=torch.float64, device=device)
            self._table = StaticTable.of(torch.ones(self.n_items, device=device), "learned_unigram")
        return self._table
