"""``negatives demo``."""

from __future__ import annotations

from pathlib import Path


def demo(task: str = "recommend", /, *, out: Path | None = None) -> None:
    """Train on the offline dataset and show what the model found; needs no network.

    Parameters
    ----------
    task
        Which task to show.
    out
        Folder of the run; a new one under runs/ by default.
    """
    from negatives.errors import ConfigError
    from negatives.registry import suggest
    from negatives.tasks.registry import registry

    if task not in registry:
        raise ConfigError(f"no task is called {task!r}; {suggest(task, registry)}")
    from negatives.runs import runner

    folder = runner.demo(task, out)
    print(f"run folder: {folder}")
