"""``negatives compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from negatives.cli.options import RunOptions, command_line, configuration, whole
from negatives.errors import ConfigError


def compare(
    task: str | None = None,
    data: str | None = None,
    /,
    *,
    samplers: Annotated[str, Parameter(help="Names, separated by commas.")],
    seeds: Annotated[int, Parameter(converter=whole)] = 3,
    tune: Annotated[int, Parameter(converter=whole)] = 0,
    out: Path | None = None,
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
        Trials of step size and regularisation for each sampler, judged on the validation part.
    out
        Folder of the comparison; a new one under runs/ by default.
    """
    names = [name.strip() for name in samplers.split(",") if name.strip()]
    if len(set(names)) != len(names) or not names:
        raise ConfigError(f"--samplers {samplers!r} must hold different names; write for instance uniform,dns")
    if seeds < 1 or tune < 0:
        raise ConfigError(f"--seeds {seeds} --tune {tune}: seeds must be at least 1 and tune at least 0")
    config = configuration(task, data, None, options or RunOptions())
    from negatives.sampler import preset

    for name in names:
        preset(name)
    from negatives.runs.compare import compare as run

    folder = run(config, names, seeds=seeds, tune=tune, out=out, command=command_line())
    print(f"comparison: {folder}")
