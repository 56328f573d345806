"""Dropout whose masks come from a stream of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.randomness import Purpose, generator, stream
from negatives.types import Context


@dataclass(frozen=True, slots=True)
class Among:
    """Which rows of a step's values are there, where a process has a part of them.

    Args:
        total: Rows of all processes.
        at: Places of the rows that are there.
    """

    total: int
    at: slice | Tensor

    @property
    def count(self) -> int:
        """How many are there."""
        return self.at.stop - self.at.start if isinstance(self.at, slice) else self.at.numel()


def mask_of(seed: int, context: Context | None, place: int, device: torch.device) -> torch.Generator | None:
    """What the mask of one dropout of one step is drawn from; None outside training.

    Args:
        seed: Seed of the model.
        context: The batch, of which the step counts alone; None outside training.
        place: Which dropout of the model.
        device: Where the mask is drawn.
    """
    if context is None:
        return None
    return generator(stream(stream(seed, Purpose.DROPOUT, context.step), Purpose.DROPOUT, place), device)


def kept(x: Tensor, share: float, random: torch.Generator, among: Among | None = None) -> Tensor:
    """Zeros for the share of the numbers of ``x`` that dropout leaves out, ones elsewhere; of the shape of ``x``.

    A part of a step's rows has the numbers that it would have among all: those of all are drawn.
    """
    if among is None:
        return torch.empty_like(x, requires_grad=False).bernoulli_(1 - share, generator=random)
    return x.new_empty(among.total, *x.shape[1:]).bernoulli_(1 - share, generator=random)[among.at]


def dropped(x: Tensor, share: float, random: torch.Generator | None, among: Among | None = None) -> Tensor:
    """Zero a share of the numbers and scale up the others (Srivastava et al., 2014).

    Args:
        x: Of any shape.
        share: Share of the numbers that becomes zero.
        random: Where the mask is drawn from, on the device of ``x``; None outside training, for ``x`` itself.
        among: Which rows of a step ``x`` holds; all of them when None.
    """
    if random is None or share == 0:
        return x
    return x * kept(x, share, random, among) / (1 - share)
