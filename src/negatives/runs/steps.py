"""The steps that every run takes, alone or in a comparison: load, record while training, look at the test part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from negatives import kernels
from negatives.config import RunConfig, Values
from negatives.diagnostics import Probes, Recorder
from negatives.errors import InputError
from negatives.evaluation import Metrics
from negatives.models import Model
from negatives.runs import baselines, begun
from negatives.runs.builder import Trained, check, from_data, located, task_of
from negatives.runs.terminal import Begin
from negatives.tasks.base import AnyTask, Examples
from negatives.training import checkpoint
from negatives.training.callbacks import Callback
from negatives.training.checkpoint import Checkpoints
from negatives.training.restoring import restore
from negatives.training.run_folder import HISTORY, RunFolder
from negatives.training.watcher import Watcher, carries_over

log = logging.getLogger(__name__)

LISTENERS = 4
"""What listens to the training of every run, first: the beginning of its folder, probes, the recorder, the watcher."""

LOOKED_AT = 1_000
"""Validation queries by which a training that does not learn is found."""


def load(config: RunConfig) -> tuple[RunConfig, AnyTask, Examples[object]]:
    """The configuration with the whole path of its data, its task, and the data.

    Raises:
        NegativesError: Bad input or configuration.
    """
    kernels.flush_denormals()
    check(config)
    task, config = task_of(config), located(config)
    path = Path(config.data) if config.data else None
    examples = task.load(path, config)
    if not task.can_evaluate("test", examples):
        raise InputError("no test part is left", path=path, hint="give more data, or a larger split.test")
    for note in examples.notes:
        log.info(note)
    return config, task, examples


def tell_sizes(asked: Iterable[RunConfig], task: AnyTask, examples: Examples[object]) -> None:
    """Say in one line which numbers of the recipes follow from the data; nothing where none do.

    Args:
        asked: Configurations, not yet filled; what several share is said once.
        task: Of them all.
        examples: The data.
    """
    if found := dict.fromkeys(one for config in asked for one in from_data(config, task, examples)):
        log.info("from the data: %s", ", ".join(found))


def record(folder: RunFolder, trained: Trained, *more: Callback, within: Callable[[], object] | None = None) -> None:
    """Let a training write what it was begun with and its history, and tell ``more`` listeners.

    Args:
        folder: Of the training.
        trained: The training.
        more: Further listeners.
        within: Begins the folder of the whole where the training is one of several; it goes on with that alone.
    """

    def begin() -> None:
        if within is None:
            begun.begin(folder, trained.config, trained.examples)
        else:
            within()
            begun.write_config(folder, trained.config)

    probes = Probes(trained.examples.catalogue.counts)
    recorder = Recorder(folder.path / HISTORY, probes)
    for one in more:
        if isinstance(one, Watcher) and one.before is not None:
            recorder.begin({one.metric: one.before})
    trained.loop.callbacks = [Begin(begin), probes, recorder, *more]


def go_on(folder: RunFolder, trained: Trained) -> bool:
    """Let a training save checkpoints, and go on from the newest of the folder that is whole, if there is one.

    Returns:
        Whether there was one.

    Raises:
        InputError: None of several is whole, or the state is not of this training.
    """
    checkpoints = Checkpoints(folder.checkpoints)
    trained.loop.save = lambda state: checkpoints.save(state["steps"], state)
    damaged = ""
    for path in checkpoints.newest_first():
        try:
            state = checkpoint.load(path)
        except InputError as error:
            damaged = damaged or f"{path.name} is damaged"
            log.warning("%s (%s); the one before it is tried", path.name, error.reason)
            continue
        restore(trained.loop, state, path)
        if damaged:
            log.warning("%s; going on from step %d", damaged, trained.loop.steps)
        return True
    if damaged:
        hint = "delete this folder to begin the training anew"
        raise InputError("no checkpoint can be read", path=folder.checkpoints, hint=hint)
    return False


def recorder(trained: Trained) -> Recorder:
    """The listener that writes the history of a training that :func:`record` was called for."""
    return next(one for one in trained.loop.callbacks if isinstance(one, Recorder))


def watcher(trained: Trained) -> Watcher:
    """Tells a training that does not learn; it looks at the model as it stands now."""
    watch, loop, asked = trained.loop.plan.watch, trained.loop, trained.config.evaluation
    few = asked.model_copy(update={"queries": min(LOOKED_AT, asked.queries or LOOKED_AT)})
    config = trained.config.model_copy(update={"evaluation": few})
    judged = trained.task.can_evaluate("valid", trained.examples)
    floors = trained.task.floors(config, trained.examples).values() if judged else ()

    def value(model: Model) -> tuple[float, Tensor | None]:
        found = trained.task.evaluate(model, trained.examples, "valid", config)
        return found.mean[watch], found.per_query.get(watch)

    def carry() -> float | None:
        return carries_over(trained.model, trained.task.hidden(trained.examples))

    made = Watcher(
        look=lambda: value(trained.model),
        carry=carry,
        metric=watch,
        progress=lambda: loop.progress,
        lr=loop.plan.step_size.lr,
        cheap=(lambda: max(map(value, floors), key=lambda found: found[0])) if floors else None,
    )
    if judged:
        made.begin()
    return made


def beside(
    task: AnyTask,
    examples: Examples[object],
    config: RunConfig,
    name: str,
    test: Metrics,
    seconds: float,
    known: Mapping[str, Values] | None = None,
    measured: Sequence[baselines.Measured] | None = None,
) -> Values:
    """Measure the task's baselines, tell them at the terminal, and give what metrics.json holds of them.

    Args:
        task: The task.
        examples: Its data.
        config: A filled configuration.
        name: What stands beside them, a model or a sampler.
        test: Its test metrics.
        seconds: What they may take together.
        known: Numbers of theirs that were chosen before, by name.
        measured: They on the validation part, where they are measured already.
    """
    found, watched = baselines.beside(task, examples, config, seconds, known, measured), task.watched(config)
    best = found.best(watched, name)
    if best is None:
        return found.values()
    log.info(found.table(name, test, watched))
    sentence = found.verdict(name, test, watched, baselines.advice(task, config, best))
    log.info(sentence)
    return found.values() | {"baselines_verdict": sentence}


def test(trained: Trained) -> tuple[Metrics, Values]:
    """Look at the test part once: the scores, and what metrics.json holds of the run so far."""
    trained.task.complete(trained.model, trained.examples)
    scores = trained.evaluate("test")
    trained.per_query = scores.per_query
    return scores, trained.summary() | {"test": dict(scores.mean), "valid": trained.loop.best_metrics}
