"""Every model through the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from models import CASES
from tables import Faults, pairs

from negatives.models import registry
from negatives.testing.models import CHECKS, ModelCase

FAULTS: Faults = {}


def test_every_model_has_a_case() -> None:
    assert set(registry) == {name.split()[0] for name in CASES}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: ModelCase, check: Callable[[ModelCase], None]) -> None:
    check(case)
