"""The trainings of a comparison, each in a folder of its own, from which it goes on after an interruption."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from negatives.config import RunConfig
from negatives.errors import Interrupted, NonFiniteScores
from negatives.integrations.loggers.following import tell
from negatives.runs import queries, runner, steps
from negatives.runs.budget import rehearse
from negatives.runs.builder import Trained, prepare
from negatives.runs.folds import in_fold
from negatives.runs.results import Curve, Result
from negatives.runs.terminal import RunBar, kept
from negatives.runs.tuning import Tuned, tuned
from negatives.tasks.base import AnyTask, Examples
from negatives.temporary import folder_in
from negatives.training.run_folder import BEGUN, CHECKPOINTS, METRICS, QUERIES, RunFolder

log = logging.getLogger(__name__)

TRIALS = "trials"
TRIAL = "trial.json"
"""In a trial's folder: its numbers, what each round brought, and its learning curve."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The trainings of a comparison. What a folder says is finished is read back.

    Args:
        task: The task.
        folds: The data. The first is that of the runs; others are the same with another validation part, and a trial
            is judged by the mean over all of them.
        folder: Folder of the comparison.
        bar: Counts the trainings.
        caught: Signals so far; the first ends the comparison.
        begin: Writes what the comparison was begun with; called after the first step of each training.
        command: The command line, for the runs' own metrics.
    """

    task: AnyTask
    folds: Sequence[Examples[object]]
    folder: RunFolder
    bar: RunBar
    caught: list[int]
    begin: Callable[[], object]
    command: str = ""

    def tuned(self, forms: Sequence[RunConfig], name: str, trials: int, asked: RunConfig) -> Tuned:
        """Search a sampler's numbers; the best trial becomes the run of the first seed, from where it stands."""
        config, *others = forms
        found = tuned(config, trials, partial(self._trial, name), asked, others)
        for place, one in enumerate(found.trials):
            if place == found.best and math.isfinite(one.valid):
                _hand_over(self._trial_folder(name, place), self._run_folder(name, config.seed))
            for fold in range(len(self.folds)):
                shutil.rmtree(self._trial_folder(name, place, fold).checkpoints, ignore_errors=True)
        return found

    def run(self, config: RunConfig, name: str, seed: int) -> Result:
        """Train, test and keep one run."""
        self._give_way()
        place = self._run_folder(name, seed)
        self.bar.begin(f"{name}, seed {seed}")
        if (place.path / QUERIES).exists():
            self.bar.count()
            return _read(place, name, seed)
        trained, curve = self._begun(place, config.model_copy(update={"seed": seed}))
        if error := self._train(trained, 1.0):
            log.warning("%s, seed %d: %s; the best state before that is tested", name, seed, error)
            trained.loop.restore_best()
        told = {"sampler": name, "command": self.command, "curve": curve.points}
        test, whole = steps.test(trained)
        runner.keep(place, trained, test, whole | told)
        tell(place, config.log, self.folder.path.name)
        queries.write_run(place, test, trained.examples)  # last of all: the run is finished
        shutil.rmtree(place.checkpoints, ignore_errors=True)
        return Result(name, seed, trained.loop.seconds, curve.points, test.mean, test.per_query)

    def _trial(self, name: str, number: int, config: RunConfig, share: float) -> float:
        """Train one candidate until a share of its schedule; see :data:`negatives.runs.tuning.Judge`."""
        return fmean(self._trial_in(fold, name, number, config, share) for fold in range(len(self.folds)))

    def _trial_in(self, fold: int, name: str, number: int, config: RunConfig, share: float) -> float:
        """The same on one fold, each from another start."""
        self._give_way()
        place = self._trial_folder(name, number, fold)
        told = _told(place)
        which = f", fold {fold + 1}" if len(self.folds) > 1 else ""
        self.bar.begin(f"{name}, trial {number} of tuning{which}, {share:.0%}")
        if str(share) not in told["rounds"]:
            own = in_fold(config, fold).model_copy(update={"seed": config.seed + fold})
            trained, curve = self._begun(place, own, fold)
            error = self._train(trained, share)
            valid = -math.inf if error else trained.loop.best
            told["rounds"][str(share)] = {"valid": valid, "seconds": trained.loop.seconds}
            told |= {"curve": curve.points, "diverged": None if error is None else str(error)}
            place.write_json(TRIAL, told)
        else:
            self.bar.count()
        value = told["rounds"][str(share)]["valid"]
        return -math.inf if value is None else float(value)

    def _begun(self, place: RunFolder, config: RunConfig, fold: int = 0) -> tuple[Trained, Curve]:
        """A training at its start, or where its folder says that it was."""
        trained = prepare(config, self.folds[fold], self.task)
        watch = trained.loop.plan.watch
        curve = Curve(watch, [])
        steps.record(place, trained, curve, within=self.begin)
        if not steps.go_on(place, trained):
            rehearse(trained)
            untrained = trained.evaluate("valid").mean
            curve.points.append([0.0, 0.0, untrained[watch]])
            steps.recorder(trained).begin(untrained)
        return trained, curve

    def _train(self, trained: Trained, share: float) -> NonFiniteScores | None:
        """Train until a share of the schedule, or until the scores are no longer finite; that is then returned.

        Raises:
            Interrupted: A signal was caught; the training has been saved.
        """
        loop = trained.loop
        loop.stop = lambda: bool(self.caught) or loop.progress >= share
        diverged = None
        try:
            if loop.progress < share or share == 1.0:
                loop.run()
        except NonFiniteScores as error:
            diverged = error
        if loop.interrupted:
            self._give_way(saved=True)
        self.bar.count()
        if share == 1.0:
            loop.restore_best()
        return diverged

    def _give_way(self, saved: bool = False) -> None:
        """Between trainings, and where one was saved; one that has come to its end is first tested and kept.

        Raises:
            Interrupted: A signal was caught.
        """
        if self.caught:
            begun = (self.folder.path / BEGUN).exists()
            where = self.folder.path if begun else None
            raise Interrupted(self.caught[0], where, "compare", saved, kept(self.folder))

    def _run_folder(self, name: str, seed: int) -> RunFolder:
        return RunFolder(self.folder.own(f"{name}-{seed}"))

    def _trial_folder(self, name: str, number: int, fold: int = 0) -> RunFolder:
        own = f"{name}-{number}-fold-{fold}" if fold else f"{name}-{number}"
        return RunFolder(RunFolder(self.folder.own(TRIALS)).own(own))


def _told(place: RunFolder) -> dict[str, Any]:
    """What a trial has brought so far."""
    if (place.path / TRIAL).exists():
        found: dict[str, Any] = place.read_json(TRIAL)
        return found
    return {"rounds": {}}


def _read(place: RunFolder, name: str, seed: int) -> Result:
    """A finished run; what JSON could not hold, a value that is not finite, is NaN."""
    metrics = place.read_json(METRICS)
    test = {metric: math.nan if value is None else value for metric, value in metrics["test"].items()}
    return Result(name, seed, metrics["train_seconds"], metrics["curve"], test, queries.read_run(place))


def _hand_over(trial: RunFolder, run: RunFolder) -> None:
    """Make a trial that is trained to its end the folder of a run, all at once; nothing happens where that stands."""
    if run.path.exists() or not (trial.path / CHECKPOINTS).exists():
        return
    with folder_in(run.path.parent, run.path.name) as copy:
        shutil.copytree(trial.path, copy / "whole", ignore=shutil.ignore_patterns(TRIAL))
        (copy / "whole").rename(run.path)
