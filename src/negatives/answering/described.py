"""Users who came after training, told by what is known of them: ``column:value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from negatives.answering.forms import Field
from negatives.data.features import Features
from negatives.errors import ConfigError, InputError
from negatives.models import Model
from negatives.registry import suggest

FEATURES = Field("features", "what is known of them, column:value", many=True)


def features_of(model: Model, given: Sequence[Sequence[str] | None], name: str) -> Features | None:
    """Features of new users as the model reads those of old ones; None where none are given.

    A column that is left out is missing, and a value that training never showed is as if it were.

    Args:
        model: The trained model.
        given: ``column:value`` of each question, or None.
        name: Of the model, for messages.

    Raises:
        ConfigError: The model reads no features of users.
        InputError: A column is not known.
    """
    if not any(given):
        return None
    found = getattr(model, "query_features", None)
    if not isinstance(found, Features):
        hint = "ask by name or history, or train two_tower on data with a table of users"
        raise ConfigError(f"the model {name} reads no features of users; {hint}")
    columns = [one.name for one in found.columns]
    return found.read([_cells(one or (), columns) for one in given])


def _cells(written: Sequence[str], columns: Sequence[str]) -> Mapping[str, str]:
    """Cell by column."""
    found = {}
    for one in written:
        column, colon, value = one.partition(":")
        if not colon or column.strip() not in columns:
            hint = suggest(column.strip(), columns) if colon else f"write column:value, for instance {columns[0]}:..."
            raise InputError(f"no column of users is called {column.strip()!r}", hint=hint)
        found[column.strip()] = value.strip()
    return found
