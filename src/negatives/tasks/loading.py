"""A task's data from Python: ``negatives.load``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
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
Missing = Enum("Missing", "DATA")


def load(
    what: str | Path,
    data: Given = Missing.DATA,
    /,
    *,
    columns: Mapping[str, str] | None = None,
    split: str | Mapping[str, Any] | None = None,
    seed: int = 0,
    **reading: object,
) -> Loaded:
    """Read data for a task and divide it, as ``negatives train`` does.

    Args:
        what: Name of the task.
        data: A path; None for the offline dataset; or a table in memory: what offers ``__arrow_c_stream__`` (pandas,
            polars, pyarrow, ``datasets``), a SciPy sparse matrix, a tensor or array ``(2, n)``, a list of tuples, a
            mapping of columns, or a mapping of the parts train, valid and test to such tables.
        columns: Column by role, for instance ``{"user": "Kunde"}``; what is left out is found.
        split: How it is divided: a name, or options of the section ``split`` of a configuration.
        seed: Seed of the division.
        **reading: Options of the section ``reading``, for instance ``min_rating=4``.

    Returns:
        The task's own data. ``notes`` of it say what was read and how it was divided.

    Raises:
        InputError: The data cannot be used; names the file, the line and what to do.
        ConfigError: The task or an option is not known.

    >>> data = load("recommend", [("ann", "tea"), ("ann", "milk"), ("bob", "tea"), ("bob", "jam")], split="random")
    >>> data.n_queries, data.n_items, len(data.train) + len(data.part("test"))
    (2, 3, 4)
    """
    if data is Missing.DATA:
        raise ConfigError(f"load({str(what)!r}) has no data; give a path or a table, or None for the offline dataset")
    if what not in registry:
        raise ConfigError(f"no task is called {str(what)!r}; {suggest(str(what), registry)}")
    task = registry.get(str(what))()
    assert isinstance(task, Task)
    values: Values = {"task": str(what), "seed": seed, "columns": dict(columns or {}), "reading": dict(reading)}
    if split is not None:
        values["split"] = {"kind": split} if isinstance(split, str) else dict(split)
    config = build([("load", values)])
    task.check(config)
    if isinstance(data, str):
        data = Path(data)
    elif LINES in schemas_of(task.name) and not isinstance(data, (Path, NoneType)):
        data = at_rest_texts(data, config.columns.get("text") or config.reading.get("key"))
    return task.read(data, config)
