"""Every key that a configuration may hold, described: what it means, what it may be, and what it is where left out.

Nothing is written twice: sections say it in the docstrings under their fields, parts in the docstrings and annotations
of their constructors, and recipes hold the values that fill what is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from negatives.config import RunConfig, Section
from negatives.control.base import Controller, Schedule
from negatives.parameters import EMPTY, Range, duration, wanted
from negatives.sizing import is_rule
from negatives.tasks.base import AnyTask, Task
from negatives.tasks.registry import registry as tasks
from negatives.tasks.schemas import schemas_of

PART = "a name, or a table with a name and parameters"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a configuration.

    Args:
        name: With dots, as ``--set`` takes it.
        meaning: What it does, a sentence or two.
        range: What it may be, in words.
        default: What it is where it is left out; None where that depends on the recipe or the data.
        needed: Whether it cannot be left out.
    """

    name: str
    meaning: str
    range: str
    default: Any = None
    needed: bool = False

    @property
    def shown(self) -> str:
        """The default in the language of ``config.toml``; nothing where there is none."""
        return "" if self.default is None else text_of(self.default)


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that belong together.

    Args:
        title: What they belong to.
        keys: They.
        note: A sentence about all of them.
    """

    title: str
    keys: tuple[Key, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of values, beside the defaults of the classes.

    Args:
        defaults: Values that fill what is left out, by dotted key.
        choices: Names that may stand at a key.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Iterable[str]] = field(default_factory=dict)


def sections(task: AnyTask | None = None, known: Known = Known()) -> list[Group]:
    """The keys outside sampler, model and loss.

    Args:
        task: Adds the options of its reader and the roles of its columns.
        known: For instance the values of a recipe.
    """
    own, found = [], []
    for name, info in RunConfig.model_fields.items():
        if (section := _section(info)) is not None:
            found.append(Group(name, tuple(_keys(section, f"{name}.", known)), info.description or ""))
        elif name not in ("reading", "columns"):
            own.append(_key(name, info, known))
    shared = Group("the run", tuple(own))
    return [shared, *found, *([reading(task, known), columns(task)] if task else [])]


def reading(task: AnyTask, known: Known = Known()) -> Group:
    """The options of a task's reader."""
    keys = tuple(_keys(task.reading, "reading.", known))
    return Group(f"reading, for the task {task.name}", keys, _told(RunConfig, "reading"))


def columns(task: AnyTask) -> Group:
    """The roles that columns of a task's data may play."""
    kinds = {"id": "names", "text": "a text", "texts": "one or several texts", "number": "numbers", "time": "times",
             "labels": "labels"}  # fmt: skip
    roles = {role.name: role for schema in schemas_of(task.name) for role in schema}.values()
    keys = [
        Key(f"columns.{role.name}", f"Column that holds {kinds[role.kind]}{_found(role.names)}.", "a column's name")
        for role in roles
    ]
    return Group(f"columns, for the task {task.name}", tuple(keys), _told(RunConfig, "columns"))


def together(groups: Iterable[Group], about: str) -> list[Group]:
    """The same keys of several tasks once: a group for each set of tasks that share them.

    Args:
        groups: One for each task, whose titles end with the task's name.
        about: Stands before the tasks in the titles.
    """
    owners: dict[tuple[str, str, str, str], tuple[Key, list[str]]] = {}
    groups = list(groups)
    for group in groups:
        for key in group.keys:
            _, who = owners.setdefault((key.name, key.meaning, key.range, key.shown), (key, []))
            who.append(group.title.rpartition(" ")[2])
    found: dict[tuple[str, ...], list[Key]] = {}
    for key, who in owners.values():
        found.setdefault(tuple(who), []).append(key)
    first = sorted(found.items(), key=lambda one: -len(one[0]))
    return [Group(f"{about}: {', '.join(who)}", tuple(keys), groups[0].note) for who, keys in first]


