"""Where the user names no recipe: recipes race, small data is judged by folds, and one training is kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from negatives.config import EvaluationConfig, Part, RunConfig
from negatives.errors import Interrupted
from negatives.runs import baselines, begun, folds, steps
from negatives.runs.arms import Arm, Decisions
from negatives.runs.budget import WRITING, Clock, cost_of, fit, for_baselines, price
from negatives.runs.builder import Trained, fill, prepare
from negatives.runs.race import Score, halve, rungs
from negatives.tasks.base import AnyTask, Examples
from negatives.training.run_folder import RunFolder

log = logging.getLogger(__name__)

RACE_SHARE = 0.1
"""Share of the winner's training that all recipes together spend to find it."""
WIDE_SHARE = 2.0
"""The same on data so small that everything is cheap: the last two are trained to their ends."""
LONG_ENOUGH = 0.7
"""Share of a budget that the steps of a recipe may take for it to race."""
CHEAP = 5_000_000
"""Pairs seen over a whole training below which everything is cheap."""


@dataclass(slots=True)
class Auto:
    """Finds the training to keep.

    Args:
        task: The task.
        examples: The data.
        asked: What the user asked for.
        folder: Of the run.
        clock: The user's time.
        caught: Signals so far; the first ends the search.
    """

    task: AnyTask
    examples: Examples[object]
    asked: RunConfig
    folder: RunFolder
    clock: Clock
    caught: list[int]
    decisions: Decisions = field(default_factory=Decisions)
    _begun: bool = field(default=False, init=False)

    def choose(self, names: Sequence[str]) -> Trained:
        """The training that is kept, ready to go on to its end with ``loop.run()``.

        Args:
            names: Recipes in order; the first is kept where none is better.

        Raises:
            NonFiniteScores: No recipe can be trained.
            Interrupted: A signal was caught.
        """
        configs = [self.asked.model_copy(update={"recipe": name}) for name in names]
        watched = self.task.watched(fill(configs[0], self.task, self.examples))
        if len(names) > 1:
            log.info("tried by validation %s: the recipes %s (--recipe NAME takes one)", watched, ", ".join(names))
        try:
            if (whole := self._whole(configs[0])) is not None:
                return self._by_folds(configs, whole)
            return self._by_race(configs, self._longer() if names[0] in self.task.racing() else ())
        except Interrupted as stop:
            begun = self.folder.path if self._begun else None
            raise Interrupted(self.caught[0] if self.caught else stop.signal, begun, saved=False) from stop

    def kept(self, trained: Trained) -> Trained:
        """A finished training, or the simple method that is ahead of it on the validation part by more than chance.

        Where folds have chosen there is no such part any more, and what the user named stays.
        """
        task, examples, config = self.task, trained.examples, trained.config
        if not free(self.asked) or not task.can_evaluate("valid", examples):
            return trained
        watch = trained.loop.plan.watch
        limit = min(baselines.limit(trained.loop.seconds), self.clock.left)
        trained.measured = baselines.measure(task, examples, config, "valid", limit)
        scores = {one.name: Score.of(one.metrics, watch) for one in trained.measured if watch in one.metrics.mean}
        own = Score.of(trained.evaluate("valid"), watch)
        ahead = [one for one in trained.measured if one.name in scores and scores[one.name].beats(own, folds.SURE)]
        if not ahead:
            return trained
        best = max(ahead, key=lambda one: scores[one.name].mean)
        gain, error = scores[best.name].over(own)
        seen: dict[str, object] = {str(config.model): own.mean, "error of the difference": error}
        seen |= {name: one.mean for name, one in scores.items()}
        self.decisions.tell("simple methods", seen, f"{best.name} is kept", gain)
        self.decisions.hand_over(steps.recorder(trained), trained)
        counted = fill(self.asked.model_copy(update={"model": Part(best.name, best.params)}), task, examples)
        made = prepare(counted.model_copy(update={"budget": None}), examples, task)
        made.loop.run()
        made.measured = trained.measured
        return made

    def _whole(self, first: RunConfig) -> Examples[object] | None:
        """All pairs, where a training costs little or its validation part is small, and there could be another one."""
        if not self._cheap(first) and self.task.can_evaluate("valid", self.examples):
            trained = prepare(fill(first, self.task, self.examples), self.examples, self.task)
            terms = trained.evaluate("valid").per_query.get(trained.loop.plan.watch)
            if terms is None or terms.numel() >= folds.FEW:
                return None
        return folds.whole(self.task, self.asked)

    def _by_folds(self, configs: Sequence[RunConfig], whole: Examples[object]) -> Trained:
        judge = folds.Folds(self.task, self.asked, whole, self._stop, self._begin, self.asked.max_seconds)
        if self.clock.seconds is not None:
            judge.spare = for_baselines(self.asked, self.clock.left)
            after = judge.spare + WRITING  # simple methods are measured on the folds and on the test part
            judge.left = lambda: self.clock.left - after
            judge.seconds = min(max(1.0, judge.left() - judge.spare), judge.seconds or math.inf)
        judged = judge.judge(configs, self.decisions.tell)
        for one in judged:
            self.decisions.row(one.row() | {"kept": one is judged[0]})
        winner = judged[0]
        config = judge.refit(winner)
        examples = self.task.made(whole.data, config)
        trained = prepare(config, examples, self.task)
        steps.record(self.folder, trained, steps.watcher(trained))
        trained.loop.best_metrics = winner.metrics()
        trained.simple = {one.name: dict(one.config.part("model").params) for one in judged if one.counted}
        self.decisions.hand_over(steps.recorder(trained), trained)
        return trained

    def _longer(self) -> list[RunConfig]:
        """Recipes whose whole training takes long, where the budget is long enough for it and for the others' part."""
        found = []
        for name in self.task.racing("longer") if self.clock.seconds is not None else ():
            config = self.asked.model_copy(update={"recipe": name})
            filled = fill(config, self.task, self.examples)
            cost = cost_of(prepare(filled, self.examples, self.task))
            if cost.step * cost.steps_per_epoch * (filled.epochs or 1) < LONG_ENOUGH * self.clock.left:
                found.append(config)
        return found

    def _by_race(self, configs: Sequence[RunConfig], longer: Sequence[RunConfig] = ()) -> Trained:
        """Of recipes that are as good the first is kept; who waits long enough has the longer ones come first."""
        share = self._share(configs[0])
        arms = self._arms([*configs, *longer], share)
        winner = halve([*arms[len(configs) :], *arms[: len(configs)]], share, self.decisions.tell)
        winner.settle()
        for arm in arms:
            self.decisions.row(arm.row() | {"kept": arm is winner})
        winner.keep_in(self.folder)
        begun.begin(self.folder, winner.config, winner.trained.examples)
        self.decisions.hand_over(winner.recorder, winner.trained)
        return winner.trained

    def _arms(self, configs: Sequence[RunConfig], share: float) -> list[Arm]:
        """All are asked the same questions, and all have the same time."""
        others = share - rungs(len(configs), share)[-1][1] if len(configs) > 1 else 0.0
        made = [self.task.made(self.examples.data, config) for config in configs]
        filled = [fill(config, self.task, examples) for config, examples in zip(configs, made, strict=True)]
        arms = []
        for one, examples in zip(filled, made, strict=True):
            place = RunFolder(RunFolder(self.folder.own("race")).own(str(one.recipe)))
            alike = one.model_copy(update={"evaluation": _asked_alike(one.evaluation, filled[0].evaluation)})
            arms.append(Arm(alike, self.task, examples, place, self._begin, self._stop, self.decisions))
        costs = [price(arm.trained, self.asked, self.clock) for arm in arms]
        left = self.clock.left
        for arm, cost in zip(arms, costs, strict=True):
            if cost is not None:
                fit(arm.trained, self.asked, cost, left, 1 + others)
        few = min((n for arm in arms if (n := arm.trained.config.evaluation.queries)), default=None)
        for arm in arms:
            config = arm.trained.config
            arm.config = arm.trained.config = config.model_copy(
                update={"evaluation": config.evaluation.model_copy(update={"queries": few})}
            )
        return arms

    def _share(self, first: RunConfig) -> float:
        return WIDE_SHARE if self._cheap(first) else RACE_SHARE

    def _cheap(self, first: RunConfig) -> bool:
        """By sizes alone, so that the same data gives the same course on any machine."""
        epochs = fill(first, self.task, self.examples).epochs or 1
        return self.examples.feed.rows * epochs <= CHEAP

    def _stop(self) -> bool:
        return bool(self.caught)

    def _begin(self) -> None:
        """What was asked for stands in the folder until a recipe is chosen: ``--resume`` begins the race anew."""
        if not self._begun:
            begun.begin(self.folder, self.asked, self.examples)
            self._begun = True


def free(config: RunConfig) -> bool:
    """Whether the user left recipe and parts to the command."""
    return not (config.recipe or config.sampler or config.model or config.loss)


def racing(config: RunConfig, task: AnyTask, examples: Examples[object]) -> list[str]:
    """The recipes that race; none where the user named a recipe or a part, or where the recipe that the data wants has
    none to race with.
    """
    if not free(config) or config.start is not None:
        return []
    names, wanted = list(task.racing()), task.recipe_name(config, examples.data)
    return names if wanted in names else list(task.racing(wanted))


def _asked_alike(own: EvaluationConfig, first: EvaluationConfig) -> EvaluationConfig:
    """Its own rhythm, and the questions of the first."""
    return own.model_copy(update={"k": first.k, "metric": first.metric, "queries": first.queries})
