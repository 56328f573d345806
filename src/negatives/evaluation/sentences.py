"""How well real sentences are told from noise of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from negatives.data.ngrams import LONGEST, Ngram, Sentences, shuffled_words
from negatives.evaluation.metrics.accuracy import Accuracy
from negatives.evaluation.values import Decided
from negatives.randomness import Purpose, stream

KINDS = ("shuffled", "unigram", "bigram", "trigram")
"""Kinds of noise, from a real sentence's words in another order to sentences of n-gram models."""


def noise_of_every_kind(
    real: Sentences, tokens: Tensor, end: int, seed: int, longest: int = LONGEST
) -> dict[str, Sentences]:
    """As many noise sentences of each of :data:`KINDS` as there are real ones.

    Args:
        real: Sentences whose words are shuffled.
        tokens: ``(n,)`` int64, text for the n-gram models.
        end: Id of the end of a sentence.
        seed: Seed of the draws.
        longest: Words of a noise sentence, its end among them.
    """
    found = {KINDS[0]: shuffled_words(real, stream(seed, Purpose.PROBES, 1))}
    for order, name in enumerate(KINDS[1:], 1):
        key = stream(seed, Purpose.PROBES, 1 + order)
        found[name] = Ngram(tokens, end, order).draw(real.lengths.numel(), key, longest)
    return found


def told_right(
    score: Callable[[Sentences], Tensor], real: Sentences, noise: Mapping[str, Sentences]
) -> dict[str, Tensor]:
    """``accuracy:<kind>`` for each kind of noise, ``(n,)``: half for each real and each noise sentence told right.

    A sentence is taken for real where its score is above zero. The mean over the sentences is the balanced accuracy;
    0.5 is chance. ``accuracy`` is the mean over the kinds.

    Args:
        score: Scores ``(n,)`` of sentences.
        real: ``n`` real sentences.
        noise: ``n`` noise sentences of each kind.
    """
    right, truth = score(real) > 0, torch.ones(real.lengths.numel(), 2, dtype=torch.bool)
    told = {kind: torch.stack([right, score(false) <= 0], 1) for kind, false in noise.items()}
    found = {f"accuracy:{kind}": Accuracy().of(Decided(one, truth)) for kind, one in told.items()}
    return {"accuracy": torch.stack(list(found.values())).mean(0)} | found
