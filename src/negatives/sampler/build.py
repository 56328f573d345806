"""From plain values, as they stand in a configuration file, to a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negatives import guards, proposals, selection
from negatives.config import merge
from negatives.control import Knob, build_part, knob
from negatives.errors import ConfigError
from negatives.losses.base import Loss
from negatives.registry import Part, Spec, suggest
from negatives.sampler.core import Sampler
from negatives.sampler.presets import preset

NAMED = ("proposal", "difficulty", "select")
KEYS = (*NAMED, "guards", "candidates", "pool", "observe_every")


def resolve(spec: Spec, loss: Loss | None = None) -> dict[str, Any]:
    """The parts of a sampler as plain values.

    Args:
        spec: A preset's name; or parts, which may start from a preset by its ``name``. A proposal, difficulty or
            selection without a name changes parameters of the preset's.
        loss: The loss that will be trained, for presets that have a form for each kind of loss; the pairwise form
            where it is left out.

    Raises:
        ConfigError: A name or key is not known.
    """
    part = Part.of(spec)
    parts, name = dict(part.params), part.name
    for key in parts:
        if key not in KEYS:
            raise ConfigError(f"a sampler has no part {key!r}; {suggest(key, KEYS)}")
    start = dict(preset(name).for_loss(loss)) if name else {}
    if "pool" in parts:
        start.pop("candidates", None)
    if "candidates" in parts:
        start.pop("pool", None)
    unnamed = {key: parts[key] for key in NAMED if isinstance(parts.get(key), Mapping) and "name" not in parts[key]}
    return start | parts | {key: merge(start, unnamed)[key] for key in unnamed}


def build(spec: Spec, seed: int = 0, loss: Loss | None = None, total_steps: int | None = None) -> Sampler:
    """A sampler from a preset's name or from its parts; its parts still need the data (:meth:`Sampler.bind`).

    Args:
        spec: As for :func:`resolve`.
        seed: Seed of all draws.
        loss: As for :func:`resolve`.
        total_steps: Calls that the training will make, by which schedules know how far it is.

    >>> build("dns").select
    Hardest(k=1)
    """
    parts = resolve(spec, loss)
    return Sampler(
        proposal=build_part(proposals.registry, parts.get("proposal", "uniform")),
        select=build_part(selection.registry, parts.get("select", "all")),
        guards=[build_part(guards.registry, guard) for guard in _guards(parts)],
        difficulty=build_part(selection.difficulties, parts.get("difficulty", "score")),
        candidates=_size(parts, "candidates"),
        pool=_size(parts, "pool"),
        seed=seed,
        observe_every=_whole(parts.get("observe_every", 8)),
        total_steps=total_steps,
    )


def _guards(parts: dict[str, Any]) -> list[Spec]:
    given = parts.get("guards", ["known_positives"])
    if not isinstance(given, (list, tuple)):
        raise ConfigError(f'sampler.guards is {given!r}; it must be a list, for instance ["known_positives"]')
    return list(given)


def _size(parts: dict[str, Any], name: str) -> Knob | None:
    """A number that may change; None where it was left out."""
    try:
        return knob(parts[name]) if name in parts else None
    except ConfigError as error:
        raise ConfigError(f"sampler.{name}: {error}") from error


def _whole(every: Any) -> int:
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise ConfigError(f"sampler.observe_every is {every!r}; it must be a whole number of at least 1")
    return every
