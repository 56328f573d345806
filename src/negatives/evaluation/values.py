"""What metrics are computed of: values made once per evaluation, whatever the task.

A metric names the class that it needs and fits every class below it: reciprocal ranks fit all questions whose first
right answer has a rank, gains over a list fit ranked lists only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Value(ABC):
    """Outcomes of ``n`` questions; the first field has a row for each.

    Attributes:
        what: What it is, for messages.
    """

    what: ClassVar[str]

    @property
    def rows(self) -> int:
        """Number of questions ``n``: a metric gives one number for each."""
        return len(getattr(self, fields(self)[0].name))

    @property
    def longest(self) -> int | None:
        """The largest cut-off that can be asked for; None where there is no end."""
        return None


@dataclass(frozen=True, slots=True)
class Answered(Value):
    """Questions, each with the rank of its first right answer."""

    what = "ranks of right answers"

    @property
    @abstractmethod
    def first(self) -> Tensor:
        """``(n,)`` float64 rank from one of the first right answer; infinity where none was found."""


@dataclass(frozen=True, slots=True)
class Ranks(Answered):
    """Questions with one right answer each.

    Args:
        ranks: ``(n,)`` its rank from one; halves where ties share a place.
    """

    ranks: Tensor

    @property
    def first(self) -> Tensor:
        return self.ranks.double()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked(Answered):
    """Ranked lists, one per query.

    Args:
        items: ``(n, k)`` int64 ids, best first; -1 where there is none.
        gains: ``(n, k)`` what each is worth, bool or a grade; zero or False where it is not right.
        relevant: ``(n,)`` int64 number of right answers of each query, at least one.
        n_candidates: Number of items that were ranked.
        ideal: ``(n, k)`` largest gains that each query's answers have, highest first, filled up with 0; None where
            every right answer is worth one.
    """

    what = "ranked lists"
    items: Tensor
    gains: Tensor
    relevant: Tensor
    n_candidates: int
    ideal: Tensor | None = None

    @property
    def longest(self) -> int:
        return self.items.shape[1]

    @property
    def hits(self) -> Tensor:
        """``(n, k)`` bool, whether each item is a right answer."""
        return self.gains > 0

    @property
    def first(self) -> Tensor:
        hits = self.hits
        return torch.where(hits.any(1), (hits.double().argmax(1) + 1).double(), torch.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedByCounts(Ranked):
    """Ranked lists of items whose training counts are known.

    Args:
        counts: ``(n_items,)`` training counts.
        wanted: ``(m,)`` int64, all right answers of the queries.
    """

    what = "ranked lists with training counts of the items"
    counts: Tensor
    wanted: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedByWeights(Ranked):
    """Ranked lists of items with weights, for instance inverse propensities.

    Args:
        weights: ``(n_items,)`` float64.
        best: ``(n, k)`` float64 largest weights of each query's right answers, highest first, filled up with 0.
    """

    what = "ranked lists with propensities of the labels"
    weights: Tensor
    best: Tensor


@dataclass(frozen=True, slots=True)
class Scored(Value):
    """Scores of right and of wrong things, which a good model tells apart.

    Args:
        right: ``(n,)`` scores.
        wrong: ``(m,)`` scores.
    """

    what = "scores of right and wrong pairs"
    right: Tensor
    wrong: Tensor


@dataclass(frozen=True, slots=True)
class Decided(Value):
    """Decisions beside the truth.

    Args:
        said: ``(n,)`` or ``(n, j)``, bool or a class; ``j`` decisions for each question.
        true: The same shape.
    """

    what = "decisions"
    said: Tensor
    true: Tensor


@dataclass(frozen=True, slots=True)
class Rated(Value):
    """Scores beside ratings by people.

    Args:
        scores: ``(n,)``.
        ratings: ``(n,)``.
    """

    what = "scores with ratings by people"
    scores: Tensor
    ratings: Tensor


@dataclass(frozen=True, slots=True)
class Likelihood(Value):
    """What a model says of each word of a text.

    Args:
        log_p: ``(n,)`` float64, natural logarithm of the probability of each word, normalised over all words.
        log_z: ``(n,)`` float64, logarithm of the sum of the exponentials of all scores.
    """

    what = "probabilities of words"
    log_p: Tensor
    log_z: Tensor
