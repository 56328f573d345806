"""Resampling by softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError, LogQUnknown
from negatives.parameters import Range
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, needed, resampled
from negatives.types import Candidates, Context, Negatives


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

    tunable: ClassVar[Mapping[str, Range]] = {"temperature": Range(0.1, 10.0, relative=True)}
    k: int = 1
    temperature: Knob = 1.0
    correction: bool = True

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        temperature = value_of(self.temperature, context.progress)
        if not temperature > 0:
            raise ConfigError(f"softmax: temperature is {temperature:g}; it must be above zero")
        logits = needed(difficulty, "softmax", "a difficulty")
        if temperature != 1:
            logits = logits / temperature
        if self.correction:
            if candidates.log_q is None:
                raise LogQUnknown(
                    "softmax resampling corrects by log_q, but the proposal or a guard makes it unknowable; "
                    "set correction=False, or leave out guards that depend on scores"
                )
            if candidates.log_q.stride(1):  # what all of a row's candidates share changes no chance
                logits = logits - candidates.log_q
        return resampled(context, candidates, logits, self.k, key)
