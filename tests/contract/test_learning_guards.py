"""The contract of samplers asks a guard that learns as it stood at the draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from negatives.guards import Guard, KnownPositives
from negatives.proposals import Uniform
from negatives.sampler import Sampler
from negatives.testing import check_guard, check_sampler
from negatives.types import Candidates, Catalogue, Context, Negatives, State


@dataclass(slots=True)
class Once(Guard):
    """An item serves each query once; ``forgets`` leaves it out of the state, which is a fault."""

    forgets: bool = False
    _used: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.bool), init=False)

    def bind(self, catalogue: Catalogue) -> None:
        self._used = torch.zeros(catalogue.n_queries, catalogue.n_items, dtype=torch.bool)

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        return ~self._used[context.queries[:, None], candidates.ids]

    def observe(self, context: Context, negatives: Negatives) -> None:
        queries = context.queries[:, None].expand(negatives.ids.shape)
        self._used[queries[negatives.ok], negatives.ids[negatives.ok]] = True

    def state(self) -> State:
        return {} if self.forgets else {"used": self._used.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        if not self.forgets:
            self._used = state["used"].clone()


def sampler(seed: int, guard: Guard) -> Sampler:
    return Sampler(Uniform(), guards=[KnownPositives(), guard], candidates=1, seed=seed)


def test_what_a_guard_learns_from_a_draw_says_nothing_of_that_draw() -> None:
    check_guard(Once)
    check_sampler(lambda seed: sampler(seed, Once()), n_items=300)


def test_a_guard_that_forgets_is_found() -> None:
    with pytest.raises(AssertionError, match="goes on"):
        check_sampler(lambda seed: sampler(seed, Once(forgets=True)), n_items=300)
