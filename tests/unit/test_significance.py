"""Intervals and tests against SciPy, and their behaviour under the null hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from negatives.evaluation import holm, interval, paired, seconds_to, sign_flip


def normal(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_interval_agrees_with_scipy() -> None:
    values = normal(50) + 3
    expected = stats.t.interval(0.9, 49, values.mean().item(), stats.sem(values.numpy()))
    assert interval(values, level=0.9) == pytest.approx(expected)


def test_interval_of_one_value_has_no_width() -> None:
    assert interval(torch.tensor([2.5])) == (2.5, 2.5)


def test_paired_test_agrees_with_scipy() -> None:
    ours, theirs = normal(60) + 0.3, normal(60, seed=1)
    found = paired(ours, theirs)
    expected = stats.ttest_rel(ours.numpy(), theirs.numpy())
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))
    assert found.mean == pytest.approx((ours - theirs).mean().item())


def test_equal_samplers_are_not_different() -> None:
    values = normal(30)
    assert paired(values, values).p_value == 1.0
    assert sign_flip(values, values) == 1.0


def test_sign_flips_agree_with_scipy() -> None:
    ours, theirs = normal(60) + 0.3, normal(60, seed=1)
    exact = stats.permutation_test(
        ((ours - theirs).numpy(),),
        lambda one, axis: one.mean(axis),
        permutation_type="samples",
        n_resamples=99_999,
        rng=np.random.default_rng(0),
    )
    assert sign_flip(ours, theirs, flips=99_999) == pytest.approx(exact.pvalue, abs=0.01)


def test_sign_flips_are_exact_on_few_queries() -> None:
    """Of the 8 sign patterns of (1, 2, 3), two have a sum as large as 6, so the p-value is 1/4."""
    assert sign_flip(torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3)) == pytest.approx(0.25, abs=0.02)


def test_p_values_are_uniform_without_a_difference() -> None:
    pairs = [(normal(30, 2 * i), normal(30, 2 * i + 1)) for i in range(200)]
    for found in ([paired(*one).p_value for one in pairs], [sign_flip(*one, flips=199) for one in pairs]):
        assert stats.kstest(found, "uniform").pvalue > 0.001


def test_holm_by_hand() -> None:
    assert holm([0.02, 0.01, 0.5]) == pytest.approx([0.04, 0.03, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_seconds_to() -> None:
    curve = [(0.0, 0.1), (10.0, 0.3), (20.0, 0.2), (30.0, 0.5)]
    assert seconds_to(curve, 0.2) == pytest.approx(5.0)
    assert seconds_to(curve, 0.4) == pytest.approx(20 + 10 * 2 / 3)
    assert seconds_to(curve, 0.05) == 0.0
    assert seconds_to(curve, 0.6) is None
    assert seconds_to([], 0.1) is None
