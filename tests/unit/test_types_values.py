"""Sets per query, shared pools and the keys of a batch."""

from __future__ import annotations

import pytest
import torch

from negatives.errors import ConfigError
from negatives.randomness import Purpose, stream
from negatives.registry import Registry
from negatives.types import Context, Csr, shared_pool


def test_sets_hold_each_item_once_in_order_in_its_own_row() -> None:
    sets = Csr.from_pairs(torch.tensor([3, 1, 3, 3, 1]), torch.tensor([2, 4, 0, 2, 1]), 5, 6)
    assert [sets.row(row).tolist() for row in range(5)] == [[], [1, 4], [], [0, 2], []]
    assert (sets.n_rows, sets.n_cols, sets.nnz, sets.lengths().tolist()) == (5, 6, 4, [0, 2, 0, 2, 0])
    assert sets.indices.dtype == torch.int32


def test_only_an_expanded_row_of_several_is_a_pool() -> None:
    pool = torch.arange(3)
    found = shared_pool(pool.expand(2, 3))
    assert found is not None
    assert found.tolist() == [0, 1, 2]
    for ids in (pool.expand(2, 3)[:1], pool.repeat(2, 1), pool):
        assert shared_pool(ids) is None


def test_a_batch_draws_by_seed_purpose_and_epoch_and_a_pool_by_the_step() -> None:
    context = Context(torch.tensor([4, 5]), torch.tensor([6, 7]), torch.tensor([8, 9]), seed=2, epoch=3, step=11)
    keys = [context.key(purpose) for purpose in Purpose]
    assert keys == [stream(2, purpose, 3) for purpose in Purpose]
    assert len(set(keys)) == len(Purpose)
    pooled = context.pooled()
    assert (pooled.rows, pooled.examples.tolist()) == (1, [11])
    assert pooled.key(Purpose.CANDIDATES) == context.key(Purpose.CANDIDATES)


def test_a_name_stands_once() -> None:
    table: Registry[object] = Registry("things", [("a", "builtins:int")])
    with pytest.raises(ConfigError, match="registered twice"):
        table.add("a", "builtins:str")
    with pytest.raises(ConfigError, match="registered twice"):
        Registry("things", [("a", "builtins:int"), ("a", "builtins:str")])
    assert table.get("a") is int
