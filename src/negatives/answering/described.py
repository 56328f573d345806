"""Users who came after training, told by what is known of them: ``column:value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from negatives.answering.forms import Field
from negatives.data.features import Features
from negatives.data.histories import Histories
from negatives.data.loading.cells import read_again
from negatives.errors import ConfigError, InputError
from negatives.models import Model
from negatives.registry import suggest


@runtime_checkable
class Described(Protocol):
    """A model that can take in a new user by items, by features, or by both."""

    query_features: Features | None

    def fold_in(self, histories: Histories, features: Features | None = None) -> Tensor:
        """Encodings ``(rows, width)`` of new users."""
        ...


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
    found = model.query_features if isinstance(model, Described) else None
    if found is None:
        hint = "ask by name or history, or train two_tower on data with a table of users"
        raise ConfigError(f"the model {name} reads no features of users; {hint}")
    columns = [one.name for one in found.columns]
    return read_again(found, [_cells(one or (), columns) for one in given])


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
