"""Exact figures of a language model: perplexity, and how nearly its scores are normalised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import NonFiniteScores

CELLS = 1 << 22
"""Scores that are held at a time."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a model says of each word of a text.

    Args:
        log_p: ``(n,)`` float64, natural logarithm of the probability of each word, normalised over all words.
        log_z: ``(n,)`` float64, logarithm of the sum of the exponentials of all scores.
    """

    log_p: Tensor
    log_z: Tensor

    def metrics(self) -> dict[str, float]:
        """``perplexity``; ``log_likelihood`` per word; mean ``log_z`` and standard deviation ``log_z_sd`` of log Z.

        A model is self-normalised where both are near zero: its scores are log-probabilities without the sum.
        """
        mean = float(self.log_p.mean())
        return {
            "perplexity": float(torch.tensor(-mean, dtype=torch.float64).exp()),
            "log_likelihood": mean,
            "log_z": float(self.log_z.mean()),
            "log_z_sd": float(self.log_z.std(unbiased=False)),
        }


def likelihood(blocks: Iterator[tuple[Tensor, Tensor]], table: Tensor) -> Likelihood:
    """Exact log-probabilities of words.

    Args:
        blocks: Vectors ``(rows, d)`` of prefixes with the ids ``(rows,)`` of the words after them.
        table: ``(n_words, d)``, all words.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    columns = table.T.contiguous()
    log_p, log_z = [], []
    step = max(1, CELLS // len(table))
    for vectors, words in blocks:
        for at in range(0, words.numel(), step):
            scores = vectors[at : at + step] @ columns
            total = scores.logsumexp(1).double()
            right = scores.gather(1, words[at : at + step, None])[:, 0].double()
            log_p.append((right - total).cpu())
            log_z.append(total.cpu())
    found = Likelihood(torch.cat(log_p), torch.cat(log_z))
    if not bool(torch.isfinite(found.log_p.sum())):
        raise NonFiniteScores("the scores hold NaN or infinity; lower the learning rate")
    return found


__all__ = ["Likelihood", "likelihood"]
