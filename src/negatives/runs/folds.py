"""Data on which a training is cheap is judged by folds, and the model that is kept learns from all pairs.

A fold is a validation part; another fold is another one of the same training pairs. In the first fold all recipes begin
and the better half is trained to its end, with whoever is level with it. More folds follow where one asks too few
questions to choose by. The simple methods of the task are judged by the same folds, and the best of them is kept where
it is ahead by more than chance.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import torch

from negatives.config import Part, RunConfig, Values
from negatives.errors import InputError, Interrupted, NonFiniteScores
from negatives.runs import baselines
from negatives.runs.budget import rehearse, test_seconds
from negatives.runs.builder import Trained, fill, prepare
from negatives.runs.race import Score, Tell, best_of, ranking
from negatives.runs.terminal import RunBar
from negatives.tasks.base import AnyTask, Examples
from negatives.training.callbacks import Callback, Evaluation

log = logging.getLogger(__name__)

FEW = 500
"""Validation queries below which one part is not enough to choose by, whatever it costs."""
ENOUGH = 1_500
"""Validation queries that are enough to choose by; as many folds as are needed for them."""
MOST = 5
"""Folds at most."""
HELD = 0.15
"""Share of the training part that a fold holds back at most."""
PAIRS = 6_000
"""Pairs that a fold holds back, where that is less."""
LOOKS = 12
"""Evaluations of a training in a fold, of which the best over all folds says when to stop."""
FIRST = 0.25
"""Share of its training after which a recipe of the worse half is given up."""
EVALUATED = 1.2
"""Seconds by the clock for each second of training, what is evaluated included."""
HOPELESS = 2.0
"""Standard errors by which a recipe falls behind before it is left out of further folds."""
SURE = 2.0
"""Standard errors by which a simple method must be ahead of every recipe to be kept."""


@dataclass(slots=True)
class Curve(Callback):
    """Values of the validation part during one training.

    Args:
        trained: The training, until it has come to its end.
        epochs: When they were taken.
        scores: What they were.
        metrics: All metrics.
    """

    trained: Trained | None = None
    epochs: list[float] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)

    def look(self) -> Mapping[str, float]:
        """Evaluates for the loop and keeps the terms."""
        assert self.trained is not None
        found, watch = self.trained.evaluate("valid"), self.trained.loop.plan.watch
        self.scores.append(Score.of(found, watch))
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
        counted: Whether it is a simple method and no recipe.
    """

    config: RunConfig
    curves: list[Curve] = field(default_factory=list)
    seconds: float = 0.0
    counted: bool = False

    @property
    def name(self) -> str:
        return self.config.recipe or str(self.config.model)

    def means(self) -> list[float]:
        """The mean over folds of each look."""
        looks = min(len(curve.scores) for curve in self.curves)
        return [sum(curve.scores[at].mean for curve in self.curves) / len(self.curves) for at in range(looks)]

    @property
    def best(self) -> int:
        """The look about which the mean over folds is highest; the first of equal ones.

        The look before and the look after count as much, for a single one may be high by chance.
        """
        means = self.means()
        wide = [means[0], *means, means[-1]]
        smooth = [sum(wide[at : at + 3]) for at in range(len(means))]
        return smooth.index(max(smooth))

    def score(self) -> Score:
        """The mean over folds at the best look, with the terms of all folds."""
        return _over_folds([curve.scores[self.best] for curve in self.curves])

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
        return told | {"folds": len(self.curves), "epochs": self.until() if math.isfinite(self.until()) else None}


@dataclass(slots=True)
class _Running:
    """A recipe on one fold.

    Args:
        judged: The recipe.
        curve: Its training there.
    """

    judged: Judged
    curve: Curve

    @property
    def name(self) -> str:
        return self.judged.name

    def run(self, share: float) -> float:
        """Train until a share of the whole is done; the seconds of training that it took.

        Raises:
            NonFiniteScores: It cannot be trained.
            Interrupted: A signal was caught.
        """
        assert self.curve.trained is not None
        loop = self.curve.trained.loop
        before = loop.seconds
        loop.run(share)
        if loop.interrupted:
            raise Interrupted(0)
        return loop.seconds - before

    def limit(self, seconds: float) -> None:
        """Train for no longer than so many seconds in all."""
        assert self.curve.trained is not None
        loop = self.curve.trained.loop
        loop.plan = replace(loop.plan, max_seconds=seconds)

    def score(self) -> Score:
        """How good it is now: its last look, or one at it now where there was none."""
        if self.curve.scores:
            return self.curve.scores[-1]
        assert self.curve.trained is not None
        return Score.of(self.curve.trained.evaluate("valid"), self.curve.trained.loop.plan.watch)

    def finish(self) -> Judged:
        """The recipe with this fold's curve; the model is let go."""
        assert self.curve.trained is not None
        self.judged.seconds += self.curve.trained.loop.seconds
        self.judged.curves.append(self.curve)
        self.curve.trained = None
        return self.judged


