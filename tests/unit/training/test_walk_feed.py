"""Pairs from walks: what they are, that an epoch holds them all, and that any batch can be made anew."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import torch

from negatives.data.edges import symmetric
from negatives.errors import InputError
from negatives.kernels.walks import walks
from negatives.randomness import Purpose, stream
from negatives.training import walk_feed
from negatives.training.walk_feed import WalkFeed
from negatives.types import Csr

NODES = 12


def ring(directed: bool = False) -> Csr:
    """A ring with an extra node that nothing leads to; directed, a path that ends."""
    nodes = torch.arange(NODES - 1)
    if directed:
        return Csr.from_pairs(nodes[:-1], nodes[1:], NODES, NODES)
    return symmetric(Csr.from_pairs(nodes, (nodes + 1) % (NODES - 1), NODES, NODES))


def epoch_of(feed: WalkFeed, size: int, epoch: int = 0, seed: int = 0) -> list[tuple[int, int, int]]:
    found = []
    for index in range(feed.steps(size)):
        batch = feed.batch(seed, epoch, index, size)
        assert batch.queries.numel() > 0
        found += list(zip(batch.queries.tolist(), batch.items.tolist(), batch.examples.tolist(), strict=True))
    return found


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("block", [1, 64, 1 << 20])
def test_an_epoch_holds_the_pairs_of_its_walks(directed: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_feed, "BLOCK", block)
    feed = WalkFeed(ring(directed), length=6, walks=3, window=2)
    n = 10 if directed else 11
    numbers = torch.arange(n * 3)
    paths = walks(feed.graph, numbers % n, 6, stream(0, Purpose.WALKS, 0), examples=numbers).tolist()
    wanted: Counter[tuple[int, int]] = Counter()
    for path in paths:
        for i, centre in enumerate(path):
            for j, context in enumerate(path):
                if 0 < abs(i - j) <= 2 and centre >= 0 and context >= 0:
                    wanted[centre, context] += 1
    found = epoch_of(feed, 16)
    assert Counter((centre, context) for centre, context, _ in found) == wanted
    assert len({example for _, _, example in found}) == len(found)
    if not directed:
        assert len(found) == feed.rows


def test_batches_are_about_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_feed, "BLOCK", 512)
    feed = WalkFeed(ring(), length=9, walks=20, window=3)
    sizes = [feed.batch(0, 0, index, 100).queries.numel() for index in range(feed.steps(100))]
    assert sum(sizes) == feed.rows
    assert max(sizes) <= 100 + feed.rows // (feed.walks * 11)
    assert min(sizes) > 50


def test_a_batch_is_a_function_of_its_place() -> None:
    feed, fresh = (WalkFeed(ring(), length=8, walks=4, window=2, p=0.5, q=2.0) for _ in range(2))
    whole = [feed.batch(3, 1, index, 32) for index in range(feed.steps(32))]
    for index in (5, 0, 5):
        again = fresh.batch(3, 1, index, 32)
        assert torch.equal(again.queries, whole[index].queries)
        assert torch.equal(again.items, whole[index].items)
        assert torch.equal(again.examples, whole[index].examples)
    assert epoch_of(feed, 32, epoch=0) != epoch_of(feed, 32, epoch=1)
    assert epoch_of(feed, 32, seed=0) != epoch_of(feed, 32, seed=1)


def test_pairs_are_shuffled() -> None:
    feed = WalkFeed(ring(), length=8, walks=30, window=2)
    centres = [centre for centre, _, _ in epoch_of(feed, 50)]
    repeats = sum(a == b for a, b in pairwise(centres)) / len(centres)
    assert abs(repeats - 1 / 11) < 0.03


def test_biased_walks_differ() -> None:
    plain, biased = (WalkFeed(ring(), length=8, walks=10, window=3, p=p) for p in (1.0, 100.0))
    assert set(epoch_of(plain, 50)) != set(epoch_of(biased, 50))


def test_a_graph_without_edges_is_refused() -> None:
    empty = Csr(torch.zeros(4, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), 3)
    with pytest.raises(InputError, match="nowhere to walk"):
        WalkFeed(empty)
