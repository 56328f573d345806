"""Finished runs that can be asked: written so that a folder stands alone, and opened without the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, overload

import polars as pl
import torch
from torch import Tensor

from negatives.answering import Held, Kept, Names, Run
from negatives.config import RunConfig, build, load_config
from negatives.data.histories import Histories
from negatives.data.loading.named import Given
from negatives.errors import ConfigError, InputError
from negatives.models import Model, extend, files_from, restoring
from negatives.runs.builder import Trained, task_of
from negatives.runs.ids import read_ids
from negatives.tasks.facts import build_model
from negatives.tasks.loading import Loaded, load_data
from negatives.tasks.registry import registry as tasks
from negatives.training import kept
from negatives.training.run_folder import CONFIG, IDS, KEPT, METRICS, MODEL, RunFolder, plural
from negatives.training.sound import finite
from negatives.types import Csr, State

WEIGHTS = "model."
"""What the names of weights begin with in the file of the model."""
UNFIT = (RuntimeError, TypeError, ValueError, AttributeError, LookupError)
"""What building a model raises where facts and weights are not those of one that was trained."""
Missing = Enum("Missing", "DATA")


@overload
def load(what: str | Path, /) -> Run: ...


@overload
def load(
    what: str,
    data: Given,
    /,
    *,
    columns: Mapping[str, str] | None = None,
    split: str | Mapping[str, Any] | None = None,
    seed: int = 0,
    **reading: object,
) -> Loaded: ...


def load(
    what: str | Path,
    data: Given = Missing.DATA,
    /,
    *,
    columns: Mapping[str, str] | None = None,
    split: str | Mapping[str, Any] | None = None,
    seed: int = 0,
    **reading: object,
) -> Run | Loaded:
    """Open a finished run to ask it; or read data for a task and divide it, as ``negatives train`` does.

    Args:
        what: The folder of a run; or the name of a task, where data is given.
        data: A path; None for the offline dataset; or a table in memory: what offers ``__arrow_c_stream__`` (pandas,
            polars, pyarrow, ``datasets``), a SciPy sparse matrix, a tensor or array ``(2, n)``, a list of tuples, a
            mapping of columns, or a mapping of the parts train, valid and test to such tables.
        columns: Column by role, for instance ``{"user": "Kunde"}``; what is left out is found.
        split: How it is divided: a name, or options of the section ``split`` of a configuration.
        seed: Seed of the division.
        **reading: Options of the section ``reading``, for instance ``min_rating=4``.

    Returns:
        A :class:`negatives.answering.Run`, or the task's own data, whose ``notes`` say what was read and how it was
        divided.

    Raises:
        InputError: The folder holds no finished run that can be asked, or the data cannot be used.
        ConfigError: The task or an option is not known.

    >>> data = load("recommend", [("ann", "tea"), ("ann", "milk"), ("bob", "tea"), ("bob", "jam")], split="random")
    >>> data.n_queries, data.n_items, len(data.train) + len(data.part("test"))
    (2, 3, 4)
    """
    if data is not Missing.DATA:
        return load_data(str(what), data, columns, split, seed, reading)
    if str(what) in tasks and not Path(what).exists():
        raise ConfigError(f"load({str(what)!r}) has no data; give a path or a table, or None for the offline dataset")
    return opened(Path(what))


def opened(path: Path) -> Run:
    """A finished run from its folder; its vectors are read as they are asked for, and its model when it is needed.

    Raises:
        InputError: The folder holds no finished run, one of another version, or a damaged one.
    """
    folder = RunFolder(path)
    folder.check_run()
    if not (path / METRICS).exists():
        raise InputError("the run is not finished", path=path, hint=f"finish it with train --resume --out {path}")
    if not (path / KEPT).exists():
        hint = "evaluate and export can use it; train it again to ask it"
        raise InputError("the run was written by a version that kept nothing to answer from", path=path, hint=hint)
    config = build([(str(path / CONFIG), load_config(path / CONFIG))])
    values, metrics = kept.read(path / KEPT), folder.read_json(METRICS)
    if not isinstance(metrics, dict):
        raise InputError("holds no values by name", path=path / METRICS, hint="train the run again")
    tensors, _ = kept.mapped(path / MODEL)
    names = read_ids(path / IDS)
    tables = {kind: tensors[plural(kind)] for kind in names if plural(kind) in tensors}
    for kind, table in tables.items():
        if table.dim() != 2 or table.dtype != torch.float32:
            raise InputError(f"{plural(kind)!r} is no table of vectors", path=path / MODEL, hint="train again")
        if len(table) != len(names[kind]):
            raise InputError(f"{len(names[kind])} {kind} names for {len(table)} vectors", path=path, hint="train again")
    facts, whole, known, more = _parts(values, path)
    _check_known(task_of(config).answering, known, names, tables, path)
    weights = {name.removeprefix(WEIGHTS): one for name, one in tensors.items() if name.startswith(WEIGHTS)}

    def make() -> Model:
        return _restored(config, facts, weights, whole, path)

    return _run(config, metrics, names, tables, Kept(names, known, more), make, path)


def asked(trained: Trained, metrics: Mapping[str, Any]) -> Run:
    """A run that was just trained, completed and tested, without its folder."""
    found = trained.task.kept(trained.examples, trained.config)
    vectors = trained.task.vectors(trained.model, trained.examples)
    names = dict(found.names) | {kind: names for kind, (names, _) in vectors.items()}
    tables = {kind: table for kind, (_, table) in vectors.items()}
    return _run(trained.config, metrics, names, tables, found, lambda: trained.model, None)


def keep(folder: RunFolder, trained: Trained, found: Kept) -> None:
    """Write what :func:`opened` needs beside weights, vectors and names."""
    model = trained.model
    values = {
        "facts": dict(model.given) if trained.task.answering.by_number else model.kept(),
        "extend": trained.task.completion_for(model, trained.examples),
        "known": found.known,
        "more": found.more,
    }
    kept.save(folder.path / KEPT, values)


def _run(
    config: RunConfig,
    metrics: Mapping[str, Any],
    names: Mapping[str, pl.Series],
    tables: Mapping[str, Tensor],
    found: Kept,
    make: Callable[[], Model],
    path: Path | None,
) -> Run:
    kind = task_of(config).answering
    called = {one: Names(kind.called.get(one, one), series) for one, series in names.items()}
    return kind(Held(config, metrics, called, tables, found.known, found.more, make, path))


def _parts(values: State, path: Path) -> tuple[State, Csr | Histories | None, Csr | None, State]:
    """The parts of the kept file, each of its type."""
    facts, more = values.get("facts"), values.get("more")
    whole, known = values.get("extend"), values.get("known")
    fits = isinstance(whole, (Csr, Histories, NoneType)) and isinstance(known, (Csr, NoneType))
    if not fits or not isinstance(facts, dict) or not isinstance(more, dict):
        raise InputError("damaged: a part is missing or of another kind", path=path / KEPT, hint="train again")
    return facts, whole, known, more


def _check_known(
    kind: type[Run], known: Csr | None, names: Mapping[str, pl.Series], tables: Mapping[str, Tensor], path: Path
) -> None:
    """Whether what is known, the names and the vectors are of the same questions and answers."""
    sides = [str(getattr(kind, "queries", "")), kind.items]
    sizes = [len(names[one]) if one in names else None for one in sides]
    if known is not None and any(n not in (None, m) for n, m in zip(sizes, (known.n_rows, known.n_cols), strict=True)):
        raise InputError("what is known does not fit the names", path=path / KEPT, hint="train the run again")
    if len({tables[one].shape[1] for one in sides if one in tables}) > 1:
        raise InputError("its vectors are of several lengths", path=path / MODEL, hint="train the run again")


def _restored(
    config: RunConfig, facts: State, weights: Mapping[str, Tensor], known: Csr | Histories | None, path: Path
) -> Model:
    """The trained model, built from what was kept of its facts."""
    hint = "train the run again"
    try:
        with restoring(), files_from(path):
            model = build_model(config.part("model"), {name: _gives(one) for name, one in facts.items()}, config.seed)
        model.load_state_dict(weights)  # copied, for sums over memory that is aligned otherwise may differ in a bit
    except UNFIT as error:
        raise InputError("its weights do not fit what it was built from", path=path / MODEL, hint=hint) from error
    if not all(map(finite, weights.values())):
        raise InputError("holds weights that are no finite numbers", path=path / MODEL, hint=hint)
    model.requires_grad_(False).eval()
    if known is not None and _size(known) != (model.n_queries, model.n_items):
        raise InputError("what is known is of another size than the model", path=path / KEPT, hint=hint)
    extend(model, known)
    return model


def _size(known: Csr | Histories) -> tuple[int, int]:
    """Numbers of queries and of items."""
    return (known.n_queries, known.n_items) if isinstance(known, Histories) else (known.n_rows, known.n_cols)


def _gives(value: object) -> Callable[[], object]:
    return lambda: value