@dataclass(slots=True)
class Folds:
    """Divides the data again and again.

    Args:
        task: The task.
        config: What the user asked for.
        whole: The data without a validation part, on which the model that is kept is trained.
        stop: Asked after every step.
        begin: Called after the first step.
        seconds: For all trainings, that of the model that is kept among them; None for as long as recipes say.
        spare: Seconds that the simple methods may take in all folds together.
        left: Seconds that the clock leaves for all of this and the test.
    """

    task: AnyTask
    config: RunConfig
    whole: Examples[object]
    stop: Callable[[], bool]
    begin: Callable[[], object]
    seconds: float | None = None
    spare: float = math.inf
    left: Callable[[], float] = lambda: math.inf
    _limit: float | None = field(default=None, init=False)
    _planned: float = field(default=math.inf, init=False)
    _test: float = field(default=0.0, init=False)
    _trained: float = field(default=0.0, init=False)
    _begun: float = field(default=0.0, init=False)
    _counting: float = field(default=0.0, init=False)

    def judge(self, configs: Sequence[RunConfig], tell: Tell) -> list[Judged]:
        """All that were judged to the last fold; what is kept stands first.

        Args:
            configs: One for each recipe, in order; not filled.
            tell: Told of every decision.

        Raises:
            NonFiniteScores: None can be trained.
            Interrupted: A signal was caught.
        """
        alive, simple, floors = [Judged(config) for config in configs], dict[str, Judged](), dict[str, list[Score]]()
        data = self._fold(0)
        number = self._number(alive[0], data)
        if self.seconds is not None:
            self._planned = self._limit = self.seconds / (EVALUATED * trainings(len(alive), number))
        self._begun, self._counting = perf_counter(), self.spare
        for fold in range(number):
            if fold and not self._affords(len(alive)):
                number = fold
                break
            data = data if fold == 0 else self._fold(fold)
            alive = self._over(alive, data, 0 if fold else number, tell)
            for name, score in self._floors(data, alive[0]).items():
                floors.setdefault(name, []).append(score)
            self._counting -= self.spare / number
            for one in self._counted(data, alive, number):
                known = simple.setdefault(one.name, one)
                known.curves += [] if known is one else one.curves
            if fold + 1 < number:
                _drop(alive, tell)
        whole = [one for one in simple.values() if len(one.curves) == number]
        if floors:
            _tell_floor([*alive, *whole], {name: _over_folds(each) for name, each in floors.items()}, tell)
        return _ordered(alive, whole, number, tell)

    def refit(self, chosen: Judged) -> RunConfig:
        """The filled configuration of the model that is kept: all pairs, and the epochs that the folds found best."""
        split = chosen.config.split.model_copy(update={"valid": 0.0, "fold": None})
        filled = fill(chosen.config.model_copy(update={"split": split}), self.task, self.whole)
        limit = self._limit
        if limit is not None:
            limit = max(FIRST * self._planned, min(limit, self.left() - self._test))
        filled = filled.model_copy(update={"budget": None, "max_seconds": limit})
        until = chosen.until()
        return filled if until >= (filled.epochs or 1) else filled.model_copy(update={"until": until})

    def _fold(self, fold: int) -> Examples[object]:
        split = self.config.split
        held = split.model_copy(update={"valid": split.valid or share_of(self.whole), "fold": fold})
        return loaded(self.task, self.config.model_copy(update={"split": held}))

    def _number(self, one: Judged, data: Examples[object]) -> int:
        """So many folds that together they ask enough."""
        examples = self.task.made(data.data, one.config)
        trained = prepare(fill(one.config, self.task, examples), examples, self.task)
        terms = trained.evaluate("valid").per_query.get(trained.loop.plan.watch)
        self._test = test_seconds(trained) if self.left() < math.inf else 0.0
        return 1 if terms is None else folds_of(terms.numel())

    def _affords(self, units: float) -> bool:
        """Whether the clock leaves time for so many trainings on folds and for that of the model that is kept."""
        return self._limit is None or self._within(units) >= self._limit

    def _within(self, units: float) -> float:
        """Seconds of each, so that so many trainings on folds and the last one fit; by what they have cost so far."""
        cost = max(EVALUATED, (perf_counter() - self._begun) / max(self._trained, 1e-9))
        rest = self.left() - self._test
        return (rest - self._counting if rest < math.inf else rest) / (cost * units + 1)

    def _over(self, alive: Sequence[Judged], data: Examples[object], first: int, tell: Tell) -> list[Judged]:
        """Train on one fold; who cannot be trained, or in the first fold is in the worse half early, is left out.

        Args:
            alive: The recipes.
            data: The fold.
            first: How many folds there are to be, where this is the first; 0 for others.
            tell: Told of every decision.
        """
        running = [self._ready(one, data) for one in alive]
        with closing(RunBar(None)) as bar:
            return [one.finish() for one in self._run(running, first, bar, tell)]

    def _run(self, running: list[_Running], first: int, bar: RunBar, tell: Tell) -> list[_Running]:
        for share in (FIRST, 1.0) if first and len(running) > 2 else (1.0,):
            for one in list(running):
                bar.begin(one.name if share == 1.0 else f"{one.name}, the first part")
                try:
                    self._trained += one.run(share)
                    bar.count()
                except NonFiniteScores as fault:
                    running.remove(one)
                    if not running:
                        raise
                    tell("out of the race", {one.name: str(fault)}, f"{one.name} is dropped", 0.0)
            if share < 1.0:
                running = _better_half(running, tell, ties=first > 1 and self._limit is None)
                self._shorten(running, first)
        return running

    def _shorten(self, running: Sequence[_Running], number: int) -> None:
        """Where the first part has cost more than was planned, less is left for the rest of all; at least half."""
        if self._limit is not None:
            units = len(running) * (number - FIRST)
            self._limit = max(self._planned / 2, min(self._limit, self._within(units)))
            for one in running:
                one.limit(self._limit)

    def _ready(self, one: Judged, data: Examples[object]) -> _Running:
        examples = self.task.made(data.data, one.config)
        filled = fill(one.config, self.task, examples)
        often: Values = {"every": max(1, filled.epochs or 1) / LOOKS, "seconds": None}
        if self._limit is not None:  # whichever is shorter, the time or the passes
            often = {"every": None, "seconds": self._planned / LOOKS}
        watched = filled.evaluation.model_copy(update=often | {"patience": None})
        filled = filled.model_copy(update={"evaluation": watched, "max_seconds": self._limit})
        trained = prepare(filled, examples, self.task)
        if self._limit is not None:
            rehearse(trained)
        curve = Curve(trained)
        loop = trained.loop
        loop.evaluate, loop.callbacks, loop.stop = curve.look, [curve, _Begin(self.begin)], self.stop
        return _Running(one, curve)

    def _counted(self, data: Examples[object], alive: Sequence[Judged], number: int) -> list[Judged]:
        """The task's simple methods on one fold."""
        filled = fill(alive[0].config, self.task, data)
        limit = min(baselines.limit(sum(one.seconds for one in alive)), self.spare) / number
        found = baselines.measure(self.task, data, filled, "valid", limit)
        watch = self.task.watched(filled)
        return [_judged(one, self.config, watch) for one in found if watch in one.metrics.mean]

    def _floors(self, data: Examples[object], one: Judged) -> dict[str, Score]:
        """What the methods that know no query reach on one fold."""
        filled = fill(one.config, self.task, data)
        watched = self.task.watched(filled)
        found = self.task.floors(filled, data)
        return {name: Score.of(self.task.evaluate(of, data, "valid", filled), watched) for name, of in found.items()}


