"""Several samplers side by side: equal budget, same data and model, own step size each, and an honest verdict."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from negatives.config import Part, RunConfig, Values
from negatives.diagnostics import write_report
from negatives.errors import InputError, Interrupted, NonFiniteScores
from negatives.evaluation import Metrics
from negatives.runs import steps
from negatives.runs.builder import Trained, fill, prepare
from negatives.runs.results import Curve, Result, mean_test, summarise
from negatives.runs.terminal import RunBar, signals_caught
from negatives.runs.tuning import tuned
from negatives.runs.verdict import table, verdict
from negatives.tasks.base import AnyTask, Examples
from negatives.training.run_folder import COMPARE, METRICS, REPORT, RunFolder, environment

log = logging.getLogger(__name__)

EVALUATIONS = 24
"""Points on a learning curve."""


def compare(
    config: RunConfig, samplers: Sequence[str], *, seeds: int, tune: int, out: Path | None, command: str = ""
) -> Path:
    """Train with each sampler over several seeds and write compare.json and report.html.

    Args:
        config: Everything the runs share.
        samplers: Preset names; the first is the baseline.
        seeds: Runs of each sampler, with seeds ``config.seed``, ``config.seed + 1``, ...
        tune: Trials of step size and regularisation for each sampler, each a quarter of a run long and judged on
            the validation part; 0 for the recipe's own.
        out: Folder; a new one under ``runs/`` when left out.
        command: The command line, for the report.

    Returns:
        The folder.

    Raises:
        Interrupted: A signal ended the comparison; the finished runs stay.
    """
    folder = RunFolder(out) if out else RunFolder.new(config.task, config.data, "compare")
    folder.check_free()
    config, task, examples = steps.load(config)
    if not task.can_evaluate("valid", examples):
        raise InputError(
            "too few pairs for a validation part", path=config.data, hint="give more data, or raise split.valid"
        )
    filled = {name: _shared(config, name, task, examples) for name in samplers}
    results: list[Result] = []
    chosen: dict[str, Values] = {}
    with signals_caught() as caught, closing(RunBar(len(samplers) * (seeds + tune))) as bar:
        runs = Runs(task, examples, folder, bar, caught)
        for name, one in filled.items():
            choice = tuned(one, tune, runs.trial)
            chosen[name] = choice.values()
            results += [runs.run(choice.config, name, seed) for seed in range(config.seed, config.seed + seeds)]
    found = beside(results, filled[samplers[0]], task, examples)
    told = {"task": config.task, "data": examples.name, "command": command, "environment": environment(config.threads)}
    _write(folder, results, task.watched(filled[samplers[0]]), chosen, told | found)
    return folder.path


def beside(results: Sequence[Result], config: RunConfig, task: AnyTask, examples: Examples[object]) -> Values:
    """The task's baselines beside the sampler that did best; what compare.json holds of them."""
    metric = task.watched(config)
    best = max(results, key=lambda one: mean_test(results, one.sampler, metric)).sampler
    runs = [one for one in results if one.sampler == best]
    values = {name: torch.stack([one.per_query[name] for one in runs]).mean(0) for name in runs[0].per_query}
    means = {name: mean_test(results, best, name) for name in runs[0].test}
    return steps.beside(task, examples, config, best, Metrics(means, values), sum(one.seconds for one in results))


def _shared(config: RunConfig, name: str, task: AnyTask, examples: Examples[object]) -> RunConfig:
    """The configuration of one sampler: only the sampler, and the loss it needs, differ from the others."""
    base = (
        config if config.recipe or config.model else config.model_copy(update={"recipe": task.shared_recipe(examples)})
    )
    sampler = Part(name, base.sampler.params if base.sampler else {})  # for instance candidates, the same for all
    asked = RunConfig.model_validate({**base.model_dump(exclude_unset=True), "recipe": base.recipe, "sampler": sampler})
    filled = fill(asked, task, examples)
    every = (filled.epochs or 20) / EVALUATIONS
    seconds = filled.max_seconds / EVALUATIONS if filled.max_seconds else None
    watched = filled.evaluation.model_copy(update={"every": every, "seconds": seconds, "patience": None})
    return filled.model_copy(update={"evaluation": watched})


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a comparison.

    Args:
        task: The task.
        examples: The data.
        folder: Folder of the comparison.
        bar: Counts the runs.
        caught: Signals so far; the first ends the comparison.
    """

    task: AnyTask
    examples: Examples[object]
    folder: RunFolder
    bar: RunBar
    caught: list[int]

    def trial(self, config: RunConfig) -> float:
        """The best validation value of a short training; minus infinity where its step size diverges."""
        choice = config.optimiser
        self.bar.begin(f"{config.sampler}, lr {choice.lr:g}, weight_decay {choice.weight_decay:g}")
        trained = prepare(config, self.examples, self.task)
        return -math.inf if self._train(trained) else trained.loop.best

    def run(self, config: RunConfig, name: str, seed: int) -> Result:
        """Train, test and record one run."""
        self.bar.begin(f"{name}, seed {seed}")
        trained = prepare(config.model_copy(update={"seed": seed}), self.examples, self.task)
        watch = trained.loop.plan.watch
        curve = Curve(watch, [[0.0, 0.0, trained.evaluate("valid").mean[watch]]])
        place = RunFolder(self.folder.path / f"{name}-{seed}")
        steps.record(place, trained, curve)
        if error := self._train(trained):
            log.warning("%s, seed %d: %s; the best state before that is tested", name, seed, error)
            trained.loop.restore_best()
        test, whole = steps.test(trained)
        place.write_json(METRICS, whole)
        return Result(name, seed, trained.loop.seconds, curve.points, test.mean, test.per_query)

    def _train(self, trained: Trained) -> NonFiniteScores | None:
        """Train to the end, or until the scores are no longer finite; that is then what is returned.

        Raises:
            Interrupted: A signal was caught.
        """
        trained.loop.stop = lambda: bool(self.caught)
        diverged = None
        try:
            trained.loop.run()
        except NonFiniteScores as error:
            diverged = error
        if self.caught:
            raise Interrupted(self.caught[0])
        self.bar.count()
        return diverged


def _write(
    folder: RunFolder, results: Sequence[Result], metric: str, chosen: Mapping[str, Values], told: Mapping[str, object]
) -> None:
    """Write compare.json and the report, and print the outcome."""
    samplers = list(chosen)
    summary = summarise(results, samplers, metric)
    sentence = verdict(summary, metric)
    outcome = {
        "metric": metric,
        "baseline": samplers[0],
        "runs": [one.values() for one in results],
        "summary": [asdict(row) for row in summary],
        "chosen": chosen,
        "verdict": sentence,
    }
    folder.write_json(COMPARE, {**told, **outcome})
    write_report([folder.path], folder.path / REPORT)
    print(table(summary))
    print(sentence)
