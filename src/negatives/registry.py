"""Explicit tables from short names to parts.

Each package of parts holds one literal table. A row names the module and class, so that listing the table
imports nothing. Third parties add rows through entry points of the group ``negatives.<kind>``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from negatives.errors import ConfigError
from negatives.parameters import construct, fits, parameters_of, required, settable, wanted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a configuration asks for.

    Args:
        name: Its name; None for parameters alone, or for a sampler described by its parts.
        params: Its parameters.
    """

    name: str | None
    params: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(spec: Spec) -> Part:
        """A part from its name or from a mapping with its ``name`` and parameters.

        Raises:
            ConfigError: It is neither.

        >>> Part.of({"name": "mf", "dim": 8})
        Part(name='mf', params={'dim': 8})
        """
        if isinstance(spec, Part):
            return spec
        if isinstance(spec, str):
            return Part(spec)
        name = spec.get("name") if isinstance(spec, Mapping) else spec
        if not isinstance(spec, Mapping) or not isinstance(name, str | None):
            raise ConfigError("should be a name, or a table with a name and parameters")
        return Part(name, {key: value for key, value in spec.items() if key != "name"})

    @property
    def plain(self) -> str | dict[str, Any]:
        """The part in the language of a configuration: a bare name, else a table.

        >>> Part("mf").plain, Part("mf", {"dim": 8}).plain
        ('mf', {'name': 'mf', 'dim': 8})
        """
        if self.name is not None and not self.params:
            return self.name
        return ({} if self.name is None else {"name": self.name}) | dict(self.params)

    def __str__(self) -> str:
        """The name, ``custom`` for a part without one."""
        return self.name or "custom"


Spec = str | Mapping[str, Any] | Part
"""A part's name, a mapping with its ``name`` and its parameters, or both as one value."""


def suggest(name: str, known: Iterable[str]) -> str:
    """A closing phrase for error messages: the nearest known names, or all of them."""
    known = sorted(known)
    if not known:
        return "there are none to choose from"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known)}"


class Lazy:
    """A package's names, each imported when it is first asked for; an instance is the package's ``__getattr__``.

    Args:
        package: Name of the package.
        targets: ``"module:name"`` each.
    """

    def __init__(self, package: str, *targets: str) -> None:
        self.package = package
        self.modules = {name: module for module, _, name in (target.partition(":") for target in targets)}

    def __call__(self, name: str) -> Any:
        """What stands behind a name.

        Raises:
            AttributeError: The package has no such name.
        """
        if name not in self.modules:
            raise AttributeError(f"module {self.package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(self.modules[name]), name)


class Registry(Generic[T]):
    """Parts of one kind by name.

    Args:
        kind: What the parts are, in the plural, for messages and for the entry-point group.
        rows: Pairs of a name and ``"module:Class"``.
        one: What one of them is, for messages; ``kind`` without its last s where it is left out.

    Raises:
        ConfigError: A name stands twice.
    """

    def __init__(self, kind: str, rows: Iterable[tuple[str, str]], one: str = "") -> None:
        self.kind = kind
        self.one = one or kind.removesuffix("s")
        self._rows: dict[str, str] = {}
        self._others: dict[str, str] | None = None
        for name, target in rows:
            self.add(name, target)

    def add(self, name: str, target: str) -> None:
        """Add one row; a name that stands already is an error."""
        if name in self._rows:
            raise ConfigError(f"{self.kind}: the name {name!r} is registered twice")
        self._rows[name] = target

    def _load_third_parties(self) -> None:
        if self._others is not None:
            return
        from importlib.metadata import entry_points  # slow to import

        others: dict[str, str] = {}
        for point in entry_points(group=f"negatives.{self.kind}"):
            if point.name in self._rows or point.name in others:
                package = point.dist.name if point.dist else "another package"
                raise ConfigError(
                    f"{self.kind}: the name {point.name!r}, which {package} adds as {point.value}, stands already; "
                    f"rename it there, or uninstall {package}"
                )
            others[point.name] = f"{point.module}:{point.attr}"
        self._others = others
        self._rows |= others

    @property
    def targets(self) -> list[str]:
        """``"module:Class"`` of each row so far; those of third parties are not looked up for it."""
        return list(self._rows.values())

    def __iter__(self) -> Iterator[str]:
        self._load_third_parties()
        return iter(self._rows)

    def __contains__(self, name: object) -> bool:
        self._load_third_parties()
        return name in self._rows

    def get(self, name: str) -> type[T]:
        """The class behind a name.

        Raises:
            ConfigError: The name is not known, or what another package gave it cannot be imported.
        """
        if name not in self:
            raise ConfigError(f"no {self.one} is called {name!r}; {suggest(name, self._rows)}")
        module, _, attribute = self._rows[name].partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
        except (ImportError, AttributeError) as error:
            if name not in (self._others or {}):
                raise
            told = f"{self.kind}: {name!r} of another package, {self._rows[name]}, cannot be imported"
            raise ConfigError(f"{told} ({error}); install that package again, or uninstall it") from error

    def parameters(self, name: str) -> Mapping[str, inspect.Parameter]:
        """Names, defaults and types of a part's parameters; groups of settings stand as their fields."""
        return parameters_of(self.get(name))

    def build(self, spec: Spec, facts: Mapping[str, object] = MappingProxyType({})) -> T:
        """Make a part from its name and parameters.

        Args:
            spec: What a configuration says.
            facts: Parameters that the program gives, such as the data's sizes; a configuration cannot set them.

        Raises:
            ConfigError: The name or a parameter is not known, a value has the wrong type, or a parameter is missing.
        """
        part = Part.of(spec)
        if part.name is None:
            raise ConfigError(f"the {self.one} has parameters and no name: {part.plain}; give its name too")
        name, values = part.name, dict(part.params)
        self._check(name, values, facts)
        try:
            return construct(self.get(name), values | dict(facts))
        except TypeError as error:
            raise ConfigError(f"{name}: {error}") from error

    def _check(self, name: str, values: Mapping[str, object], facts: Mapping[str, object]) -> None:
        """Every value's name and type, and that none is missing."""
        parameters = self.parameters(name)
        for given, value in values.items():
            if given not in parameters:
                names = [one for one, about in parameters.items() if one not in facts and settable(about.annotation)]
                raise ConfigError(f"{name} has no parameter {given!r}; {suggest(given, names)}")
            kind = parameters[given].annotation
            if given in facts or not (fits(value, kind) or settable(kind)):
                raise ConfigError(f"{name}.{given} comes from the data; leave it out")
            if not fits(value, kind):
                raise ConfigError(f"{name}.{given} is {value!r}; it must be {wanted(kind)}")
        missing = [one for one in required(self.get(name)) if one not in (*values, *facts)]
        if missing:
            raise ConfigError(f"{name} needs {', '.join(missing)}; give {'it' if len(missing) == 1 else 'them'} too")

    def summary(self, name: str) -> str:
        """First line of the part's docstring."""
        return (inspect.getdoc(self.get(name)) or "").partition("\n")[0]
