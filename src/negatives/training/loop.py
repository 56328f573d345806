"""The training loop: one for every task, every model and every sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.control.base import decided, feed, load_states, states_of
from negatives.errors import ConfigError
from negatives.ranks import ALONE, Ranks
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.engines import Engine
from negatives.training.feeds import Feed
from negatives.training.optimisers import StepSize
from negatives.types import Context, State

Evaluator = Callable[[], Mapping[str, float]]
SAVE_EVERY = 60.0
"""Seconds by the clock between two checkpoints, and so the work that is lost at most."""
SAVE_SHARE = 0.02
"""Share of the time that writing checkpoints may take."""
LOSS = "loss."
"""Stands before the paths of the loss's controllers; those of the sampler have no such word."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and in what portions to train.

    Args:
        epochs: Passes over the training pairs.
        batch_size: Rows per step.
        step_size: Step size over time.
        seed: Seed of order and draws.
        max_seconds: Seconds of training after which to stop, evaluation not counted; schedules then follow
            whichever is nearer to its end, time or epochs.
        evaluate_every: Epochs between two evaluations; may be a fraction.
        evaluate_seconds: Seconds of training between two evaluations, in place of epochs.
        until: Epochs after which to stop, while schedules go on as if the training ran to its end; None for the end.
        watch: Metric that decides which state is the best.
        patience: Evaluations without a new best after which to stop; None for never.
        save_every: Seconds by the clock between two checkpoints; left out, :data:`SAVE_EVERY`, or more where writing
            them takes more than :data:`SAVE_SHARE` of the time.
    """

    epochs: float
    batch_size: int
    step_size: StepSize
    seed: int = 0
    max_seconds: float | None = None
    evaluate_every: float = 1.0
    evaluate_seconds: float | None = None
    until: float | None = None
    watch: str = "recall@20"
    patience: int | None = None
    save_every: float | None = None

    def __post_init__(self) -> None:
        if self.epochs <= 0 or self.batch_size < 1 or self.evaluate_every <= 0:
            raise ConfigError("epochs, batch_size and evaluate_every must be positive")


@dataclass(slots=True)
class Loop:
    """Runs a plan.

    Args:
        engine: Takes the steps.
        feed: Gives the training pairs, batch by batch.
        plan: How long to train.
        evaluate: Metrics on the validation part; none where there is no such part.
        callbacks: Listeners.
        save: Called with the whole state now and then, and at an interruption.
        stop: Asked after every step; True ends the loop as interrupted.
        ranks: Processes that take the same steps: the first keeps the time, evaluates, and says so to the others.
    """

    engine: Engine
    feed: Feed
    plan: Plan
    evaluate: Evaluator
    callbacks: Sequence[Callback] = ()
    save: Callable[[State], object] | None = None
    stop: Callable[[], bool] = lambda: False
    ranks: Ranks = ALONE
    steps: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    best: float = -float("inf")
    best_metrics: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    _best_model: dict[str, Tensor] = field(default_factory=dict)
    _stale: int = 0
    _saved_at: float | None = None
    _save_took: float = 0.0
    _evaluated_at: float = 0.0

    @property
    def steps_per_epoch(self) -> int:
        return self.feed.steps(self.plan.batch_size)

    @property
    def total_steps(self) -> int:
        planned = max(1, round(self.steps_per_epoch * self.plan.epochs))
        return planned if self.engine.most is None else min(planned, self.engine.most)

    @property
    def done(self) -> bool:
        """Whether the plan or the patience has come to its end."""
        if self.plan.patience is not None and self._stale >= self.plan.patience:
            return True
        if self.plan.until is not None and self.steps >= max(1, round(self.steps_per_epoch * self.plan.until)):
            return True
        return self.progress >= 1.0

    @property
    def progress(self) -> float:
        by_steps = self.steps / self.total_steps
        by_time = self.seconds / self.plan.max_seconds if self.plan.max_seconds else 0.0
        return min(1.0, max(by_steps, by_time))

    def run(self, pause: float = 1.0) -> None:
        """Train to the end of the plan, the patience or an interruption; then hold the best state.

        Args:
            pause: Share of the plan after which to return as it stands; another call goes on, to the same bits.
        """
        if self._saved_at is None:
            self._saved_at = monotonic()
        while not self.done:
            if self.progress >= pause:
                return
            self.advance()
            several = self.ranks.count > 1
            stopped = several and self.agreed(self.stop())
            if self._due() or self.done:
                self._evaluate()
            if stopped or (not several and self.stop()):  # one may be asked while it evaluates
                self.interrupted = True
            if self.interrupted or self._unsaved():
                self._save()
            if self.interrupted:
                break
        if not self.interrupted:
            self.restore_best()
        for callback in self.callbacks:
            callback.on_end()

    def restore_best(self) -> None:
        """Put the best state so far into the model; nothing happens where nothing was evaluated."""
        if self._best_model:
            self.engine.model.load_state_dict(self._best_model)

    def state(self) -> State:
        """Everything that decides how the training goes on."""
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "best": self.best,
            "best_metrics": dict(self.best_metrics),
            "best_step": self.best_step,
            "stale": self._stale,
            "evaluated_at": self._evaluated_at,
            "model": dict(self.engine.model.state_dict()),
            "best_model": dict(self._best_model),
            "engine": self.engine.state(),
            "engine_seconds": dict(self.engine.seconds),
            "sampler": self.engine.sampler.state(),
            "loss": states_of(self.engine.loss),
            "sampler_seconds": dict(self.engine.sampler.seconds),
            "callbacks": {str(i): callback.state() for i, callback in enumerate(self.callbacks)},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.steps, self.seconds = state["steps"], state["seconds"]
        self.best, self.best_step, self._stale = state["best"], state["best_step"], state["stale"]
        self.best_metrics = dict(state["best_metrics"])
        self._best_model = dict(state["best_model"])
        self._evaluated_at, self._saved_at = state["evaluated_at"], monotonic()
        self.engine.model.load_state_dict(dict(state["model"]))
        self.engine.load_state(state["engine"])
        self.engine.seconds.update(state["engine_seconds"])
        self.engine.sampler.load_state(state["sampler"])
        load_states(self.engine.loss, state["loss"])
        self.engine.sampler.seconds.update(state["sampler_seconds"])
        for index, callback in enumerate(self.callbacks):
            callback.load_state(state["callbacks"][str(index)])

    def _due(self) -> bool:
        if self.plan.evaluate_seconds is None:
            return self.steps % max(1, round(self.steps_per_epoch * self.plan.evaluate_every)) == 0
        return self.seconds - self._evaluated_at >= self.plan.evaluate_seconds

    def advance(self) -> None:
        """Take one step, whatever the plan says of the end."""
        start = perf_counter()
        epoch, index = divmod(self.steps, self.steps_per_epoch)
        batch = self.feed.batch(self.plan.seed, epoch, index, self.plan.batch_size)
        context = Context(
            queries=batch.queries,
            positives=batch.items,
            examples=batch.examples,
            seed=self.plan.seed,
            epoch=epoch,
            step=self.steps,
            progress=self.progress,
        )
        self.engine.loss.progress = self.progress
        outcome = self.engine.step(context, self.plan.step_size.at(self.progress))
        sampler = self.engine.sampler
        signals = sampler.observe(context, outcome.negatives, outcome.positive, outcome.negative)
        if signals:
            signals |= feed(self.engine.loss, signals, LOSS)
        self.steps += 1
        self.seconds += perf_counter() - start
        if self.callbacks:
            parts = sampler.seconds | self.engine.seconds
            told = Step(
                context,
                outcome.negatives,
                outcome.positive,
                outcome.negative,
                outcome.loss,
                signals,
                self.seconds,
                parts,
                [*sampler.decisions(), *decided(self.engine.loss, LOSS)],
            )
            for callback in self.callbacks:
                callback.on_step(told)

    def agreed(self, stop: bool) -> bool:
        """Whether any process is asked to stop; all have the first one's time, by which schedules and ends go."""
        if self.ranks.count == 1:
            return stop
        own = torch.tensor([self.seconds if self.ranks.rank == 0 else 0.0, float(stop)], dtype=torch.float64)
        found = self.ranks.summed(own)
        self.seconds = float(found[0])
        return bool(found[1] > 0)

    def _evaluate(self) -> None:
        self._evaluated_at = self.seconds
        metrics = self.ranks.told(dict(self.evaluate()) if self.ranks.rank == 0 else {})
        if not metrics:
            return  # nothing to stop by: the last state is kept
        value = metrics.get(self.plan.watch)
        if value is None:
            raise ConfigError(f"the watched metric {self.plan.watch!r} is not among {', '.join(metrics)}")
        better = value > self.best
        if better:
            self.best, self.best_metrics, self.best_step, self._stale = value, metrics, self.steps, 0
            state = self.engine.model.state_dict()
            self._best_model = {name: tensor.detach().clone() for name, tensor in state.items()}
        else:
            self._stale += 1
        told = Evaluation(self.steps, self.steps / self.steps_per_epoch, self.seconds, metrics, better)
        for callback in self.callbacks:
            callback.on_evaluation(told)
        self.plan = self.ranks.told(self.plan)  # a listener of the first may have brought the end nearer

    def _unsaved(self) -> bool:
        """Whether a checkpoint is due, by the clock: evaluations are work too."""
        every = self.plan.save_every
        if every is None:
            every = max(SAVE_EVERY, self._save_took / SAVE_SHARE)
        return self._saved_at is not None and monotonic() - self._saved_at >= every

    def _save(self) -> None:
        if self.save is not None:
            start = monotonic()
            self.save(self.state())
            self._saved_at = monotonic()
            self._save_took = self._saved_at - start
