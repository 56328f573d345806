"""Every model through the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from models import CASES
from tables import Faults, pairs

from negatives.models import registry
from negatives.testing.models import CHECKS, ModelCase

NODE2VEC = "the tables of node2vec change when training goes on"
RANDOM = "building the model moves the global random state"
ITEMS = "history with similarity dot keeps its table a second time in its state, and cannot be restored"
FAULTS: Faults = {
    ("history", "state_is_complete"): ITEMS,
    ("node2vec", "tables_are_what_it_ranks_by"): NODE2VEC,
    ("node2vec of centres", "tables_are_what_it_ranks_by"): NODE2VEC,
    **{(name, "seeds_decide_the_weights"): RANDOM for name in ("lstm", "transformer", "sentence")},
}


def test_every_model_has_a_case() -> None:
    assert set(registry) == {name.split()[0] for name in CASES}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: ModelCase, check: Callable[[ModelCase], None]) -> None:
    check(case)
