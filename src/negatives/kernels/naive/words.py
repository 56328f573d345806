"""Naive twins of the kernels of word vectors: slow and obvious."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from negatives.kernels.words import PLACES, Windows
from negatives.randomness import EXAMPLE_STEP, MASK64, mix
from negatives.types import Negatives


def keep_words(tokens: Tensor, bounds: Tensor, first: int, keep: Tensor, key: int) -> tuple[Tensor, Tensor]:
    words, examples = [], []
    for s, (start, stop) in enumerate(zip(bounds.tolist(), bounds[1:].tolist(), strict=False)):
        names = (first + s) * PLACES + torch.arange(stop - start)
        drawn = torch.tensor([_first_mix(key, name) >> 32 for name in names.tolist()], dtype=torch.int64)
        stays = drawn < keep[tokens[start:stop].long()]
        if int(stays.sum()) >= 2:
            words.append(tokens[start:stop][stays].long())
            examples.append(names[stays])
    empty = [torch.empty(0, dtype=torch.int64)]
    return torch.cat(words or empty), torch.cat(examples or empty)


def _first_mix(key: int, example: int) -> int:
    return mix((key ^ example * EXAMPLE_STEP) & MASK64)


def _contexts(windows: Windows) -> Iterator[tuple[int, int, list[int]]]:
    """Row, centre and context of each window."""
    words, examples = windows.words.tolist(), windows.examples.tolist()
    for r in windows.centres:
        example = examples[r]
        reach = 1 + (_first_mix(windows.key, example) * windows.width >> 64)
        near = range(max(0, r - reach), min(len(words), r + reach + 1))
        yield (
            r - windows.first,
            words[r],
            [words[p] for p in near if p != r and examples[p] // PLACES == example // PLACES],
        )


def window_starts(windows: Windows) -> Tensor:
    sizes = [min(len(near), 1) if windows.mean else len(near) for _, _, near in _contexts(windows)]
    return torch.tensor([0, *sizes], dtype=torch.int64).cumsum(0)


def _inputs(table: Tensor, near: list[int], mean: bool) -> Tensor:
    rows = table[torch.tensor(near)]
    return rows.mean(0, keepdim=True) if mean else rows


def window_scores(inputs: Tensor, outputs: Tensor, windows: Windows, ids: Tensor) -> Tensor:
    found = [torch.zeros(0, 1 + ids.shape[1])]
    for r, centre, near in _contexts(windows):
        if near:
            outs = torch.cat([torch.tensor([centre]), ids[r]])
            scores = _inputs(inputs, near, windows.mean) @ outputs[outs].T
            scores[:, 1:][:, ids[r] == centre] = 0
            found.append(scores)
    return torch.cat(found)


def _step_(inputs: Tensor, outputs: Tensor, windows: Windows, outs: Tensor, near: list[int], grad: Tensor) -> None:
    """Both tables move against ``grad`` ``(inputs, outputs)``, which is already times the step size."""
    x, y = _inputs(inputs, near, windows.mean), outputs[outs]
    of_inputs = grad @ y
    if windows.mean:
        of_inputs = of_inputs.expand(len(near), -1) / len(near)
    inputs.index_add_(0, torch.tensor(near), of_inputs, alpha=-1)
    outputs.index_add_(0, outs, grad.T @ x, alpha=-1)


def window_update_(inputs: Tensor, outputs: Tensor, windows: Windows, ids: Tensor, grad: Tensor, lr: float) -> None:
    starts = window_starts(windows).tolist()
    for r, centre, near in _contexts(windows):
        if near:
            kept = torch.cat([torch.tensor([True]), ids[r] != centre])
            outs = torch.cat([torch.tensor([centre]), ids[r]])[kept]
            _step_(inputs, outputs, windows, outs, near, lr * grad[starts[r] : starts[r + 1]][:, kept])


def train_windows_(inputs: Tensor, outputs: Tensor, windows: Windows, negatives: Negatives, lr: float) -> None:
    for r, centre, near in _contexts(windows):
        if near:
            keep = negatives.ok[r] & (negatives.ids[r] != centre)
            weight = torch.ones(int(keep.sum())) if negatives.weight is None else negatives.weight[r][keep]
            outs = torch.cat([torch.tensor([centre]), negatives.ids[r][keep]])
            grad = torch.sigmoid(_inputs(inputs, near, windows.mean) @ outputs[outs].T)
            grad[:, 0] -= 1
            grad[:, 1:] *= weight
            _step_(inputs, outputs, windows, outs, near, lr * grad)
