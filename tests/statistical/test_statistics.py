"""The statistical tests that the contracts use: they accept what is right and find what is not."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from negatives.randomness import Purpose, stream, uniforms
from negatives.testing.statistics import ALPHA, RARE, chi_square, frequencies_fit, heaped, means_fit

Q = torch.tensor([0.5, 0.25, 0.125, 0.0625, 0.0625], dtype=torch.float64)


def draws(n: int, seed: int, q: torch.Tensor = Q) -> torch.Tensor:
    chance = uniforms(stream(seed, Purpose.PROBES), torch.arange(n), 0)
    return torch.bincount(torch.searchsorted(q.cumsum(0), chance, right=True), minlength=len(q))


def test_it_is_the_chi_square_test_of_scipy() -> None:
    counts = draws(5000, 1)
    assert chi_square(counts, Q) == pytest.approx(stats.chisquare(counts.numpy(), (Q * 5000).numpy()).pvalue)
    fixed = stats.chisquare(counts.numpy(), (Q * 5000).numpy(), ddof=2).pvalue
    assert chi_square(counts, Q, lost=3) == pytest.approx(fixed)


def test_chances_of_right_draws_are_spread_evenly() -> None:
    chances = torch.tensor([chi_square(draws(2000, seed), Q) for seed in range(400)])
    assert stats.kstest(chances.numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("n", [60, 500, 4000])
def test_rare_cells_are_taken_together(n: int) -> None:
    q = 1.0 / (1 + torch.arange(40, dtype=torch.float64)) ** 2
    q = q / q.sum()
    counts = draws(n, 3, q)
    seen, expected = heaped(counts, q)
    assert seen.sum() == n
    assert float(expected.sum()) == pytest.approx(n)
    assert float(expected.min()) >= RARE
    assert chi_square(counts, q) > ALPHA


def test_a_small_tilt_is_found_in_a_million_draws() -> None:
    tilted = Q + torch.tensor([0.004, -0.004, 0.0, 0.0, 0.0], dtype=torch.float64)
    frequencies_fit(draws(1_000_000, 2), Q, "right draws")
    with pytest.raises(AssertionError, match=r"item 1 was drawn 24\d+ times, 250000.0 were claimed"):
        frequencies_fit(draws(1_000_000, 2, tilted), Q, "tilted draws")


def test_what_is_impossible_must_not_be_drawn_once() -> None:
    q = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    assert chi_square(torch.tensor([500, 500, 0]), q) > 0.9
    assert chi_square(torch.tensor([500, 499, 1]), q) == 0.0


def test_means_are_compared_cell_by_cell() -> None:
    values = uniforms(stream(4, Purpose.PROBES), torch.arange(20_000)[:, None], torch.arange(6))
    wanted = torch.full((6,), 0.5, dtype=torch.float64)
    means_fit(values, wanted, "right means")
    wanted[4] = 0.52
    with pytest.raises(AssertionError, match="cell 4"):
        means_fit(values, wanted, "wrong means")
