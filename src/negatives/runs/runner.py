"""One run from a configuration to its folder: load, build, train, test, write."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from time import perf_counter
from typing import Any

from negatives.config import Part, RunConfig, Values, build, load_config
from negatives.data.readers.opening import STANDARD_INPUT
from negatives.diagnostics import write_report
from negatives.diagnostics.record import read_history
from negatives.errors import InputError, Interrupted
from negatives.evaluation import Metrics
from negatives.integrations.loggers.following import following
from negatives.models import files_from
from negatives.ranks import ALONE, Ranks
from negatives.regular import regular
from negatives.runs import baselines, begun, carrying, opening, queries, steps, torchrun
from negatives.runs.auto import Auto, racing
from negatives.runs.budget import Clock, Deadline, fit, price, reserved, told_of_rest
from negatives.runs.builder import Trained, fill, located, prepare, task_of
from negatives.runs.ids import write_ids
from negatives.runs.terminal import Bar, signals_caught, telling
from negatives.training import checkpoint
from negatives.training.callbacks import Callback
from negatives.training.checkpoint import Checkpoints
from negatives.training.files import moving_up, read_tensors
from negatives.training.run_folder import CONFIG, HISTORY, IDS, METRICS, MODEL, REPORT, SAMPLER, RunFolder, plural
from negatives.training.sound import finite
from negatives.training.taken import taken, tidy

log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    out: Path | None,
    *,
    resume: bool = False,
    command: str = "",
    started: float | None = None,
    ranks: Ranks = ALONE,
) -> Path:
    """Train, test and write a run folder.

    Args:
        config: What the user asked for; the recipe fills the rest.
        out: The run folder; a new one under ``runs/`` when left out.
        resume: Go on with the run in ``out``.
        command: The command line, for the report.
        started: When the user began to wait, as :func:`time.perf_counter` gives it; now when left out.
        ranks: Processes that share the training, of which this is the first; the others
            :func:`negatives.runs.torchrun.follow` it.

    Returns:
        The run folder.

    Raises:
        NegativesError: Bad input or configuration; nothing has been written then.
        Interrupted: A signal ended the training; a checkpoint has been written.
    """
    torchrun.check(config, ranks)
    clock = Clock(config.budget, perf_counter() if started is None else started)
    check = RunFolder.check_unfinished if resume else RunFolder.check_free
    tidy(out)
    if out is not None:
        check(RunFolder(out))
    with taken(out, config.task, config.data, str(config.sampler or "default")) as folder, telling(folder, "train"):
        check(folder)
        trained = _into(folder, config, resume, clock, command, ranks)
    if (told := told_of_rest(trained, clock)) is not None:
        log.info(told)
    return folder.path


def _into(folder: RunFolder, config: RunConfig, resume: bool, clock: Clock, command: str, ranks: Ranks) -> Trained:
    """Train, test and write into a folder that is held."""
    if resume:
        begun.check_config(folder, located(config))
    config, task, examples = steps.load(config)
    if resume:
        begun.check_data(folder, examples)
    with following(folder, config.log) as told:
        with signals_caught() as caught:
            auto = Auto(task, examples, config, folder, clock, caught)
            trained = _ready(auto, resume, ranks)
            _tell_sizes(config, trained)
            _train_into(folder, trained, resume, caught, clock, told)
        with signals_caught():  # a trained model is tested and written before the program gives way
            trained = auto.kept(trained)
            finish(folder, trained, command, clock.left)
    return trained


def _ready(auto: Auto, resume: bool, ranks: Ranks) -> Trained:
    """The training that is to be run to its end."""
    asked, task, examples = auto.asked, auto.task, auto.examples
    names = racing(asked, task, examples)
    torchrun.check_named(names, ranks)
    if names:
        return auto.choose(names)
    filled = fill(asked, task, examples)
    trained = prepare(filled, examples, task)
    if not resume:  # a checkpoint holds what was taken over
        carrying.start_from(trained)
    torchrun.divide(trained, ranks)
    if not resume and (cost := price(trained, asked, auto.clock)) is not None:
        fit(trained, asked, cost, auto.clock.left)
    steps.record(auto.folder, trained, steps.watcher(trained))
    return trained


def _tell_sizes(asked: RunConfig, trained: Trained) -> None:
    """What follows from the data in the training that is kept."""
    model = asked.model or Part(trained.config.part("model").name)
    kept = asked.model_copy(update={"recipe": trained.config.recipe, "model": model})
    steps.tell_sizes([kept], trained.task, trained.examples)


def _train_into(
    folder: RunFolder,
    trained: Trained,
    resume: bool,
    caught: list[int],
    clock: Clock,
    told: Callback,
) -> None:
    loop = trained.loop
    loop.callbacks = [*loop.callbacks[: steps.LISTENERS], Bar(loop)]
    if clock.seconds is not None and loop.plan.max_seconds:
        loop.callbacks.append(Deadline(loop, clock, reserved(trained, clock)))
    if loop.steps or (trained.config.start and not resume):  # what a race has found, or was taken over, is not lost
        Checkpoints(folder.checkpoints).save(loop.steps, loop.state())
    if not steps.go_on(folder, trained) and resume:
        log.warning("no checkpoint was written before the interruption; starting anew")
        carrying.start_from(trained)
    torchrun.same_start(trained, loop.ranks, bool(loop.steps or trained.config.start))
    loop.callbacks = [*loop.callbacks, told]  # last: it has nothing to remember among the checkpoints' callbacks
    loop.stop = lambda: bool(caught)
    loop.run()
    if loop.interrupted:
        raise Interrupted(caught[0] if caught else signal.SIGINT, folder.path)


def finish(folder: RunFolder, trained: Trained, command: str, left: float = float("inf")) -> None:
    """Look at the test part once and write all that a finished run holds; the simple methods take what is left."""
    test, whole = steps.test(trained)
    log.info("test: %s", ", ".join(f"{name} {value:.4f}" for name, value in test.mean.items()))
    task, config = trained.task, trained.config
    seconds = min(baselines.limit(trained.loop.seconds), left)
    whole |= steps.beside(
        task, trained.examples, config, str(config.model), test, seconds, trained.simple, trained.measured
    )
    if (before := carrying.judged(trained)) is not None:
        sentence = carrying.verdict(trained, before, test)
        log.info(sentence)
        whole["start"] = {"run": config.start, "test": dict(before.mean), "verdict": sentence}
    queries.write_run(folder, test, trained.examples)
    keep(folder, trained, test, whole | {"command": command})
    write_report([folder.path], folder.path / REPORT)


def keep(folder: RunFolder, trained: Trained, test: Metrics, whole: Values) -> None:
    """Write model, names, sampler and, last of all, metrics.json with ``whole`` in it."""
    vectors = trained.task.vectors(trained.model, trained.examples)
    with moving_up(folder.path) as temporary:
        apart = trained.model.write_files(temporary)
    tensors = {f"model.{name}": one for name, one in trained.model.state_dict().items() if name not in apart}
    folder.write_tensors(MODEL, tensors | {plural(kind): table for kind, (_, table) in vectors.items()})
    found = trained.task.kept(trained.examples, trained.config)
    write_ids(folder.path / IDS, dict(found.names) | {kind: names for kind, (names, _) in vectors.items()})
    opening.keep(folder, trained, found)
    checkpoint.save(folder.path / SAMPLER, trained.sampler.state())
    samples = trained.task.samples(trained.model, trained.examples)
    whole |= {"samples": samples}
    if raced := [line for line in _history(folder) if line["kind"] == "race"]:
        whole["race"] = raced
    if test.details:
        whole["details"] = dict(test.details)
    begun.write_config(folder, trained.config)  # a simple method may have taken the model's place
    folder.write_json(METRICS, whole)


def _history(folder: RunFolder) -> list[dict[str, Any]]:
    path = folder.path / HISTORY
    return read_history(path)[0] if path.exists() else []


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
    elif config.data is not None:
        _check_data(Path(config.data), run)
    task = task_of(config)
    examples = task.load(Path(config.data) if config.data else None, config)
    with files_from(run):
        trained = prepare(config, examples, task)
    tensors, _ = read_tensors(run / MODEL)
    state = {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
    try:
        trained.model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            "the model does not fit this data", path=run, hint="give the data that it was trained on"
        ) from error
    if not all(map(finite, state.values())):
        raise InputError("holds weights that are no finite numbers", path=run / MODEL, hint="train the run again")
    task.complete(trained.model, examples)
    return trained


def _check_data(path: Path, run: Path) -> None:
    """Refuse data that a run folder names and that is no file or folder: a pipe or a device may never end."""
    if path == STANDARD_INPUT:
        raise InputError("the data came from standard input", path=run, hint="give it after the folder of the run")
    if path.exists() and not path.is_dir():
        regular(path)


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
