"""The numbers of a configuration that are worth tuning: those that its parts name, step size and regularisation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from negatives import guards, losses, proposals, selection, types
from negatives.config import Part, RunConfig, apply_sets
from negatives.control import build_part
from negatives.control import registry as controls
from negatives.control.build import controllers, is_knob_spec, kinds
from negatives.parameters import Range
from negatives.registry import Registry, Spec
from negatives.sampler import Sampler
from negatives.sampler.build import resolve

STAGES: tuple[tuple[str, Registry[Any]], ...] = (
    ("proposal", proposals.registry),
    ("difficulty", selection.difficulties),
    ("select", selection.registry),
)
OPTIMISER = {"lr": Range(0.1, 10.0, relative=True), "weight_decay": Range(0.1, 10.0, relative=True)}
"""Step size and regularisation."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is worth tuning.

    Args:
        own: Its value in the configuration.
        range: Where to look.
    """

    own: float
    range: Range


def numbers(config: RunConfig, asked: RunConfig | None = None) -> dict[str, Number]:
    """The tunable numbers of a filled configuration, by the key that ``--set`` takes.

    Numbers inside schedules and controllers count too; a number that stands at zero where only factors matter does not.

    Args:
        config: A filled configuration.
        asked: What the user gave; numbers that stand in it are left out.
    """
    found = dict(_every(config))
    given = set(_leaves(asked.given())) if asked is not None else set[str]()
    return {
        path: one
        for path, one in found.items()
        if len({one.range.at(share, one.own) for share in (0, 1)}) > 1
        and not any(f"{leaf}.".startswith(f"{path}.") or f"{path}.".startswith(f"{leaf}.") for leaf in given)
    }


def with_numbers(config: RunConfig, values: Mapping[str, float]) -> RunConfig:
    """A filled configuration with other numbers, the sampler described in full and under its name."""
    sampler, loss = config.part("sampler"), config.part("loss")
    tree = {"optimiser": config.optimiser.model_dump(), "sampler": _sampler(config), "loss": loss.plain}
    changed = apply_sets(tree, (f"{path}={value!r}" for path, value in values.items()))
    update = {
        "optimiser": type(config.optimiser).model_validate(changed["optimiser"]),
        "sampler": Part(sampler.name, changed["sampler"]),
        "loss": Part.of(changed["loss"]),
    }
    return config.model_copy(update=update)


def _sampler(config: RunConfig) -> dict[str, Any]:
    """The parts of the sampler, in the form that the loss asks for."""
    return resolve(config.part("sampler"), build_part(losses.registry, config.part("loss")))


def _leaves(value: object, path: str = "") -> Iterator[str]:
    """The dotted path of everything that is no table and no list."""
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, (list, tuple)):
        inner = enumerate(value)
    else:
        yield path.removeprefix(".")
    for key, one in inner:
        yield from _leaves(one, f"{path}.{key}")


def _every(config: RunConfig) -> Iterator[tuple[str, Number]]:
    """Those first which other samplers have too: candidates of equal places then try the same of them."""
    yield from _of(OPTIMISER, config.optimiser.model_dump(exclude_none=True), "optimiser")
    parts = _sampler(config)
    yield from _of(Sampler.tunable, parts, "sampler")
    yield from _of_part(losses.registry, config.part("loss"), "loss")
    for name, table in STAGES:
        if name in parts:
            yield from _of_part(table, parts[name], f"sampler.{name}")
    for place, guard in enumerate(parts.get("guards", ())):
        yield from _of_part(guards.registry, guard, f"sampler.guards.{place}")


def _of_part(table: Registry[Any], spec: Spec, path: str) -> Iterator[tuple[str, Number]]:
    """Numbers of one part and of the parts within it."""
    part = Part.of(spec)
    if part.name is None:
        return
    kind = table.get(part.name)
    defaults = {name: one.default for name, one in table.parameters(part.name).items()}
    yield from _of(kind.tunable, defaults | dict(part.params), path)
    for name, declared in kinds(kind).items():
        inner = part.params.get(name)
        if isinstance(inner, (list, tuple)) and any(issubclass(one, types.Part) for one in declared):
            for place, one in enumerate(inner):
                yield from _of_part(table, one, f"{path}.{name}.{place}")


def _of(ranges: Mapping[str, Range], values: Mapping[str, Any], path: str) -> Iterator[tuple[str, Number]]:
    """Those of ``ranges`` that have a value; of a number that changes while training, its own numbers."""
    for key, width in ranges.items():
        name, _, place = key.partition(".")
        value = values.get(name)
        if place:
            value = value[int(place)] if isinstance(value, (list, tuple)) else None
        if is_knob_spec(value):
            assert isinstance(value, Mapping)
            kind = value["schedule"] if "schedule" in value else next(one for one in controllers() if one in value)
            inner = controls.get(kind).tunable
            if "schedule" in value:  # its numbers are those of the part; a controller's target is not
                inner = {name: replace(one, whole=width.whole) for name, one in inner.items()}
            yield from _of(inner, value, f"{path}.{key}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{path}.{key}", Number(value, width)
