"""Sets per query, shared pools and the keys of a batch."""

from __future__ import annotations

import pytest
import torch

from negatives.errors import ConfigError, InputError
from negatives.randomness import Purpose, stream
from negatives.registry import Registry
from negatives.types import Candidates, Context, Csr, Negatives, less, shared_pool, union


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


def test_rows_are_taken_from_every_part_that_is_there() -> None:
    """Positions, masks and slices; what is left out stays out, and the moment of a batch stays."""
    context = Context(torch.arange(3), torch.arange(3) + 10, torch.arange(3) + 20, seed=4, step=5)
    taken = context.take(torch.tensor([2, 0]))
    assert [part.tolist() for part in (taken.queries, taken.positives, taken.examples)] == [[2, 0], [12, 10], [22, 20]]
    assert (taken.seed, taken.step) == (4, 5)
    ids, first = torch.arange(6).view(3, 2), torch.tensor([True, False, False])
    negatives = Negatives(ids, ids / 2, ids > 2, None, ids * 3.0, first.float(), first + 1.0).take(first)
    parts = (negatives.ids, negatives.log_q, negatives.ok, negatives.scores)
    assert [None if one is None else one.tolist() for one in parts] == [
        [[0, 1]],
        [[0.0, 0.5]],
        [[False, False]],
        [[0, 3]],
    ]
    assert negatives.weight is None
    assert (negatives.positive_scores, negatives.positive_log_q) == (torch.tensor([1.0]), torch.tensor([2.0]))
    drawn = Candidates(ids, None, ids > 2, None, first.float()).take(slice(1, 3))
    assert (drawn.ids.tolist(), drawn.ok.tolist(), drawn.log_q, drawn.scores) == (
        [[2, 3], [4, 5]],
        [[False, True], [True, True]],
        None,
        None,
    )
    assert drawn.positive_scores is not None
    assert drawn.positive_scores.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("rows", "cols", "said"),
    [
        ([0, 1], [3, 30], "column 30 at place 1 is out of range; there are 30, numbered from 0"),
        ([0, 20], [3, 4], "row 20 at place 1 is out of range; there are 20"),
        ([-1, 1], [3, 4], "row -1 at place 0"),
        ([0, 1], [3, -30], "column -30 at place 1"),
    ],
)
def test_sets_of_ids_out_of_range_are_refused_and_not_taken_for_those_of_others(
    rows: list[int], cols: list[int], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        Csr.from_pairs(torch.tensor(rows), torch.tensor(cols), 20, 30)


def test_sets_are_united_and_taken_apart_row_by_row() -> None:
    one = Csr.from_pairs(torch.tensor([0, 0, 2, 2]), torch.tensor([1, 3, 0, 2]), 3, 4)
    two = Csr.from_pairs(torch.tensor([0, 1, 2]), torch.tensor([3, 1, 1]), 3, 4)
    assert [union([one, two]).row(row).tolist() for row in range(3)] == [[1, 3], [1], [0, 1, 2]]
    assert [less(one, two).row(row).tolist() for row in range(3)] == [[1], [], [0, 2]]
    with pytest.raises(ConfigError, match="build all from one data"):
        less(one, Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 3, 5))
