"""From plain values to knobs, and to parts whose numbers are knobs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from negatives import types
from negatives.control import registry as controls
from negatives.control.base import Controller, Knob, Schedule
from negatives.errors import ConfigError
from negatives.registry import Part, Registry, Spec

T = TypeVar("T")
KNOBS = (Schedule, Controller)


def knob(spec: object) -> Knob:
    """A knob from a number, from ``{"schedule": name, ...}`` or ``{"hold": signal, ...}``, or from a knob.

    Every controller works like ``"hold"``: its name goes with the signal that it follows.

    Raises:
        ConfigError: The value is none of these, or a parameter does not fit.

    >>> knob({"schedule": "linear", "start": 0, "stop": 2}).at(0.5)
    1.0
    >>> knob({"hold": "violation_rate", "target": 0.1, "start": 1, "low": 0.1, "high": 9}).value
    1.0
    """
    if isinstance(spec, KNOBS):
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
        if name in controllers():
            raise ConfigError(f'{name} is not a schedule but a controller; write {{{name} = "violation_rate", ...}}')
        return controls.build({"name": name} | values)
    feedback = next(name for name in controllers() if name in values)
    signal = values.pop(feedback)
    return controls.build({"name": feedback, "signal": signal} | values)


def is_knob_spec(value: object) -> bool:
    """True for a mapping that :func:`knob` understands."""
    return isinstance(value, Mapping) and any(name in value for name in ("schedule", *controllers()))


def controllers() -> list[str]:
    """Names of the controllers, which follow a signal; the rest of the table are schedules.

    >>> controllers()
    ['hold', 'back_off', 'competence', 'bandit', 'adaptive_temperature']
    """
    return [name for name in controls if issubclass(controls.get(name), Controller)]


def build_part(registry: Registry[T], spec: Spec) -> T:
    """Like ``registry.build(spec)``, with knobs and inner parts made from plain values where the class declares them.

    A parameter whose type holds a knob takes what :func:`knob` takes; one whose type holds a part takes the name or
    the mapping of a part of the same registry, or a list of them.

    Raises:
        ConfigError: The name or a parameter is not known or does not fit.
    """
    part = Part.of(spec)
    values = dict(part.params)
    types_of = kinds(registry.get(part.name)) if part.name and values else {}
    for parameter, value in values.items():
        declared = types_of.get(parameter, ())
        if is_knob_spec(value) or (value is not None and any(issubclass(one, KNOBS) for one in declared)):
            try:
                values[parameter] = knob(value)
            except ConfigError as error:
                raise ConfigError(f"{part.name}.{parameter}: {error}") from error
        elif any(issubclass(one, types.Part) for one in declared):
            values[parameter] = _inner(registry, value)
    return registry.build(Part(part.name, values))


def _inner(registry: Registry[T], value: Any) -> Any:
    """A part, or several, from plain values; what is built already is left as it is."""
    if isinstance(value, (list, tuple)):
        return [_inner(registry, one) for one in value]
    return build_part(registry, value) if isinstance(value, (str, Mapping, Part)) else value


def kinds(cls: type) -> dict[str, set[type]]:
    """Classes that stand in the type of each parameter, within unions and containers too."""
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise ConfigError(
            f"the types of {cls.__name__}'s parameters cannot be read ({error}); import them outside TYPE_CHECKING"
        ) from error
    return {name: set(_classes(hint)) for name, hint in hints.items()}


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for inner in hint if isinstance(hint, list) else get_args(hint):
        yield from _classes(inner)
