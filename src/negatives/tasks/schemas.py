"""What each task wants of a row, known without importing the task: a look at data should not wait for PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from negatives.data.readers.schema import (
    DOCUMENTS,
    EDGES,
    HISTORIES,
    JUDGED,
    LABELLED,
    LINES,
    PAIRS,
    QUESTIONS,
    SCORED,
    TRIPLES,
    Schema,
)
from negatives.errors import ConfigError
from negatives.registry import suggest
from negatives.tasks.registry import registry

SCHEMAS: Mapping[str, tuple[Schema, ...]] = {
    "recommend": (PAIRS,),
    "sequence": (HISTORIES,),
    "knowledge": (TRIPLES,),
    "graph": (EDGES,),
    "words": (LINES,),
    "search": (QUESTIONS, DOCUMENTS, JUDGED),
    "similarity": (SCORED,),
    "classify": (LABELLED,),
    "language": (LINES,),
    "sentences": (LINES,),
}
"""What a row of a single table holds, then what those of further tables in a folder hold."""


def schemas_of(task: str) -> tuple[Schema, ...]:
    """What a task wants of a row; empty where it reads no table.

    Raises:
        ConfigError: No task is called so.
    """
    if task not in registry:
        raise ConfigError(f"no task is called {task!r}; {suggest(task, registry)}")
    return SCHEMAS[task] if task in SCHEMAS else registry.get(task).schemas  # type: ignore[attr-defined,no-any-return]


def check_columns(columns: Mapping[str, str], task: str | None = None) -> None:
    """Refuse columns for roles that the rows of a task have not.

    Args:
        columns: Column by role.
        task: Name of the task; left out, some task must have each role.

    Raises:
        ConfigError: There is one; names the roles.
    """
    if task is None:
        check_roles(columns, [schema for schemas in SCHEMAS.values() for schema in schemas], "no task")
    else:
        check_roles(columns, schemas_of(task), f"the task {task}")


def check_roles(columns: Mapping[str, str], schemas: Iterable[Schema], who: str) -> None:
    """Refuse columns for roles that no row of some schemas has.

    Raises:
        ConfigError: There is one; names the roles.
    """
    roles = dict.fromkeys(role.name for schema in schemas for role in schema)
    for role in columns:
        if role not in roles:
            hint = suggest(role, roles) if roles else "it reads no table"
            raise ConfigError(f"{who} has {'a' if who.startswith('no ') else 'no'} column for {role!r}; {hint}")
