"""Every case of every kind of part, and its life on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import lives
import loops
import models as model_cases
import rows
import test_engines
import test_feed_contract
import test_guards
import test_losses
import test_proposals
import test_samplers
import test_selection
from life import Life
from places import device

Live = Callable[[Any, Life], None]
KINDS: dict[str, tuple[Live, Mapping[str, Any]]] = {
    "proposal": (lives.proposal, test_proposals.CASES),
    "guard": (lives.guard, rows.here("guards", test_guards.CASES)),
    "selection": (lives.selection, test_selection.CASES),
    "difficulty": (lives.difficulty, test_selection.OF_DIFFICULTY),
    "loss": (lives.loss, test_losses.CONTRACT),
    "sampler": (lives.sampler, test_samplers.CASES),
    "engine": (lives.engine, rows.here("engines", test_engines.CASES)),
    "model": (lives.model, rows.here("models", model_cases.CASES)),
    "control": (lives.control, rows.KNOBS),
    "feed": (lives.feed, rows.here("feeds", test_feed_contract.CASES) | lives.WEIGHTED),
    "loop": (loops.loop, loops.CASES),
}
"""How each kind of part lives, and its cases."""


@cache
def lived(kind: str, name: str) -> Life:
    """The life of one case on the device."""
    live, cases = KINDS[kind]
    with device() as (where, log):
        life = Life(where, log)
        live(cases[name], life)
    return life
