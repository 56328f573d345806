"""Draws against the probabilities that are claimed: chi-square, and means against what they estimate."""

from __future__ import annotations

import torch
from scipy.special import chdtrc, ndtri
from torch import Tensor

from negatives.testing.promises import hold

ALPHA = 1e-6
"""Chance that a test below fails although everything is right."""
RARE = 20.0
"""Expected number below which cells are taken together, so that the chi-square distribution fits their tail."""


def heaped(observed: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    """Observed and expected numbers ``(cells,)`` with rare cells taken together.

    From the rarest on, cells are heaped until each heap is expected :data:`RARE` times; what is left over at the end
    joins the last one.

    Args:
        observed: ``(n,)`` how often each item was drawn.
        probability: ``(n,)`` float64, sums to 1.

    >>> heaped(torch.tensor([14, 15, 971]), torch.tensor([0.015, 0.015, 0.97]).double())[0].tolist()
    [29.0, 971.0]
    """
    order = torch.argsort(probability, stable=True)
    cells: list[list[float]] = [[0.0, 0.0]]
    total = int(observed.sum())
    for seen, expected in zip(observed[order].tolist(), (probability[order] * total).tolist(), strict=True):
        if cells[-1][1] >= RARE:
            cells.append([0.0, 0.0])
        cells[-1][0] += seen
        cells[-1][1] += expected
    if len(cells) > 1 and cells[-1][1] < RARE:
        last = cells.pop()
        cells[-1] = [one + other for one, other in zip(cells[-1], last, strict=True)]
    found = torch.tensor(cells, dtype=torch.float64)
    return found[:, 0], found[:, 1]


def chi_square(observed: Tensor, probability: Tensor, lost: int = 1) -> float:
    """Chance of a Pearson statistic as large as the one observed; 0 where something impossible was drawn.

    Args:
        observed: ``(n,)`` int64, how often each item was drawn.
        probability: ``(n,)`` float64, what is claimed; it must sum to 1.
        lost: Sums that are given and not drawn: 1 for all, or one for each of several experiments.
    """
    possible = probability > 0
    if int(observed[~possible].sum()):
        return 0.0
    seen, expected = heaped(observed[possible], probability[possible])
    if len(seen) <= lost:
        return 1.0
    return float(chdtrc(len(seen) - lost, float(((seen - expected) ** 2 / expected).sum())))


def frequencies_fit(observed: Tensor, probability: Tensor, what: str, alpha: float = ALPHA, lost: int = 1) -> None:
    """How often items were drawn fits what is claimed of them."""
    total = int(observed.sum())
    chance = chi_square(observed, probability, lost)
    gaps = (observed.double() - probability * total) / (probability * total).sqrt().clamp(min=1e-12)
    worst = int(gaps.abs().argmax())
    hold(
        chance > alpha,
        f"{what}: {total} draws do not fit the probabilities (p = {chance:.3g}); item {worst} was drawn "
        f"{int(observed[worst])} times, {float(probability[worst] * total):.1f} were claimed",
    )


def means_fit(estimates: Tensor, wanted: Tensor, what: str, alpha: float = ALPHA) -> None:
    """Means of independent estimates fit what they estimate, each cell by a normal test with Bonferroni's bound.

    Args:
        estimates: ``(n, cells)`` float64, independent rows.
        wanted: ``(cells,)`` float64.
        what: What is estimated, for the message.
        alpha: Chance of a false alarm over all cells.
    """
    n, cells = estimates.shape
    spread = estimates.std(0) / n**0.5
    gaps = estimates.mean(0) - wanted
    limit = float(-ndtri(alpha / (2 * cells)))
    off = gaps.abs() > limit * spread + 1e-4 * wanted.abs().clamp(min=1e-6)  # float32 logs are exact to about 1e-5
    if bool(off.any()):
        cell = int(off.nonzero()[0])
        raise AssertionError(
            f"{what}: cell {cell} is {float(estimates[:, cell].mean()):.6g} on average over {n}, "
            f"{float(wanted[cell]):.6g} is right, and the error is {float(spread[cell]):.3g}"
        )
