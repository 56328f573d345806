"""Promises of :mod:`negatives.models.base` that some models once broke."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from negatives.data.ngrams import Ngram, Sentences
from negatives.models import Model, registry
from negatives.models.language.noise import NoiseBank

TOKENS = torch.arange(120) * 7 % 11
TEXT = {"tokens": TOKENS, "counts": torch.bincount(TOKENS, minlength=11), "dim": 8, "window": 5}


def sentence() -> Model:
    real = Sentences(torch.arange(12).view(3, 4) % 9, torch.tensor([4, 4, 4]))
    bank = NoiseBank(Ngram(TOKENS, 10, 2), 5, 2, longest=6)
    return registry.build({"name": "sentence", "real": real, "noise": bank, "n_words": 11, "dim": 8})


@pytest.mark.parametrize(
    "make",
    [
        lambda: registry.build({"name": "lstm"} | TEXT),
        lambda: registry.build({"name": "transformer"} | TEXT),
        sentence,
    ],
    ids=["lstm", "transformer", "sentence"],
)
def test_no_model_touches_the_global_random_state(make: Callable[[], Model]) -> None:
    before = torch.random.get_rng_state()
    make()
    assert torch.equal(torch.random.get_rng_state(), before)
