"""A part's parameters as a configuration names them: flat, with their types, and checked before anything is built.

A constructor may take several options as one frozen dataclass below :class:`Settings`. A configuration names the
fields of such a group flat, beside the other parameters, so that grouping never shows in ``config.toml``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from numbers import Integral, Real
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
EMPTY = inspect.Parameter.empty
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
SCALARS = (bool, int, float, str)
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Seconds of the units of a duration."""


class Settings:
    """Base of frozen dataclasses that hold several options of a constructor."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Range:
    """Where a number is worth looking for; a part names such numbers in its class attribute ``tunable``.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Factors matter, not differences.
        whole: Only whole numbers from 1 on make sense.
        relative: ``low`` and ``high`` are factors on the number's own value, whose scale is that of the scores or of
            the data.

    Raises:
        ValueError: The range is empty, or has a zero where factors matter.
    """

    low: float
    high: float
    log: bool = True
    whole: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.low <= 0 and (self.log or self.relative)):
            raise ValueError(f"{self.low:g} to {self.high:g} is no range")

    def at(self, share: float, own: float) -> float:
        """The value at a share of the range: ``low`` at 0, ``own`` at one half, ``high`` at 1.

        A number at zero, from which no factor leads away, stays. Four digits are kept.

        >>> width = Range(0.1, 10.0, relative=True)
        >>> width.at(0.0, 0.5), width.at(0.5, 0.5), width.at(0.75, 0.5), width.at(0.25, 0.0)
        (0.05, 0.5, 1.581, 0.0)
        >>> Range(1, 64, whole=True).at(0.75, 4), Range(0.0, 1.0, log=False).at(0.25, 0.5)
        (16, 0.25)
        """
        if own <= 0 and (self.log or self.relative):
            return own
        scale = own if self.relative else 1.0
        low, high = min(self.low * scale, own), max(self.high * scale, own)
        begin, end, way = (low, own, 2 * share) if share < 0.5 else (own, high, 2 * share - 1)
        value = begin * (end / begin) ** way if self.log else begin + (end - begin) * way
        return max(1, round(value)) if self.whole else float(f"{value:.4g}")


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Every parameter of a constructor by name, the fields of :class:`Settings` in place of the group.

    Annotations are types; ``Parameter.empty`` where there is none, or where a name is imported for type checks alone.

    >>> class Tower:
    ...     def __init__(self, dim: int = 8) -> None: ...
    >>> str(parameters_of(Tower)["dim"])
    'dim: int = 8'
    """
    found: dict[str, inspect.Parameter] = {}
    for one in _signature(cls):
        for member in _members(one):
            if member.name in found:
                raise TypeError(f"{cls.__name__} has two parameters that are called {member.name}")
            found[member.name] = member
    return found


def meanings(cls: type) -> dict[str, str]:
    """What docstrings say of a constructor's parameters under ``Args:``, each on one line.

    The class's own docstring first, then those of its groups of :class:`Settings`, then those of its base classes.

    >>> class Tower:
    ...     '''A tower.
    ...
    ...     Args:
    ...         dim: Length of
    ...             a vector.
    ...     '''
    ...     def __init__(self, dim: int = 8) -> None: ...
    >>> meanings(Tower)
    {'dim': 'Length of a vector.'}
    """
    groups = [owner for one in _signature(cls) if _is_group(one.annotation) for owner in one.annotation.__mro__]
    found: dict[str, str] = {}
    for owner in (cls, *groups, *cls.__mro__[1:]):
        found = _arguments(owner) | found
    return {name: found[name] for name in parameters_of(cls) if name in found}


def _arguments(owner: type) -> dict[str, str]:
    """The entries under ``Args:`` of a class's own docstring."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", inspect.cleandoc(owner.__doc__ or ""), re.MULTILINE)
    if section is None:
        return {}
    entries = re.finditer(r"^ {4}(\w+): (.*(?:\n {5,}.*|\n(?=\n* {5,}))*)", section.group(1), re.MULTILINE)
    return {one.group(1): " ".join(one.group(2).split()) for one in entries}


def required(cls: type) -> list[str]:
    """Names of the parameters without a default."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [name for name, one in parameters_of(cls).items() if one.default is EMPTY and one.kind not in variadic]


