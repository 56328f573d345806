"""A memory of the positives of past batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import draw_uniform
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import draw_allowed
from negatives.proposals.static import items_from
from negatives.randomness import Purpose, bits
from negatives.types import Catalogue, Context, Csr, State


@dataclass(slots=True)
class Queue(Proposal):
    """Draw uniformly from the last ``size`` positives that passed by, each as often as it stands there.

    ``q(i) = n_i / n`` with ``n_i`` the places that item ``i`` holds in the queue: known exactly, because it is the
    queue that is drawn from. While the queue is empty, draws are uniform over all items. The queue holds ids, and the
    model of the step scores them: no vector in it is stale. All ranks have one queue, of all their positives.

    Differs from the papers, which keep stale vectors, with a momentum encoder (MoCo) or without (XBM).

    Source: He et al., 2020, "Momentum contrast for unsupervised visual representation learning"; Wang et al., 2020,
    "Cross-batch memory for embedding learning".

    Args:
        size: Places of the queue.
        n_items: Number of items; taken from the data when left out.

    Raises:
        ConfigError: ``size`` is below 1, or the number of items is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"size": Range(256, 65_536, whole=True)}
    size: int = 4096
    n_items: int | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    _held: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False, repr=False)
    _probability: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.n_items is not None
        if self.size < 1:
            raise ConfigError(f"queue: size is {self.size}; it must be at least 1")

    def bind(self, catalogue: Catalogue) -> None:
        """Take the number of items from the data, unless it was given, and begin with an empty queue."""
        self.n_items = items_from(self.n_items if self._given else None, catalogue, "queue")
        self._held, self._probability = torch.empty(0, dtype=torch.int64), None

    def observe(self, context: Context) -> None:
        """Let the positives of all ranks in, in an order that is not that of their rows, and the oldest out."""
        context = context.joined()
        order = torch.argsort(bits(context.key(Purpose.QUEUE), context.examples, context.step), stable=True)
        self._held = torch.cat([self._held, context.positives[order]])[-self.size :]
        self._probability = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        if exclude is not None:
            return draw_allowed(self, context, k, key, exclude)
        if self._held.numel() == 0:
            ids = draw_uniform(context.examples, k, self._items(), key)
        else:
            ids = self._held[draw_uniform(context.examples, k, self._held.numel(), key)]
        return ids, self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the queue as it stands."""
        if self._probability is None:
            counts = torch.bincount(self._held, minlength=self._items()).double()
            counts = counts if self._held.numel() else torch.ones_like(counts)
            self._probability = counts / counts.sum()
        return self._probability[ids].log().float()

    def state(self) -> State:
        """What the queue holds, oldest first."""
        return {"held": self._held.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._held, self._probability = state["held"].clone(), None

    def _items(self) -> int:
        if not self.n_items:
            raise ConfigError("queue does not know the number of items; give n_items or bind the sampler to the data")
        return self.n_items
