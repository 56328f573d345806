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


def test_pairs_are_taken_in_proportion_to_their_weights() -> None:
    weights = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 5.0], dtype=torch.float64)
    feed, n, epochs = PairFeed(torch.arange(6), torch.arange(6) + 10, weights), 6, 400
    taken = torch.zeros(n)
    firsts = []
    for epoch in range(epochs):
        batches = [feed.batch(1, epoch, index, 4) for index in range(feed.steps(4))]
        queries = torch.cat([batch.queries for batch in batches])
        assert torch.equal(torch.cat([batch.items for batch in batches]), queries + 10)
        assert torch.cat([batch.examples for batch in batches]).tolist() == list(range(n))
        times = torch.bincount(queries, minlength=n)
        expected = weights / weights.mean()
        assert bool(((times >= expected.floor()) & (times <= expected.ceil())).all())
        taken += times
        firsts.append(int(queries[0]))
    assert torch.allclose(taken / epochs, (weights / weights.mean()).float(), atol=0.1)
    share = torch.bincount(torch.tensor(firsts), minlength=n) / epochs
    assert torch.allclose(share, (weights / weights.sum()).float(), atol=0.1)  # no pair has a place of its own


def test_equal_weights_take_every_pair_once() -> None:
    feed = PairFeed(QUERIES, ITEMS, torch.full((10,), 3.0, dtype=torch.float64))
    orders = [torch.cat([feed.batch(0, epoch, index, 4).queries for index in range(3)]).tolist() for epoch in (0, 1)]
    assert [sorted(order) for order in orders] == [list(range(10))] * 2
    assert orders[0] != orders[1] != list(range(10))
