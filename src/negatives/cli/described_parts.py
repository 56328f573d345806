"""The parameters of models, losses and the parts of a sampler, as keys of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from negatives import control, guards, losses, models, proposals, selection
from negatives.cli.described import Group, Key, all_tasks, words_of, worth_trying
from negatives.control import Controller, build_part
from negatives.parameters import EMPTY, meanings, settable
from negatives.registry import Part, Registry, Spec
from negatives.sampler import Sampler, resolve
from negatives.sampler.build import KEYS as STAGES
from negatives.tasks.facts import SEED

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Kind:
    """A table of parts, and where one of them stands in a configuration.

    Args:
        path: Dotted key.
        table: The parts.
        title: What one of them is.
        note: About all of them.
    """

    path: str
    table: Registry[Any]
    title: str
    note: str = ""


KINDS = (
    Kind("model", models.registry, "model"),
    Kind("loss", losses.registry, "loss"),
    Kind("sampler.proposal", proposals.registry, "proposal", "Where candidates come from."),
    Kind("", guards.registry, "guard", 'Stands in the list sampler.guards, as its name or as {name = "...", ...}.'),
    Kind("sampler.difficulty", selection.difficulties, "difficulty", 'What "hard" means.'),
    Kind("sampler.select", selection.registry, "selection", "Which candidates become negatives."),
    Kind(
        "", control.registry, "schedule or controller",
        'Stands in the place of a number: {schedule = "linear", ...}, or {hold = "violation_rate", ...} with a signal.',
    ),
)  # fmt: skip
KIND = {kind.title: kind for kind in KINDS}
DEFAULTS: Mapping[str, Any] = {
    "proposal": "uniform", "select": "all", "difficulty": "score", "guards": ["known_positives"],
}  # fmt: skip
"""What a sampler takes where it is told nothing."""


def part(kind: Kind, name: str, given: Mapping[str, Any] = NOTHING) -> Group:
    """The parameters of a part that a configuration may set.

    Args:
        kind: Its kind.
        name: Its name.
        given: Values that stand there already, such as those of a recipe; class defaults fill the rest.
    """
    cls, path = kind.table.get(name), f"{kind.path}." if kind.path else ""
    said, tunable, feedback = meanings(cls), getattr(cls, "tunable", {}), issubclass(cls, Controller)
    keys = []
    for parameter in kind.table.parameters(name).values():
        own, needed = parameter.name, parameter.default is EMPTY
        if own.startswith("_") or not settable(parameter.annotation) or _from_data(kind, own, needed):
            continue
        width = next((one for key, one in tunable.items() if key.partition(".")[0] == own), None)
        told = words_of(parameter.annotation) + (f"; {worth_trying(width)}" if width else "")
        default = given.get(own, None if needed else parameter.default)
        shown = name if feedback and own == "signal" else own  # {hold = "violation_rate", ...}
        keys.append(Key(path + shown, said.get(own, ""), told, default, needed and own not in given))
    note = kind.table.summary(name) + (f" {kind.note}" if kind.note and not kind.path else "")
    return Group(f"{kind.title} {name}", tuple(keys), note)


def model(name: str, given: Mapping[str, Any] = NOTHING) -> list[Group]:
    """The parameters of a model."""
    return [part(KIND["model"], name, given)]


def loss(name: str, given: Mapping[str, Any] = NOTHING) -> list[Group]:
    """The parameters of a loss."""
    return [part(KIND["loss"], name, given)]


def sampler(spec: Spec, under: Spec | None = None) -> list[Group]:
    """The parameters of a sampler, then those of each of its parts.

    Args:
        spec: A preset's name, or a whole sampler.
        under: The loss that is trained, for presets with several forms.
    """
    parts = resolve(spec, None if under is None else build_part(losses.registry, under))
    said = meanings(Sampler)
    keys = [
        Key(f"sampler.{stage}", said[stage], _stage_range(stage), parts.get(stage, DEFAULTS.get(stage, _own(stage))))
        for stage in STAGES
    ]
    found = [Group(f"sampler {Part.of(spec)}", tuple(keys))]
    for kind in KINDS:
        stage = kind.path.removeprefix("sampler.")
        if stage in DEFAULTS:
            found += _inner(kind, parts.get(stage, DEFAULTS[stage]))
    for guard in parts.get("guards", DEFAULTS["guards"]):
        found += _inner(KIND["guard"], guard)
    return [group for group in found if group.keys]


def named(word: str) -> Iterator[Group]:
    """The parts of a name, of whatever kind."""
    for kind in KINDS:
        if word in kind.table:
            yield part(kind, word)


def _inner(kind: Kind, spec: Spec) -> list[Group]:
    one = Part.of(spec)
    return [part(kind, one.name, one.params)] if one.name else []


def _from_data(kind: Kind, name: str, needed: bool) -> bool:
    """Whether a parameter is a fact of the data; a model's option with a default may be both."""
    return name == SEED or (name in _facts() and (needed or kind.path != "model"))


def _own(stage: str) -> Any:
    default = Sampler.__dataclass_fields__[stage].default
    return default if isinstance(default, int) else None


def _stage_range(stage: str) -> str:
    width = Sampler.tunable.get(stage)
    if width is not None:
        return f"a number, a schedule or a controller; {worth_trying(width)}"
    if stage == "guards":
        return "a list of names or tables"
    return "a name, or a table with a name and parameters" if stage in DEFAULTS else "a whole number, at least 1"


@cache
def _facts() -> frozenset[str]:
    """Names of what data tells models, in any task."""
    return frozenset(("n_items", "n_queries")).union(*(task.offers for task in all_tasks()))
