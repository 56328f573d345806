"""``negatives inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from negatives.cli.options import ReadOptions, configuration

if TYPE_CHECKING:
    from negatives.config import RunConfig
    from negatives.data.readers.fitting import Fit, Fitting
    from negatives.data.readers.schema import Options


def inspect(data: str, /, *, task: str | None = None, options: ReadOptions | None = None) -> None:
    """Show what would be read from data, why, and how it would be divided; nothing is trained.

    Parameters
    ----------
    data
        A file or folder, or - for standard input.
    task
        What it is to be read for; left out, the task that its columns fit best.
    """
    options = options or ReadOptions()
    asked = task or _task_of_file(options.config)
    config = configuration(asked or "recommend", data, None, options)
    from negatives.data.readers.fitting import Fitting
    from negatives.tasks.reading import shared_options
    from negatives.tasks.schemas import SCHEMAS, check_columns, schemas_of

    said = shared_options(config)
    fitting = Fitting(Path(data), said)
    if asked is None:
        check_columns(config.columns)
        fits = fitting.fits({name: schemas[0] for name, schemas in SCHEMAS.items()})
        config = config.model_copy(update={"task": _best(fits, fitting)})
        for line in _others(fits, config.task):
            print(line)
    check_columns(config.columns, config.task)
    schemas = schemas_of(config.task)[:1]
    told = [note for schema in schemas for note in _overview(fitting, fitting.fit(schema), said)]
    _divided(config, fitting.path, told)


def _task_of_file(path: Path | None) -> str | None:
    """The task that a configuration file names."""
    if path is None:
        return None
    from negatives.config import load_config

    found = load_config(path).get("task")
    return found if isinstance(found, str) else None


def _best(fits: dict[str, Fit], fitting: Fitting) -> str:
    """The task whose rows fit best.

    Raises:
        InputError: None fits, or several do alike; asks which.
    """
    from negatives.errors import InputError

    best = next(iter(fits.values()))
    names = [name for name, fit in fits.items() if fit.rank == best.rank]
    if best.fault is not None:
        faults: dict[str, list[str]] = {}
        for name, fit in fits.items():
            faults.setdefault(str(fit).partition(";")[0], []).append(name)
        for told, tasks in faults.items():
            print(f"{', '.join(tasks)}: {told}")
        raise InputError("fits no task", path=fitting.path, hint="say --task, and what is which with --columns")
    if len(names) > 1:
        for name in names:
            print(f"{name}: {fits[name]}")
        choices = ", ".join(names[:-1]) + f" and {names[-1]}"
        fault = f"which task? the columns fit {choices} alike"
        raise InputError(fault, path=fitting.path, hint=f"say for instance --task {names[0]}")
    return names[0]


def _others(fits: dict[str, Fit], chosen: str) -> list[str]:
    """The task that was taken and why, and which others the data fits."""
    others = [name for name, fit in fits.items() if fit.fault is None and name != chosen]
    lines = [f"task: {chosen}, for it fits best: {fits[chosen]}"]
    return lines + ([f"task: --task may also be {', '.join(others)}"] if others else [])


def _overview(fitting: Fitting, fit: Fit, said: Options) -> list[str]:
    """Print what a table holds; notes of its reader, which the loader repeats. Empty where the loader alone reads it.

    Raises:
        InputError: A single file cannot be used; a folder the loader may know better.
    """
    from negatives.data.readers import read
    from negatives.data.readers.fitting import LAYOUTS
    from negatives.errors import InputError

    if fit.format in LAYOUTS or (fit.fault is not None and fitting.path.is_dir()):
        return []
    try:
        parts: dict[str, Any] = read(fitting.path, fit.schema, said)
    except InputError:
        if fitting.path.is_dir():
            return []
        raise
    from negatives.data import overview
    from negatives.runs.aligned import aligned

    what = fit.schema.what
    print(f"format: {fit.format}; {overview.sizes([(part, len(table)) for part, table in parts.items()], what)}")
    notes = [note for table in parts.values() for note in table.notes]
    print("\n".join(notes))
    for part, table in parts.items():
        print(f"\n{part}")
        print(aligned(overview.roles(table, fit.schema), left=6))
        if rows := overview.repeated(table, fit.schema):
            print(f"{rows:,} {what}{'s' if rows > 1 else ''} repeat an earlier one")
    if first := overview.first_rows(next(iter(parts.values()))):
        print("\nfirst rows")
        print(aligned(first, left=len(first[0])))
    print(flush=True)
    return notes


def _divided(config: RunConfig, path: Path, told: list[str]) -> None:
    """Print what the task's loader says beyond what was told: this needs PyTorch, so it comes last."""
    from negatives.tasks.base import Task
    from negatives.tasks.registry import registry

    task = registry.get(config.task)()
    assert isinstance(task, Task)
    task.check(config)
    for note in task.load(path, config).notes:
        if note not in told:
            print(note)
