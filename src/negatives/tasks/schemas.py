"""What each task wants of a row, known without importing the task: a look at data should not wait for PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

from negatives.data.readers.schema import EDGES, LABELLED, LINES, PAIRS, QUESTIONS, SCORED, TRIPLES, Schema
from negatives.errors import ConfigError
from negatives.registry import suggest
from negatives.tasks.registry import registry

SCHEMAS: Mapping[str, Schema] = {
    "recommend": PAIRS,
    "knowledge": TRIPLES,
    "graph": EDGES,
    "words": LINES,
    "search": QUESTIONS,
    "similarity": SCORED,
    "classify": LABELLED,
    "language": LINES,
    "sentences": LINES,
}


def schema_of(task: str) -> Schema | None:
    """What a task wants of a row; None where it reads no table.

    Raises:
        ConfigError: No task is called so.
    """
    if task not in registry:
        raise ConfigError(f"no task is called {task!r}; {suggest(task, registry)}")
    if task in SCHEMAS:
        return SCHEMAS[task]
    found = getattr(registry.get(task), "schema", None)
    return found if isinstance(found, Schema) else None


def check_columns(task: str, columns: Mapping[str, str]) -> None:
    """Refuse columns for roles that the rows of a task have not.

    Raises:
        ConfigError: There is one; names the roles.
    """
    schema = schema_of(task)
    roles = [role.name for role in schema] if schema else []
    for role in columns:
        if role not in roles:
            raise ConfigError(f"{task} knows no column {role!r}; {_among(role, roles)}")


def _among(role: str, roles: list[str]) -> str:
    """The nearest role, or all of them."""
    return suggest(role, roles) if roles else "it reads no table"
