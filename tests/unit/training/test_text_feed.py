"""Streams of text: what follows what, within an epoch and between epochs."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from negatives.errors import ConfigError
from negatives.training.text_feed import TextFeed

TEXT = torch.arange(200) * 3


def test_windows_of_a_stream_follow_one_another() -> None:
    feed = TextFeed(TEXT, 7)
    assert feed.streams(30) == 4
    batches = [feed.batch(2, 1, index, 30) for index in range(feed.steps(30))]
    runs = [batch.queries.view(4, -1) for batch in batches]
    for before, after in pairwise(runs):
        assert torch.equal(before[:, -1] + 1, after[:, 0])
    whole = torch.cat(runs, 1)
    assert bool((whole.diff(dim=1) == 1).all())
    assert torch.unique(whole).numel() == whole.numel() == 4 * (192 // 4)
    for batch in batches:
        assert torch.equal(batch.items, TEXT[batch.queries + 1])


def test_epochs_begin_at_other_words_and_batches_stand_alone() -> None:
    feed = TextFeed(TEXT, 50)
    firsts = {int(feed.batch(0, epoch, 0, 100).queries[0]) for epoch in range(12)}
    assert len(firsts) > 3
    assert torch.equal(feed.batch(0, 3, 1, 100).queries, TextFeed(TEXT, 50).batch(0, 3, 1, 100).queries)


def test_too_little_text() -> None:
    with pytest.raises(ConfigError, match="too few"):
        TextFeed(torch.arange(10), 3).steps(60)
