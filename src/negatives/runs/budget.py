"""How long a run may take by the clock, and how much of it goes into evaluation."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from time import perf_counter

from negatives.config import RunConfig
from negatives.errors import NonFiniteScores
from negatives.runs import baselines
from negatives.runs.builder import Trained, plan_of
from negatives.training.callbacks import Callback, Evaluation
from negatives.training.loop import Loop

EVALUATION_SHARE = 0.1
"""Share of the training's time that evaluation may take."""
UNNOTICED = 5.0
"""Seconds of evaluation that a run without a budget may always spend, so that short runs keep their recipe's rhythm."""
FEWEST = 5
"""Evaluations that a training should have at least; before there are fewer, fewer queries are asked."""
FEWEST_QUERIES = 500
"""Queries below which an evaluation says little."""
WRITING = 3.0
"""Seconds for the files of a finished run and its report."""
UNUSED = 0.1
"""Share of a budget that may be left without a word."""
TIMED = 0.5
"""Seconds over which steps are timed."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that a user is willing to wait.

    Args:
        seconds: The budget; None for as long as it takes.
        started: When the run began, as :func:`time.perf_counter` gives it.
    """

    seconds: float | None
    started: float

    @property
    def left(self) -> float:
        """Seconds that are left; infinite without a budget."""
        return float("inf") if self.seconds is None else self.seconds - (perf_counter() - self.started)


def told_of_rest(trained: Trained, clock: Clock) -> str | None:
    """One sentence for a run that ends long before its budget: why the rest is of no use; None for others.

    Args:
        trained: The training that is kept, at its end.
        clock: The user's time.
    """
    if clock.seconds is None or clock.left <= UNUSED * clock.seconds:
        return None
    if trained.task.can_evaluate("valid", trained.examples):
        reason = f"the validation {trained.loop.plan.watch} had stopped rising"
    else:
        reason = "the folds are done, and what is kept has trained for as long as was best on them"
    used = clock.seconds - clock.left
    return (
        f"done after {used:.0f} of {clock.seconds:.0f} s: {reason}; --recipe NAME --epochs N trains longer all the same"
    )


