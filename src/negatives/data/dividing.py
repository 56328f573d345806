"""One way to divide, whatever the rows are: which parts are given, what stands in two of them, what is held back.

A loader says with :class:`Ways` what its rows are and which methods of :mod:`negatives.data.splits` make sense for
them; what a user may ask for is a :class:`Division`. The order is always the same: parts that the data gives stay,
rows of one part that stand in another are dropped and counted, then the missing parts are taken from the training part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from negatives.data.pairs import Rows
from negatives.data.splits import FOLD, Asked, Basis, Method, any_rows, check_shares, key_of
from negatives.errors import ConfigError, InputError

TOO_SMALL = 0.05
"""Standard error of a rate from which a validation part is too small to choose by."""
R = TypeVar("R", bound=Rows)


@dataclass(frozen=True, slots=True)
class Places(Rows):
    """Rows that stand elsewhere: texts, feature rows, lines.

    Args:
        places: ``(n,)`` int64, where each row stands.
        contents: ``(n,)`` int64, the same for rows of equal content.
        groups: ``(n,)`` int64, what each row belongs to, or None.
    """

    places: Tensor
    contents: Tensor
    groups: Tensor | None = None

    @classmethod
    def of(cls, sizes: Mapping[str, int], contents: Tensor, groups: Tensor | None = None) -> dict[str, Places]:
        """The rows of each part, which stand one part after another."""
        found, first = {}, 0
        for part, size in sizes.items():
            places = torch.arange(first, first + size)
            found[part] = cls(places, contents[places], None if groups is None else groups[places])
            first += size
        return found


@dataclass(frozen=True, slots=True)
class Division:
    """How the rows are divided, as it is asked for.

    Args:
        kind: ``given``, a method that the data knows, or ``auto``: given where there is a test part.
        test: Share held back for the test, where there is no test part.
        valid: Share of the rest held back to stop and to choose by, where there is no validation part.
        canaries: Share of the rest hidden to estimate false negatives.
        seed: Seed of all choices; see :func:`negatives.data.splits.folded` for more validation parts.

    Raises:
        ConfigError: A share is not in ``[0, 1)``.
    """

    kind: str = "auto"
    test: float = 0.2
    valid: float = 0.1
    canaries: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_shares(test=self.test, valid=self.valid, canaries=self.canaries)


@dataclass(frozen=True, slots=True)
class Ways(Generic[R]):
    """What the rows of one kind of data are, and how they can be divided.

    Args:
        unit: What a row is called, in the plural.
        basis: What the rows may be divided by.
        code: ``(n,)`` int64; equal rows of any two parts have equal codes, and others have not.
        test: Methods for the test part by their names; the first is what errors advise.
        valid: Methods for the validation part by the name of the split, ``given`` among them; else that of the test.
        canaries: Method for the canaries.
        repeats: Whether rows of one part may be equal; then a part that is held back loses what stays in train too.
        most: Rows that a validation part is held to, or None.
        ordered: Whether each query's rows stand in the order in which they came, and may come again.
        judged: What the mean over a validation part is taken over, in the plural, and how many a part has of it.
    """

    unit: str
    basis: Callable[[R], Basis]
    code: Callable[[R], Tensor]
    test: Mapping[str, Method] = field(default_factory=lambda: {"random": any_rows})
    valid: Mapping[str, Method] = field(default_factory=lambda: {"given": any_rows})
    canaries: Method = any_rows
    repeats: bool = False
    ordered: bool = False
    most: int | None = None
    judged: tuple[str, Callable[[R], int]] | None = None

    def check(self, kind: str) -> None:
        """Refuse a split that these rows do not know.

        Raises:
            ConfigError: They do not.
        """
        known = ("auto", "given", *self.test)
        if kind not in known:
            raise ConfigError(f"no split is called {kind!r} for {self.unit}; choose one of: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Choice:
    """The split that was chosen.

    Args:
        kind: ``given`` or the name of a method.
        anew: Whether the parts that the data gives are joined and divided anew.
    """

    kind: str
    anew: bool = False


def choose(
    asked: str, parts: Mapping[str, object], ways: Ways[R], notes: list[str], timed: bool = False,
    path: Path | str | None = None,
) -> Choice:  # fmt: skip
    """Which split is meant, and why.

    Args:
        asked: ``auto``, ``given`` or the name of a method.
        parts: What the data gives, by part.
        ways: What the rows know.
        notes: Takes what was chosen.
        timed: Whether all rows have times.
        path: The data, for errors.

    Raises:
        ConfigError: The rows know no such split.
        InputError: There is no test part, and ``given`` was asked for.
    """
    ways.check(asked)
    if asked == "given" and "test" not in parts:
        hint = f"add a test file beside train, or use --set split.kind={next(iter(ways.test))}"
        raise InputError("there is no test part", path=path, hint=hint)
    if asked != "auto":
        notes.append(f"split: {asked}")
        return Choice(asked, asked != "given" and len(parts) > 1)
    if "test" in parts:
        kind, why = "given", "there is a test part"
    elif (timed or ways.ordered) and "leave_last_out" in ways.test:
        have = "stand in an order" if ways.ordered else "have times"
        kind, why = "leave_last_out", f"there is no test part, and {ways.unit} {have}"
    else:
        kind, why = "random", "there is no test part"
    notes.append(f"split: {kind} (chosen automatically: {why})")
    return Choice(kind)


def divide(
    parts: Mapping[str, R], choice: Choice, how: Division, ways: Ways[R], notes: list[str],
    path: Path | str | None = None,
) -> dict[str, R]:  # fmt: skip
    """The parts ``train``, ``valid``, ``test`` and ``canaries``. What is given is used up by it.

    Args:
        parts: Rows by part, ``train`` among them, under one numbering; no row twice in a part.
        choice: From :func:`choose`.
        how: What is asked for.
        ways: What the rows are.
        notes: Takes what is dropped and held back.
        path: The data, for errors.

    Raises:
        InputError: Nothing is left to train on, or the rows lack what the split needs.
    """
    found = joined_anew(parts, ways, notes) if choice.anew else _apart(parts, ways, notes, path)
    train = found.pop("train")
    given = set(found)
    if "test" not in found:
        found["test"], train = hold(train, ways.test[choice.kind], ways, Asked(how.test, key_of("test", how.seed)))
    spare = round(how.canaries * len(train)) if ways.ordered else 0
    if "valid" not in found:
        tested = len(found["test"]) / max(1, len(found["test"]) + len(train))
        asked = Asked(how.valid, key_of("valid", how.seed), ways.most, tested, spare)
        method = ways.valid.get(choice.kind) or ways.test[choice.kind]
        found["valid"], train = hold(train, method, ways, asked)
    if ways.repeats:
        found = _apart({"train": train} | found, ways, notes, path)
        train = found.pop("train")
    share = spare / max(1, len(train)) if ways.ordered else how.canaries
    hidden = Asked(share, key_of("canaries", how.seed), free=_free(train, found["valid"], ways))
    found["canaries"], train = hold(train, ways.canaries, ways, hidden)
    if len(train) == 0:
        hint = "lower split.test and split.valid, or choose another split"
        raise InputError(f"the split leaves no {ways.unit} to train on", path=path, hint=hint)
    if "valid" in given and how.seed >= FOLD:
        notes.append("split: the data gives a validation part, so split.fold changes nothing")
    _tell_valid(found["valid"], ways, "valid" in given, notes)
    return {"train": train, "valid": found["valid"], "test": found["test"], "canaries": found["canaries"]}


def hold(rows: R, method: Method, ways: Ways[R], asked: Asked) -> tuple[R, R]:
    """The rows that a method holds back, and the others. The rows are used up by it."""
    if asked.share == 0 or len(rows) == 0:
        return rows.pick(torch.zeros(len(rows), dtype=torch.bool)), rows
    return rows.part_off(method(ways.basis(rows), asked))


def joined_anew(parts: Mapping[str, R], ways: Ways[R], notes: list[str]) -> dict[str, R]:
    """All rows as one training part; what may not be repeated stands once."""
    notes.append(f"split: the parts {', '.join(parts)} of the data are joined and divided anew")
    order = list(parts) if ways.repeats else sorted(parts)  # by name, in whatever order the parts were found
    rows = parts[order[0]].joined(parts[name] for name in order)
    if ways.repeats:
        return {"train": rows}
    _, place, counts = torch.unique(ways.code(rows), return_inverse=True, return_counts=True)
    if len(rows) > counts.numel():
        first = torch.full((counts.numel(),), len(rows)).scatter_reduce_(0, place, torch.arange(len(rows)), "amin")
        notes.append(f"split: {len(rows) - counts.numel():,} {ways.unit} stand in two parts and are taken once")
        rows = rows.pick(first.sort().values)
    return {"train": rows}


def _apart(parts: Mapping[str, R], ways: Ways[R], notes: list[str], path: Path | str | None) -> dict[str, R]:
    """The parts without what stands in two: the training part keeps it, then the test part.

    Raises:
        InputError: Nothing of the test part is left.
    """
    found = dict(parts)
    if ways.ordered:  # what came before may come again
        return found
    known = {name: ways.code(found[name]) for name in ("train", "test") if name in found and len(found) > 1}
    for name in ("test", "valid"):
        for other in ("train", "test") if name == "valid" else ("train",):
            if name not in found or other not in found:
                continue
            seen = _within(ways.code(found[name]), known[other])
            if bool(seen.any()):
                notes.append(f"{name}: {int(seen.sum()):,} {ways.unit} dropped, they stand in {other} too")
                found[name] = found[name].pick(~seen)
                if name == "test" and len(found[name]) == 0:
                    fault = f"all {seen.numel():,} {ways.unit} of the test part stand in train too"
                    raise InputError(fault, path=path, hint=f"give {ways.unit} to test on that training does not show")
    return found


def _free(train: R, valid: R, ways: Ways[R]) -> Tensor | None:
    """``(n,)`` bool, training rows of queries that have no row in the validation part, where rows have an order."""
    rows, others = ways.basis(train).queries, ways.basis(valid).queries
    return ~torch.isin(rows, others) if ways.ordered and rows is not None and others is not None else None


def _within(codes: Tensor, known: Tensor) -> Tensor:
    """``(n,)`` bool: the code is among the known ones."""
    if known.numel() == 0 or codes.numel() == 0:
        return torch.zeros(codes.numel(), dtype=torch.bool)
    known = known if bool((known[1:] >= known[:-1]).all()) else known.sort().values
    return known[torch.searchsorted(known, codes).clamp_max(known.numel() - 1)] == codes


def _tell_valid(rows: R, ways: Ways[R], given: bool, notes: list[str]) -> None:
    """Say how sure a figure on the validation part is: a rate over ``n`` has a standard error <= ``0.5 / sqrt(n)``."""
    unit, count = ways.judged or (ways.unit, len)
    n = count(rows)
    if n == 0:
        return
    error = 0.5 / math.sqrt(n)
    text = f"valid: {n:,} {unit}; a rate over them has a standard error of up to {error:.3f}"
    if error > TOO_SMALL:
        text += ", too much to choose by: "
        several = "look at several parts, --set split.fold=0, 1, 2, or raise split.valid"
        text += "give a larger part" if given else "give more users" if ways.ordered else several
    notes.append(text)
