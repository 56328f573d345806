"""Options of reading that all tasks share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from negatives.config import RunConfig, Section, options
from negatives.data.loading.kinds import asked_kinds
from negatives.data.readers.schema import Options, Schema
from negatives.errors import ConfigError
from negatives.registry import suggest


class TableReading(Section):
    """How a table is read, whatever the task."""

    format: str | None = None
    """Name of a format, where the choice by name and content is wrong."""
    delimiter: str | None = None
    """What stands between the columns of a text: ``tab``, ``comma``, ``semicolon``, ``pipe``, ``blank`` or any text."""
    header: bool | None = None
    """Whether the first line names the columns; found where it is left out."""
    encoding: str | None = None
    """Encoding of text that is not UTF-8, for instance ``latin-1``."""
    missing: Literal["error", "drop"] = "error"
    """What becomes of rows without a value that they need: an error, or dropped and counted."""
    time_format: str | None = None
    """How times are written, for instance ``%d/%m/%Y``; found where it is left out."""


class PairReading(TableReading):
    """How interactions are read."""

    min_rating: float | None = None
    """Rows with a smaller rating are no positives."""
    events: Annotated[str, Field(min_length=1)] | None = None
    """Events that count, divided by commas, for instance ``purchase``, or with weights, ``cart:1,purchase:5``."""
    weight: str | None = None
    """Name of a column that says how much a row counts: a rating, a number of pieces, a play count."""
    shown: Annotated[str, Field(min_length=1)] | None = None
    """Events that say that an item was shown and not taken, divided by commas, for instance ``impression``: given
    negatives of their users."""
    dislike: float | None = None
    """Rows with this rating or a smaller one are given negatives: 0 where a label says 0 or 1, 2 of five stars."""
    items: str | None = None
    """Path of a table that says something of the items; in a folder ``items.csv`` and the like are found."""
    users: str | None = None
    """Path of a table that says something of the users."""
    item_columns: str | None = None
    """Kinds of columns of the table of items where the choice by content is wrong, for instance
    ``price:number,code:category,junk:skip``; kinds are category, list, text, number, vector, skip, and id for names."""
    user_columns: str | None = None
    """The same for the table of users."""


def table_options(config: RunConfig, reading: TableReading, schema: Schema, *others: Schema) -> Options:
    """What a configuration says about a table.

    Args:
        config: For the columns.
        reading: The task's options.
        schema: Whose roles may be named.
        others: Schemas of further tables of the same data, whose roles may be named too.

    Raises:
        ConfigError: A column is given for a role that a row has not.
    """
    roles = list(dict.fromkeys(role.name for one in (schema, *others) for role in one))
    for role in config.columns:
        if role not in roles:
            raise ConfigError(f"a {schema.what} has no {role!r}; {suggest(role, roles)}")
    return _options(config, reading)


def shared_options(config: RunConfig) -> Options:
    """What a configuration says about a table, whatever the task; its own options are left to the task."""
    shared = {key: value for key, value in config.reading.items() if key in PairReading.model_fields}
    return _options(config, options(PairReading, shared))


def _options(config: RunConfig, reading: TableReading) -> Options:
    events, weight = getattr(reading, "events", None), getattr(reading, "weight", None)
    shown, kinds = getattr(reading, "shown", None), {}
    for side in ("item", "user"):
        if found := asked_kinds(getattr(reading, f"{side}_columns", None), f"reading.{side}_columns"):
            kinds[side] = found
    return Options(
        columns=config.columns if weight is None else {**config.columns, "weight": weight},
        format=reading.format,
        separator=reading.delimiter,
        header=reading.header,
        encoding=reading.encoding,
        missing=reading.missing,
        min_rating=getattr(reading, "min_rating", None),
        events=weighted(events) if events else {},
        time_format=reading.time_format,
        shown=frozenset(one.strip() for one in shown.split(",")) if shown else frozenset(),
        dislike=getattr(reading, "dislike", None),
        tables={side: path for side in ("item", "user") if (path := getattr(reading, f"{side}s", None)) is not None},
        kinds=kinds,
    )


def weighted(text: str) -> dict[str, float | None]:
    """Events with their weights, as they are asked for.

    Raises:
        ConfigError: A weight is no positive number.

    >>> weighted("cart:1, purchase:5"), weighted("purchase")
    ({'cart': 1.0, 'purchase': 5.0}, {'purchase': None})
    """
    found: dict[str, float | None] = {}
    for one in text.split(","):
        name, colon, weight = one.strip().rpartition(":")
        if not colon:
            found[one.strip()] = None
            continue
        try:
            found[name.strip()] = float(weight)
        except ValueError:
            found[one.strip()] = None
            continue
        if not 0 < float(weight) < float("inf"):
            raise ConfigError(f"reading.events gives {name.strip()} the weight {weight}; give a number above zero")
    return found
