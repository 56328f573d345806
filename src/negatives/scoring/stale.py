"""Vectors of all items from a tower that is too expensive to ask at every step, each with a known age."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.scoring.items import Encoder, Items
from negatives.types import Ids, State


@dataclass(slots=True)
class Stale:
    """A table of item vectors that is made anew from time to time, whole or bit by bit.

    Draws that look at the model score candidates by this table, so a step costs the tower what :meth:`step` renews; the
    loss encodes the few chosen items itself, with gradients, and may hand their vectors back by :meth:`put`.
    Give one of ``every`` and ``share``.

    Args:
        encoder: A function or module from ids ``(n,)`` to vectors ``(n, d)``.
        n_items: Number of items.
        every: The whole table is renewed at every so many steps; the greatest age is ``every - 1``.
        share: This share of the items is renewed at each step, the oldest first; the greatest age is about
            ``1 / share``.
        device: Where ids are when the encoder is asked; where the encoder's module is when left out.
        asked: How many items the encoder was given so far.

    Raises:
        ConfigError: Neither or both of ``every`` and ``share`` are given, or a number is out of range.

    Source: asynchronously refreshed indices, Xiong et al., ANCE, ICLR 2021; in a loop of one's own, and with ages.

    >>> stale = Stale(lambda ids: ids[:, None].float(), n_items=4, share=0.5)
    >>> for _ in range(3): stale.step()
    >>> stale.asked, stale.ages.tolist()
    (8, [1, 1, 0, 0])
    """

    encoder: nn.Module | Encoder
    n_items: int
    every: int | None = None
    share: float | None = None
    device: torch.device | str | None = None
    asked: int = 0
    _table: Tensor | None = field(default=None, init=False, repr=False)
    _made: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False, repr=False)
    _steps: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if (self.every is None) == (self.share is None):
            raise ConfigError("stale vectors need one of every=STEPS (renew all) and share=S (renew some at each step)")
        if self.every is not None and self.every < 1:
            raise ConfigError(f"every is {self.every}; it must be at least 1")
        if self.share is not None and not 0.0 < self.share <= 1.0:
            raise ConfigError(f"share is {self.share}; it must be above 0 and at most 1")
        if self.n_items < 1:
            raise ConfigError(f"n_items is {self.n_items}; it must be at least 1")
        if self.device is None:
            module = getattr(self.encoder, "__self__", self.encoder)
            held = next(module.parameters(), None) if isinstance(module, nn.Module) else None
            self.device = "cpu" if held is None else held.device

    @property
    def table(self) -> Tensor:
        """The vectors ``(n_items, d)`` as they stand, detached; :meth:`step` is taken first where there are none."""
        if self._table is None:
            self.step()
        assert self._table is not None
        return self._table

    @property
    def ages(self) -> Tensor:
        """``(n_items,)`` int64, steps since each vector was made; 0 for those of the last step."""
        return self._steps - 1 - self._made

    @property
    def age(self) -> int:
        """The greatest of :attr:`ages`."""
        return int(self.ages.max()) if self._made.numel() else 0

    def step(self) -> None:
        """Begin a training step: renew what is due."""
        now, self._steps = self._steps, self._steps + 1
        if self._table is None or (self.every is not None and now % self.every == 0):
            self._renew(torch.arange(self.n_items, device=self.device))
        elif self.share is not None:
            oldest = torch.argsort(self._made, stable=True)[: max(1, math.ceil(self.share * self.n_items - 1e-9))]
            self._renew(oldest.sort().values)

    @torch.no_grad()
    def put(self, ids: Ids, vectors: Tensor) -> None:
        """Take vectors ``(..., d)`` of ``ids`` ``(...)`` that the loss has computed at this step."""
        if self._table is None:
            self.step()
        assert self._table is not None
        places = torch.as_tensor(ids, device=self._table.device).flatten()
        self._table[places] = vectors.detach().flatten(0, -2).to(self._table)
        self._made[places] = self._steps - 1

    def state(self) -> State:
        """The vectors, when each was made, and the step."""
        table = None if self._table is None else self._table.clone()
        return {"table": table, "made": self._made.clone(), "steps": self._steps}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        table = state["table"]
        self._table = None if table is None else table.clone().to(self.device)
        self._made, self._steps = state["made"].clone().to(self.device), int(state["steps"])

    def _renew(self, ids: Tensor) -> None:
        items = Items(self.encoder)
        vectors = items.of(ids)
        self.asked += items.asked
        if self._table is None:
            self._table = vectors.clone()
            self._made = torch.empty(self.n_items, dtype=torch.int64, device=vectors.device)
        self._table[ids] = vectors.to(self._table)
        self._made[ids] = self._steps - 1
