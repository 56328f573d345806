"""Pairs of sentences with graded similarity, and their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.data.pairs import Rows
from negatives.data.repeats import once
from negatives.types import Catalogue, Csr, less


@dataclass(frozen=True, slots=True)
class ScoredPairs(Rows):
    """Graded pairs of one part.

    Args:
        left: ``(n,)`` int64 sentence ids.
        right: ``(n,)`` int64 sentence ids.
        scores: ``(n,)`` float64, larger is more similar.
    """

    left: Tensor
    right: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True)
class SimilarityData:
    """Sentences and graded pairs under one numbering.

    Args:
        name: Short name of the data.
        sentences: Texts by id, distinct.
        parts: ``train``, ``valid`` and ``test``.
        positive: Score from which a training pair is trained on as similar.
        related: Score from which a training pair is no negative.
        notes: What was read and what was skipped.
    """

    name: str
    sentences: list[str]
    parts: Mapping[str, ScoredPairs]
    positive: float
    related: float
    notes: tuple[str, ...]

    @property
    def n_sentences(self) -> int:
        return len(self.sentences)

    def similar(self, least: float) -> Csr:
        """Training pairs with a score of at least ``least``, in both directions."""
        train = self.parts["train"]
        some = train.pick((train.scores >= least) & (train.left != train.right))
        both = torch.cat([some.left, some.right]), torch.cat([some.right, some.left])
        return Csr.from_pairs(*both, self.n_sentences, self.n_sentences)

    def catalogue(self) -> Catalogue:
        """What samplers may know; a sentence's related ones are its known positives, those judged below are given
        negatives."""
        trained = self.similar(self.positive)
        counts = torch.bincount(trained.indices.long(), minlength=self.n_sentences)
        anchors = torch.arange(self.n_sentences)
        known = self.similar(self.related)
        given = less(self.similar(-torch.inf), known)
        sides = self.n_sentences, self.n_sentences
        return Catalogue(*sides, counts, known, query_anchors=anchors, given=given if given.nnz else None)


def distinct(rows: Sequence[tuple[str, str, float]], part: str, notes: list[str]) -> list[tuple[str, str, float]]:
    """Each pair of sentences once, in whichever order they stand, with its highest score; told in ``notes``.

    >>> distinct([("a", "b", 1.0), ("b", "a", 3.0), ("a", "c", 2.0)], "test", [])
    [('a', 'b', 3.0), ('a', 'c', 2.0)]
    """
    numbers: dict[tuple[str, str], int] = {}
    codes = [numbers.setdefault((min(a, b), max(a, b)), len(numbers)) for a, b, _ in rows]
    scores = torch.tensor([score for _, _, score in rows], dtype=torch.float64)
    found = once(torch.tensor(codes, dtype=torch.int64), scores)
    notes += found.notes(part, "pairs", "scores")
    return [(*rows[at][:2], score) for at, score in zip(found.rows.tolist(), found.values.tolist(), strict=True)]