def _judged(one: baselines.Measured, config: RunConfig, watch: str) -> Judged:
    """A simple method in the place of a recipe; it has learnt all after one look."""
    made = Judged(config.model_copy(update={"model": Part(one.name, one.params)}), seconds=one.seconds, counted=True)
    made.curves.append(Curve(epochs=[math.inf], scores=[Score.of(one.metrics, watch)], metrics=[one.metrics.mean]))
    return made


def share_of(whole: Examples[object]) -> float:
    """The share of the training pairs that is held back to choose by."""
    return min(HELD, PAIRS / max(1, whole.feed.rows))


def folds_of(size: int) -> int:
    """So many folds of so many validation queries ask enough.

    >>> folds_of(138), folds_of(900), folds_of(2_000)
    (5, 2, 1)
    """
    return min(MOST, math.ceil(ENOUGH / max(1, size)))


def in_fold(config: RunConfig, fold: int) -> RunConfig:
    """The same with another validation part; the first fold is what was asked for."""
    return config.model_copy(update={"split": config.split.model_copy(update={"fold": fold})}) if fold else config


def loaded(task: AnyTask, config: RunConfig) -> Examples[object]:
    """The data of a configuration."""
    return task.load(Path(config.data) if config.data else None, config)


def whole(task: AnyTask, config: RunConfig) -> Examples[object] | None:
    """The data without a validation part; None where the data brings one of its own, or cannot go without."""
    split = config.split.model_copy(update={"valid": 0.0})
    without = config.model_copy(update={"split": split})
    try:
        examples = loaded(task, without)
    except InputError:
        return None
    return None if task.can_evaluate("valid", examples) else examples


