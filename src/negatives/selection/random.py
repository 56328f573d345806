"""A random part of the candidates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.randomness import integers
from negatives.selection.base import Selection
from negatives.selection.picking import check_count, chosen
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class Random(Selection):
    """Takes ``k`` candidates at random, whatever their difficulty; ``log_q`` stays true.

    The slots are ``(first + 0 .. k - 1) mod m`` for a random ``first``: distinct, and each as likely as any other.
    Slots whose candidate a guard has marked are not filled again: the sum over the rest keeps the promise of
    :class:`negatives.types.Negatives`.

    Args:
        k: Negatives per row; at most as many as there are candidates are returned.
    """

    k: int = 1

    def __post_init__(self) -> None:
        check_count("k", self.k)

    @property
    def needs_difficulty(self) -> bool:
        return False

    @property
    def keeps_proposal(self) -> bool:
        return True

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        m = candidates.ids.shape[1]
        first = integers(key, context.examples[:, None], 0, m)
        slots = (first + torch.arange(min(self.k, m), device=first.device)) % m
        log_q = None if candidates.log_q is None else candidates.log_q.gather(1, slots)
        return chosen(candidates, slots, candidates.ok.gather(1, slots), log_q)
