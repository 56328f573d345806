"""Telling real sentences from noise: what is learned, what hardens, and that lengths of a batch do not matter."""

from __future__ import annotations

import pytest
import torch

from negatives.data.ngrams import Ngram, Sentences, sentences_of
from negatives.errors import ConfigError
from negatives.models.language.sentence import SentenceScorer
from negatives.training.sentence_noise import NOISES, SentenceNoise, accuracies, hardest, noises

END, WORDS = 0, 9


def text(n: int = 400) -> torch.Tensor:
    """Words count up by one, from a start that turns: an n-gram of order 1 knows nothing of it."""
    rows = [[1 + (i * 5 + at) % 8 for at in range(3 + i % 4)] + [END] for i in range(n)]
    return torch.tensor([word for row in rows for word in row])


def trained(kind: str, epochs: int = 3) -> SentenceNoise:
    real = sentences_of(text(), END)
    made = SentenceNoise(SentenceScorer(WORDS, 16), real, Ngram(text(), END, 1), kind, lr=1e-2, batch_size=32)
    for number in range(epochs):
        made.epoch(number)
    return made


@pytest.mark.parametrize("kind", NOISES)
def test_real_sentences_are_told_from_noise(kind: str) -> None:
    made = trained(kind, 4)
    false = noises(made.real, text(), END, 200, 5)
    found = accuracies(made.scorer, made.real, false)
    assert set(found) == {"shuffled", "unigram", "bigram", "trigram"}
    assert found["unigram"] > 0.9
    assert found["shuffled"] > 0.9
    assert found["trigram"] < found["unigram"]  # trigrams know the text


def test_the_noise_model_changes_only_where_it_should() -> None:
    assert trained("static", 1).noise.tokens.numel() == text().numel()
    assert trained("reestimated", 1).noise.tokens.numel() > text().numel()


def test_hardest_takes_the_best_of_each_group() -> None:
    scorer, noise = SentenceScorer(WORDS, 8), Ngram(text(), END, 1)
    drawn = noise.draw(20, 7)
    best = scorer(drawn).view(5, 4).max(1).values
    torch.testing.assert_close(scorer(hardest(scorer, noise, 5, 4, 7)), best)


def test_a_score_does_not_depend_on_the_other_sentences_of_the_batch() -> None:
    scorer = SentenceScorer(WORDS, 8)
    short = Sentences(torch.tensor([[1, 2, END]]), torch.tensor([3]))
    beside = Sentences(torch.tensor([[1, 2, END, END, END, END], [3, 4, 5, 6, 7, END]]), torch.tensor([3, 6]))
    torch.testing.assert_close(scorer(short)[0], scorer(beside)[0])


def test_training_repeats() -> None:
    first, again = trained("hardened", 1), trained("hardened", 1)
    for one, two in zip(first.scorer.parameters(), again.scorer.parameters(), strict=True):
        assert torch.equal(one, two)


def test_unknown_noise() -> None:
    with pytest.raises(ConfigError, match="no noise"):
        SentenceNoise(SentenceScorer(3, 4), sentences_of(text(), END), Ngram(text(), END), "hard")
