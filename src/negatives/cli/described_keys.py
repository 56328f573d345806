"""Which keys were asked for, and the values of a task's recipe in them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from negatives.cli import described_parts as parts
from negatives.cli.described import Group, Known, all_tasks, columns, reading, sections, together
from negatives.config import RunConfig
from negatives.errors import ConfigError
from negatives.integrations.loggers import registry as loggers
from negatives.losses import registry as losses
from negatives.registry import Part, suggest
from negatives.sampler import preset, presets
from negatives.sizing import is_rule
from negatives.tasks.base import AnyTask
from negatives.tasks.registry import registry as tasks


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``negatives keys`` was asked.

    Args:
        words: A task, beginnings of keys, names of parts, or other words.
        model: A model whose parameters are wanted.
        sampler: A sampler whose parameters are wanted.
        loss: A loss whose parameters are wanted.
        recipe: A recipe of the task.
    """

    words: tuple[str, ...] = ()
    model: str | None = None
    sampler: str | None = None
    loss: str | None = None
    recipe: str | None = None


def chosen(asked: Asked) -> list[Group]:
    """The keys that were asked for.

    Raises:
        ConfigError: A name is not known, or a word is in no key.
    """
    task = next((one for one in all_tasks() if asked.words[:1] == (one.name,)), None)
    if asked.recipe and task is None:
        raise ConfigError("--recipe goes with a task; write for instance: negatives keys recommend --recipe best")
    values = _recipe(task, asked) if task else {}
    of_parts = asked.model or asked.sampler or asked.loss
    groups = list(_parts(asked, task, values)) if of_parts else _listed(task, values)
    for word in asked.words[1 if task else 0 :]:
        groups = _with(word, groups)
    return groups


def _listed(task: AnyTask | None, values: Mapping[str, Any]) -> list[Group]:
    """All keys, those of the parts of the recipe among them."""
    if task is None:
        every = list(all_tasks())
        own = together(map(reading, every), "reading") + together(map(columns, every), "columns")
        return sections(known=general()) + own
    of_recipe = Asked(model=str(Part.of(values["model"])), loss=str(Part.of(values["loss"])))
    listed = sections(task, _known(task, values)) + list(_parts(of_recipe, task, values))
    return listed + parts.sampler(values["sampler"], values["loss"])


def general() -> Known:
    """What may stand where, whatever the task."""
    return Known({}, {"task": tasks, "log": loggers})


def _known(task: AnyTask, values: Mapping[str, Any]) -> Known:
    """What a recipe fills in, and what may stand where in a task."""
    filled = dict(_flat({key: one for key, one in values.items() if key not in ("model", "loss", "sampler")}))
    filled |= {key: Part.of(values[key]).name for key in ("model", "loss", "sampler")}
    filled.setdefault("evaluation.k", task.k)
    filled.setdefault("evaluation.metric", task.metric.format(k=filled["evaluation.k"]))
    names: dict[str, Iterable[str]] = {
        "task": (task.name,), "recipe": task.recipes(), "model": sorted(task.offer().fitting()),
        "sampler": sorted(presets), "loss": sorted(losses), "baselines": ("all", "none", *task.baselines),
    }  # fmt: skip
    return Known(filled | {"task": task.name, "recipe": values["recipe"]}, dict(general().choices) | names)


def _recipe(task: AnyTask, asked: Asked) -> dict[str, Any]:
    """The recipe that fills what is left out, under its name: the one asked for, else one for the parts asked for."""
    recipes = task.recipes()
    if asked.recipe and asked.recipe not in recipes:
        raise ConfigError(f"no recipe is called {asked.recipe!r}; {suggest(asked.recipe, recipes)}")
    name = asked.recipe or ("default" if "default" in recipes else next(iter(recipes)))
    if asked.model and not asked.recipe:
        name = next((one for one in recipes if task.model_of(one) == asked.model), name)
    elif asked.loss and not asked.recipe:
        name = next((one for one in recipes if task.loss_of(one) == asked.loss), name)
    return {"recipe": name, **recipes[name]}


def _parts(asked: Asked, task: AnyTask | None, values: Mapping[str, Any]) -> Iterator[Group]:
    """The parameters of the parts that were named."""
    for kind, name in (("model", asked.model), ("loss", asked.loss)):
        if name is None:
            continue
        if kind == "model" and task is not None:
            task.offer().check(Part(name))
        table = parts.KIND[kind].table
        if name not in table:
            raise ConfigError(f"no {kind} is called {name!r}; {suggest(name, table)}")
        yield parts.part(parts.KIND[kind], name, _own(values, kind, name))
    if asked.sampler is not None:
        spec = Part(asked.sampler, _own(values, "sampler", asked.sampler))
        yield from parts.sampler(spec, asked.loss or values.get("loss") or preset(asked.sampler).loss)


def _own(values: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    """What a recipe says of a part of that name."""
    one = Part.of(values[kind]) if kind in values else Part(None)
    return one.params if one.name == name else {}


def _with(word: str, groups: Iterable[Group]) -> list[Group]:
    """What a word stands for: keys that begin with it, a part of that name, or keys that have it somewhere.

    Raises:
        ConfigError: Nothing has it.
    """
    groups = list(groups)
    begun = _only(groups, lambda key: key.name == word or key.name.startswith(f"{word}."))
    found = [*begun, *parts.named(word)]
    if not found:
        low = word.lower()
        found = _only(groups, lambda key: low in key.name.lower() or low in key.meaning.lower())
    if not found:
        known = {*tasks, *RunConfig.model_fields, *(key.name for group in groups for key in group.keys)}
        near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "negatives keys lists them all"
        raise ConfigError(f"no key and no task has {word!r}; {hint}")
    return found


def _only(groups: Iterable[Group], keep: Any) -> list[Group]:
    kept = [replace(group, keys=tuple(filter(keep, group.keys))) for group in groups]
    return [group for group in kept if group.keys]


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and not is_rule(value):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value
