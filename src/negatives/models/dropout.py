"""Dropout whose masks come from a stream of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.randomness import Purpose, generator, stream
from negatives.types import Context


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


def dropped(x: Tensor, share: float, random: torch.Generator | None) -> Tensor:
    """Zero a share of the numbers and scale up the others (Srivastava et al., 2014).

    Args:
        x: Of any shape.
        share: Share of the numbers that becomes zero.
        random: Where the mask is drawn from, on the device of ``x``; None outside training, for ``x`` itself.
    """
    if random is None or share == 0:
        return x
    kept = torch.empty_like(x).bernoulli_(1 - share, generator=random)
    return x * kept / (1 - share)
