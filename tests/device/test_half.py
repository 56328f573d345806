"""Loops in bfloat16 and float16: a sampler draws what it would draw without, and no loss leaves the numbers."""

from __future__ import annotations

from typing import Any

import loops
import pytest
import test_losses
import torch

import negatives
from negatives import Vectors
from negatives.losses import logistic, squared
from negatives.sampler import Sampler, presets
from negatives.testing.losses import LossCase
from negatives.testing.losses import batch as scored
from negatives.testing.problems import problem
from negatives.testing.promises import alike
from negatives.testing.samplers import FIELDS
from negatives.types import Negatives

PROBLEM = problem(23)
FORMATS = torch.bfloat16, torch.float16


def asked(made: Sampler, scorer: Any, step: int) -> Negatives:
    batch = PROBLEM.batch(24, step)
    return made(batch.queries, batch.positives, scorer, examples=batch.examples)


@pytest.mark.parametrize("name", [*presets, "a softmax of a pool"])
def test_a_sampler_under_autocast_draws_the_same(name: str) -> None:
    model = PROBLEM.model()
    spec = loops.CASES[name].spec
    one, other = (negatives.sampler(spec, train=PROBLEM.catalogue, total_steps=9) for _ in range(2))
    for step in range(2):
        queries = PROBLEM.batch(24, step).queries
        vectors = Vectors(model.encode_queries(queries), model.item_table)
        scorer = loops.Towers(model) if name in loops.OF_MODEL else vectors
        wanted = asked(one, scorer, step)
        with torch.autocast("cpu", torch.bfloat16):
            found = asked(other, scorer, step)
        for field in FIELDS:
            assert alike(getattr(found, field), getattr(wanted, field)), field


@pytest.mark.parametrize("name", list(presets))
@pytest.mark.parametrize("dtype", FORMATS)
def test_a_model_in_half_precision_is_asked_in_float32(name: str, dtype: torch.dtype) -> None:
    model = PROBLEM.model().to(dtype)
    made = negatives.sampler(loops.spec(name), train=PROBLEM.catalogue, total_steps=9)
    found = asked(made, model, 0)
    for field in ("log_q", "weight", "scores", "positive_scores", "positive_log_q"):
        if (value := getattr(found, field)) is not None:
            counts = value[found.ok if value.dim() == 2 else found.ok.any(1)]
            assert value.dtype == torch.float32, field
            assert bool((counts < torch.inf).all()), field  # where no positive can be drawn, minus infinity


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", test_losses.CONTRACT)
def test_a_loss_of_half_scores_is_that_of_the_same_scores(name: str, dtype: torch.dtype) -> None:
    case: LossCase = test_losses.CONTRACT[name]
    positive, negative, found = scored(torch.float32)
    leaves = [one.detach().to(dtype).requires_grad_() for one in (positive, negative)]
    loss = case.make()(*leaves, found)
    assert torch.equal(loss, case.make()(*(one.detach().float() for one in leaves), found))
    for leaf, grad in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
        assert grad.dtype == leaf.dtype
        assert bool(grad.isfinite().all())


@pytest.mark.parametrize("loss", [logistic, squared])
def test_many_large_scores_in_float16_have_a_finite_loss(loss: Any) -> None:
    shape = (2, 5000)
    found = Negatives(torch.zeros(shape, dtype=torch.int64), None, torch.ones(shape, dtype=torch.bool))
    positive, negative = torch.zeros(2).half(), torch.full(shape, 30.0).half()
    assert bool(loss(positive, negative, found).isfinite())
