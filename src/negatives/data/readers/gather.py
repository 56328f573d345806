"""Gather the rows of a table block by block: check values, apply limits, count what is dropped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from negatives.data.ids import Ids
from negatives.data.readers import values
from negatives.data.readers.bundles import bundled
from negatives.data.readers.doubts import doubts
from negatives.data.readers.frames import Block, Builder, Frames, Ints
from negatives.data.readers.roles import Roles, find_roles
from negatives.data.readers.schema import Options, Role, Schema
from negatives.data.table import Column, Source, Table
from negatives.errors import ConfigError, InputError

FIRST = 3
"""First rows that are kept to be shown."""


def gathered(frames: Frames, schema: Schema, options: Options) -> Table:
    """The rows of a file by role.

    Raises:
        InputError: A value that a row needs is missing or cannot be understood; or no row is left.
        ConfigError: A limit needs a column that the file has not.
    """
    if options.missing not in ("error", "drop"):
        raise ConfigError(f"missing is {options.missing!r}; choose error or drop")
    frames = bundled(frames, schema)
    roles = find_roles(frames, schema, options)
    for limit, role in (
        (options.min_rating, "rating"), (options.dislike, "rating"),
        (options.events or None, "event"), (options.shown or None, "event"),
    ):  # fmt: skip
        if limit is not None and role in schema and role not in roles.columns:
            raise ConfigError(f"{frames.path}: no column of a {role} was found; name it with --columns {role}=...")
    gather = _Gather(frames, schema, options, roles)
    named = [roles.columns[role.name] for role in schema.needed if role.kind == "id" and role.name in roles.columns]
    for block in frames.blocks(list(dict.fromkeys(roles.columns.values())), named):
        gather.add(block)
    return gather.table()


@dataclass(slots=True)
class _Gather:
    """Rows gathered so far."""

    frames: Frames
    schema: Schema
    options: Options
    roles: Roles
    ids: dict[str, Builder] = field(default_factory=dict)
    columns: dict[str, list[pl.Series]] = field(default_factory=dict)
    lines: list[Ints] = field(default_factory=list)
    written: dict[str, tuple[str | None, float]] = field(default_factory=dict)
    rows: int = 0
    missing: int = 0
    limited: Counter[str] = field(default_factory=Counter)
    seen: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        """Take the rows of one block."""
        frame = block.frame
        if frame.is_empty():
            return
        if any(frame.schema[column].is_nested() for column in self.roles.columns.values()):
            frame, lines = self._one_by_row(frame, block)
        else:
            lines = None
        found = {
            role: self._values(self.schema_role(role), frame[column]) for role, column in self.roles.columns.items()
        }
        keep = pl.repeat(True, len(frame), dtype=pl.Boolean, eager=True)
        for name, column in found.items():
            if not self._must_be_there(name):
                continue
            absent = column.is_null()
            if bool((absent & keep).any()):
                self._refuse(name, (absent & keep).arg_true()[0], lines, block)
                self.missing += int((absent & keep).sum())
                keep &= ~absent
        keep &= self._limits(found, keep)
        self._keep(found, keep, lines, block)

    def schema_role(self, name: str) -> Role:
        return next(role for role in self.schema if role.name == name)

    def _must_be_there(self, name: str) -> bool:
        role = self.schema_role(name)
        if role.blank is not None:
            return not role.blank
        by_rating = self.options.min_rating is not None or self.options.dislike is not None
        limited = (name == "rating" and by_rating) or (
            name == "event" and bool(self.options.events or self.options.shown)
        )
        named = role.kind == "id" and name != "event"
        return role.needed or role.kind == "time" or limited or named or name == "weight"

    def _values(self, role: Role, column: pl.Series) -> pl.Series:
        if role.kind == "id":
            return values.ids(column)
        if role.kind == "text":
            return values.texts(column)
        if role.kind == "texts":
            return values.text_lists(column)
        if role.kind == "number":
            return values.numbers(column, role.words)
        if role.kind == "time":
            return values.times(column, *self._how(role.name, column))
        return column

    def _how(self, name: str, column: pl.Series) -> tuple[str | None, float]:
        """How times are written, decided on the first block."""
        if name not in self.written:
            asked = self.options.time_format or self.frames.time_format
            text = column.dtype == pl.String
            written, doubtful = (asked, False) if asked and text else values.time_format(column.head(1000))
            if doubtful:
                written, doubtful = values.time_format(column)
            if doubtful:
                shown = str(column.drop_nulls().head(1).item())
                raise values.month_question(self.frames.path, self.roles.columns[name], shown)
            self.written[name] = written, values.time_scale(column)
        return self.written[name]

    def _one_by_row(self, frame: pl.DataFrame, block: Block) -> tuple[pl.DataFrame, Ints]:
        """Lists of ids as one row for each, and the lines of the rows.

        Raises:
            InputError: A column holds lists where one value is expected, or objects.
        """
        frame = frame.with_columns(pl.Series("\0line", block.line()))
        for role, column in self.roles.columns.items():
            kind = frame.schema[column]
            if not kind.is_nested() or self._holds(self.schema_role(role), frame[column]):
                continue
            if not self.schema_role(role).several or not isinstance(kind, (pl.List, pl.Array)):
                fault = f"the column {column} holds lists or objects"
                hint = f"name a column with one {role} per row with --columns {role}=..."
                raise InputError(fault, path=self.frames.path, line=int(frame["\0line"][0]), hint=hint)
            frame = frame.explode(column)
        return frame.drop("\0line"), frame["\0line"].to_numpy()

    def _holds(self, role: Role, column: pl.Series) -> bool:
        """Whether a column of lists or objects can stand for the role as it is."""
        if role.kind in ("labels", "texts"):
            return isinstance(column.dtype, (pl.List, pl.Array))
        return role.kind == "text" and (values.lone(column) or any(values.said(column.head(100))))

    def _refuse(self, name: str, at: int, lines: Ints | None, block: Block) -> None:
        if self.options.missing == "drop":
            return
        role, column = self.schema_role(name), self.roles.columns[name]
        what = "empty or unreadable" if role.kind in ("number", "time") else "empty or missing"
        hint = f"{self.frames.advice or 'mend or remove such rows'}, or drop them with --set reading.missing=drop"
        if role.kind == "time":
            hint = "drop such rows with --set reading.missing=drop, or say how times are written: "
            hint += "reading.time_format=%d.%m.%Y"
        line = int((block.line() if lines is None else lines)[at])
        raise InputError(f"{what} {name} ({column})", path=self.frames.path, line=line, hint=hint)

    def _limits(self, found: dict[str, pl.Series], keep: pl.Series) -> pl.Series:
        """Which rows are above the lowest rating and of an event that counts; both are counted."""
        stay, given = keep, self._given(found)
        if (weight := found.get("weight")) is not None:
            nothing = (weight <= 0).fill_null(False) & ~given
            self.limited["weight"] += int((nothing & stay).sum())
            stay = stay & ~nothing
        if (rating := found.pop("rating", None)) is not None:
            self._count("rating", rating)
            if self.options.min_rating is not None:
                low = (rating < self.options.min_rating).fill_null(False) & ~given
                self.limited["rating"] += int((low & stay).sum())
                stay = stay & ~low
        if (event := found.pop("event", None)) is not None:
            self._count("event", event.cast(pl.String))
            if self.options.events:
                event = event.cast(pl.String)
                other = ~event.is_in(list(self.options.events)).fill_null(False) & ~given
                self.limited["event"] += int((other & stay).sum())
                stay = stay & ~other
                self._weigh(found, event)
        return stay

    def _given(self, found: dict[str, pl.Series]) -> pl.Series:
        """Which rows say what a user does not want; they are kept, and marked."""
        marks, options = found.pop("given", None), self.options
        given = pl.repeat(False, len(next(iter(found.values()))), dtype=pl.Boolean, eager=True)
        if marks is not None:
            given |= (marks > 0).fill_null(False)
        if options.dislike is not None:
            given |= (found["rating"] <= options.dislike).fill_null(False)
        if options.shown:
            given |= found["event"].cast(pl.String).is_in(list(options.shown)).fill_null(False)
        if marks is not None or options.dislike is not None or options.shown:
            found["given"] = given.cast(pl.Float64)
        return given

    def _weigh(self, found: dict[str, pl.Series], event: pl.Series) -> None:
        """Multiply the weights of rows by those of their events, where events have some."""
        by_event = {name: 1.0 if weight is None else weight for name, weight in self.options.events.items()}
        if any(weight is not None for weight in self.options.events.values()):
            factor = event.replace_strict(by_event, default=1.0, return_dtype=pl.Float64)
            found["weight"] = factor * found["weight"] if "weight" in found else factor

    def _count(self, role: str, column: pl.Series) -> None:
        counts = column.drop_nulls().value_counts()
        seen = self.seen.setdefault(role, Counter())
        if len(seen) + len(counts) <= 1000:
            for value, count in counts.iter_rows():
                seen[f"{value:g}" if isinstance(value, float) else str(value)] += count

    def _keep(self, found: dict[str, pl.Series], keep: pl.Series, lines: Ints | None, block: Block) -> None:
        every = bool(keep.all())
        self.rows += int(keep.sum())
        for name, column in found.items():
            stays = column if every else column.filter(keep)
            role = self.schema_role(name)
            if role.kind == "id" and role.needed:
                if name not in self.ids:
                    self.ids[name] = self.frames.builder(self.roles.columns[name])
                self.ids[name].add(stays)
            else:
                self.columns.setdefault(name, []).append(stays)
        if self.schema.lines:
            at = block.line() if lines is None else lines
            self.lines.append(at if every else at[keep.to_numpy()])

    def table(self) -> Table:
        """All rows.

        Raises:
            InputError: None is left.
        """
        name, what = self.frames.path.name, self.schema.what
        notes = [*self.frames.notes, f"{name}: {self.roles}", f"{name}: {self.rows:,} {what}s read"]
        columns: dict[str, Column] = {role: builder.build() for role, builder in self.ids.items()}
        for role, parts in self.columns.items():
            columns[role] = self._together(role, parts)
        if guessed := self.roles.guessed:
            notes.insert(-1, f"{name}: {guessed}")
        if self.missing:
            notes.append(f"{name}: {self.missing:,} rows with an empty or unreadable value dropped")
        if self.limited["rating"]:
            limit = f"{self.options.min_rating:g}"
            notes.append(f"{name}: {self.limited['rating']:,} {what}s with a rating below {limit} dropped")
        if isinstance(marks := columns.get("given"), np.ndarray):
            notes.append(f"{name}: {int(marks.sum()):,} {what}s are given negatives: shown and not taken, or disliked")
        if self.limited["weight"]:
            notes.append(f"{name}: {self.limited['weight']:,} {what}s with a weight of zero or less dropped")
        if self.limited["event"]:
            notes.append(f"{name}: {self.limited['event']:,} {what}s of other events dropped")
        if not self.rows:
            dropped = self.missing + sum(self.limited.values())
            why = f" ({dropped:,} rows dropped)" if dropped else ""
            hint = f"give a file with at least one {what}" + (", or loosen the limits" if dropped else "")
            raise InputError(f"no {what} is left{why}", path=self.frames.path, line=1, hint=hint)
        if (weights := columns.get("weight")) is not None and not isinstance(weights, (Ids, pl.Series)):
            counted = weights[columns["given"] == 0] if isinstance(columns.get("given"), np.ndarray) else weights
            span = f"{counted.min(initial=np.inf):g} to {counted.max(initial=0.0):g}"
            notes.append(f"{name}: {what}s have weights from {span} and are taken in proportion to them")
        ordered = {role.name: columns[role.name] for role in self.schema if role.name in columns}
        notes += doubts(self.frames, self.roles, self.schema, self.options, self.seen, ordered)
        lines = np.concatenate(self.lines) if self.lines else None
        found, head = self.roles, self.frames.sample.head(FIRST)
        source = Source(found.columns, found.why, found.skipped, head)
        named = dict(found.columns) if self.frames.header else {}
        return Table(ordered, tuple(notes), lines, path=self.frames.path, source=source, named=named)

    def _together(self, role: str, parts: list[pl.Series]) -> Column:
        kind = self.schema_role(role).kind
        if kind == "id":
            return Ids.of(pl.concat([part.cast(pl.String) for part in parts]))
        if kind in ("number", "time"):
            return pl.concat(parts).to_numpy().astype(np.float64)
        if kind == "texts":
            return pl.concat(parts)
        if kind == "labels" and any(part.dtype.is_nested() for part in parts):
            return pl.concat([part.cast(pl.List(pl.String)) for part in parts])
        return pl.concat([part.cast(pl.String) for part in parts])
