"""A task's data from Python, the half of ``negatives.load`` that reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from negatives.config import Values, build
from negatives.data.loading.named import Given
from negatives.data.loading.text import at_rest_texts
from negatives.data.readers.schema import LINES
from negatives.errors import ConfigError
from negatives.registry import suggest
from negatives.tasks.base import Task
from negatives.tasks.registry import registry
from negatives.tasks.schemas import schemas_of

Loaded = Any
"""A task's own data, for instance :class:`negatives.data.pairs.PairData`."""


def load_data(
    what: str,
    data: Given,
    columns: Mapping[str, str] | None,
    split: str | Mapping[str, Any] | None,
    seed: int,
    reading: Mapping[str, object],
) -> Loaded:
    """Read data for a task and divide it; see :func:`negatives.runs.opening.load`.

    Args:
        what: Name of the task.
        data: A path, a table in memory, or None for the offline dataset.
        columns: Column by role.
        split: How it is divided.
        seed: Seed of the division.
        reading: Options of the section ``reading``.

    Returns:
        The task's own data. ``notes`` of it say what was read and how it was divided.

    Raises:
        InputError: The data cannot be used; names the file, the line and what to do.
        ConfigError: The task or an option is not known.
    """
    if what not in registry:
        raise ConfigError(f"no task is called {what!r}; {suggest(what, registry)}")
    task = registry.get(what)()
    assert isinstance(task, Task)
    values: Values = {"task": what, "seed": seed, "columns": dict(columns or {}), "reading": dict(reading)}
    if split is not None:
        values["split"] = {"kind": split} if isinstance(split, str) else dict(split)
    config = build([("load", values)])
    task.check(config)
    if isinstance(data, str):
        data = Path(data)
    elif LINES in schemas_of(task.name) and not isinstance(data, (Path, NoneType)):
        data = at_rest_texts(data, config.columns.get("text") or config.reading.get("key"))
    return task.read(data, config)
