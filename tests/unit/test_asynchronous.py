"""The asynchronous engine: plain SGD pair by pair, for what it can do and nothing else."""

from __future__ import annotations

import pytest
import torch

from negatives import kernels
from negatives.errors import ConfigError, NonFiniteScores
from negatives.losses import registry as losses
from negatives.models.factorization import MatrixFactorization
from negatives.sampler import Sampler, build
from negatives.training.engines import engine_for
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize
from planted import Planted


@pytest.fixture
def sampler(planted: Planted) -> Sampler:
    made = build({"name": "dns", "candidates": 4})
    made.bind(planted.catalogue())
    return made


def run(planted: Planted, sampler: Sampler, loss: str, epochs: int) -> MatrixFactorization:
    model = MatrixFactorization(planted.n_users, planted.n_items, 8, seed=1)
    engine = engine_for(model, sampler, losses.build(loss), "async_sgd", 0.001, False)
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
        engine_for(cosine, sampler, losses.build("bpr"), "async_sgd", 0.0, False)
    with pytest.raises(ConfigError, match="bpr, hinge and logistic"):
        engine_for(MatrixFactorization(4, 4, 2), sampler, losses.build("ccl"), "async_sgd", 0.0, False)


def test_infinite_scores_are_an_error(planted: Planted) -> None:
    uniform = build("uniform")
    uniform.bind(planted.catalogue())
    model = MatrixFactorization(planted.n_users, planted.n_items, 8)
    model.query_table.data[:] = torch.inf
    engine = engine_for(model, uniform, losses.build("bpr"), "async_sgd", 0.0, False)
    plan = Plan(epochs=1, batch_size=64, step_size=StepSize(0.1), watch="none")
    with pytest.raises(NonFiniteScores, match="step 0"):
        Loop(engine, PairFeed(planted.users, planted.items), plan, lambda: {"none": 0.0}).run()
