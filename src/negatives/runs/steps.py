"""The steps that every run takes, alone or in a comparison: load, record while training, look at the test part."""

from __future__ import annotations

import logging
from pathlib import Path

from negatives.config import RunConfig, Values
from negatives.diagnostics import Probes, Recorder
from negatives.errors import InputError
from negatives.evaluation import Metrics
from negatives.runs import baselines
from negatives.runs.builder import Trained, check, located, task_of
from negatives.runs.terminal import Begin
from negatives.tasks.base import AnyTask, Examples
from negatives.training.callbacks import Callback
from negatives.training.run_folder import CONFIG, HISTORY, RunFolder

log = logging.getLogger(__name__)


def load(config: RunConfig) -> tuple[RunConfig, AnyTask, Examples[object]]:
    """The configuration with the whole path of its data, its task, and the data.

    Raises:
        NegativesError: Bad input or configuration.
    """
    check(config)
    task, config = task_of(config), located(config)
    path = Path(config.data) if config.data else None
    examples = task.load(path, config)
    if not task.can_evaluate("test", examples):
        raise InputError("no test part is left", path=path, hint="give more data, or a larger split.test")
    for note in examples.notes:
        log.info(note)
    return config, task, examples


def record(folder: RunFolder, trained: Trained, *more: Callback) -> None:
    """Let a training write its configuration and its history, and tell ``more`` listeners."""
    probes = Probes(trained.examples.catalogue.counts)
    begin = Begin(lambda: folder.write_toml(CONFIG, trained.config.given()))
    trained.loop.callbacks = [begin, probes, Recorder(folder.path / HISTORY, probes), *more]


def beside(
    task: AnyTask, examples: Examples[object], config: RunConfig, name: str, test: Metrics, seconds: float
) -> Values:
    """Measure the task's baselines, tell them at the terminal, and give what metrics.json holds of them.

    Args:
        task: The task.
        examples: Its data.
        config: A filled configuration.
        name: What stands beside them, a model or a sampler.
        test: Its test metrics.
        seconds: Seconds of training, of which the baselines may take a share.
    """
    found, watched = baselines.beside(task, examples, config, seconds), task.watched(config)
    best = found.best(watched)
    if best is None:
        return {}
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
