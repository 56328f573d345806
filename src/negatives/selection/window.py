"""Uniform draws from a window of ranks: among the top, or below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.randomness import bits, bounded
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, chosen, hardest_slots, masked, needed
from negatives.types import Candidates, Context, Negatives


def from_window(
    context: Context, candidates: Candidates, difficulty: Tensor, window: tuple[int, int], k: int, key: int
) -> Negatives:
    """``k`` draws with replacement, uniform among the allowed candidates of the ranks ``window[0] <= r < window[1]``.

    Rank 0 is the hardest allowed candidate. A row with no allowed candidate in the window has ``ok`` False.
    """
    m = difficulty.shape[1]
    stop = max(1, min(window[1], m))
    start = min(window[0], stop)
    order = hardest_slots(masked(difficulty, candidates.ok), stop)
    inside = candidates.ok.sum(1, keepdim=True).clamp(max=stop) - start
    words = bits(key, context.examples[:, None], torch.arange(k, device=order.device))
    rank = start + bounded(words, inside.clamp(min=0))
    slots = order.gather(1, rank.clamp(max=stop - 1))
    return chosen(candidates, slots, (inside > 0).expand(slots.shape))


@dataclass(slots=True)
class TopM(Selection):
    """``k`` negatives drawn uniformly among the ``m`` hardest candidates: DNS(M, N). ``log_q`` is unknowable.

    Args:
        m: Size of the top; a knob, so that a curriculum may narrow it.
        k: Negatives per row, drawn with replacement.

    Source: Shi et al., On the Theories Behind Hard Negative Sampling for Recommendation, WWW 2023.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"m": Range(1, 64, whole=True)}
    m: Knob = 8
    k: int = 1

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        m = max(1, round(value_of(self.m, context.progress)))
        return from_window(context, candidates, needed(difficulty, "top_m", "a difficulty"), (0, m), self.k, key)


@dataclass(slots=True)
class RankWindow(Selection):
    """``k`` negatives drawn uniformly among the ranks ``start`` to ``stop - 1``: hard, but not the very hardest.

    Rank 0 is the hardest. The very hardest are the likeliest false negatives. ``log_q`` is unknowable.

    Args:
        start: First rank; a knob.
        stop: Rank after the last; a knob.
        k: Negatives per row, drawn with replacement.

    Raises:
        ConfigError: The window is empty.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"stop": Range(0.5, 8.0, whole=True, relative=True)}
    start: Knob = 1
    stop: Knob = 8
    k: int = 1

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        window = (round(value_of(self.start, context.progress)), round(value_of(self.stop, context.progress)))
        if not 0 <= window[0] < window[1]:
            raise ConfigError(f"rank_window: 0 <= start < stop fails for {window[0]} and {window[1]}")
        return from_window(context, candidates, needed(difficulty, "rank_window", "a difficulty"), window, self.k, key)
