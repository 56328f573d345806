"""The hardest candidates in a share of the rows, random ones in the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.randomness import integers, uniforms
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, chosen, hardest_slots, masked, needed
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class HardShare(Selection):
    """The ``k`` hardest candidates in a ``share`` of the rows, random ones in the others; ``log_q`` is unknowable.

    A row is a hard one when ``u < share``, with a uniform ``u`` of its own in each epoch. Random slots are those of
    :class:`negatives.selection.Random`. Share 1 is :class:`negatives.selection.Hardest`.

    Args:
        share: Share of the rows with hard negatives, from 0 to 1; a knob, so that noise may harden while training.
        k: Negatives per row; at most as many as there are candidates are returned.

    Raises:
        ConfigError: The share is below 0 or above 1.

    Differs from MNS (Yang et al., Mixed Negative Sampling, WWW 2020), which mixes two proposals within a row: here two
    ways to choose are mixed, by row.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"share": Range(0.05, 1.0, log=False)}
    share: Knob = 0.5
    k: int = 1

    def __post_init__(self) -> None:
        check_count("k", self.k)
        if isinstance(self.share, (int, float)) and not 0.0 <= self.share <= 1.0:
            raise ConfigError(f"hard_share: share is {self.share}; it must be from 0 to 1")

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        difficulty = needed(difficulty, "hard_share", "a difficulty")
        hard = hardest_slots(masked(difficulty, candidates.ok), self.k)
        first = integers(key, context.examples[:, None], 0, difficulty.shape[1])
        some = (first + torch.arange(hard.shape[1], device=hard.device)) % difficulty.shape[1]
        taken = uniforms(key, context.examples[:, None], 1) < value_of(self.share, context.progress)
        slots = torch.where(taken, hard, some)
        return chosen(candidates, slots, candidates.ok.gather(1, slots))
