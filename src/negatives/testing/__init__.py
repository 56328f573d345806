"""Contracts that every part keeps, for parts of this package and of any other.

Each function takes something that makes the part anew, runs it on small problems with everything it may ask for, and
raises :class:`AssertionError` with a sentence that says which promise broke, and the numbers. No test runner is needed.

>>> from negatives.selection import Hardest
>>> from negatives.testing import check_selection
>>> check_selection(lambda: Hardest(k=2))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from negatives.testing.control import check_controller as check_controller
    from negatives.testing.control import check_schedule as check_schedule
    from negatives.testing.engines import check_engine as check_engine
    from negatives.testing.feeds import check_feed as check_feed
    from negatives.testing.gather import check_gather as check_gather
    from negatives.testing.guards import check_guard as check_guard
    from negatives.testing.losses import check_loss as check_loss
    from negatives.testing.metrics import check_metric as check_metric
    from negatives.testing.models import check_model as check_model
    from negatives.testing.problems import Problem as Problem
    from negatives.testing.problems import problem as problem
    from negatives.testing.proposals import check_proposal as check_proposal
    from negatives.testing.samplers import check_sampler as check_sampler
    from negatives.testing.selections import check_difficulty as check_difficulty
    from negatives.testing.selections import check_selection as check_selection

_WHERE = {
    "check_controller": "control",
    "check_difficulty": "selections",
    "check_engine": "engines",
    "check_feed": "feeds",
    "check_gather": "gather",
    "check_guard": "guards",
    "check_loss": "losses",
    "check_metric": "metrics",
    "check_model": "models",
    "check_proposal": "proposals",
    "check_sampler": "samplers",
    "check_schedule": "control",
    "check_selection": "selections",
    "Problem": "problems",
    "problem": "problems",
}


def __getattr__(name: str) -> Any:
    """Import a contract when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


__all__ = [
    "Problem",
    "check_controller",
    "check_difficulty",
    "check_engine",
    "check_feed",
    "check_gather",
    "check_guard",
    "check_loss",
    "check_metric",
    "check_model",
    "check_proposal",
    "check_sampler",
    "check_schedule",
    "check_selection",
    "problem",
]
