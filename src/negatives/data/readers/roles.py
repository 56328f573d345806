"""Guess which column of a table holds the users, the items, the times and the ratings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from negatives.data.table import Columns
from negatives.errors import InputError
from negatives.registry import suggest

KNOWN: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "query", "queryid", "visitor", "visitorid", "customer", "customerid", "session",
             "sessionid", "reviewerid", "userindex", "username"),
    "item": ("item", "itemid", "iid", "movie", "movieid", "product", "productid", "parentasin", "asin", "business",
             "businessid", "track", "trackid", "song", "songid", "artist", "artistid", "book", "bookid", "isbn",
             "article", "articleid", "news", "newsid", "doc", "document", "documentid", "venueid", "poi", "location",
             "locationid", "itemindex", "target"),
    "time": ("timestamp", "time", "datetime", "date", "unixreviewtime", "ts", "createdat", "eventtime"),
    "rating": ("rating", "ratings", "score", "stars", "overall", "label", "preference"),
}  # fmt: skip
EARLIEST_TIME = 1e8
MOST_RATINGS = 20


@dataclass(frozen=True, slots=True)
class Roles:
    """Columns taken for each role; ``time`` and ``rating`` may be absent.

    Args:
        user: Column of the users.
        item: Column of the items.
        time: Column of the times, or None.
        rating: Column of the ratings, or None.
        skipped: Columns not used.
    """

    user: str
    item: str
    time: str | None
    rating: str | None
    skipped: tuple[str, ...]

    def preview(self, name: str) -> str:
        """One line that says which columns were taken for what."""
        taken = f"user = {self.user}, item = {self.item}"
        taken += f", time = {self.time}" if self.time else ""
        taken += f", rating = {self.rating}" if self.rating else ""
        return f"{name}: {taken}" + (f"; skipped: {', '.join(self.skipped)}" if self.skipped else "")


def plain(column: str) -> str:
    """Column name without its RecBole type, case and punctuation.

    >>> plain("User_ID:token")
    'userid'
    """
    return re.sub(r"[^a-z0-9]", "", column.partition(":")[0].lower())


def guess_roles(path: Path, sample: pl.DataFrame, columns: Columns) -> Roles:
    """Take columns by the caller's word, else by name, else by content.

    Args:
        path: File, for errors.
        sample: First rows of all columns.
        columns: What the caller says.

    Raises:
        InputError: There is one column only, or a named column does not exist.
    """
    names = sample.columns
    if len(names) < 2:
        hint = "give one pair per line: a user and an item, divided by a comma or a tab"
        raise InputError(f"only one column ({names[0] if names else 'none'})", path=path, line=1, hint=hint)
    roles: dict[str, str] = {}
    for role in KNOWN:
        wanted = getattr(columns, role)
        if wanted is not None:
            roles[role] = _named(path, names, wanted)
    for role, known in KNOWN.items():
        free = [name for name in names if name not in roles.values()]
        hits = sorted((known.index(plain(name)), name) for name in free if plain(name) in known)
        if role not in roles and hits:
            roles[role] = hits[0][1]
    _by_content(sample, roles)
    if "user" not in roles or "item" not in roles:
        hint = f"say which of the columns {', '.join(names)} hold the users and the items"
        raise InputError("no two columns look like ids", path=path, line=1, hint=hint)
    used = set(roles.values())
    skipped = tuple(name for name in names if name not in used)
    return Roles(roles["user"], roles["item"], roles.get("time"), roles.get("rating"), skipped)


def _named(path: Path, names: list[str], wanted: str) -> str:
    for name in names:
        if wanted in (name, name.partition(":")[0]):
            return name
    raise InputError(f"no column is called {wanted!r}", path=path, line=1, hint=suggest(wanted, names))


def _by_content(sample: pl.DataFrame, roles: dict[str, str]) -> None:
    """Fill the roles that names have left open."""
    free = [name for name in sample.columns if name not in roles.values()]
    for role in ("user", "item"):
        if role not in roles and free:
            ids = [name for name in free if not _is_time(sample[name])] or free
            roles[role] = ids[0]
            free.remove(ids[0])
    for name in free:
        anonymous = name.startswith("column_")
        if anonymous and "time" not in roles and _is_time(sample[name]):
            roles["time"] = name
        elif anonymous and "rating" not in roles and _is_rating(sample[name]):
            roles["rating"] = name


def _is_time(column: pl.Series) -> bool:
    numbers = column.cast(pl.Float64, strict=False) if column.dtype == pl.String else column
    if not numbers.dtype.is_numeric():
        return numbers.dtype.is_temporal()
    if len(column) and numbers.null_count() == len(column):
        return bool(column.str.contains(r"^\d{4}-\d\d-\d\d").all())
    low = numbers.cast(pl.Float64).quantile(0.05)
    high = numbers.cast(pl.Float64).max()
    return low is not None and low >= EARLIEST_TIME and isinstance(high, float) and high <= 5e18


def _is_rating(column: pl.Series) -> bool:
    numbers = column.cast(pl.Float64, strict=False)
    high = numbers.max()
    return numbers.null_count() == 0 and numbers.n_unique() <= MOST_RATINGS and isinstance(high, float) and high <= 100
