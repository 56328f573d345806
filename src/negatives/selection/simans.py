"""Ambiguous candidates: neither far below the positive nor far above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, needed, resampled
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class SimANS(Selection):
    """``k`` candidates drawn with chances ``π ∝ exp(-a (s - s⁺ - b)²)``: those that score about as the positive does.

    With ``log_q = log q + log(m π)``, where slots that are not allowed count in ``m``, the promise of
    :class:`negatives.types.Negatives` is kept. Draws are with replacement, in the paper without.

    Args:
        k: Negatives per row.
        a: Sharpness, in one over squared units of the score; a knob.
        b: Place of the centre above the positive's score; a knob.

    Raises:
        ConfigError: ``a`` is below zero.

    Source: Zhou et al., 2022, "SimANS: simple ambiguous negatives sampling for dense text retrieval".
    """

    tunable: ClassVar[Mapping[str, Range]] = {"a": Range(0.1, 10.0, relative=True)}
    k: int = 1
    a: Knob = 0.5
    b: Knob = 0.0

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        scores = needed(candidates.scores, "simans", "candidate scores")
        positive = needed(candidates.positive_scores, "simans", "scores of the positives")
        sharp, centre = value_of(self.a, context.progress), value_of(self.b, context.progress)
        if sharp < 0:
            raise ConfigError(f"simans: a is {sharp:g}; it must not be below zero")
        logits = -sharp * (scores - positive[:, None] - centre) ** 2
        return resampled(context, candidates, logits, self.k, key)
