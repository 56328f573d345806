"""Exact figures of a language model: perplexity, and how nearly its scores are normalised."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from negatives.errors import NonFiniteScores
from negatives.evaluation.values import Likelihood

CELLS = 1 << 22
"""Scores that are held at a time."""


FIGURES = ("perplexity", "log_likelihood", "log_z", "log_z_sd")
"""Metrics of a language model."""


def likelihood(blocks: Iterator[tuple[Tensor, Tensor]], table: Tensor) -> Likelihood:
    """Exact log-probabilities of words.

    Args:
        blocks: Vectors ``(rows, d)`` of prefixes with the ids ``(rows,)`` of the words after them.
        table: ``(n_words, d)``, all words.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    columns = table.T.contiguous()
    none = torch.empty(0, dtype=torch.float64)
    log_p, log_z = [], []
    step = max(1, CELLS // len(table))
    for vectors, words in blocks:
        for at in range(0, words.numel(), step):
            scores = vectors[at : at + step] @ columns
            total = scores.logsumexp(1).double()
            right = scores.gather(1, words[at : at + step, None])[:, 0].double()
            log_p.append((right - total).cpu())
            log_z.append(total.cpu())
    found = Likelihood(torch.cat([none, *log_p]), torch.cat([none, *log_z]))
    if not bool(torch.isfinite(found.log_p.sum())):
        raise NonFiniteScores("the scores hold NaN or infinity; lower the learning rate")
    return found
