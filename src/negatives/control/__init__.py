"""Numbers that change while training: schedules by progress, controllers by feedback.

A row below for each. :func:`knob` builds one from a number or a mapping. Classes load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from negatives.registry import Registry

if TYPE_CHECKING:
    from negatives.control.back_off import BackOff as BackOff
    from negatives.control.base import Controller as Controller
    from negatives.control.base import Knob as Knob
    from negatives.control.base import Schedule as Schedule
    from negatives.control.base import controllers_in as controllers_in
    from negatives.control.base import value_of as value_of
    from negatives.control.build import build_part as build_part
    from negatives.control.build import knob as knob
    from negatives.control.hold import Hold as Hold
    from negatives.control.schedules import Constant as Constant
    from negatives.control.schedules import Cosine as Cosine
    from negatives.control.schedules import Exponential as Exponential
    from negatives.control.schedules import Linear as Linear
    from negatives.control.schedules import Step as Step
    from negatives.control.schedules import WarmUp as WarmUp

_ROWS = (
    ("constant", "negatives.control.schedules:Constant"),
    ("linear", "negatives.control.schedules:Linear"),
    ("cosine", "negatives.control.schedules:Cosine"),
    ("exponential", "negatives.control.schedules:Exponential"),
    ("step", "negatives.control.schedules:Step"),
    ("warm_up", "negatives.control.schedules:WarmUp"),
    ("hold", "negatives.control.hold:Hold"),
    ("back_off", "negatives.control.back_off:BackOff"),
)
registry: Registry[Schedule | Controller] = Registry("control", _ROWS)

_WHERE = dict.fromkeys(("Controller", "Knob", "Schedule", "controllers_in", "value_of"), "negatives.control.base")
_WHERE |= dict.fromkeys(("build_part", "knob"), "negatives.control.build")
_WHERE |= {target.partition(":")[2]: target.partition(":")[0] for _, target in _ROWS}

__all__ = [
    "BackOff",
    "Constant",
    "Controller",
    "Cosine",
    "Exponential",
    "Hold",
    "Knob",
    "Linear",
    "Schedule",
    "Step",
    "WarmUp",
    "build_part",
    "controllers_in",
    "knob",
    "registry",
    "value_of",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
