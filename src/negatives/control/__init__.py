"""Numbers that change while training: schedules by progress, controllers by feedback.

A row below for each. :func:`knob` builds one from a number or a mapping. Classes load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from negatives.registry import Lazy, Registry

if TYPE_CHECKING:
    from negatives.control.adaptive_temperature import AdaptiveTemperature as AdaptiveTemperature
    from negatives.control.back_off import BackOff as BackOff
    from negatives.control.bandit import Bandit as Bandit
    from negatives.control.base import Controller as Controller
    from negatives.control.base import Knob as Knob
    from negatives.control.base import Schedule as Schedule
    from negatives.control.base import controllers_in as controllers_in
    from negatives.control.base import value_of as value_of
    from negatives.control.build import build_part as build_part
    from negatives.control.build import knob as knob
    from negatives.control.competence import Competence as Competence
    from negatives.control.decisions import Decision as Decision
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
    ("competence", "negatives.control.competence:Competence"),
    ("bandit", "negatives.control.bandit:Bandit"),
    ("adaptive_temperature", "negatives.control.adaptive_temperature:AdaptiveTemperature"),
)
registry: Registry[Schedule | Controller] = Registry("control", _ROWS, "schedule or controller")

__getattr__ = Lazy(
    __name__,
    *registry.targets,
    *(f"negatives.control.base:{name}" for name in ("Controller", "Knob", "Schedule", "controllers_in", "value_of")),
    *(f"negatives.control.build:{name}" for name in ("build_part", "knob")),
    "negatives.control.decisions:Decision",
)
__all__ = [*__getattr__.modules, "registry"]
