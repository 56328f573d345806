"""What the columns of a table of users or items are: categories, lists, texts, numbers or vectors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from negatives.data.columns import KINDS
from negatives.data.loading.quantities import THOUSANDS, numbers_of, usual_length, vector
from negatives.data.readers import values
from negatives.data.readers.roles import ID_NAME
from negatives.errors import ConfigError
from negatives.registry import suggest

SKIP = "skip"
MANY = 0.5
"""Share of distinct cells from which texts are no categories."""
MOST = 0.9
"""Share of the cells that must be numbers, or vectors of one length, for a column to be of that kind."""
FEW_TEXTS = 20
"""Rows up to which single words that differ are categories all the same."""
FEW = 100
"""Rows from which a value that stands in one row alone says nothing."""
SAMPLE = 20
"""Cells that are looked at before all are."""
INDEX = re.compile(r"^(__index_level_\d+__|Unnamed: \d+|column_1)$")
"""Names that the index of a table has, or a column without a name."""
TYPED = {"token": "category", "token_seq": "list", "float": "number", "float_seq": "vector"}
"""Kinds by the types that RecBole writes behind the names of columns."""
MARKS = ("|", ";", ",")


def asked_kinds(text: str | None, option: str) -> dict[str, str]:
    """Kinds by column, as they are asked for.

    Raises:
        ConfigError: There is no such kind.

    >>> asked_kinds("price:number, junk:skip", "reading.item_columns")
    {'price': 'number', 'junk': 'skip'}
    """
    found = {}
    for one in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, kind = one.rpartition(":")
        if not name or kind not in (*KINDS, SKIP, "id"):
            hint = suggest(kind, (*KINDS, SKIP, "id")) if name else "write column:kind"
            raise ConfigError(f"{option}: {one!r} is no column with its kind; {hint}")
        found[name.strip()] = kind
    return found


def kind_of(cells: pl.Series) -> tuple[str, str | None]:
    """The kind of a column, and what stands between the values of a list that is written as a text.

    >>> kind_of(pl.Series("price", ["1.5", "2", None])), kind_of(pl.Series("genres", ["a|b", "b|c", "a"]))
    (('number', None), ('list', '|'))
    >>> kind_of(pl.Series("city", ["Rome", "Rome", "Oslo", "Rome", "Oslo"]))
    ('category', None)
    """
    typed = TYPED.get(cells.name.partition(":")[2])
    if typed is not None:
        return typed, " " if typed == "list" else None
    there = cells.drop_nulls()
    if there.dtype.is_nested():
        return ("vector" if _are_vectors(there.to_list()) else "list"), None
    there = there if there.dtype != pl.String else values.trimmed(there).drop_nulls()
    if there.dtype == pl.Boolean or there.is_empty():
        return "category", None
    texts = there.cast(pl.String)
    mark = _mark_of(texts)
    if _are_numbers(there) and not (mark == "," and _are_codes(texts)):
        coded = ID_NAME.search(cells.name) or bool(texts.str.contains(r"^0\d+$").any())
        return ("category" if coded else "number"), None
    if _are_vectors(texts.to_list(), fractions=mark is not None):
        return "vector", None
    if mark is not None:
        return "list", mark
    words = len(texts) >= FEW_TEXTS or bool(texts.str.contains(r"\S\s+\S").any())
    return ("text" if words and texts.n_unique() > MANY * len(texts) else "category"), None


def least_of(n_rows: int) -> int:
    """Rows in which a value must stand to have a column."""
    return 2 if n_rows >= FEW else 1


def chosen(cells: pl.Series, asked: Mapping[str, str]) -> tuple[str, str | None]:
    """As :func:`kind_of`, unless a kind was asked for."""
    kind = asked.get(cells.name, asked.get(cells.name.partition(":")[0]))
    if kind is None:
        return (SKIP, None) if _counts_rows(cells) else kind_of(cells)
    if kind != "list" or cells.dtype.is_nested():
        return kind, None
    texts = cells.cast(pl.String).drop_nulls()
    found = [mark for mark in (*MARKS, " ") if bool(texts.str.contains(mark, literal=True).any())]
    return kind, found[0] if found else "|"


def listed(cells: pl.Series, kind: str, mark: str | None) -> list[list[str]]:
    """The values of each cell of a category or a list.

    Args:
        cells: ``(n,)`` of any type.
        kind: ``category`` or ``list``.
        mark: What stands between values that are written as a text, each of several letters; None for one value.
    """
    if kind == "category":
        return [[] if one is None else [str(one)] for one in values.ids(cells)]
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        while isinstance(cells.dtype.inner, (pl.List, pl.Array)):  # lists of lists, as paths in a tree of categories
            flat = [None if row is None else [one for inner in row for one in inner or ()] for row in cells.to_list()]
            cells = pl.Series(cells.name, flat, strict=False)
            if not isinstance(cells.dtype, pl.List):
                return [[] for _ in flat]
        return [list(dict.fromkeys(one.strip() for one in row)) for row in values.text_lists(cells)]
    text = values.trimmed(cells.cast(pl.String))
    first, *others = list(mark or "\0")
    for other in others:
        text = text.str.replace_all(other, first, literal=True)
    pieces = [[] if one is None else one.strip("[]").split(first) for one in text]
    return [list(dict.fromkeys(one.strip().strip("'\"") for one in row if one.strip())) for row in pieces]


def _counts_rows(cells: pl.Series) -> bool:
    """Whether a column is the index that pandas writes beside a table, which only counts its rows."""
    return INDEX.match(cells.name) is not None and numbers_of(cells).to_list() == list(range(len(cells)))


def _are_numbers(there: pl.Series) -> bool:
    """Whether cells are numbers: all but a tenth, or but one word that always says that there is none."""
    found = numbers_of(there)
    rest = there.filter(found.is_null())
    if there.dtype == pl.String:  # what is no finite number, such as inf, is missing
        rest = rest.filter(rest.cast(pl.Float64, strict=False).is_null())
    if rest.is_empty():
        return found.null_count() < len(found)
    few = len(rest) <= (1 - MOST) * len(there)
    return found.n_unique() > 2 and (few or (rest.n_unique() == 1 and 2 * len(rest) <= len(there)))


def _are_codes(texts: pl.Series) -> bool:
    """Whether what looks like thousands is a list of numbers of three digits."""
    divided = texts.filter(texts.str.contains(THOUSANDS))
    return len(divided) > 0 and bool(divided.str.contains(r"^\d{3},").all())


def _are_vectors(cells: list[Any], fractions: bool = True) -> bool:
    """Whether cells are as long as one another, two or more numbers each, some with a fraction where that is asked."""
    for some in (cells[:SAMPLE], cells):
        rows = [vector(cell) for cell in some]
        length, share = usual_length(rows)
        if length < 2 or share < MOST or sum(bool(row) for row in rows) < MOST * len(rows):
            return False
    return not fractions or any(one != int(one) for row in rows for one in row)


def _mark_of(texts: pl.Series) -> str | None:
    """What divides the values of cells; two marks where each stands only in cells that the other is not in."""
    for at, mark in enumerate(MARKS):
        with_it = texts.str.contains(mark, literal=True)
        if not bool(with_it.any()):
            continue
        for other in MARKS[at + 1 :]:
            too = texts.str.contains(other, literal=True)
            if bool(too.any()) and not bool((too & with_it).any()) and _are_lists(texts, mark + other):
                return mark + other
        if _are_lists(texts, mark):
            return mark
    return None


def _are_lists(texts: pl.Series, mark: str) -> bool:
    """Whether marks divide values: most of them come in several cells, and some cells hold two."""
    rows = listed(texts, "list", mark)
    if not any(len(row) > 1 for row in rows) or max(len(one) for row in rows for one in (*row, "")) > 40:
        return False
    counts = Counter(one for row in rows for one in row)
    return 2 * sum(count > 1 for count in counts.values()) > len(counts)
