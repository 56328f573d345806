"""Naive twin of the walks: the same nodes, one at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.naive.hashing import hashed
from negatives.randomness import MASK64
from negatives.types import Csr


def walks(
    graph: Csr, starts: Tensor, length: int, key: int, examples: Tensor, back: float, away: float, tries: int
) -> Tensor:
    near = [graph.row(node).tolist() for node in range(graph.n_rows)]
    out = torch.full((starts.numel(), length + 1), -1, dtype=torch.int32)
    for r, (start, example) in enumerate(zip(starts.tolist(), examples.tolist(), strict=True)):
        path, draws = [start], _Draws(key & MASK64, example)
        while len(path) <= length and near[path[-1]]:
            if len(path) == 1 or back == away == 1.0:
                path.append(_of(near[path[-1]], draws.next()))
            else:
                path.append(_biased(near, path[-2], path[-1], draws, back, away, tries))
        out[r, : len(path)] = torch.tensor(path, dtype=torch.int32)
    return out


class _Draws:
    """Hashed bits of one walk, slot by slot."""

    def __init__(self, key: int, example: int) -> None:
        self._key, self._example, self._slot = key, example, -1

    def next(self) -> int:
        self._slot += 1
        return hashed(self._key, self._example, self._slot)


def _of(nodes: list[int], h: int) -> int:
    return nodes[(h >> 32) * len(nodes) >> 32]


def _biased(near: list[list[int]], came: int, node: int, draws: _Draws, back: float, away: float, tries: int) -> int:
    weights = [back if x == came else 1.0 if x in near[came] else away for x in near[node]]
    top = max(1.0, away)
    extra = max(0.0, back - top)
    for _ in range(tries):
        spot = (draws.next() >> 11) * 2.0**-53 * (len(weights) * top + extra)
        at = int(spot / top)
        if at >= len(weights):
            if extra > 0 and came in near[node]:
                return came
            continue
        if spot - at * top < weights[at]:
            return near[node][at]
    target, total = (draws.next() >> 11) * 2.0**-53 * sum(weights), 0.0
    for x, weight in zip(near[node], weights, strict=True):
        total += weight
        if target < total:
            return x
    return near[node][-1]
