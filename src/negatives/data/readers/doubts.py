"""What a reader should tell about a table that it may have understood wrongly: one sentence for each doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from negatives.data.ids import Ids
from negatives.data.readers.frames import Frames
from negatives.data.readers.roles import Roles
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Column

NEARLY_ALL = 0.9
FEW_ROWS = 50
SHOWN = 6
MOST_STARS = 20
SEEN = ("impression", "impressions", "shown", "show", "exposure", "exposed", "skip", "skipped", "dislike")
"""Events by whose name an item was probably not taken."""
MOST_ROWS = 100_000
"""Rows that are looked at for a doubt."""


def doubts(
    frames: Frames, roles: Roles, schema: Schema, options: Options, seen: Mapping[str, Counter[str]],
    columns: Mapping[str, Column],
) -> list[str]:  # fmt: skip
    """Sentences about a table that was read.

    Args:
        frames: The file.
        roles: What was taken for what.
        schema: What the task wants of a row.
        options: What the caller said.
        seen: How often each rating and event stands there.
        columns: The rows by role.
    """
    name = frames.path.name
    found = [
        _first_row(frames, options),
        *_limits(seen, options),
        *_order(roles, columns),
        *_new_values(roles, columns),
    ]
    return [f"{name}: {sentence}" for sentence in found if sentence]


def _first_row(frames: Frames, options: Options) -> str | None:
    """A first row of words that stand nowhere else may be a header whose names are not known."""
    if frames.header or options.header is not None or len(frames.sample) < FEW_ROWS:
        return None
    first, rest = frames.sample.row(0), frames.sample.slice(1)
    if not all(isinstance(cell, str) and any(letter.isalpha() for letter in cell) for cell in first):
        return None
    fresh = all(cell not in rest[column].to_list() for cell, column in zip(first, rest.columns, strict=True))
    again = all(rest[column].n_unique() < len(rest) / 2 for column in rest.columns)
    if not (fresh and again):
        return None
    shown = ", ".join(str(cell)[:20] for cell in first)
    return f"the first row ({shown}) stands nowhere else; if it names the columns, say --set reading.header=true"


def _limits(seen: Mapping[str, Counter[str]], options: Options) -> list[str]:
    """Ratings and events that are taken alike."""
    found = []
    stars = seen.get("rating", Counter())
    if stars and options.min_rating is None and options.dislike is None and len(stars) <= MOST_STARS:
        values = sorted(stars, key=float)
        low = [value for value in values if float(value) <= (float(values[0]) + float(values[-1])) / 2]
        total, bad = sum(stars.values()), sum(stars[value] for value in low)
        if len(values) > 1:
            told = f"ratings from {values[0]} to {values[-1]} are not used, {bad:,} of {total:,} rows are "
            found.append(f"{told}{', '.join(low[:4])}; --set reading.min_rating={high(values)} keeps the good ones")
    events = seen.get("event", Counter())
    if len(events) > 1 and not options.events and not options.shown:
        shown = ", ".join(f"{event} {count:,}" for event, count in events.most_common(SHOWN))
        seen_only = [event for event in events if event.lower() in SEEN]
        shows = f", --set reading.shown={seen_only[0]} takes one as given negatives" if seen_only else ""
        rest = [event for event, _ in events.most_common() if event not in seen_only] or seen_only
        takes = rest[-1]
        found.append(f"all events are taken alike ({shown}); --set reading.events={takes} takes one{shows}")
    return found


def high(values: Sequence[str]) -> str:
    """The lowest of the better ratings.

    >>> high(["1", "2", "3", "4", "5"])
    '4'
    """
    middle = (float(values[0]) + float(values[-1])) / 2
    return next(value for value in values if float(value) > middle)


def _order(roles: Roles, columns: Mapping[str, Column]) -> list[str]:
    """Rows that lie together by their item, not by their user, may have the item first."""
    if roles.why.get("user") != "order" or roles.why.get("item") != "order":
        return []
    user, item = columns["user"], columns["item"]
    if not isinstance(user, Ids) or not isinstance(item, Ids) or len(user) < FEW_ROWS:
        return []
    runs = [_together(ids) for ids in (user, item)]
    if runs[1] > NEARLY_ALL > 0.5 > runs[0]:
        first, second = roles.columns["user"], roles.columns["item"]
        return [f"the rows lie together by {second}; if it is the user, say --columns user={second},item={first}"]
    return []


def _together(ids: Ids) -> float:
    """Share of the ids' runs that a column sorted by them would have: 1 where equal ids lie together."""
    some = ids.values[:MOST_ROWS]
    return len(np.unique(some)) / (1 + int(np.count_nonzero(some[1:] != some[:-1])))


def _new_values(roles: Roles, columns: Mapping[str, Column]) -> list[str]:
    """An item that hardly ever comes again cannot be recommended; the column may be an invoice or a row number."""
    found = []
    for role in ("user", "item"):
        column = columns.get(role)
        if isinstance(column, Ids) and len(column) >= FEW_ROWS:
            rows = min(len(column), MOST_ROWS)
            distinct = len(np.unique(column.values[:rows]))
            if distinct > NEARLY_ALL * rows:
                others = ", ".join(roles.skipped[:SHOWN])
                hint = f"; if another column is, say --columns {role}=... ({others})" if others else ""
                found.append(f"nearly every {role} ({roles.columns[role]}) is new: {distinct:,} in {rows:,} rows{hint}")
    return found
