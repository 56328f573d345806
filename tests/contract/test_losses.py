"""Every loss of the table through the contract, and against its formula by brute force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from tables import Faults, pairs
from torch import Tensor

from negatives import losses
from negatives.control import Linear
from negatives.errors import ConfigError, LogQUnknown
from negatives.losses import Loss, registry
from negatives.testing.losses import CHECKS, LossCase
from negatives.types import Negatives


def _softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


Pairs = list[tuple[float, float, float]]
"""Score, log q and weight of the allowed negatives of one row."""


def _softmax(s: float, pairs: Pairs, k: int, t: float, corrected: bool) -> float:
    total = sum(w * math.exp(x / t - corrected * (math.log(k) + q)) for x, q, w in pairs)
    return -math.log(math.exp(s / t) / (math.exp(s / t) + total))


def _nce(s: float, pairs: Pairs, k: int, log_q: float) -> float:
    def noise(q: float) -> float:
        return math.log(k) + q

    return _softplus(noise(log_q) - s) + sum(w * _softplus(x - noise(q)) for x, q, w in pairs)


def _gbce(s: float, pairs: Pairs, k: int, log_q: float, t: float) -> float:
    beta = 1 - t * (1 - min(1.0, k * math.exp(log_q)))
    return (beta * _softplus(-s) + sum(w * _softplus(x) for x, _, w in pairs)) / (1 + len(pairs))


def _mean(pairs: Pairs, term: Callable[[float], float]) -> float:
    return sum(w * term(x) for x, _, w in pairs) / len(pairs)


def _end(pairs: Pairs, k: int, at: int) -> float:
    """Score of the last place of a list of ``at``: from the top, each stands for ``w/(k q)`` items."""
    stood = 0.0
    for x, q, w in sorted(pairs, reverse=True):
        stood += w * math.exp(-q) / k
        if stood >= at:
            return x
    return min(x for x, _, _ in pairs)


def _sl_at_k(s: float, p: Pairs, k: int, at: int) -> float:
    return _softmax(s, p, k, 0.5, True) / (1 + math.exp((_end(p, k, at) - s) / 0.7))


def _talos(s: float, p: Pairs, k: int, at: int) -> float:
    end = _end(p, k, at)

    def on_it(x: float) -> float:
        return (1 / (1 + math.exp(end - x))) ** 2

    return -math.log(on_it(s) / (on_it(s) + sum(w * on_it(x) * math.exp(-q) / k for x, q, w in p)))


ROWS: dict[str, tuple[dict[str, object], Callable[[float, Pairs, int, float], float]]] = {
    "bpr": ({}, lambda s, p, k, q: _mean(p, lambda x: _softplus(x - s))),
    "hinge": ({"margin": 0.5}, lambda s, p, k, q: _mean(p, lambda x: max(0.0, 0.5 - s + x))),
    "ccl": (
        {"margin": 0.1, "weight": 3.0},
        lambda s, p, k, q: 1 - s + 3 * _mean(p, lambda x: max(0.0, x - 0.1)),
    ),
    "logistic": ({}, lambda s, p, k, q: _softplus(-s) + sum(w * _softplus(x) for x, _, w in p)),
    "gbce": ({}, lambda s, p, k, q: _gbce(s, p, k, q, 0.75)),
    "sampled_softmax": ({"temperature": 0.5}, lambda s, p, k, q: _softmax(s, p, k, 0.5, True)),
    "info_nce": ({"temperature": 0.7}, lambda s, p, k, q: _softmax(s, p, k, 0.7, False)),
    "bsl": (
        {"temperature": 0.4, "positive_temperature": 0.9},
        lambda s, p, k, q: -s / 0.9 + math.log(_mean(p, lambda x: math.exp(x / 0.4))),
    ),
    "psl": (
        {"temperature": 0.5},
        lambda s, p, k, q: math.log(_mean(p, lambda x: (1.0 + math.tanh((x - s) / 2)) ** 2)),
    ),
    "sl_at_k": (
        {"temperature": 0.5, "weight_temperature": 0.7, "at": 1},
        lambda s, p, k, q: _sl_at_k(s, p, k, 1),
    ),
    "talos": ({"temperature": 0.5, "at": 1}, lambda s, p, k, q: _talos(s, p, k, 1)),
    "nce": ({}, lambda s, p, k, q: _nce(s, p, k, q)),
    "squared": ({"zeros": 0.5}, lambda s, p, k, q: s * s / 2 + 0.5 * sum(w * max(0.0, x) ** 2 for x, _, w in p) / 2),
}
SECOND_FORMS = [
    ("sampled_softmax", {"correction": False}, lambda s, p, k, q: _softmax(s, p, k, 1.0, False)),
    (
        "sl_at_k",
        {"temperature": 0.5, "weight_temperature": 0.7, "at": 9},
        lambda s, p, k, q: _sl_at_k(s, p, k, 9),
    ),
    ("talos", {"temperature": 0.5, "at": 2}, lambda s, p, k, q: _talos(s, p, k, 2)),
    (
        "logistic",
        {"margin": 2.0, "mean": True},
        lambda s, p, k, q: _softplus(-s - 2) + _mean(p, lambda x: _softplus(x + 2)),
    ),
    (
        "psl",
        {"temperature": 2.0, "activation": "relu"},
        lambda s, p, k, q: math.log(_mean(p, lambda x: max(1e-6, 1.0 + (x - s) / 2) ** 0.5)),
    ),
    (
        "psl",
        {"temperature": 2.0, "activation": "atan"},
        lambda s, p, k, q: math.log(_mean(p, lambda x: max(1e-6, 1.0 + math.atan((x - s) / 2)) ** 0.5)),
    ),
]
CASES = [(name, *row) for name, row in ROWS.items()] + SECOND_FORMS
NEEDS_LOG_Q = ("gbce", "sampled_softmax", "nce", "sl_at_k", "talos")
FREE = ("squared",)
"""Losses of residuals, for which a larger positive is not better."""
HELD = ("sl_at_k", "talos")
"""Losses that take the end of the list from the scores, and pass no gradient through it."""


def _loss(name: str, parameters: dict[str, object]) -> Loss:
    return registry.build({"name": name} | parameters)


CONTRACT = {
    name if parameters == ROWS[name][0] else f"{name} again": LossCase(
        partial(_loss, name, parameters),
        needs_log_q=name in NEEDS_LOG_Q and parameters.get("correction", True) is True,
        monotone=name not in FREE,
        held=name in HELD,
    )
    for name, parameters, _ in CASES
}
FAULTS: Faults = {}


@pairs(CONTRACT, CHECKS, FAULTS)
def test_promise(case: LossCase, check: Callable[[LossCase], None]) -> None:
    check(case)


def _batch(rows: int = 6, k: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Negatives]:
    made = torch.Generator().manual_seed(3)
    ok = torch.rand(rows, k, generator=made) < 0.7
    ok[0], ok[1] = False, True
    neg = Negatives(
        torch.randint(0, 9, (rows, k), generator=made),
        torch.log(torch.rand(rows, k, generator=made) + 0.05),
        ok,
        torch.rand(rows, k, generator=made) + 0.1,
        positive_log_q=torch.log(torch.rand(rows, generator=made) + 0.05),
    )
    draw = [torch.randn(shape, generator=made, dtype=torch.float64).to(dtype) for shape in ((rows,), (rows, k))]
    return draw[0].requires_grad_(), draw[1].requires_grad_(), neg


def test_every_entry_has_a_row() -> None:
    assert set(registry) == set(ROWS)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "parameters", "oracle"), CASES)
def test_brute_force(name: str, parameters: dict[str, object], oracle: Callable[..., float], weighted: bool) -> None:
    positive, negative, neg = _batch()
    if not weighted:
        neg = replace(neg, weight=None)
    positive, negative = positive.detach(), negative.detach()
    found = _loss(name, parameters).rows(positive, negative, neg)
    assert neg.log_q is not None
    assert neg.positive_log_q is not None
    weight = torch.ones_like(neg.log_q) if neg.weight is None else neg.weight
    for row, value in enumerate(found.tolist()):
        pairs = [
            (float(negative[row, j]), float(neg.log_q[row, j]), float(weight[row, j]))
            for j in range(neg.k)
            if neg.ok[row, j]
        ]
        expected = oracle(float(positive[row]), pairs, neg.k, float(neg.positive_log_q[row])) if pairs else 0.0
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("name", "parameters", "_oracle"), CASES)
def test_gradients_of_a_shared_pool_are_exact(name: str, parameters: dict[str, object], _oracle: object) -> None:
    if name in HELD:
        return
    positive, negative, neg = _batch()
    assert neg.log_q is not None
    everywhere = torch.ones((1, 1), dtype=torch.bool).expand(neg.ids.shape)
    neg = replace(neg, log_q=neg.log_q[:1].double().expand(neg.ids.shape), ok=everywhere)
    assert torch.autograd.gradcheck(lambda p, n: _loss(name, parameters).rows(p, n, neg), (positive, negative))


@pytest.mark.parametrize("name", ROWS)
def test_the_function_is_the_mean(name: str) -> None:
    positive, negative, neg = _batch()
    found = getattr(losses, name)(positive, negative, neg, **ROWS[name][0])
    assert torch.equal(found, _loss(name, ROWS[name][0]).rows(positive, negative, neg).mean())


def test_some_losses_need_the_positives_too() -> None:
    positive, negative, neg = _batch()
    for loss in (losses.nce, losses.gbce):
        with pytest.raises(LogQUnknown, match="positive_log_q"):
            loss(positive, negative, replace(neg, positive_log_q=None))
    plain = losses.gbce(positive, negative, replace(neg, positive_log_q=None), calibration=0.0)
    assert torch.equal(plain, losses.gbce(positive, negative, neg, calibration=0.0))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sampled_softmax", {"temperature": 0.0}),
        ("info_nce", {"temperature": -1.0}),
        ("gbce", {"calibration": 1.5}),
        ("gbce", {"temperature": 0.0}),
        ("bsl", {"temperature": math.nan}),
        ("bsl", {"positive_temperature": 0.0}),
        ("bsl", {"temperature": Linear(0.0, 1.0)}),
        ("sl_at_k", {"weight_temperature": 0.0}),
        ("sl_at_k", {"at": 0}),
        ("talos", {"temperature": -1.0}),
        ("talos", {"at": 0}),
        ("hinge", {"margin": -0.1}),
        ("ccl", {"margin": -2.0}),
        ("ccl", {"weight": -1.0}),
    ],
)
def test_wrong_parameters_are_named(name: str, parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        _loss(name, parameters)


def test_weights_of_zero_equal_a_mask() -> None:
    positive, negative, neg = _batch()
    ones = neg.ok.double()
    unmasked = replace(neg, ok=torch.ones_like(neg.ok), weight=ones)
    masked = replace(neg, weight=None)
    for name in ("logistic", "sampled_softmax", "info_nce", "sl_at_k", "talos"):
        one, two = (_loss(name, {}).rows(positive, negative, each) for each in (unmasked, masked))
        assert torch.allclose(one[1:], two[1:])
