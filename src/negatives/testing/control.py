"""What schedules and controllers promise: finite numbers, a pure function or a state that can be kept."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch

from negatives.control.base import Controller, Schedule, value_of
from negatives.control.history import LIMIT
from negatives.randomness import Purpose, stream, uniforms
from negatives.testing.promises import Check, global_randomness_untouched, hold, moved, run

PROGRESS = [step / 40 for step in range(41)]


@dataclass(frozen=True, slots=True)
class ScheduleCase:
    """A schedule under test.

    Args:
        make: Gives it anew.
    """

    make: Callable[[], Schedule]


def values_are_finite_numbers(case: ScheduleCase) -> None:
    """A schedule gives a finite float at every progress from 0 to 1."""
    for progress in PROGRESS:
        value = case.make().at(progress)
        hold(type(value) is float and math.isfinite(value), f"at {progress:g} it is {value!r}")


def values_depend_on_progress_alone(case: ScheduleCase) -> None:
    """A schedule is a pure function: any order of questions, any copy, and no global generator."""
    with global_randomness_untouched():
        one, other = case.make(), case.make()
        forwards = [one.at(progress) for progress in PROGRESS]
        backwards = [other.at(progress) for progress in reversed(PROGRESS)][::-1]
    hold(forwards == backwards, "values depend on the order in which they are asked for")
    hold(pickle.loads(pickle.dumps(one)) == one and one == other, "a copy is not equal to its original")
    hold([value_of(one, progress) for progress in PROGRESS] == forwards, "value_of gives other values")


SCHEDULE_CHECKS: tuple[Check[ScheduleCase], ...] = (values_are_finite_numbers, values_depend_on_progress_alone)


def check_schedule(make: Callable[[], Schedule]) -> None:
    """Run the contract of a schedule.

    Args:
        make: Gives the schedule anew.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, ScheduleCase(make), SCHEDULE_CHECKS)


@dataclass(frozen=True, slots=True)
class ControllerCase:
    """A controller under test.

    Args:
        make: Gives it anew.
        signal: The signal it follows.
        low: Smallest value that it may take.
        high: Largest value.
    """

    make: Callable[[], Controller]
    signal: str
    low: float = -math.inf
    high: float = math.inf


def measured(case: ControllerCase, n: int, seed: int = 0) -> Iterator[dict[str, float]]:
    """Signals from 0 to 1, some of them missing or not finite."""
    values = uniforms(stream(seed, Purpose.NOISE), torch.arange(n), 0).tolist()
    for index, value in enumerate(values):
        other = {11: math.nan, 12: math.inf, 13: -math.inf}.get(index % 97, value * (1 if index % 200 < 100 else 0.1))
        yield {} if index % 97 == 14 else {case.signal: other, "another": 5.0}


def the_value_stays_in_its_bounds(case: ControllerCase) -> None:
    """The value is a finite float within its bounds, whatever is measured, and something moves it."""
    one = case.make()
    start, seen = one.value, set()
    for signals in measured(case, 600):
        one.observe(signals)
        value = one.value
        seen.add(value)
        hold(type(value) is float and math.isfinite(value), f"the value is {value!r}")
        hold(case.low <= value <= case.high, f"the value {value:g} leaves the bounds {case.low:g} to {case.high:g}")
        hold(value_of(one, 0.5) == value, "value_of gives another value")
    hold(seen != {start}, "600 measurements moved nothing")


def what_was_not_measured_changes_nothing(case: ControllerCase) -> None:
    """A signal that is missing, NaN or infinite leaves value and state as they are."""
    one = case.make()
    for signals in measured(case, 40):
        one.observe(signals)
    before = json.dumps(one.state()), one.value
    bad = [{}, {"another": 0.1}, *({case.signal: value} for value in (math.nan, math.inf, -math.inf))]
    for signals in bad:
        one.observe(signals)
        hold((json.dumps(one.state()), one.value) == before, f"the signals {signals} changed the controller")


def state_goes_on_where_it_was(case: ControllerCase) -> None:
    """A controller that loads a saved state goes on as the one that gave it, its record included."""
    one, fresh, lived = case.make(), case.make(), case.make()
    for signals in measured(case, 700):
        one.observe(signals)
    for signals in measured(case, 30, seed=9):
        lived.observe(signals)
    with moved(one, fresh, lived):
        for signals in measured(case, 700, seed=1):
            for part in (one, fresh, lived):
                part.observe(signals)
            hold(one.value == fresh.value == lived.value, f"{one.value!r} goes on as {fresh.value!r}, {lived.value!r}")
    hold(one.state() == fresh.state() == lived.state(), "the states differ after going on")


def the_record_is_bounded(case: ControllerCase) -> None:
    """A controller that keeps a ``history`` bounds it, from the first observation to the newest."""
    one = case.make()
    count = 0
    for signals in measured(case, 3000):
        one.observe(signals)
        count += math.isfinite(signals.get(case.signal, math.nan))
    history = getattr(one, "history", None)
    if history is None:
        return
    hold(0 < len(history) <= LIMIT, f"the record holds {len(history)} entries; at most {LIMIT} are meant")
    hold(history[0][0] == 1 and tuple(history[-1]) == (count, one.value), f"it runs from {history[0]} to {history[-1]}")
    rises = all(a[0] < b[0] for a, b in pairwise(history))
    hold(rises, "the record is not in the order of time")


def no_generator_is_touched(case: ControllerCase) -> None:
    """No global generator is used."""
    with global_randomness_untouched():
        one = case.make()
        for signals in measured(case, 50):
            one.observe(signals)


CONTROLLER_CHECKS: tuple[Check[ControllerCase], ...] = (
    the_value_stays_in_its_bounds,
    what_was_not_measured_changes_nothing,
    state_goes_on_where_it_was,
    the_record_is_bounded,
    no_generator_is_touched,
)


def check_controller(
    make: Callable[[], Controller], signal: str, *, low: float = -math.inf, high: float = math.inf
) -> None:
    """Run the contract of a controller.

    Args:
        make: Gives the controller anew.
        signal: The signal it follows.
        low: Smallest value that it may take.
        high: Largest value.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, ControllerCase(make, signal, low, high), CONTROLLER_CHECKS)
