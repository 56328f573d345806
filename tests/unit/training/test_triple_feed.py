"""Batches of triples: what each side asks for, Bernoulli's rule, and the same batch again."""

from __future__ import annotations

import pytest
import torch

from negatives.errors import ConfigError
from negatives.training.triple_feed import TripleFeed, head_chances

N = 4000


def feed(sides: str, chance: float = 0.75) -> TripleFeed:
    ids = torch.arange(N)
    return TripleFeed(ids, ids + 1, ids + N, ids + 2, sides, torch.full((N,), chance, dtype=torch.float64))


def epoch(one: TripleFeed, number: int = 0) -> list[tuple[int, int, int]]:
    batches = [one.batch(3, number, index, 300) for index in range(one.steps(300))]
    parts = [torch.cat([getattr(part, name) for part in batches]) for name in ("queries", "items", "examples")]
    return list(zip(*(part.tolist() for part in parts), strict=True))


def test_both_sides_of_every_triple_come_once() -> None:
    found = epoch(feed("both"))
    assert sorted(query for query, _, _ in found) == list(range(2 * N))
    assert sorted(example for *_, example in found) == list(range(2 * N))
    assert all(item == (query + 1 if query < N else query - N + 2) for query, item, _ in found)


def test_tails_alone() -> None:
    found = epoch(feed("tail"))
    assert sorted(query for query, _, _ in found) == list(range(N))


def test_bernoulli_asks_for_heads_with_the_given_chance() -> None:
    found, again, later = epoch(feed("bernoulli")), epoch(feed("bernoulli")), epoch(feed("bernoulli"), 1)
    assert sorted(example for *_, example in found) == list(range(N))
    share = sum(query >= N for query, _, _ in found) / N
    assert share == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / N) ** 0.5)
    assert found == again
    sides = [{example: query >= N for query, _, example in one} for one in (found, later)]
    assert sides[0] != sides[1]


def test_chances_by_relation() -> None:
    heads, tails = torch.tensor([0, 0, 0, 0, 5, 6]), torch.tensor([1, 2, 3, 4, 7, 7])
    relations = torch.tensor([0, 0, 0, 0, 1, 1])
    found = head_chances(heads, relations, tails)
    assert found.tolist() == pytest.approx([4 / 5] * 4 + [1 / 3] * 2)


def test_sides_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match="did you mean both"):
        feed("boht")
