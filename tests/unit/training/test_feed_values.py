"""What the other feeds give: every example once, in another order in each epoch, a function of its place alone."""

from __future__ import annotations

from collections import Counter

import torch

from negatives.data.cooccurrence import Cooccurrence
from negatives.data.corpus.encode import encode
from negatives.data.edges import symmetric
from negatives.kernels.words import PLACES
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.feeds import Batch, Feed
from negatives.training.grouped_feed import GroupedFeed
from negatives.training.text_feed import TextFeed
from negatives.training.walk_feed import WalkFeed
from negatives.types import Csr


def epoch(feed: Feed, size: int, number: int = 0, seed: int = 0) -> Batch:
    batches = [feed.batch(seed, number, index, size) for index in range(feed.steps(size))]
    return Batch(*(torch.cat([getattr(one, name) for one in batches]) for name in Batch.__slots__))


def test_grouped_pairs_stand_side_by_side() -> None:
    queries, items = torch.arange(40) // 4 + 1, torch.arange(40)
    feed = GroupedFeed(Csr.from_pairs(queries, items, 12, 40))
    first, later = epoch(feed, 7), epoch(feed, 7, 1)
    assert first.items.tolist() == first.examples.tolist()
    assert sorted(first.items.tolist()) == list(range(40))
    assert first.queries.tolist() == (first.items // 4 + 1).tolist()
    assert int((first.queries.diff() != 0).sum()) == 9  # ten queries, each in one run
    assert not torch.equal(first.queries, later.queries)
    again = GroupedFeed(feed.positives).batch(0, 1, 3, 7)
    assert torch.equal(again.items, feed.batch(0, 1, 3, 7).items)


def test_cells_come_once_in_each_direction() -> None:
    n = 5000
    cells = Cooccurrence(torch.arange(n).int(), torch.arange(n, 2 * n).int(), torch.ones(n), ())
    found = epoch(CellFeed(cells), 999)
    assert sorted(found.examples.tolist()) == list(range(2 * n))
    cell, turned = found.examples % n, found.examples >= n
    assert torch.equal(found.queries, torch.where(turned, n + cell, cell))
    assert torch.equal(found.items, torch.where(turned, cell, n + cell))


def test_a_words_query_is_the_word_before_it_in_its_sentence_or_the_one_after_it() -> None:
    corpus = encode([[f"{s}{w}" for w in "abc"] for s in range(6)], min_count=1)
    found = epoch(CorpusFeed(corpus, 0.0), 7)
    assert len(found.items) == 18
    for query, item in zip(found.queries.tolist(), found.items.tolist(), strict=True):
        query_name, name = corpus.words[query], corpus.words[item]
        assert query_name == name[0] + {"a": "b", "b": "a", "c": "b"}[name[1]]
    sentences = found.examples // PLACES
    assert sorted(sentences.tolist()) == [s for s in range(6) for _ in range(3)]


def test_frequent_words_are_thinned_anew_in_each_epoch() -> None:
    corpus = encode([["a", "b", "c", "d", "e"]] * 200, min_count=1)
    feed = CorpusFeed(corpus, 0.05)
    kept = [set(epoch(feed, 100, number).examples.tolist()) for number in (0, 1)]
    assert kept[0] != kept[1]
    assert all(0 < len(one) < 1000 for one in kept)


def test_text_is_read_to_the_end_of_each_stream() -> None:
    feed = TextFeed(torch.arange(101), 10)  # 90 places of a prefix, 3 streams of 30
    found = epoch(feed, 30)
    assert sorted(found.queries.tolist()) == list(range(int(found.queries.min()), int(found.queries.min()) + 90))
    assert torch.equal(found.items, found.queries + 1)
    feed = TextFeed(torch.arange(106), 10)  # streams of 31: a window of one word is left
    assert epoch(feed, 30).queries.unique().numel() == 93
    starts = {int(feed.batch(0, number, 0, 30).queries[0]) for number in range(9)}
    assert len(starts) > 1


def test_each_epoch_walks_other_ways() -> None:
    nodes = torch.arange(30)
    graph = symmetric(Csr.from_pairs(nodes, (nodes + 1) % 30, 30, 30))
    feed = WalkFeed(graph, length=6, walks=2, window=3)
    pairs = [
        Counter(zip(one.queries.tolist(), one.items.tolist(), strict=True))
        for one in (epoch(feed, 50, 0), epoch(feed, 50, 1))
    ]
    assert pairs[0] != pairs[1]
    assert pairs[0].total() == pairs[1].total() == feed.rows
