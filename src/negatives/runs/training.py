"""``negatives.train``: the command from Python."""

from __future__ import annotations

from pathlib import Path

from negatives.answering import Run
from negatives.config import build
from negatives.errors import ConfigError
from negatives.registry import suggest
from negatives.runs.opening import opened
from negatives.tasks.registry import registry


def train(task: str, data: str | Path | None = None, /, *, out: str | Path | None = None, **options: object) -> Run:
    """Train a model, write its run folder, and open it to be asked; what ``negatives train`` does.

    Args:
        task: For instance ``recommend``.
        data: A file or folder; None for the offline dataset.
        out: Folder of the run; a new one under ``runs/`` when left out.
        **options: Keys of a configuration, for instance ``sampler="dns"``, ``budget="10m"``, ``epochs=5`` or
            ``model={"name": "mf", "dim": 32}``.

    Returns:
        The run; ``run.held.path`` is its folder, ``run.held.metrics`` what metrics.json holds.

    Raises:
        InputError: The data cannot be used, or the folder is taken.
        ConfigError: A key or value is wrong.
    """
    from negatives.runs.runner import train as trained

    if task not in registry:
        raise ConfigError(f"no task is called {task!r}; {suggest(task, registry)}")
    config = build([("train", {"task": task, "data": None if data is None else str(data)} | options)])
    return opened(trained(config, None if out is None else Path(out)))
