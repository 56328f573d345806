"""The cases of :mod:`test_kernel_values` that Triton's kernels serve, interpreted on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from test_kernel_values import (
    test_an_alias_table_gives_each_item_its_weight,
    test_draws_are_the_twins_also_where_the_first_tries_fail,
    test_free_draws_are_the_hash_of_example_and_slot,
    test_membership_and_excluded_mass,
)

from negatives import kernels
from negatives.kernels.dispatch import serve
from negatives.randomness import generator
from negatives.types import Csr


@pytest.fixture(autouse=True)
def _triton() -> Iterator[None]:
    with kernels.use("triton"):
        yield


def test_they_are_triton_s() -> None:
    assert {serve(family).__name__ for family in ("draw", "members")} == {
        "negatives.kernels.triton.draw",
        "negatives.kernels.triton.members",
    }


def test_long_sets_empty_ones_and_the_items_of_each_row() -> None:
    """A set longer than a program has lanes, an empty one before it, and rows that ask for different items."""
    known = Csr(torch.tensor([0, 0, 600, 601]), torch.cat([torch.arange(0, 1200, 2), torch.tensor([1])]).int(), 1300)
    queries, share = torch.tensor([1, 0, 2]), torch.rand(1300, generator=generator(1))
    ids = torch.tensor([[0, 1, 1198, 1199], [0, 2, 1, 4], [1, 0, 3, 1298]])
    assert kernels.contains(known, queries, ids).tolist() == [
        [True, False, True, False],
        [False] * 4,
        [True, False, False, False],
    ]
    mass = [float(share[known.row(query).long()].double().sum()) for query in queries.tolist()]
    assert kernels.excluded_mass(known, queries, share).tolist() == pytest.approx(mass, rel=1e-12)


__all__ = [
    "test_an_alias_table_gives_each_item_its_weight",
    "test_draws_are_the_twins_also_where_the_first_tries_fail",
    "test_free_draws_are_the_hash_of_example_and_slot",
    "test_membership_and_excluded_mass",
]
