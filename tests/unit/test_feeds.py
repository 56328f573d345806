"""Feeds: every pair once per epoch, and a batch that depends on nothing but its place."""

from __future__ import annotations

import torch

from negatives.training.feeds import PairFeed

QUERIES, ITEMS = torch.arange(10), torch.arange(10) * 7


def test_an_epoch_holds_every_pair_once_and_in_another_order_each_time() -> None:
    feed = PairFeed(QUERIES, ITEMS)
    epochs = []
    for epoch in range(2):
        batches = [feed.batch(3, epoch, index, 4) for index in range(feed.steps(4))]
        assert [batch.queries.numel() for batch in batches] == [4, 4, 2]
        queries = torch.cat([batch.queries for batch in batches])
        assert torch.equal(torch.cat([batch.items for batch in batches]), queries * 7)
        assert torch.equal(torch.cat([batch.examples for batch in batches]), queries)
        assert sorted(queries.tolist()) == list(range(10))
        epochs.append(queries)
    assert not torch.equal(*epochs)


def test_a_batch_does_not_depend_on_those_before_it() -> None:
    walked, fresh = PairFeed(QUERIES, ITEMS), PairFeed(QUERIES, ITEMS)
    for epoch in range(2):
        for index in range(3):
            seen = walked.batch(0, epoch, index, 4)
    assert torch.equal(seen.queries, fresh.batch(0, 1, 2, 4).queries)
    assert not torch.equal(seen.queries, fresh.batch(1, 1, 2, 4).queries)