def trainings(recipes: int, number: int) -> float:
    """Whole trainings that so many recipes need at most over so many folds, that of the model that is kept included.

    >>> trainings(4, 1), trainings(4, 5), trainings(1, 1)
    (3.5, 11.5, 2.0)
    """
    ends = recipes if recipes <= 2 else math.ceil(recipes / 2)
    return FIRST * recipes + (1 - FIRST) * ends + ends * (number - 1) + 1


def _better_half(running: Sequence[_Running], tell: Tell, *, ties: bool) -> list[_Running]:
    """The better half, with ``ties`` also whoever is not behind its last by more than the noise."""
    scores = {one.name: one.score() for one in running}
    order = ranking(scores)
    kept = set(order[: math.ceil(len(running) / 2)])
    last = scores[order[len(kept) - 1]]
    kept |= {name for name in order if ties and not last.beats(scores[name])}
    left = [one for one in running if one.name in kept]
    seen: dict[str, object] = {name: score.mean for name, score in scores.items()}
    tell("race, first part", seen, f"goes on with {', '.join(one.name for one in left)}", 0.0)
    return left


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


def _over_folds(scores: Sequence[Score]) -> Score:
    """The mean over folds, with the terms of all."""
    known = [one.per_query for one in scores if one.per_query is not None]
    terms = torch.cat(known) if len(known) == len(scores) else None
    return Score(sum(one.mean for one in scores) / len(scores), terms)


def _tell_floor(judged: Sequence[Judged], floors: Mapping[str, Score], tell: Tell) -> None:
    """Say it where nothing is ahead of the better of the methods that know no query by more than chance."""
    scores = {one.name: one.score() for one in judged if one.name not in floors}
    best, floor = (max(of, key=lambda name: of[name].mean) for of in (scores, floors))
    if scores[best].beats(floors[floor], SURE):
        return
    gain, error = scores[best].over(floors[floor])
    seen: dict[str, object] = {best: scores[best].mean, floor: floors[floor].mean, "error of the difference": error}
    advice = "check that queries and items of the data belong together, or try another step size"
    tell(f"nothing is ahead of {floor} by more than chance", seen, advice, gain)


def _ordered(alive: Sequence[Judged], simple: Sequence[Judged], folds: int, tell: Tell) -> list[Judged]:
    """All, what is kept first."""
    scores = {one.name: one.score() for one in (*alive, *simple)}
    winner = next(one for one in alive if one.name == best_of({one.name: scores[one.name] for one in alive}))
    ahead = [one for one in simple if all(scores[one.name].beats(scores[other.name], SURE) for other in alive)]
    winner = max(ahead, key=lambda one: scores[one.name].mean, default=winner)
    others = [one for one in (*alive, *simple) if one is not winner]
    best = max((scores[one.name] for one in others), key=lambda score: score.mean, default=None)
    gain, error = scores[winner.name].over(best) if best else (0.0, scores[winner.name].error)
    seen: dict[str, object] = {name: score.mean for name, score in scores.items()}
    seen |= {"error of the difference" if best else "error": error, "folds": folds}
    tell("race on folds", seen, f"{winner.name} is kept and learns from all pairs{_for(winner)}", gain)
    return [winner, *others]


def _for(winner: Judged) -> str:
    until = winner.until()
    return f" for {until:.3g} epochs" if math.isfinite(until) else ", a simple method that is ahead of every recipe"


@dataclass(slots=True)
class _Begin(Callback):
    write: Callable[[], object]

    def on_step(self, step: object) -> None:
        self.write()
