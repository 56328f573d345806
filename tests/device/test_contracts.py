"""The contracts of every table on the device: the same promises, with what tests make lying where the batches lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_engines
import torch
from kinds import KINDS
from places import PRETENDED, device
from pretend import OnDevice

import negatives.testing
from negatives.models import Model
from negatives.testing import engines, guards, losses, models, proposals, samplers, selections
from negatives.types import Context, moved

MAKERS = str(Path(__file__).parents[1]), str(Path(negatives.testing.__file__).parent)
CHECKS: Mapping[str, Any] = {
    "proposal": proposals.CHECKS,
    "guard": guards.CHECKS,
    "selection": selections.CHECKS,
    "difficulty": selections.DIFFICULTY_CHECKS,
    "loss": losses.CHECKS,
    "sampler": samplers.CHECKS,
    "engine": engines.CHECKS,
    "model": models.CHECKS,
}
"""Promises by kind; those of numbers and feeds are about no device."""
BITS = {"steps_repeat_bit_by_bit", "a_step_size_of_zero_moves_nothing", "state_goes_on_where_it_was"}
"""Promises of engines about bits, which a device keeps only where its sums have one order."""
EVERY = [
    pytest.param(kind, name, check, id=f"{kind}-{name}-{check.__name__}")
    for kind, checks in CHECKS.items()
    for name in KINDS[kind][1]
    for check in checks
    if not (kind == "engine" and check.__name__ in BITS and not PRETENDED)
]

pytestmark = [] if not PRETENDED else [pytest.mark.nightly]


def made_here(make: Callable[[int], Model], mode: OnDevice) -> Callable[[int], Model]:
    """A model made of facts on the CPU, as a run makes it, and then moved."""

    def made(seed: int) -> Model:
        with mode.paused():
            model = make(seed)
        return model.to(mode.device)

    return made


@contextmanager
def on(kind: str, name: str) -> Iterator[Any]:
    """A case of the contract, on the device."""
    case = KINDS[kind][1][name]
    with device() as (where, _), OnDevice(where, MAKERS) as mode:
        if kind == "model":
            yield replace(case, make=made_here(case.make, mode), batch=moved(case.batch, where))
        elif kind == "engine":

            def on_the_cpu(step: int) -> Context:
                with mode.paused():  # from data that lies there
                    batch = case.batch(step)
                return moved(batch, where)

            before = test_engines.engine_with
            test_engines.engine_with = lambda model, *rest: before(model.to(where), *rest)
            try:
                yield replace(case, batch=on_the_cpu, empty=moved(case.empty, where))
            finally:
                test_engines.engine_with = before
        else:
            yield moved(case, torch.device(where))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Sentence Transformers, where its folders are written
@pytest.mark.parametrize(("kind", "name", "check"), EVERY)
def test_promise(kind: str, name: str, check: Callable[[Any], None]) -> None:
    with on(kind, name) as case:
        check(case)