def construct(cls: type[T], values: Mapping[str, Any]) -> T:
    """``cls(...)`` from flat values; groups of settings keep their defaults where nothing is given."""
    arguments: dict[str, Any] = {}
    for one in _signature(cls):
        given = {member.name: values[member.name] for member in _members(one) if member.name in values}
        if not _is_group(one.annotation):
            arguments |= given
        elif given:
            arguments[one.name] = one.annotation(**given) if one.default is EMPTY else replace(one.default, **given)
    return cls(**arguments)


def fits(value: object, kind: Any) -> bool:
    """Whether a value may stand where a type is declared; types that no configuration can hold take any object.

    >>> fits(3, float), fits("3", float), fits(True, int), fits("dot", Literal["dot", "cosine"])
    (True, False, False, True)
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if kind in (EMPTY, Any, object):
        return True
    if kind in (None, NoneType):
        return value is None
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real)
    if _is_list(kind):
        if isinstance(value, str) or not isinstance(value, Sequence):
            return False
        return all(fits(one, inner[0]) for one in value) if inner else True
    return isinstance(value, str) if kind is str else not isinstance(value, SCALARS)


def settable(kind: Any) -> bool:
    """Whether a configuration can hold a value of this type; False for the task's data, such as tensors."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(settable(one) for one in inner)
    if origin is Literal or kind in SCALARS:
        return True
    return bool(inner) and all(settable(one) for one in inner if one is not ...) and _is_list(kind)


def wanted(kind: Any) -> str:
    """What a type asks for, in words.

    >>> wanted(int | None), wanted(Literal["dot", "cosine"])
    ('a whole number', "'dot' or 'cosine'")
    """
    return " or ".join(dict.fromkeys(_wanted(kind)))


def _wanted(kind: Any) -> Iterator[str]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        for one in inner:
            if one is not NoneType:
                yield from _wanted(one)
    elif origin is Literal:
        yield from (repr(one) for one in inner)
    elif _is_list(kind):
        yield "a list"
    else:
        yield WORDS.get(kind) or f"a {getattr(kind, '__name__', str(kind)).lower()}"


def _is_list(kind: Any) -> bool:
    kind = get_origin(kind) or kind
    return kind is not str and isinstance(kind, type) and issubclass(kind, Sequence)


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


def _members(one: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """The parameter itself, or the fields of its settings with the defaults that the constructor gives them."""
    if not _is_group(one.annotation):
        yield one
        return
    for field in _signature(one.annotation):
        default = field.default if one.default is EMPTY else getattr(one.default, field.name)
        yield field.replace(default=default, kind=inspect.Parameter.KEYWORD_ONLY)


def _signature(cls: type) -> list[inspect.Parameter]:
    """Parameters of the constructor with types in place of the annotations' text."""
    shown, kinds = inspect.signature(cls).parameters, dict[str, Any]()
    own = (cls.__init__,) if inspect.isfunction(cls.__init__) else ()  # type: ignore[misc]
    for owner in reversed(cls.__mro__) if is_dataclass(cls) else own:
        names = vars(sys.modules[owner.__module__])
        declared = inspect.get_annotations(owner).items()
        kinds |= {name: _kind(text, names) for name, text in declared if name in shown}
    return [one.replace(annotation=kinds.get(one.name, EMPTY)) for one in shown.values()]


def _kind(annotation: Any, names: dict[str, Any]) -> Any:
    """The type that an annotation's text means."""
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), names)["it"]
    except NameError:  # imported for type checks alone
        return EMPTY


def duration(given: object) -> object:
    """Seconds of a duration in text; what is no text is left to the checks that follow.

    Raises:
        ValueError: The text is none.

    >>> duration("10m"), duration("90s"), duration("1.5h"), duration(30.0)
    (600.0, 90.0, 5400.0, 30.0)
    """
    if not isinstance(given, str):
        return given
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+) ?([smh]?)", given.strip())
    if found is None:
        raise ValueError("give a duration such as 90s, 10m or 1h")
    return float(found.group(1)) * UNITS[found.group(2)]
