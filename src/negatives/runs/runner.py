"""One run from a configuration to its folder: load, build, train, test, write."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import polars

from negatives.config import RunConfig, build, load_config
from negatives.diagnostics import write_report
from negatives.errors import InputError, Interrupted
from negatives.runs import steps
from negatives.runs.builder import Trained, fill, prepare, task_of
from negatives.runs.terminal import Bar, signals_caught
from negatives.training import checkpoint
from negatives.training.checkpoint import Checkpoints
from negatives.training.files import read_tensors, replacing
from negatives.training.run_folder import CONFIG, IDS, METRICS, MODEL, REPORT, SAMPLER, RunFolder, plural

log = logging.getLogger(__name__)


def train(config: RunConfig, out: Path | None, *, resume: bool = False, command: str = "") -> Path:
    """Train, test and write a run folder.

    Args:
        config: What the user asked for; the recipe fills the rest.
        out: The run folder; a new one under ``runs/`` when left out.
        resume: Go on with the run in ``out``.
        command: The command line, for the report.

    Returns:
        The run folder.

    Raises:
        NegativesError: Bad input or configuration; nothing has been written then.
        Interrupted: A signal ended the training; a checkpoint has been written.
    """
    folder = RunFolder(out) if out else RunFolder.new(config.task, config.data, str(config.sampler or "default"))
    if resume:
        folder.check_unfinished()
    else:
        folder.check_free()
    config, task, examples = steps.load(config)
    trained = prepare(fill(config, task, examples), examples, task)
    _train_into(folder, trained, resume)
    with signals_caught():  # a trained model is tested and written before the program gives way
        finish(folder, trained, command)
    return folder.path


def _train_into(folder: RunFolder, trained: Trained, resume: bool) -> None:
    loop, checkpoints = trained.loop, Checkpoints(folder.checkpoints)
    latest = checkpoints.latest() if resume else None
    if resume and latest is None:
        log.warning("no checkpoint was written before the interruption; starting anew")
    steps.record(folder, trained, Bar(loop))
    loop.save = lambda state: checkpoints.save(state["steps"], state)
    if latest is not None:
        loop.load_state(checkpoint.load(latest))
    with signals_caught() as caught:
        loop.stop = lambda: bool(caught)
        loop.run()
    if loop.interrupted:
        raise Interrupted(caught[0], folder.path)


def finish(folder: RunFolder, trained: Trained, command: str) -> None:
    """Look at the test part once and write all that a finished run holds."""
    test, whole = steps.test(trained)
    log.info("test: %s", ", ".join(f"{name} {value:.4f}" for name, value in test.mean.items()))
    whole |= steps.beside(
        trained.task, trained.examples, trained.config, str(trained.config.model), test, trained.loop.seconds
    )
    vectors = trained.task.vectors(trained.model, trained.examples)
    tensors = {f"model.{name}": value for name, value in trained.model.state_dict().items()}
    folder.write_tensors(MODEL, tensors | {plural(kind): table for kind, (_, table) in vectors.items()})
    write_ids(folder, {kind: names for kind, (names, _) in vectors.items()})
    checkpoint.save(folder.path / SAMPLER, trained.sampler.state())
    samples = trained.task.samples(trained.model, trained.examples)
    whole |= {"samples": samples, "command": command}
    if test.details:
        whole["details"] = dict(test.details)
    folder.write_json(METRICS, whole)
    write_report([folder.path], folder.path / REPORT)


def write_ids(folder: RunFolder, named: Mapping[str, polars.Series]) -> None:
    """The names of all vectors, by kind."""
    columns = [polars.DataFrame(schema={"kind": polars.Utf8, "index": polars.Int64, "name": polars.Utf8})]
    for kind, names in named.items():
        index = polars.Series("index", range(len(names)), dtype=polars.Int64)
        columns.append(polars.DataFrame({"kind": [kind] * len(names), "index": index, "name": names.cast(polars.Utf8)}))
    with replacing(folder.path / IDS) as temporary:
        polars.concat(columns).write_parquet(temporary)


def load_run(run: Path, data: str | None = None) -> Trained:
    """A finished run with its data and its trained model.

    Raises:
        InputError: The folder holds no finished run, or the model does not fit the data.
    """
    folder = RunFolder(run)
    folder.check_run()
    config = build([(str(run / CONFIG), load_config(run / CONFIG))])
    if not (run / MODEL).exists():
        raise InputError("the run is not finished", path=run, hint="finish it with train --resume --out " + str(run))
    if data is not None:
        config = config.model_copy(update={"data": data})
    task = task_of(config)
    examples = task.load(Path(config.data) if config.data else None, config)
    trained = prepare(config, examples, task)
    tensors, _ = read_tensors(run / MODEL)
    state = {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
    try:
        trained.model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            "the model does not fit this data", path=run, hint="give the data that it was trained on"
        ) from error
    task.complete(trained.model, examples)
    return trained


def evaluate(run: Path, data: str | None = None) -> dict[str, float]:
    """Test metrics of a finished run, on its own data or on other data with the same ids."""
    return dict(load_run(run, data).evaluate("test").mean)


def demo(task: str, out: Path | None = None) -> Path:
    """The task's main job on the offline dataset; prints what the model answers."""
    of = task_of(RunConfig(task=task))
    path = train(RunConfig(task=task, **of.demo), out, command=f"negatives demo {task}")
    knows, answers = of.phrases
    metrics = RunFolder(path).read_json(METRICS)
    for sample in metrics["samples"]:
        known = ", ".join(sample["known"][:8])
        print(f"\n{sample['query']}" + (f"  ({knows} {known})" if known else ""))
        print(f"    {answers}: " + ", ".join(one["item"] for one in sample["recommended"]))
    return path
