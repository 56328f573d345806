"""Numbers for keys: the kernel against its naive twin and against a dictionary, whatever the blocks."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from negatives import kernels
from negatives.kernels import Numbering, number_


def small() -> Numbering:
    return Numbering(0, torch.zeros(4, 2, dtype=torch.int64), torch.full((4,), -1, dtype=torch.int32))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 2)), max_size=30), max_size=5))
def test_keys_are_numbered_as_by_a_dictionary(blocks: list[list[tuple[int, int]]]) -> None:
    for path in ("numba", "numpy"):
        known: dict[tuple[int, int], int] = {}
        table = small()
        for block in blocks:
            expected = [known.setdefault(key, len(known)) for key in block]
            halves = (torch.tensor([key[half] for key in block], dtype=torch.int64) for half in (0, 1))
            before = table.count
            with kernels.use(path):
                found, fresh = number_(table, *halves)
            assert found.tolist() == expected
            assert [expected[row] for row in fresh.tolist()] == list(range(before, len(known)))
            assert table.count == len(known)
        assert 4 * table.count <= 3 * table.numbers.numel()
        assert sorted(table.numbers[table.numbers >= 0].tolist()) == list(range(table.count))


def test_many_keys_that_begin_alike() -> None:
    """Keys are looked for by their last bits; those that share them are told apart all the same."""
    keys = torch.arange(3000) << 40
    found, fresh = number_(Numbering(), torch.cat([keys, keys.flip(0)]), torch.zeros(6000, dtype=torch.int64))
    assert torch.equal(found, torch.cat([torch.arange(3000), torch.arange(3000).flip(0)]))
    assert torch.equal(fresh, torch.arange(3000))
