"""From plain values to knobs, and to parts whose numbers are knobs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TypeVar

from negatives.control import registry as controls
from negatives.control.base import Controller, Knob, Schedule
from negatives.errors import ConfigError
from negatives.registry import Part, Registry, Spec

T = TypeVar("T")
FEEDBACK = ("hold", "back_off")


def knob(spec: object) -> Knob:
    """A knob from a number, from ``{"schedule": name, ...}`` or ``{"hold": signal, ...}``, or from a knob.

    ``"back_off"`` works like ``"hold"``.

    Raises:
        ConfigError: The value is none of these, or a parameter does not fit.

    >>> knob({"schedule": "linear", "start": 0, "stop": 2}).at(0.5)
    1.0
    >>> knob({"hold": "violation_rate", "target": 0.1, "start": 1, "low": 0.1, "high": 9}).value
    1.0
    """
    if isinstance(spec, (Schedule, Controller)):
        return spec
    if isinstance(spec, (int, float)) and not isinstance(spec, bool) and math.isfinite(spec):
        return spec
    if not is_knob_spec(spec):
        raise ConfigError(
            f"{spec!r} is not a number that may change; give a finite number, "
            '{schedule = "linear", start = ..., stop = ...} or {hold = "violation_rate", target = ..., start = ..., '
            "low = ..., high = ...}"
        )
    values = dict(spec)  # type: ignore[call-overload]
    if "schedule" in values:
        name = values.pop("schedule")
        if name in FEEDBACK:
            raise ConfigError(f'{name} is not a schedule but a controller; write {{{name} = "violation_rate", ...}}')
        return controls.build({"name": name} | values)
    feedback = next(name for name in FEEDBACK if name in values)
    signal = values.pop(feedback)
    return controls.build({"name": feedback, "signal": signal} | values)


def is_knob_spec(value: object) -> bool:
    """True for a mapping that :func:`knob` understands."""
    return isinstance(value, Mapping) and any(name in value for name in ("schedule", *FEEDBACK))


def build_part(registry: Registry[T], spec: Spec) -> T:
    """Like ``registry.build(spec)``, but every field declared as a knob, and every mapping for one, becomes a knob.

    Raises:
        ConfigError: The name or a parameter is not known or does not fit.
    """
    part = Part.of(spec)
    values = dict(part.params)
    knobs = _knob_fields(registry.get(part.name)) if part.name and values else frozenset()
    for parameter, value in values.items():
        if is_knob_spec(value) or (parameter in knobs and value is not None):
            try:
                values[parameter] = knob(value)
            except ConfigError as error:
                raise ConfigError(f"{part.name}.{parameter}: {error}") from error
    return registry.build(Part(part.name, values))


def _knob_fields(cls: type) -> frozenset[str]:
    if not is_dataclass(cls):
        return frozenset()
    return frozenset(one.name for one in fields(cls) if "Knob" in str(one.type) or "Schedule" in str(one.type))
