"""The planted faults as data: one TOML file per package, read and checked here."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SOURCES = Path("src") / "negatives"
KEYS = frozenset(("name", "file", "old", "new", "why", "tests"))
MAY = frozenset(("plain",))


@dataclass(frozen=True, slots=True)
class Fault:
    """One small wrong change.

    Args:
        package: Name of the file that describes it.
        name: What is wrong, in a few words that no other fault of the package has.
        file: The changed file, below ``src/negatives``.
        old: Text that stands in it exactly once.
        new: What takes its place.
        why: Why that is wrong.
        tests: The tests that must notice, as pytest takes them.
        plain: Run kernels as Python functions, uncompiled.
    """

    package: str
    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    plain: bool = False

    @property
    def label(self) -> str:
        return f"{self.package}: {self.name}"

    def applied(self, root: Path) -> str:
        """The changed file's text.

        Raises:
            ValueError: The old text does not stand there exactly once, or the change cannot be compiled or is none.
        """
        path = root / SOURCES / self.file
        if not path.is_file():
            raise ValueError(f"{self.label}: there is no file {self.file}")
        text = path.read_text(encoding="utf-8")
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.label}: the old text stands {found} times in {self.file}, not once")
        changed = text.replace(self.old, self.new)
        try:
            same = ast.dump(ast.parse(changed)) == _dumped(text)
        except SyntaxError as error:
            raise ValueError(f"{self.label}: the new text cannot be compiled: {error}") from error
        if same:
            raise ValueError(f"{self.label}: the new text says the same as the old one")
        return changed


@lru_cache(maxsize=8)
def _dumped(text: str) -> str:
    """What a file says; the faults of one file mostly stand together."""
    return ast.dump(ast.parse(text))


def read(folder: Path = HERE) -> list[Fault]:
    """All faults, by package and in the order of the files.

    Raises:
        ValueError: A fault lacks a key or has an unknown one, or two have one name.
    """
    found: list[Fault] = []
    for path in sorted(folder.glob("*.toml")):
        for row in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
            if missing := KEYS - row.keys() | row.keys() - KEYS - MAY:
                raise ValueError(f"{path.name}, {row.get('name')!r}: {', '.join(sorted(missing))} missing or unknown")
            found.append(Fault(path.stem, **row | {"tests": tuple(row["tests"])}))
    names = [fault.label for fault in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two faults have one name: {', '.join(sorted(twice))}")
    return found


def part_of(faults: Sequence[Fault], index: int, n: int) -> list[Fault]:
    """Every ``n``-th fault from place ``index``, so that each part has some of every package."""
    return list(faults[index % n :: n])
