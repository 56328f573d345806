"""Which column of a table plays which role: by the caller's word, by its name, by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from negatives.data.readers import values
from negatives.data.readers.frames import Frames
from negatives.data.readers.schema import Options, Role, Schema, plain
from negatives.errors import InputError
from negatives.registry import suggest

MOST_RATINGS = 20
MOSTLY = 0.9
REASONS = {"order": "by the order of the columns", "content": "by what stands in the column"}
ID_NAME = re.compile(r"(?i:(?:^|[_\s-])(?:id|key|code|nr|no|num|number)|identifier)$|[a-z](?:I[Dd]|Code|Key|No|Nr)$")
"""Names of columns that hold ids, whatever of."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Columns by role.

    Args:
        columns: Column of each role that was found.
        why: How each was found: ``asked``, ``name``, ``order`` or ``content``.
        skipped: Columns not used.
    """

    columns: Mapping[str, str]
    why: Mapping[str, str]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        taken = ", ".join(f"{role} = {column}" for role, column in self.columns.items())
        return (
            taken
            + (f"; skipped: {', '.join(self.skipped[:8])}" if self.skipped else "")
            + (f" and {len(self.skipped) - 8} more" if len(self.skipped) > 8 else "")
        )

    @property
    def guessed(self) -> str:
        """Which roles no name of a column decided; empty where names decided about all."""
        told = []
        for why, reason in REASONS.items():
            if roles := [role for role in self.columns if self.why[role] == why]:
                told.append(f"{', '.join(roles)} {reason}")
        return f"not by names: {'; '.join(told)}; --columns says otherwise" if told else ""


def find_roles(frames: Frames, schema: Schema, options: Options) -> Roles:
    """Take a column for each role.

    Raises:
        InputError: A column that was asked for does not exist, or it cannot be decided which column is needed; the
            message asks one question and says how to answer it.
    """
    names = frames.names
    needed = [role.name for role in schema.needed]
    if len(names) < len(needed):
        has = f"only {len(names)} column{'s' if len(names) > 1 else ''} ({', '.join(names)[:60]})"
        hint = f"a {schema.what} needs {', '.join(needed)}: give {schema.example}"
        raise InputError(f"{has}, where {len(needed)} are needed", path=frames.path, line=1, hint=hint)
    found: dict[str, str] = {}
    why: dict[str, str] = {}
    for role in schema:
        if (asked := options.columns.get(role.name)) is not None:
            found[role.name], why[role.name] = _named(frames, asked), "asked"
    if frames.header:
        for role in schema:
            hits = [(role.names.index(plain(name)), name) for name in names if plain(name) in role.names]
            free = sorted(hit for hit in hits if hit[1] not in found.values())
            if role.name not in found and free:
                found[role.name], why[role.name] = free[0][1], "name"
    _by_layout(frames, schema, found, why)
    _by_content(frames, schema, found, why)
    ordered = {role.name: found[role.name] for role in schema if role.name in found}
    used = set(found.values())
    return Roles(ordered, why, tuple(name for name in names if name not in used))


def _named(frames: Frames, wanted: str) -> str:
    for name in frames.names:
        if wanted in (name, name.partition(":")[0]):
            return name
    hint = suggest(wanted, frames.names)
    if not frames.header:
        hint = f"the file has no header, so its columns are {', '.join(frames.names[:6])}"
    raise InputError(f"no column is called {wanted!r}", path=frames.path, line=1, hint=hint)


def _by_layout(frames: Frames, schema: Schema, found: dict[str, str], why: dict[str, str]) -> None:
    """The columns of a file without a header that has as many of them as a published layout."""
    if frames.header or found:
        return
    for layout in schema.layouts:
        if len(layout) == len(frames.names):
            places = {name: column for name, column in zip(layout, frames.names, strict=True) if name in schema}
            found.update(places)
            why.update(dict.fromkeys(places, "order"))


def _by_content(frames: Frames, schema: Schema, found: dict[str, str], why: dict[str, str]) -> None:
    """Fill the roles that names have left open."""
    sample = frames.sample
    free = [name for name in frames.names if name not in found.values() and not _is_index(frames, name)]
    open_roles = [role for role in schema.needed if role.name not in found]
    times = _times(frames, free)
    if open_roles:
        fitting = [name for name in free if name not in times and _may_be(sample[name], open_roles)]
        if len(fitting) < len(open_roles) == len(free) and any(role.kind == "id" for role in open_roles):
            fitting = free.copy()
        if not fitting and all(role.kind in ("text", "texts") for role in open_roles):
            there = ", ".join(frames.names[:12])
            features = "; numbers are not read as features, but lines 'label 1:0.5 7:2' are"
            hint = f"give {schema.example}{features if 'labels' in schema and 'text' in schema else ''}"
            raise InputError(f"no column holds texts; there are {there}", path=frames.path, line=1, hint=hint)
        if any(not role.guess for role in open_roles) or len(fitting) < len(open_roles):
            _ask(frames, schema, open_roles, fitting if len(fitting) >= len(open_roles) else free)
        if frames.header and len(fitting) > len(open_roles):
            likely = _likely(sample, fitting, open_roles)
            if len(likely) != len(open_roles):
                _ask(frames, schema, open_roles, fitting)
            fitting = likely
        for role in open_roles:
            left = [one for one in fitting if one in free]
            name = next((one for one in left if _may_be(sample[one], [role])), None)
            if name is None:
                _ask(frames, schema, [role], left or fitting)
            else:
                found[role.name], why[role.name] = name, "order"
                free.remove(name)
    if frames.header:
        return
    for role in schema:
        if role.needed or role.name in found or not role.guess or role.kind not in ("time", "number"):
            continue
        fits = [name for name in free if (name in times if role.kind == "time" else _is_rating(sample[name]))]
        if fits:
            found[role.name], why[role.name] = fits[0], "content"
            free.remove(fits[0])


def _ask(frames: Frames, schema: Schema, roles: list[Role], among: list[str]) -> None:
    """Stop with the one question that cannot be decided."""
    what = " and ".join(role.name for role in roles)
    likely = sorted(among, key=lambda name: not _comes_again(frames.sample[name]))
    example = ",".join(f"{role.name}={likely[place % len(likely)]}" for place, role in enumerate(roles))
    fault = f"which column is the {what}? there are {', '.join(frames.names[:12])}"
    example = f'"{example}"' if " " in example else example  # as one word of a command
    raise InputError(fault, path=frames.path, line=1, hint=f"say for instance --columns {example}")


def _comes_again(column: pl.Series) -> bool:
    """Whether a column has several values, and not a new one in nearly every row."""
    if column.dtype.is_nested():
        return True
    return 2 < column.n_unique() < MOSTLY * len(column)


def _may_be(column: pl.Series, roles: list[Role]) -> bool:
    """Whether a column may hold names or texts at all; numbers with a fraction are no names."""
    if column.dtype.is_nested():
        return any(role.several or role.kind in ("texts", "labels") for role in roles)
    if all(role.kind in ("text", "texts") for role in roles):
        return not values.all_numbers(column)
    if not any(role.kind == "id" for role in roles):
        return True
    number = values.numbers(column)
    return not bool((number != number.floor()).any())


def _likely(sample: pl.DataFrame, among: list[str], roles: list[Role]) -> list[str]:
    """Columns under a header that probably play the roles: ids by their name, texts that are none; else no ratings."""
    texts = all(role.kind in ("text", "texts") for role in roles)
    named = [name for name in among if bool(ID_NAME.search(name)) is not texts]
    return named if len(named) == len(roles) else [name for name in among if not _is_rating(sample[name])]


def _is_index(frames: Frames, name: str) -> bool:
    """Whether a column numbers the rows, as pandas writes in front without a name."""
    if not frames.header or name != frames.names[0] or plain(name) not in ("column1", "unnamed0", "index"):
        return False
    numbers = values.numbers(frames.sample[name])
    return numbers.null_count() == 0 and bool((numbers.diff().drop_nulls() == 1).all())


def _times(frames: Frames, among: list[str]) -> set[str]:
    """The columns that look like times; of several numbers the last, for the others are large ids.

    Numbers in the first column that come again and again are ids too.
    """
    like = [name for name in among if values.looks_like_time(frames.sample[name])]
    kinds = frames.sample.schema
    dates = {name for name in like if kinds[name].is_temporal() or values.numbers(frames.sample[name]).is_null().all()}
    if dates or not like:
        return dates
    again = frames.sample[like[-1]].n_unique() < MOSTLY * len(frames.sample)
    return set() if like[-1] == frames.names[0] and again else {like[-1]}


def _is_rating(column: pl.Series) -> bool:
    if column.dtype.is_nested():
        return False
    found = values.numbers(column)
    low, high = found.min(), found.max()
    few = len(found) > 0 and found.null_count() == 0 and 1 < found.n_unique() <= MOST_RATINGS
    steps = found * 10
    even = bool((steps == steps.round()).all())
    return few and even and isinstance(low, float) and isinstance(high, float) and low >= -10 and high <= 100
