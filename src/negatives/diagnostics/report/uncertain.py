"""Numbers with no more digits than are certain, and the intervals that say so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from negatives.evaluation import interval

FEWEST = 4
"""Values from which on an interval says something."""


def mean_interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean of some values and Student's 95 % interval of it; None for fewer than :data:`FEWEST` of them.

    >>> mean_interval([1.0, 2.0])
    """
    if len(values) < FEWEST:
        return None
    low, high = interval(torch.tensor(np.asarray(values, dtype=np.float64)))
    return float(np.mean(values)), low, high


def share_text(value: float, low: float, high: float) -> tuple[str, str]:
    """A share and its interval in per cent, to the first digit that is uncertain; an end below 0 is 0.

    >>> share_text(0.2010, 0.175, 0.227), share_text(0.00213, 0.00202, 0.00224), share_text(0.0101, -0.01, 0.03)
    (('20 %', '18 to 23 %'), ('0.21 %', '0.20 to 0.22 %'), ('1 %', '0 to 3 %'))
    """
    half = 50 * (high - low)
    digits = min(4, max(0, math.ceil(-math.log10(half)))) if half > 0 else 2
    low = max(low, 0.0)
    return f"{100 * value:.{digits}f} %", f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def span_text(low: float, high: float) -> str:
    """The ends of an interval as tables show them.

    >>> span_text(0.4, 0.45678)
    '0.4000 to 0.4568'
    """
    return f"{low:.4f} to {high:.4f}"


def room(values: Sequence[float], least: float = 0.1) -> tuple[float, float] | None:
    """Range of an axis on which small changes look small; None where the values themselves span enough.

    The axis spans at least a tenth of the largest value, so that three values that are equal but for noise lie on a
    line.

    Args:
        values: What is drawn.
        least: Share of the largest absolute value that the axis must span.

    >>> room([0.230, 0.229, 0.231]) is not None, room([0.0, 0.2])
    (True, None)
    """
    found = [value for value in values if math.isfinite(value)]
    if not found:
        return None
    low, high, largest = min(found), max(found), max(map(abs, found))
    if high - low >= least * largest:
        return None
    half = 0.5 * least * largest * 1.2 if largest > 0 else 1.0
    middle = (low + high) / 2
    return middle - half, middle + half
