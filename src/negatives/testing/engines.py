"""What every engine promises: steps that learn, repeat bit by bit, and go on exactly after a resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import NonFiniteScores
from negatives.testing.promises import Check, alike, global_randomness_untouched, hold, moved, run, same, saved
from negatives.training.engines.base import Engine
from negatives.types import Context


@dataclass(frozen=True, slots=True)
class EngineCase:
    """An engine under test.

    Args:
        make: Gives it anew, with a new model and sampler, always the same.
        batch: The batch of a step; it should repeat itself often enough for the loss to fall.
        lr: A step size at which the loss falls.
        steps: Steps in which it does.
        empty: A batch without an allowed negative, or None.
        learns: A step moves the model; False for an engine whose models are computed.
    """

    make: Callable[[], Engine]
    batch: Callable[[int], Context]
    lr: float = 0.1
    steps: int = 30
    empty: Context | None = None
    learns: bool = True


def weights(engine: Engine) -> dict[str, Tensor]:
    """A copy of all that training changes in the model."""
    return {name: value.detach().clone() for name, value in engine.model.state_dict().items()}


def ran(case: EngineCase, steps: int) -> Engine:
    """The engine after some steps."""
    engine = case.make()
    for step in range(steps):
        engine.step(case.batch(step), case.lr)
    return engine


def a_step_moves_the_model_and_says_what_it_did(case: EngineCase) -> None:
    """A step moves the model and gives a finite loss, the negatives, and scores without a gradient."""
    engine, context = case.make(), case.batch(0)
    before = weights(engine)
    done = engine.step(context, case.lr)
    hold(alike(before, weights(engine)) is not case.learns, "a step moved " + ("nothing" if case.learns else "it"))
    hold(isinstance(done.loss, float) and done.loss == done.loss, f"the loss is {done.loss!r}")
    rows, seen = done.positive.shape[0], done.negative.shape[0]
    hold(0 < seen <= context.rows and seen <= rows <= context.rows, f"{rows} and {seen} rows of scores are given")
    hold(
        done.negative.shape[1] == done.negatives.k, f"{done.negative.shape[1]} scores for {done.negatives.k} negatives"
    )
    hold(done.negatives.ids.shape[0] == context.rows, "negatives are not given for every row")
    hold(not done.positive.requires_grad and not done.negative.requires_grad, "scores carry a gradient")
    hold(all(value >= 0 for value in engine.seconds.values()), f"the seconds spent are {engine.seconds}")
    finite = all(bool(value.isfinite().all()) for value in weights(engine).values() if value.is_floating_point())
    hold(finite, "a weight is not finite after one step")


def the_loss_falls(case: EngineCase) -> None:
    """The loss falls on batches that repeat themselves."""
    if not case.learns:
        return
    engine = case.make()
    losses = [engine.step(case.batch(step), case.lr).loss for step in range(case.steps)]
    first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
    hold(last < first - 0.02 * abs(first), f"the loss went from {first:.5g} to {last:.5g} in {case.steps} steps")


def steps_repeat_bit_by_bit(case: EngineCase) -> None:
    """On one thread two runs give the same bits."""
    one, other = weights(ran(case, 4)), weights(ran(case, 4))
    for name, value in one.items():
        same(other[name], value, f"{name} after a second run")


def a_step_size_of_zero_moves_nothing(case: EngineCase) -> None:
    """With a step size of zero the weights stay."""
    engine = case.make()
    before = weights(engine)
    engine.step(case.batch(0), 0.0)
    for name, value in weights(engine).items():
        same(value, before[name], f"{name} after a step of size zero")


def rows_without_a_negative_move_nothing(case: EngineCase) -> None:
    """A batch without an allowed negative leaves the weights as they are."""
    if case.empty is None:
        return
    engine = case.make()
    before = weights(engine)
    done = engine.step(case.empty, case.lr)
    hold(not bool(done.negatives.ok.any()), "the batch has allowed negatives")
    hold(done.loss == 0.0, f"the loss is {done.loss}")
    for name, value in weights(engine).items():
        same(value, before[name], f"{name} after a batch without negatives")


def state_goes_on_where_it_was(case: EngineCase) -> None:
    """Engine, model and sampler restored from a checkpoint go on bit by bit as those that gave it."""
    one, fresh = ran(case, 5), case.make()
    fresh.model.load_state_dict(saved(dict(one.model.state_dict())))
    with moved(one, fresh), moved(one.sampler, fresh.sampler):
        for step in range(5, 10):
            context = case.batch(step)
            wanted, found = (engine.step(context, case.lr).loss for engine in (one, fresh))
            hold(wanted == found, f"the loss at step {step} is {found!r} after loading, and {wanted!r} is right")
    expected = weights(one)
    for name, value in weights(fresh).items():
        same(value, expected[name], f"{name} after a resume")


def no_generator_is_touched(case: EngineCase) -> None:
    """No global generator is used."""
    with global_randomness_untouched():
        ran(case, 2)


def what_is_not_finite_is_refused(case: EngineCase) -> None:
    """A model that is not finite ends the training with ``NonFiniteScores``."""
    if not case.learns:
        return
    engine = case.make()
    with torch.no_grad():
        for parameter in engine.model.parameters():
            parameter.fill_(torch.nan)
    try:
        engine.step(case.batch(0), case.lr)
    except NonFiniteScores:
        return
    raise AssertionError("it goes on with a model that holds NaN")


CHECKS: tuple[Check[EngineCase], ...] = (
    a_step_moves_the_model_and_says_what_it_did,
    the_loss_falls,
    steps_repeat_bit_by_bit,
    a_step_size_of_zero_moves_nothing,
    rows_without_a_negative_move_nothing,
    state_goes_on_where_it_was,
    no_generator_is_touched,
    what_is_not_finite_is_refused,
)


def check_engine(
    make: Callable[[], Engine],
    batch: Callable[[int], Context],
    *,
    lr: float = 0.1,
    steps: int = 30,
    empty: Context | None = None,
    learns: bool = True,
) -> None:
    """Run the contract of an engine.

    Args:
        make: Gives the engine anew, with a new model and sampler, always the same.
        batch: The batch of a step.
        lr: A step size at which the loss falls.
        steps: Steps in which it does.
        empty: A batch without an allowed negative.
        learns: A step moves the model; False for an engine whose models are computed.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, EngineCase(make, batch, lr, steps, empty, learns), CHECKS)
