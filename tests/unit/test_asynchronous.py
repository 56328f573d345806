"""The asynchronous engine: plain SGD pair by pair, for what it can do and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import relu

from negatives import kernels
from negatives.errors import ConfigError, NonFiniteScores
from negatives.kernels import LossKernel
from negatives.losses import registry as losses
from negatives.losses.base import Loss
from negatives.losses.ops import masked, weighted_mean
from negatives.models.factorization import MatrixFactorization
from negatives.sampler import Sampler, build
from negatives.training.engines import Update, engine_for
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize
from negatives.types import Negatives
from planted import Planted


@pytest.fixture
def sampler(planted: Planted) -> Sampler:
    made = build({"name": "dns", "candidates": 4})
    made.bind(planted.catalogue())
    return made


def run(planted: Planted, sampler: Sampler, loss: str, epochs: int) -> MatrixFactorization:
    model = MatrixFactorization(planted.n_users, planted.n_items, 8, seed=1)
    engine = engine_for(model, sampler, losses.build(loss), Update("async_sgd", 0.001))
    plan = Plan(epochs=epochs, batch_size=700, step_size=StepSize(0.1), evaluate_every=99.0, watch="none")
    Loop(engine, PairFeed(planted.users, planted.items), plan, lambda: {"none": 0.0}).run()
    return model


@pytest.mark.parametrize("loss", ["bpr", "hinge", "logistic"])
def test_it_learns_and_one_thread_repeats_itself(planted: Planted, sampler: Sampler, loss: str) -> None:
    before = kernels.threads()
    kernels.set_threads(1)
    models = [run(planted, sampler, loss, 8) for _ in range(2)]
    kernels.set_threads(before)
    assert torch.equal(models[0].query_table, models[1].query_table)
    with torch.no_grad():
        good = models[0].score(planted.users, planted.items)
        other = models[0].score(planted.users, planted.items.flip(0))
    assert float((good > other).float().mean()) > 0.75


def test_what_it_cannot_do_is_refused(planted: Planted, sampler: Sampler) -> None:
    cosine = MatrixFactorization(4, 4, 2, "cosine")
    with pytest.raises(ConfigError, match="similarity dot"):
        engine_for(cosine, sampler, losses.build("bpr"), Update("async_sgd"))
    with pytest.raises(ConfigError, match="bpr, hinge and logistic"):
        engine_for(MatrixFactorization(4, 4, 2), sampler, losses.build("ccl"), Update("async_sgd"))


class SquaredHinge(Loss):
    """A pairwise loss from elsewhere: ``(1/n) sum_j max(0, 1 - s⁺ + s_j)²``, without a kernel."""

    pairwise = True

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        return weighted_mean(relu(1 + masked(negative - positive.unsqueeze(1), negatives.ok)).square(), negatives)


def test_a_pairwise_loss_from_elsewhere_trains_by_the_general_way_alone(planted: Planted, sampler: Sampler) -> None:
    model = MatrixFactorization(planted.n_users, planted.n_items, 8, seed=1)
    with pytest.raises(ConfigError, match="async_sgd knows the losses bpr, hinge and logistic; choose one of them"):
        engine_for(model, sampler, SquaredHinge(), Update("async_sgd"))
    engine = engine_for(model, sampler, SquaredHinge(), Update("adagrad"))
    plan = Plan(epochs=8, batch_size=700, step_size=StepSize(0.1), evaluate_every=99.0, watch="none")
    Loop(engine, PairFeed(planted.users, planted.items), plan, lambda: {"none": 0.0}).run()
    with torch.no_grad():
        good = model.score(planted.users, planted.items)
        other = model.score(planted.users, planted.items.flip(0))
    assert float((good > other).float().mean()) > 0.75


def test_losses_say_whether_they_are_pairwise_and_what_a_kernel_must_know() -> None:
    made = {name: losses.build(name) for name in losses}
    assert {name for name, loss in made.items() if loss.pairwise} == {"bpr", "gbce", "hinge", "logistic"}
    told = {name: loss.kernel() for name, loss in made.items() if loss.kernel() is not None}
    assert told == {
        "bpr": LossKernel("bpr", mean=True),
        "hinge": LossKernel("hinge", 1.0, mean=True),
        "logistic": LossKernel("logistic"),
        "squared": LossKernel("squared", zeros=0.1),
    }
    assert losses.build({"name": "logistic", "margin": 2.0, "mean": True}).kernel() == LossKernel("logistic", 2.0, True)


def test_infinite_scores_are_an_error(planted: Planted) -> None:
    uniform = build("uniform")
    uniform.bind(planted.catalogue())
    model = MatrixFactorization(planted.n_users, planted.n_items, 8)
    model.query_table.data[:] = torch.inf
    engine = engine_for(model, uniform, losses.build("bpr"), Update("async_sgd"))
    plan = Plan(epochs=1, batch_size=64, step_size=StepSize(0.1), watch="none")
    with pytest.raises(NonFiniteScores, match="step 0"):
        Loop(engine, PairFeed(planted.users, planted.items), plan, lambda: {"none": 0.0}).run()
