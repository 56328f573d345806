"""Sentence-level noise-contrastive estimation: real sentences told from sentences of a noise model that may harden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor
from torch.nn.functional import softplus

from negatives.data.ngrams import Ngram, Sentences, shuffled_words
from negatives.errors import ConfigError
from negatives.models.language.sentence import SentenceScorer
from negatives.randomness import Purpose, permutation, stream

NOISES = ("static", "reestimated", "hardened")
KINDS = ("shuffled", "unigram", "bigram", "trigram")


@dataclass(slots=True)
class SentenceNoise:
    """Trains a scorer to tell real sentences from those of an n-gram model.

    The loss is ``-log s(x) - log(1 - s(x'))`` with ``s`` the logistic function of the score, one noise sentence for
    each real one. At its optimum the score is ``log p(x) / q(x)``: with the exact ``q`` of the n-gram model it gives
    ``log p`` back.

    * ``static``: the noise model stays.
    * ``reestimated``: after each epoch the noise sentences that the scorer took for real are added to the noise model's
      text, so that it comes to make more like them.
    * ``hardened``: as before, and each noise sentence is the one of ``among`` that the scorer finds most real.

    Args:
        scorer: What is trained.
        real: The real sentences.
        noise: The n-gram model.
        kind: One of :data:`NOISES`.
        among: Sentences of which the hardest is taken.
        lr: Step size of Adam.
        batch_size: Real sentences of one step.
        seed: Seed of order and draws.

    Raises:
        ConfigError: The kind is not known.

    Source: noise-contrastive estimation of whole sentences: Gutmann and Hyvärinen, JMLR 2012; re-estimated noise as in
    dynamic NCE, Wang and Ou, Improved Training of Neural Trans-dimensional Random Field Language Models, ICASSP 2018.
    There the noise model follows the data by likelihood; here it follows the errors of the scorer.
    """

    scorer: SentenceScorer
    real: Sentences
    noise: Ngram
    kind: str = "static"
    among: int = 4
    lr: float = 2e-3
    batch_size: int = 64
    seed: int = 0
    seconds: float = 0.0
    _optimiser: torch.optim.Optimizer = field(init=False, repr=False)
    _start: Ngram = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in NOISES:
            raise ConfigError(f"no noise is called {self.kind!r}; choose {', '.join(NOISES)}")
        self._optimiser = torch.optim.Adam(self.scorer.parameters(), lr=self.lr)
        self._start = self.noise

    def epoch(self, number: int) -> float:
        """One pass over the real sentences; gives the mean loss."""
        start, total, steps = perf_counter(), 0.0, 0
        order = permutation(stream(self.seed, Purpose.SHUFFLE, number), self.real.lengths.numel())
        fooled: list[Tensor] = []
        for step, rows in enumerate(torch.split(order, self.batch_size)):
            key = stream(stream(self.seed, Purpose.NOISE, number), Purpose.NOISE, step)
            false = self.draw(rows.numel(), key)
            scores, against = self.scorer(self.real.pick(rows)), self.scorer(false)
            loss = (softplus(-scores) + softplus(against)).mean()
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            total, steps = total + float(loss.detach()), steps + 1
            taken = (against.detach() > 0).nonzero()[:, 0]
            if self.kind != "static" and taken.numel():
                fooled.append(false.pick(taken).text())
        if fooled:
            self.noise = self._start.with_more(torch.cat(fooled))
        self.seconds += perf_counter() - start
        return total / max(1, steps)

    @torch.no_grad()
    def draw(self, n: int, key: int) -> Sentences:
        """Noise sentences for one batch."""
        if self.kind != "hardened":
            return self.noise.draw(n, key)
        return hardest(self.scorer, self.noise, n, self.among, key)


@torch.no_grad()
def hardest(scorer: SentenceScorer, noise: Ngram, n: int, among: int, key: int) -> Sentences:
    """``n`` noise sentences, each that of ``among`` which the scorer finds most real."""
    drawn = noise.draw(n * among, key)
    best = scorer(drawn).view(n, among).argmax(1)
    return drawn.pick(torch.arange(n) * among + best)


def noises(real: Sentences, tokens: Tensor, end: int, n: int, seed: int) -> dict[str, Sentences]:
    """Noise sentences of every kind, for :func:`accuracies`.

    Args:
        real: Sentences whose words are shuffled.
        tokens: Text for the n-gram models.
        end: Id of the end of a sentence.
        n: How many of each kind.
        seed: Seed of the draws.
    """
    rows = permutation(stream(seed, Purpose.PROBES), real.lengths.numel())[:n]
    found = {"shuffled": shuffled_words(real.pick(rows), stream(seed, Purpose.PROBES, 1))}
    for order, name in enumerate(KINDS[1:], 1):
        found[name] = Ngram(tokens, end, order).draw(n, stream(seed, Purpose.PROBES, 1 + order))
    return found


@torch.no_grad()
def accuracies(scorer: SentenceScorer, real: Sentences, false: Mapping[str, Sentences]) -> dict[str, float]:
    """Share of real and noise sentences that are told right, for each kind of noise; 0.5 is chance."""
    right = _scores(scorer, real) > 0
    found = {}
    for name, sentences in false.items():
        wrong = _scores(scorer, sentences) > 0
        found[name] = 0.5 * float(right.double().mean()) + 0.5 * float((~wrong).double().mean())
    return found


def _scores(scorer: SentenceScorer, sentences: Sentences) -> Tensor:
    rows = torch.arange(sentences.lengths.numel())
    return torch.cat([scorer(sentences.pick(some)) for some in torch.split(rows, 512)])


__all__ = ["KINDS", "NOISES", "SentenceNoise", "accuracies", "hardest", "noises"]
