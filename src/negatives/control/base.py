"""Numbers that change while training: constants, schedules and controllers behind one function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

from negatives.control.decisions import Decision, by
from negatives.parameters import Range
from negatives.types import Part, State


@dataclass(frozen=True, slots=True)
class Schedule(ABC):
    """A pure function of progress."""

    tunable: ClassVar[Mapping[str, Range]] = {}
    """Numbers that are worth tuning, by parameter, and in what range; ``weights.0`` is the first of a list."""

    @abstractmethod
    def at(self, progress: float) -> float:
        """Value when the share ``progress`` (0 to 1) of the training is done."""


@dataclass(slots=True)
class Controller(ABC):
    """A number that follows feedback."""

    tunable: ClassVar[Mapping[str, Range]] = {}
    """Numbers that are worth tuning, by parameter, and in what range; ``weights.0`` is the first of a list."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The value now."""

    @abstractmethod
    def observe(self, signals: Mapping[str, float]) -> None:
        """Take in the newest signals (see :mod:`negatives.control.signals`); unknown ones are ignored."""

    def decisions(self) -> list[Decision]:
        """What it saw and changed since the last call, in words; nothing where every small step says itself."""
        return []

    @abstractmethod
    def state(self) -> State:
        """What must be remembered."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""


Knob = float | Schedule | Controller
"""Any number in a part may be one of these."""


def value_of(knob: Knob, progress: float) -> float:
    """The value of a knob now.

    >>> value_of(0.5, 0.0)
    0.5
    """
    if isinstance(knob, Schedule):
        return knob.at(progress)
    return knob.value if isinstance(knob, Controller) else float(knob)


def controllers_in(part: object, prefix: str = "") -> Iterator[tuple[str, Controller]]:
    """Every controller among the fields of a part, loss or sampler and of its inner parts, with its dotted path."""
    return ((path, one) for path, one in _changing(part, prefix) if isinstance(one, Controller))


def schedules_in(part: object) -> Iterator[tuple[str, Schedule]]:
    """Every schedule, as :func:`controllers_in` gives controllers."""
    return ((path, one) for path, one in _changing(part, "") if isinstance(one, Schedule))


def _changing(part: object, prefix: str) -> Iterator[tuple[str, Schedule | Controller]]:
    if not is_dataclass(part):
        return
    for spec in fields(part):
        held = getattr(part, spec.name, None)
        path = f"{prefix}{spec.name}"
        inner = held if isinstance(held, (list, tuple)) else [held]
        for index, one in enumerate(inner):
            here = path if inner[0] is held else f"{path}.{index}"
            if isinstance(one, (Controller, Schedule)):
                yield here, one
            elif isinstance(one, Part):
                yield from _changing(one, f"{here}.")


def feed(part: object, signals: Mapping[str, float], prefix: str = "") -> dict[str, float]:
    """Show signals to every controller of a part; gives their values by ``control.<path>``.

    Args:
        part: As for :func:`controllers_in`.
        signals: What was measured.
        prefix: Stands before each path.
    """
    found = {}
    for path, controller in controllers_in(part, prefix):
        controller.observe(signals)
        found[f"control.{path}"] = controller.value
    return found


def decided(part: object, prefix: str = "") -> list[Decision]:
    """What the controllers of a part saw and changed since the last call, with the path of who did."""
    return [one for path, each in controllers_in(part, prefix) for one in by(path, each.decisions())]


def states_of(part: object) -> State:
    """The state of every controller of a part, by its path."""
    return {path: one.state() for path, one in controllers_in(part)}


def load_states(part: object, states: Mapping[str, Any]) -> None:
    """Restore what :func:`states_of` gave; the part must have the same controllers."""
    for path, controller in controllers_in(part):
        controller.load_state(states[path])
