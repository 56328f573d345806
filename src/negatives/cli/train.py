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
    start: Annotated[Path | None, Parameter(name="--from")] = None,
    options: RunOptions | None = None,
) -> None:
    """Train a model and write a run folder.

    Under torchrun, as in torchrun --nproc-per-node 2 -m negatives train, several processes share each step.

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
    start
        A finished run whose weights the training starts from, in a new folder: with more data, or for more epochs. Its
        configuration holds where nothing else is said.
    """
    started = perf_counter()
    options = options or RunOptions()
    if resume and start is not None:
        raise ConfigError("--resume goes on with the run in --out, --from begins another; give one of them")
    below = _resumed(out) if resume else _started(start, task) if start is not None else None
    config = configuration(task, data, sampler, options, resumed=below)
    from negatives.runs import runner
    from negatives.runs.torchrun import follow, launched

    with launched() as ranks:
        if ranks.rank:
            follow(config, ranks, resume)
        else:
            folder = runner.train(config, out, resume=resume, command=command_line(), started=started, ranks=ranks)
            print(f"run folder: {folder}")


def _started(start: Path, task: str | None) -> tuple[str, dict[str, Any]]:
    """The configuration of the run to start from, and its place."""
    from negatives.config import load_config
    from negatives.training.run_folder import CONFIG, RunFolder

    RunFolder(start).check_run()
    values = load_config(start / CONFIG)
    if task is not None and task != values.get("task"):
        raise ConfigError(f"{start} is a run of the task {values.get('task')}, not {task}; start from a run of {task}")
    left = ("max_seconds", "until", "budget")  # how long the other was trained
    return str(start / CONFIG), {key: one for key, one in values.items() if key not in left} | {
        "start": str(start.absolute())
    }


def _resumed(out: Path | None) -> tuple[str, dict[str, Any]]:
    """The configuration of the run to go on with, and its place."""
    if out is None:
        raise ConfigError("--resume needs the run folder; give it with --out")
    from negatives.runs.begun import layer

    return layer(out)
