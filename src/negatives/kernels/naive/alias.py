"""Filling an alias table, on Python's lists."""

from __future__ import annotations

from typing import Any

import numpy as np


def fill_alias(share: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Thresholds and aliases for ``share`` that sums to its length, by Vose's two stacks."""
    scaled = share.tolist()
    heaviest = scaled.index(max(scaled))
    threshold, alias = [0] * len(scaled), list(range(len(scaled)))
    small = [i for i, s in enumerate(scaled) if s < 1]
    large = [i for i, s in enumerate(scaled) if s >= 1]
    while small and large:
        i, j = small.pop(), large[-1]
        threshold[i], alias[i] = int(min(scaled[i] * 2.0**32, 2.0**32 - 1)), j
        scaled[j] -= 1.0 - scaled[i]
        if scaled[j] < 1:
            small.append(large.pop())
    for i in small:
        if scaled[i] == 0:
            alias[i] = heaviest
    return np.array(threshold, np.uint32), np.array(alias, np.int32)


__all__ = ["fill_alias"]
