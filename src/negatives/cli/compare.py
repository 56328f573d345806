"""``negatives compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from negatives.cli.options import RunOptions, command_line, configuration, whole
from negatives.errors import ConfigError

if TYPE_CHECKING:
    from negatives.runs.asked import Asked

SEEDS = 3
TUNE = 4


def compare(
    task: str | None = None,
    data: str | None = None,
    /,
    *,
    samplers: Annotated[
        str | None, Parameter(help="Names, or TOML files of samplers of one's own, separated by commas.")
    ] = None,
    seeds: Annotated[int, Parameter(converter=whole)] = SEEDS,
    tune: Annotated[int, Parameter(converter=whole)] = TUNE,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    options: RunOptions | None = None,
) -> None:
    """Train with several samplers at an equal budget and say which is best.

    Parameters
    ----------
    task
        What to train, for instance recommend.
    data
        A file or folder; left out, the offline dataset.
    seeds
        Runs of each sampler.
    tune
        Candidates of each sampler's own numbers, step size and regularisation, judged on the validation part; 0 for
        the recipe's.
    out
        Folder of the comparison; a new one under runs/ by default. One that was interrupted there goes on.
    resume
        Go on with the comparison in --out, as it was begun.
    """
    if resume and samplers is None:
        if task is not None or (seeds, tune, options or RunOptions()) != (SEEDS, TUNE, RunOptions()):
            raise ConfigError(
                "--resume --out DIR goes on as it was begun; leave the rest out, or give the whole command"
            )
        from negatives.runs.asked import resumed

        asked = resumed(out)
    else:
        asked = _asked(task, data, samplers, seeds, tune, options or RunOptions())
        if resume:
            from negatives.runs.asked import resumed

            resumed(out)
    from negatives.runs.compare import compare as run

    folder = run(asked, out=out, command=command_line())
    print(f"comparison: {folder}")


def _asked(
    task: str | None, data: str | None, samplers: str | None, seeds: int, tune: int, options: RunOptions
) -> Asked:
    """What the options ask for, checked."""
    if samplers is None:
        raise ConfigError("--samplers is missing; write for instance --samplers uniform,dns")
    names = [name.strip() for name in samplers.split(",") if name.strip()]
    if seeds < 1 or tune < 0:
        raise ConfigError(f"--seeds {seeds} --tune {tune}: seeds must be at least 1 and tune at least 0")
    config = configuration(task, data, None, options)
    from negatives.runs.asked import Asked
    from negatives.runs.contestants import contestants

    return Asked(config, contestants(names), seeds, tune)
