"""Accuracy of telling sentences from noise, by hand; noise of every kind."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.data.ngrams import Sentences, sentences_of
from negatives.evaluation.sentences import KINDS, noise_of_every_kind, told_right

END = 0
TEXT = torch.tensor([1, 2, 3, END, 4, 2, END, 3, 3, 1, END])


def longer_than_three(sentences: Sentences) -> Tensor:
    return sentences.lengths.double() - 3.0


def test_accuracy_by_hand() -> None:
    real = sentences_of(TEXT, END)
    false = {"all told": real.pick(torch.tensor([1, 1, 1])), "none told": real.pick(torch.tensor([0, 2, 0]))}
    found = told_right(longer_than_three, real, false)
    assert found["accuracy:all told"].tolist() == [1.0, 0.5, 1.0]
    assert found["accuracy:none told"].tolist() == [0.5, 0.0, 0.5]
    assert found["accuracy"].tolist() == [0.75, 0.25, 0.75]


def test_noise_of_every_kind() -> None:
    real = sentences_of(TEXT.repeat(50), END)
    found = noise_of_every_kind(real, TEXT, END, 1, longest=8)
    assert tuple(found) == KINDS
    assert all(false.lengths.numel() == real.lengths.numel() for false in found.values())
    assert all(int(false.lengths.max()) <= 8 for false in found.values())
    assert torch.equal(found["shuffled"].words.sort(1).values, real.words.sort(1).values)
    assert not torch.equal(found["shuffled"].words, real.words)
    again, other = (noise_of_every_kind(real, TEXT, END, seed, longest=8) for seed in (1, 2))
    assert torch.equal(found["unigram"].words, again["unigram"].words)
    assert not torch.equal(found["unigram"].lengths, other["unigram"].lengths)