def text_of(value: Any) -> str:
    """A value in the language of a configuration, on one line.

    >>> text_of({"name": "mf", "dim": 8}), text_of([0.5, True])
    ('{name = "mf", dim = 8}', '[0.5, true]')
    >>> text_of({"by": "pairs", "at": [[900, 64], [30_000, 512]]})
    'by pairs: 64 at 900, 512 at 30,000'
    """
    if is_rule(value):
        return f"by {value['by']}: " + ", ".join(f"{text_of(one)} at {size:,g}" for size, one in value["at"])
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {text_of(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def words_of(kind: Any) -> str:
    """What a type takes, in words; bounds count, None does not.

    >>> words_of(int | None), words_of(Annotated[float, Gt(0.0)] | None), words_of(Literal["a", "b", "c"])
    ('a whole number', 'a number above 0', 'a, b or c')
    """
    names, other, bounds = list[str](), list[Any](), list[Any]()
    pending = [kind]
    while pending:
        one = pending.pop(0)
        origin, inner = get_origin(one), get_args(one)
        if origin is Annotated:
            pending.insert(0, inner[0])
            bounds += [bound for given in inner[1:] for bound in _bounds(given)]
        elif origin in (Union, UnionType):
            pending = [*inner, *pending]
        elif origin is Literal:
            names += map(str, inner)
        elif one is not NoneType:
            other.append(one)
    if any(isinstance(one, type) and issubclass(one, (Schedule, Controller)) for one in other):
        return "a number, a schedule or a controller"
    said = [_joined(names)] if names else []
    said += [wanted(one) for one in other if one not in (EMPTY, Any)]
    return " or ".join(dict.fromkeys(said)) + _within(bounds)


def worth_trying(width: Range) -> str:
    """Where a number is worth looking for.

    >>> worth_trying(Range(0.25, 4.0, relative=True)), worth_trying(Range(20, 500, whole=True))
    ('worth trying: 0.25 to 4 times its value', 'worth trying: 20 to 500')
    """
    return f"worth trying: {width.low:g} to {width.high:g}" + (" times its value" if width.relative else "")


def all_tasks() -> Iterator[AnyTask]:
    """Every task of the table."""
    for name in tasks:
        task = tasks.get(name)()
        assert isinstance(task, Task)
        yield task


def _keys(section: type[Section], prefix: str, known: Known) -> Iterator[Key]:
    for name, info in section.model_fields.items():
        yield _key(prefix + name, info, known)


def _key(name: str, info: FieldInfo, known: Known) -> Key:
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    default = known.defaults.get(name, None if default == {} else default)
    said = _joined(known.choices[name]) if name in known.choices else _range(name, info)
    return Key(name, _plain(info.description), said, default, info.is_required())


def _range(name: str, info: FieldInfo) -> str:
    if name in ("sampler", "model", "loss"):
        return PART
    if name == "sizing":
        return "rules by key"
    return words_of(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)


def _told(section: type[Section], name: str) -> str:
    return _plain(section.model_fields[name].description)


def _section(info: FieldInfo) -> type[Section] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _found(names: tuple[str, ...]) -> str:
    shown = names[:6]
    if not shown:
        return "; it is not looked for"
    return f"; looked for under {', '.join(shown)}" + (" and more names" if len(names) > len(shown) else "")


def _joined(names: Iterable[str]) -> str:
    *first, last = [str(name) for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def _bounds(given: Any) -> list[Any]:
    return list(given.metadata) if isinstance(given, FieldInfo) else [given]


def _within(bounds: list[Any]) -> str:
    low = next((one.ge for one in bounds if isinstance(one, Ge)), None)
    high = next((one.le for one in bounds if isinstance(one, Le)), None)
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    words = [f" above {one.gt:g}" for one in bounds if isinstance(one, Gt)]
    words += [f" below {one.lt:g}" for one in bounds if isinstance(one, Lt)]
    words += [f", at least {low:g}"] if low is not None else []
    words += [f", at most {high:g}"] if high is not None else []
    timed = any(isinstance(one, BeforeValidator) and one.func is duration for one in bounds)
    return "".join(words) + (", or a time such as 90s, 10m or 1h" if timed else "")
