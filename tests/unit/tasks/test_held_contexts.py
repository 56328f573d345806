"""Held-out contexts of words: ranked by probability, and equal scores are not answered by frequency."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from negatives.models.baselines.ppmi_svd import PpmiSvd
from negatives.models.words.glove import Glove
from negatives.models.words.skip_gram import SkipGram
from negatives.tasks.words import _recall
from negatives.types import Csr

N = 400
COUNTS = torch.arange(N, 0, -1)
TRUTH = Csr.from_pairs(torch.arange(N).repeat_interleave(20), torch.arange(20).repeat(N), N, N)
"""Every word stands near the twenty most frequent ones, which are the first."""


class Fixed:
    """A model of given scores."""

    def __init__(self, items: Tensor, association: bool) -> None:
        self.items, self.association = items[:, None], association

    def tables(self) -> tuple[Tensor, Tensor]:
        return torch.ones(N, 1), self.items


def recall(items: Tensor, association: bool = False) -> float:
    model: Any = Fixed(items, association)
    return _recall(model, TRUTH, COUNTS).mean["recall@20"]


def test_equal_scores_are_answered_by_chance() -> None:
    assert recall(torch.zeros(N)) == pytest.approx(20 / N, abs=0.1)
    assert recall(COUNTS.float()) == 1.0


def test_an_association_becomes_a_probability() -> None:
    assert recall(torch.zeros(N), association=True) == 1.0
    rare = torch.zeros(N)
    rare[-10:] = COUNTS.float().log()[0] + 1  # so much more often than by chance that they go before the frequent
    assert recall(rare, association=True) == pytest.approx(0.5)


def test_models_say_what_their_scores_are() -> None:
    assert SkipGram.association
    assert PpmiSvd.association
    assert not Glove.association  # its biases hold the frequencies
