"""``negatives train``."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from cyclopts import Parameter

from negatives.cli.options import RunOptions, command_line, configuration
from negatives.errors import ConfigError


def train(
    task: str | None = None,
    data: str | None = None,
    /,
    *,
    sampler: str | None = None,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    options: RunOptions | None = None,
) -> None:
    """Train a model and write a run folder.

    Parameters
    ----------
    task
        What to train, for instance recommend. A configuration file may say it instead.
    data
        A file or folder; left out, the offline dataset.
    sampler
        Sampler by name; see: negatives samplers.
    out
        Folder of the run; a new one under runs/ by default.
    resume
        Go on with the run in --out from its last checkpoint.
    """
    started = perf_counter()
    options = options or RunOptions()
    resumed = _resumed(out) if resume else None
    config = configuration(task, data, sampler, options, resumed=resumed)
    from negatives.runs import runner

    folder = runner.train(config, out, resume=resume, command=command_line(), started=started)
    print(f"run folder: {folder}")


def _resumed(out: Path | None) -> tuple[str, dict[str, Any]]:
    """The configuration of the run to go on with, and its place."""
    if out is None:
        raise ConfigError("--resume needs the run folder; give it with --out")
    from negatives.runs.begun import layer

    return layer(out)
