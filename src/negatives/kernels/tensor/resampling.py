"""Draws among the slots of each row by the softmax of their logits."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.randomness import uniforms


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    chances = torch.softmax(logits if ok is None else logits.masked_fill(~ok, -torch.inf), 1)
    if ok is not None:
        chances = chances.masked_fill_(~ok, 0.0)  # also where no slot is allowed
    totals = chances.cumsum(1, dtype=torch.float64)
    end = totals[:, -1:]
    target = uniforms(key, examples[:, None], torch.arange(k, device=chances.device)) * end
    target = torch.minimum(target, torch.nextafter(end, torch.zeros_like(end)))
    slots = torch.searchsorted(totals, target, right=True).clamp_(max=chances.shape[1] - 1)
    return slots, chances.gather(1, slots)
