"""Small data is judged by folds: several validation parts in turn, and the model that is kept learns from all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from negatives.config import RunConfig, Values
from negatives.errors import InputError, Interrupted, NonFiniteScores
from negatives.runs.builder import Trained, fill, prepare
from negatives.runs.race import Score, Tell, best_of
from negatives.tasks.base import AnyTask, Examples
from negatives.training.callbacks import Callback, Evaluation

FEW = 500
"""Validation queries below which one part is not enough to choose by."""
FEWEST, MOST = 3, 5
"""Folds."""
HELD = 0.15
"""Share of the training part that each fold holds back."""
LOOKS = 12
"""Evaluations of a training in a fold, of which the best over all folds says when to stop."""
HOPELESS = 2.0
"""Standard errors by which a recipe falls behind before it is left out of further folds."""


@dataclass(slots=True)
class Curve(Callback):
    """Values of the validation part during one training.

    Args:
        evaluate: Gives them.
        epochs: When they were taken.
        scores: What they were.
        metrics: All metrics.
    """

    trained: Trained
    epochs: list[float] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)

    def look(self) -> Mapping[str, float]:
        """Evaluates for the loop and keeps the terms."""
        found, watch = self.trained.evaluate("valid"), self.trained.loop.plan.watch
        self.scores.append(Score(found.mean[watch], found.per_query.get(watch)))
        return found.mean

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.epochs.append(evaluation.epoch)
        self.metrics.append(evaluation.metrics)


@dataclass(slots=True)
class Judged:
    """A recipe over the folds so far.

    Args:
        config: As asked for, with the name of the recipe; not filled.
        curves: One for each fold.
        seconds: Of training.
    """

    config: RunConfig
    curves: list[Curve] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return str(self.config.recipe)

    def means(self) -> list[float]:
        """The mean over folds of each look."""
        looks = min(len(curve.scores) for curve in self.curves)
        return [sum(curve.scores[at].mean for curve in self.curves) / len(self.curves) for at in range(looks)]

    @property
    def best(self) -> int:
        """The look at which the mean over folds is highest; the first of equal ones."""
        means = self.means()
        return means.index(max(means))

    def score(self) -> Score:
        """The mean over folds at the best look, with the terms of all folds."""
        at = self.best
        terms = [curve.scores[at].per_query for curve in self.curves]
        known = [one for one in terms if one is not None]
        return Score(self.means()[at], torch.cat(known) if len(known) == len(terms) else None)

    def until(self) -> float:
        """Epochs after which the folds were best."""
        return self.curves[0].epochs[self.best]

    def metrics(self) -> dict[str, float]:
        """All metrics there, means over folds."""
        at = self.best
        found = [curve.metrics[at] for curve in self.curves]
        return {name: sum(one[name] for one in found) / len(found) for name in found[0]}

    def row(self) -> Values:
        """For metrics.json."""
        score = self.score()
        told = {"arm": self.name, "value": score.mean, "error": score.error, "train_seconds": self.seconds}
        return told | {"folds": len(self.curves), "epochs": self.until()}


@dataclass(frozen=True, slots=True)
class Folds:
    """Divides the data again and again.

    Args:
        task: The task.
        config: What the user asked for.
        whole: The data without a validation part, on which the model that is kept is trained.
        stop: Asked after every step.
        begin: Called after the first step.
        limit: Seconds that one training may take; None for as long as its recipe says.
    """

    task: AnyTask
    config: RunConfig
    whole: Examples[object]
    stop: Callable[[], bool]
    begin: Callable[[], object]
    limit: float | None = None

    def judge(self, configs: Sequence[RunConfig], tell: Tell) -> Judged:
        """The recipe that does best over the folds.

        Args:
            configs: One for each recipe, in order; not filled.
            tell: Told of every decision.

        Raises:
            NonFiniteScores: None can be trained.
            Interrupted: A signal was caught.
        """
        alive = [Judged(config) for config in configs]
        fold, number = 0, FEWEST
        while fold < number:
            data = self._fold(fold)
            for one in list(alive):
                self._try(one, data, alive, tell)
            if fold == 0:
                number = _number(alive[0])
            fold += 1
            if fold < number:
                _drop(alive, tell)
        scores = {one.name: one.score() for one in alive}
        winner = next(one for one in alive if one.name == best_of(scores))
        _tell_choice(winner, scores, fold, tell)
        return winner

    def refit(self, chosen: Judged) -> RunConfig:
        """The filled configuration of the model that is kept: all pairs, and the epochs that the folds found best."""
        split = chosen.config.split.model_copy(update={"valid": 0.0, "fold": None})
        filled = fill(chosen.config.model_copy(update={"split": split}), self.task, self.whole)
        until = chosen.until()
        return filled if until >= (filled.epochs or 1) else filled.model_copy(update={"until": until})

    def _fold(self, fold: int) -> Examples[object]:
        split = self.config.split
        held = split.model_copy(update={"valid": split.valid or HELD, "fold": fold})
        config = self.config.model_copy(update={"split": held})
        return self.task.load(Path(config.data) if config.data else None, config)

    def _try(self, one: Judged, data: Examples[object], alive: list[Judged], tell: Tell) -> None:
        """Train one recipe on one fold; who cannot be trained leaves ``alive``."""
        examples = self.task.made(data.data, one.config)
        filled = fill(one.config, self.task, examples)
        watched = filled.evaluation.model_copy(
            update={"every": max(1, filled.epochs or 1) / LOOKS, "seconds": None, "patience": None}
        )
        filled = filled.model_copy(update={"evaluation": watched, "max_seconds": self.limit or filled.max_seconds})
        trained = prepare(filled, examples, self.task)
        curve = Curve(trained)
        loop = trained.loop
        loop.evaluate, loop.callbacks, loop.stop = curve.look, [curve, _Begin(self.begin)], self.stop
        try:
            loop.run()
        except NonFiniteScores as fault:
            alive.remove(one)
            if not alive:
                raise
            tell("out of the race", {one.name: str(fault)}, f"{one.name} is dropped", 0.0)
            return
        if loop.interrupted:
            raise Interrupted(0)
        one.curves.append(curve)
        one.seconds += loop.seconds


def whole(task: AnyTask, config: RunConfig) -> Examples[object] | None:
    """The data without a validation part; None where the data brings one of its own, or cannot go without."""
    split = config.split.model_copy(update={"valid": 0.0})
    without = config.model_copy(update={"split": split})
    try:
        examples = task.load(Path(config.data) if config.data else None, without)
    except InputError:
        return None
    return None if task.can_evaluate("valid", examples) else examples


def _number(one: Judged) -> int:
    """So many folds that together they ask enough, from three to five."""
    terms = one.curves[0].scores[0].per_query
    return FEWEST if terms is None else min(MOST, max(FEWEST, math.ceil(FEW / max(1, terms.numel()))))


def _drop(alive: list[Judged], tell: Tell) -> None:
    """Leave out who is behind the best by far."""
    scores = {one.name: one.score() for one in alive}
    leader = best_of(scores)
    for one in list(alive):
        if scores[leader].beats(scores[one.name], HOPELESS):
            gain, error = scores[leader].over(scores[one.name])
            alive.remove(one)
            seen: dict[str, object] = {name: scores[name].mean for name in (leader, one.name)}
            tell("race on folds", seen | {"error of the difference": error}, f"{one.name} is dropped", gain)


def _tell_choice(winner: Judged, scores: Mapping[str, Score], folds: int, tell: Tell) -> None:
    others = [score for name, score in scores.items() if name != winner.name]
    best = max(others, key=lambda score: score.mean, default=None)
    gain, error = scores[winner.name].over(best) if best else (0.0, scores[winner.name].error)
    seen: dict[str, object] = {name: score.mean for name, score in scores.items()}
    seen |= {"error of the difference" if best else "error": error, "folds": folds}
    tell("race on folds", seen, f"{winner.name} learns from all pairs for {winner.until():.3g} epochs", gain)


@dataclass(slots=True)
class _Begin(Callback):
    write: Callable[[], object]

    def on_step(self, step: object) -> None:
        self.write()


__all__ = ["FEW", "Folds", "Judged", "whole"]
