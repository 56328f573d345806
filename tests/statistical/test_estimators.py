"""Estimates from negatives: unbiased sums, exact resampling chances, gradients that approach the full softmax."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from negatives.losses import sampled_softmax
from negatives.randomness import Purpose
from negatives.selection import registry
from negatives.types import Candidates, Context, Negatives

ITEMS = 30
SPECS: list[dict[str, object]] = [
    {"name": "all"},
    {"name": "random", "k": 3},
    {"name": "softmax", "k": 4, "temperature": 1.0},
    {"name": "softmax", "k": 2, "temperature": 0.5, "correction": False},
    {"name": "self_adversarial"},
    {"name": "hard_contrastive"},
]


def _context(rows: int) -> Context:
    ids = torch.arange(rows)
    return Context(ids, ids, ids, seed=11)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(str(value) for value in spec.values()))
def test_sums_over_allowed_items_are_unbiased(spec: dict[str, object]) -> None:
    rows, m = 60_000, 8
    made = _generator(1)
    q = torch.rand(ITEMS, generator=made) + 0.2
    q = q / q.sum()
    scores, value = torch.randn(ITEMS, generator=made), torch.rand(ITEMS, generator=made) + 0.5
    allowed = torch.rand(ITEMS, generator=made) < 0.6
    ids = torch.multinomial(q, rows * m, replacement=True, generator=made).view(rows, m)
    candidates = Candidates(ids, q.log()[ids], allowed[ids], scores[ids], torch.zeros(rows))
    context = _context(rows)
    found = registry.build(spec).pick(context, candidates, scores[ids], context.key(Purpose.SELECTION))
    assert found.log_q is not None
    estimates = (found.ok * value[found.ids] / found.log_q.exp()).mean(1).double()
    error = (estimates.mean() - (value * allowed).sum()) / (estimates.std() / math.sqrt(rows))
    assert abs(float(error)) < 4.0


def test_resampling_frequencies_match_the_conditional_chances() -> None:
    rows, k = 25_000, 8
    made = _generator(2)
    scores, log_q = torch.randn(6, generator=made), torch.log(torch.rand(6, generator=made))
    ok = torch.tensor([True, True, False, True, True, False])
    candidates = Candidates(
        torch.arange(6).expand(rows, 6), log_q.expand(rows, 6), ok.expand(rows, 6), scores.expand(rows, 6)
    )
    context = _context(rows)
    part = registry.build({"name": "softmax", "k": k, "temperature": 0.8})
    found = part.pick(context, candidates, candidates.scores, context.key(Purpose.SELECTION))
    assert bool(found.ok.all())
    assert found.log_q is not None
    chance = torch.softmax((scores / 0.8 - log_q).double().masked_fill(~ok, -math.inf), 0)
    counts = torch.bincount(found.ids.flatten(), minlength=6)
    assert counts[~ok].sum() == 0
    assert stats.chisquare(counts[ok].numpy(), (chance[ok] * rows * k).numpy()).pvalue > 1e-3
    expected = (log_q.double() + math.log(6) + chance.log())[found.ids]
    assert torch.allclose(found.log_q.double(), expected, atol=1e-5)


def _gradient(scores: Tensor, draws: int, k: int, q: Tensor, seed: int) -> Tensor:
    """Mean gradient of the loss in the scores of all items; item 0 is the positive."""
    watched = scores.clone().requires_grad_()
    ids = torch.multinomial(q, draws * k, replacement=True, generator=_generator(seed)).view(draws, k)
    negatives = Negatives(ids, q.log()[ids], ids != 0)
    sampled_softmax(watched[0].expand(draws), watched[ids], negatives, temperature=0.7).backward()
    assert watched.grad is not None
    return watched.grad


@pytest.mark.parametrize("proposal", ["uniform", "popularity"])
def test_gradient_approaches_the_full_softmax(proposal: str) -> None:
    n = 200
    made = _generator(4)
    scores = torch.randn(n, generator=made, dtype=torch.float64)
    counts = 1.0 / torch.arange(1, n + 1, dtype=torch.float64) ** 0.7
    q = torch.full((n,), 1.0 / n, dtype=torch.float64) if proposal == "uniform" else counts / counts.sum()
    full = torch.softmax(scores / 0.7, 0) / 0.7
    full[0] -= 1.0 / 0.7
    sizes = (2, 16, 128, 1024)
    errors = [float((_gradient(scores, 400_000 // k, k, q, k) - full).norm() / full.norm()) for k in sizes]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[-1] < 0.02


def test_without_correction_the_gradient_stays_biased() -> None:
    n, k = 200, 1024
    scores = torch.randn(n, generator=_generator(4), dtype=torch.float64)
    counts = 1.0 / torch.arange(1, n + 1, dtype=torch.float64) ** 0.7
    q = counts / counts.sum()
    watched = scores.clone().requires_grad_()
    ids = torch.multinomial(q, 400 * k, replacement=True, generator=_generator(5)).view(400, k)
    negatives = Negatives(ids, None, ids != 0)
    sampled_softmax(watched[0].expand(400), watched[ids], negatives, temperature=0.7, correction=False).backward()
    full = torch.softmax(scores / 0.7, 0) / 0.7
    full[0] -= 1.0 / 0.7
    assert watched.grad is not None
    assert float((watched.grad - full).norm() / full.norm()) > 0.1
