"""Triple classification: true or false, by a threshold on the score for each relation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.evaluation.metrics.accuracy import Accuracy
from negatives.evaluation.values import Decided


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scored triples with their labels.

    Args:
        scores: ``(n,)`` float.
        relations: ``(n,)`` int64.
        true: ``(n,)`` bool.
    """

    scores: Tensor
    relations: Tensor
    true: Tensor


def best_threshold(scores: Tensor, true: Tensor) -> float:
    """The threshold that classifies most right when ``score >= threshold`` means true; the lowest of equals.

    It lies half way between two neighbouring scores, so that it does not hang on one of them.

    >>> best_threshold(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([False, True, True]))
    1.5
    """
    ordered, order = scores.double().sort()
    labels = true[order]
    # right when the first i are called false: false ones among them, and true ones after them
    zero = torch.zeros(1, dtype=torch.int64)
    right = torch.cat([zero, (~labels).cumsum(0)]) + labels.sum() - torch.cat([zero, labels.cumsum(0)])
    cuts = torch.cat([ordered[:1] - 1, (ordered[1:] + ordered[:-1]) / 2, ordered[-1:] + 1])
    apart = torch.ones_like(right, dtype=torch.bool)
    apart[1:-1] = ordered[1:] > ordered[:-1]  # no cut between equal scores
    return float(cuts[right.masked_fill(~apart, -1).argmax()])


def thresholds(valid: Labelled) -> tuple[dict[int, float], float]:
    """The threshold of each relation, chosen on the validation part, and one for all other relations."""
    found = {}
    for relation in torch.unique(valid.relations).tolist():
        mine = valid.relations == relation
        if bool(valid.true[mine].any()) and not bool(valid.true[mine].all()):
            found[relation] = best_threshold(valid.scores[mine], valid.true[mine])
    return found, best_threshold(valid.scores, valid.true)


def classify(valid: Labelled, test: Labelled) -> Tensor:
    """``(n,)`` float64, 1 where a test triple is classified right by thresholds of the validation part.

    Source: Socher et al., Reasoning with Neural Tensor Networks for Knowledge Base Completion, NIPS 2013; hard
    negatives after Safavi and Koutra, CoDEx, EMNLP 2020.
    """
    by_relation, other = thresholds(valid)
    cut = torch.tensor([by_relation.get(one, other) for one in test.relations.tolist()], dtype=torch.float64)
    return Accuracy().of(Decided(test.scores.double() >= cut, test.true))
