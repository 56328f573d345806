"""Resampling by softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError, LogQUnknown
from negatives.randomness import uniforms
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, chosen, needed, softmax_allowed
from negatives.types import Candidates, Context, Negatives


FEW = 64
"""Up to so many slots a running sum in float32 is exact enough, at a fifth of the time."""


@dataclass(slots=True)
class Softmax(Selection):
    """Resamples ``k`` of the ``m`` candidates with chances ``π ∝ exp(d/T - log q)`` over the allowed ones.

    As ``m`` grows, the chosen approach draws from the softmax of the difficulty ``d`` over all allowed items. With
    ``log_q = log q + log(m π)``, where slots that are not allowed count in ``m``, the promise of
    :class:`negatives.types.Negatives` is kept.

    Args:
        k: Negatives per row, drawn with replacement by inverting the cumulative chances.
        temperature: ``T``; a knob. Small is hard.
        correction: Divide the chances by ``q``; without it, what the proposal favours stays favoured.

    Raises:
        LogQUnknown: A correction is wanted, but the proposal or a guard makes ``log_q`` unknowable.
        ConfigError: The temperature is not above zero.

    Source: Chen et al., Learning Recommenders for Implicit Feedback with Importance Resampling, WWW 2022.
    """

    k: int = 1
    temperature: Knob = 1.0
    correction: bool = True

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        temperature = value_of(self.temperature, context.progress)
        if not temperature > 0:
            raise ConfigError(f"softmax: temperature is {temperature:g}; it must be above zero")
        logits = needed(difficulty, "softmax", "a difficulty") / temperature
        if self.correction:
            if candidates.log_q is None:
                raise LogQUnknown(
                    "softmax resampling corrects by log_q, but the proposal or a guard makes it unknowable; "
                    "set correction=False, or leave out guards that depend on scores"
                )
            logits = logits - candidates.log_q
        chances = softmax_allowed(logits, candidates.ok)
        slots = draw_slots(context, chances, self.k, key)
        ok = candidates.ok.gather(1, slots)
        log_q = None
        if candidates.log_q is not None:
            chance = torch.where(ok, chances.gather(1, slots), 1.0)
            log_q = candidates.log_q.gather(1, slots) + math.log(chances.shape[1]) + chance.log()
            log_q = torch.where(ok, log_q, 0.0)
        return chosen(candidates, slots, ok, log_q)


def draw_slots(context: Context, chances: Tensor, k: int, key: int) -> Tensor:
    """``(rows, k)`` slots drawn with replacement from ``(rows, m)`` chances, by inverting their running sum.

    The chances are met to within the rounding of that sum: a millionth for few slots, which are summed in float32.
    A slot of chance zero is never drawn.
    """
    precise = torch.float32 if chances.shape[1] <= FEW else torch.float64
    totals = chances.cumsum(1, dtype=precise)
    end = totals[:, -1:]
    target = uniforms(key, context.examples[:, None], torch.arange(k, device=chances.device)) * end
    target = torch.minimum(target.to(precise), torch.nextafter(end, torch.zeros_like(end)))
    return torch.searchsorted(totals, target, right=True).clamp_(max=chances.shape[1] - 1)