@dataclass(slots=True)
class Deadline(Callback):
    """Keeps a training within the clock: after each evaluation its seconds are what the clock has left.

    Args:
        loop: The training, which has a plan in seconds.
        clock: The user's time.
        reserved: Seconds that what follows the training takes.
    """

    loop: Loop
    clock: Clock
    reserved: float
    _begun: tuple[float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._begun = self.clock.left, self.loop.seconds

    def on_evaluation(self, evaluation: Evaluation) -> None:
        left, seconds = self._begun
        waited, trained = left - self.clock.left, self.loop.seconds - seconds
        rest = max(0.0, self.clock.left - self.reserved) * min(1.0, trained / max(waited, 1e-9))
        self.loop.plan = replace(self.loop.plan, max_seconds=max(self.loop.seconds + rest, 1e-3))


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that a training needs on this machine.

    Args:
        step: Of one step.
        evaluation: Of one evaluation of the validation part; 0 where there is none.
        test: Of the evaluation of the test part, as far as the sizes of both parts tell.
        steps_per_epoch: Steps of a pass over the training part.
    """

    step: float
    evaluation: float
    test: float
    steps_per_epoch: int


def cost_of(trained: Trained) -> Cost:
    """Time a few steps and one evaluation; the training is afterwards as it was.

    The first step and the first evaluation compile kernels and are not counted. Processes that share the steps take
    them together; the first evaluates.
    """
    loop = trained.loop
    with _undone(loop):
        loop.advance()
        begun, loop.seconds = loop.steps, 0.0
        while loop.seconds < TIMED and loop.steps < loop.total_steps:
            loop.advance()
            loop.agreed(False)
        step = loop.seconds / max(1, loop.steps - begun)
        evaluation = _seconds_of_evaluation(trained) if loop.ranks.rank == 0 else 0.0
    return Cost(step, evaluation, evaluation * _test_share(trained), loop.steps_per_epoch)


def rehearse(trained: Trained) -> None:
    """Take the first step and undo it.

    On a machine that has not run it before it compiles kernels, for up to ten seconds. No limit of time should count
    them, nor should they be charged to whichever of several trainings comes first. Scores that are not finite are told
    by the training itself.
    """
    with suppress(NonFiniteScores), _undone(trained.loop):
        trained.loop.advance()


@contextmanager
def _undone(loop: Loop) -> Iterator[None]:
    """What the block does to a training that has not begun is undone at its end, and nobody is told of it."""
    before = copy.deepcopy(loop.state())
    listeners, loop.callbacks = loop.callbacks, ()
    stopped, loop.stop = loop.stop, lambda: False
    loop.seconds = 0.0
    try:
        yield
    finally:
        loop.engine.seconds.clear()
        loop.load_state(before)
        loop.callbacks, loop.stop = listeners, stopped


def reserved(trained: Trained, clock: Clock) -> float:
    """Seconds for what follows a training: its test, the simple methods, its files and its report."""
    return WRITING + test_seconds(trained) + for_baselines(trained.config, clock.left)


def test_seconds(trained: Trained) -> float:
    """Seconds of the evaluation of the test part, as far as the validation part and the sizes of both tell."""
    return _seconds_of_evaluation(trained) * _test_share(trained)


def for_baselines(config: RunConfig, left: float) -> float:
    """Seconds of those that are left for the simple methods beside the model."""
    return 0.0 if config.baselines == "none" else min(baselines.LEAST, baselines.SHARE * max(0.0, left))


def _test_share(trained: Trained) -> float:
    """How many times as much the test part asks as the validation part, as far as their sizes tell."""
    valid, test = (trained.task.size(part, trained.examples) for part in ("valid", "test"))
    return max(1.0, (test or 1) / valid) if valid else 1.0


def _seconds_of_evaluation(trained: Trained) -> float:
    if not trained.task.can_evaluate("valid", trained.examples):
        return 0.0
    trained.evaluate("valid")
    start = perf_counter()
    trained.evaluate("valid")
    return perf_counter() - start


def price(trained: Trained, asked: RunConfig, clock: Clock) -> Cost | None:
    """What a training costs here; None where nobody has to know.

    Where its seconds are limited, its first step is rehearsed in either case.

    Args:
        trained: Prepared; it stays as it is.
        asked: What the user asked for.
        clock: The user's time.
    """
    ranks = trained.loop.ranks
    if ranks.told(ranks.rank == 0 and _counts(trained, asked, clock)):
        return cost_of(trained)
    if trained.loop.plan.max_seconds is not None:
        rehearse(trained)
    return None


def _counts(trained: Trained, asked: RunConfig, clock: Clock) -> bool:
    """Whether it matters what a training costs."""
    if clock.seconds is not None:
        return True
    if _rhythm(asked) or not trained.task.can_evaluate("valid", trained.examples):
        return False
    plan, start = trained.loop.plan, perf_counter()
    trained.evaluate("valid")
    return (perf_counter() - start) * plan.epochs / plan.evaluate_every > UNNOTICED


def fit(trained: Trained, asked: RunConfig, cost: Cost, left: float, runs: float = 1.0) -> None:
    """Let a training fit the time that is left, and its evaluation a tenth of its time.

    Of processes that share it, the first one's clock and measurements count, and its plan is that of all.

    Args:
        trained: Prepared; its configuration and its plan change.
        asked: What the user asked for; the rhythm of evaluation that stands there stays.
        cost: What it costs here.
        left: Seconds; infinite without a budget.
        runs: How many trainings of this length are paid from the time left.
    """
    config, task, examples = trained.config, trained.task, trained.examples
    if left < float("inf"):
        config = within(config, cost, left, runs)
    if cost.evaluation and not _rhythm(asked):
        steps = cost.step * cost.steps_per_epoch * (config.epochs or 1)
        size = task.size("valid", examples) or 0
        size = min(size, config.evaluation.queries or size)
        config = sparing(config, cost.evaluation, min(config.max_seconds or steps, steps), size)
    trained.config = config
    trained.loop.plan = trained.loop.ranks.told(plan_of(config, task, examples))


def _rhythm(asked: RunConfig) -> bool:
    """Whether the user said how often, or of how many queries, the validation part is evaluated."""
    own = asked.evaluation
    return own.every is not None or own.seconds is not None or own.queries is not None


def sparing(config: RunConfig, evaluation: float, training: float, size: int) -> RunConfig:
    """The configuration with evaluations so rare, and if need be of so few queries, that they take a tenth of the time.

    Args:
        config: A filled configuration.
        evaluation: Seconds of one evaluation.
        training: Seconds of the whole training.
        size: Queries of one evaluation.
    """
    watched, epochs = config.evaluation, config.epochs or 1
    planned = training / watched.seconds if watched.seconds else epochs / (watched.every or 1.0)
    allowed = EVALUATION_SHARE * training
    if config.max_seconds is None:
        allowed = max(allowed, UNNOTICED)
    number = max(1.0, planned)
    if number * evaluation <= allowed and not config.max_seconds:
        return config
    number = min(number, max(FEWEST, allowed / max(evaluation, 1e-9)))
    changed: dict[str, float | int | None] = {"every": round(epochs / number, 3)}
    if config.max_seconds:
        changed = {"every": None, "seconds": round(config.max_seconds / number, 3)}
    if number * evaluation > allowed and size > FEWEST_QUERIES:
        changed["queries"] = max(FEWEST_QUERIES, int(size * allowed / (number * evaluation)))
    return config.model_copy(update={"evaluation": watched.model_copy(update=changed)})


def within(config: RunConfig, cost: Cost, left: float, runs: float) -> RunConfig:
    """The configuration of a training that fits the time left.

    Args:
        config: A filled configuration.
        cost: What it costs here.
        left: Seconds left for everything.
        runs: How many trainings of this length are paid from them; 1 where nothing races.
    """
    rest = left - cost.test - WRITING - for_baselines(config, left)
    usable = max(0.0, rest) / (1 + EVALUATION_SHARE)
    seconds = max(usable / runs, cost.step)
    longer = int(seconds / max(cost.step * cost.steps_per_epoch, 1e-9)) + 1
    return config.model_copy(
        update={"epochs": max(config.epochs or 1, longer), "max_seconds": round(seconds, 3), "budget": None}
    )
