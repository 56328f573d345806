"""The cases of :mod:`test_kernel_values` on plain tensor operations, which serve other devices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_kernel_values import (
    test_a_second_pool_does_not_see_the_first,
    test_an_alias_table_gives_each_item_its_weight,
    test_draws_are_the_twins_also_where_the_first_tries_fail,
    test_draws_leave_out_what_is_known_and_keep_their_shares,
    test_exponentials_sums_and_largest,
    test_free_draws_are_the_hash_of_example_and_slot,
    test_membership_and_excluded_mass,
    test_optimisers_of_rows_are_their_formulas,
    test_resampled_slots_follow_the_softmax,
    test_sparse_products_gathered_scores_and_their_gradient,
    test_the_best_without_the_known_ties_by_the_hash,
)

from negatives import kernels


@pytest.fixture(autouse=True)
def _tensors() -> Iterator[None]:
    with kernels.use("torch"):
        yield


__all__ = [
    "test_a_second_pool_does_not_see_the_first",
    "test_an_alias_table_gives_each_item_its_weight",
    "test_draws_are_the_twins_also_where_the_first_tries_fail",
    "test_draws_leave_out_what_is_known_and_keep_their_shares",
    "test_exponentials_sums_and_largest",
    "test_free_draws_are_the_hash_of_example_and_slot",
    "test_membership_and_excluded_mass",
    "test_optimisers_of_rows_are_their_formulas",
    "test_resampled_slots_follow_the_softmax",
    "test_sparse_products_gathered_scores_and_their_gradient",
    "test_the_best_without_the_known_ties_by_the_hash",
]
