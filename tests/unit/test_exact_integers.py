"""Bounded integers take all 64 bits of a hash word, wherever an item is drawn from a list."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from negatives.models.factorization import MatrixFactorization
from negatives.proposals import cached, retrieved, sets, shortlist
from negatives.proposals.base import Proposal
from negatives.randomness import bounded
from negatives.selection import TopM, window
from negatives.types import Candidates, Catalogue, Context, Csr

THIRD = -(-(1 << 64) // 3)
"""The first of all words that stands for the second of three; 32 of its bits alone would say the first."""


@pytest.mark.parametrize("bound", [1, 3, 10**7, (1 << 31) - 1, 1 << 31])
def test_each_integer_has_as_many_words_as_any_other(bound: int) -> None:
    for value in {0, bound // 3, bound // 2, max(bound - 2, 0), bound - 1}:
        first = -(-value * (1 << 64) // bound)
        last = -(-(value + 1) * (1 << 64) // bound) - 1
        words = torch.tensor([one - (1 << 64) if one >= 1 << 63 else one for one in (first, last)])
        assert bounded(words, bound).tolist() == [value, value]
        assert bounded(words, torch.tensor(bound)).tolist() == [value, value]
    with pytest.raises(ValueError, match="2\\^31"):
        bounded(torch.zeros(1, dtype=torch.int64), (1 << 31) + 1)


def batch() -> Context:
    return Context(torch.zeros(2, dtype=torch.int64), torch.tensor([3, 3]), torch.arange(2))


def catalogue() -> Catalogue:
    known = Csr.from_pairs(torch.tensor([0]), torch.tensor([3]), 1, 4)
    return Catalogue(1, 4, torch.ones(4, dtype=torch.int64), known)


def drawn(proposal: Proposal) -> Tensor:
    proposal.bind(catalogue())
    proposal.refresh(batch(), MatrixFactorization(1, 4, 2))
    return proposal.draw(batch(), 2, 7)[0]


def from_a_set() -> Tensor:
    return sets.draw_members(Csr.from_pairs(torch.zeros(3), torch.arange(3), 1, 4), batch().queries, batch(), 2, 7)


def from_a_window() -> Tensor:
    scores = torch.tensor([[3.0, 2.0, 1.0]]).expand(2, 3)
    candidates = Candidates(torch.arange(3).expand(2, 3), None, torch.ones(2, 3, dtype=torch.bool), scores)
    return TopM(m=3, k=2).pick(batch(), candidates, scores, 7).ids


PLACES = {
    "sets": (sets, from_a_set),
    "cached": (cached, lambda: drawn(cached.Cached(size=3))),
    "retrieved": (retrieved, lambda: drawn(retrieved.Retrieved(stop=3))),
    "shortlist": (shortlist, lambda: drawn(shortlist.Shortlist(size=3, probes=9))),
    "window": (window, from_a_window),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_draw_from_three_turns_at_a_third_of_all_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, draw = PLACES[name]

    def items(word: int) -> list[int]:
        words: Callable[..., Tensor] = lambda key, examples, slots: torch.full((2, 2), word)  # noqa: E731
        monkeypatch.setattr(module, "bits", words)
        return sorted(set(draw().flatten().tolist()))

    first, before, turned = items(0), items(THIRD - 1), items(THIRD)
    assert len(first) == len(before) == len(turned) == 1
    assert first == before != turned
