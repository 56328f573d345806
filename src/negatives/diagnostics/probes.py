"""What the sampler did, measured while the model trains, at a small part of the cost of a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.control.signals import signals
from negatives.diagnostics.diversity import relative_entropy, strata
from negatives.training.callbacks import Callback, Step
from negatives.types import Negatives, State, shared_pool

ROWS = 512
"""Rows of a batch that are looked at, at most."""
SLOTS = 1 << 16
"""Slots of a batch that are looked at, at most; fewer rows where each has many negatives."""
SAMPLING = ("draw", "guard", "select")
"""Parts of a step that are the sampler's; scoring candidates is counted apart."""


@dataclass(slots=True)
class Probes(Callback):
    """Gathers measurements over a window of steps; :meth:`take` gives their means and opens the next window.

    At every ``every``-th step it looks at up to 512 rows. What the sampler measured itself (``Step.signals``) is taken
    over: ``violation_rate``, ``gap``, ``gradient_share``, ``effective_sample_size``, ``duplicate_share``,
    ``ok_share``, ``false_negative_rate``, ``false_negative_lift`` and whatever else it gives, such as ``hardness`` or
    ``staleness``; see :mod:`negatives.control.signals`. Where it measured nothing, the probes compute them. They add

    - ``loss``, ``positive_score``, ``negative_score`` (of allowed negatives), ``hardest_score`` (highest of a row);
    - ``entropy`` of the negatives drawn in the window relative to ``log N``;
    - ``head_share``, ``tail_share``: share of negatives in the most popular 20 % and the least popular 50 % of items;
    - ``coverage``: share of the catalogue drawn so far in the batches looked at, so a lower bound;
    - ``sampler_share``, ``score_share``: share of the step time for drawing, guarding and selecting, and for scoring.

    Args:
        counts: ``(n_items,)`` how often each item occurs in training.
        every: Steps between two measurements.
    """

    counts: Tensor
    every: int = 8
    _head: Tensor = field(init=False, repr=False)
    _tail: Tensor = field(init=False, repr=False)
    _seen: Tensor = field(init=False, repr=False)
    _sums: dict[str, list[float]] = field(default_factory=dict, init=False, repr=False)
    _drawn: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _before: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _now: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.counts = self.counts.cpu()
        self._head, self._tail = strata(self.counts)
        self._seen = torch.zeros(self.counts.numel(), dtype=torch.bool)

    def on_step(self, step: Step) -> None:
        self._now = dict(step.parts) | {"seconds": step.seconds}
        measured = {name: value for name, value in step.signals.items() if not name.startswith("control.")}
        if step.context.step % self.every == 0:
            rows = max(1, min(ROWS, SLOTS // max(step.negatives.k, 1)))
            negatives = step.negatives.take(slice(rows))
            positive, negative = step.positive[:rows].detach(), step.negative[:rows].detach()
            if not measured:
                measured = signals(positive, negative, negatives)
            measured |= {"loss": step.loss} | _scores(positive, negative, negatives)
            drawn = _drawn(negatives).cpu()
            self._drawn.append(drawn)
            self._seen[drawn] = True
        for name, value in measured.items():
            if math.isfinite(value):
                total = self._sums.setdefault(name, [0.0, 0.0])
                total[0] += value
                total[1] += 1.0

    def take(self) -> dict[str, float]:
        """Means since the last call; empty when nothing was measured."""
        found = {name: total / n for name, (total, n) in self._sums.items()}
        drawn = torch.cat(self._drawn) if self._drawn else torch.empty(0, dtype=torch.int64)
        if drawn.numel():
            n_items = self.counts.numel()
            _, times = torch.unique(drawn, return_counts=True)
            found |= {
                "entropy": relative_entropy(times, n_items),
                "head_share": float(self._head[drawn].double().mean()),
                "tail_share": float(self._tail[drawn].double().mean()),
                "coverage": int(self._seen.sum()) / n_items,
            }
        spent = {name: value - self._before.get(name, 0.0) for name, value in self._now.items()}
        if found and spent.get("seconds", 0.0) > 0.0:
            found["sampler_share"] = sum(spent.get(name, 0.0) for name in SAMPLING) / spent["seconds"]
            found["score_share"] = spent.get("score", 0.0) / spent["seconds"]
        self._sums, self._drawn, self._before = {}, [], self._now
        return found

    def state(self) -> State:
        return {
            "seen": self._seen,
            "sums": {name: list(value) for name, value in self._sums.items()},
            "drawn": torch.cat(self._drawn) if self._drawn else torch.empty(0, dtype=torch.int64),
            "before": dict(self._before),
            "now": dict(self._now),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._seen = state["seen"].clone()
        self._sums = {name: list(value) for name, value in state["sums"].items()}
        self._drawn = [state["drawn"]] if state["drawn"].numel() else []
        self._before, self._now = dict(state["before"]), dict(state["now"])


def _scores(positive: Tensor, negative: Tensor, negatives: Negatives) -> dict[str, float]:
    """Mean score of the positives, of the allowed negatives, and of the highest allowed negative of each row."""
    ok = negatives.ok
    hardest = negative.masked_fill(~ok, -torch.inf).amax(1)
    counts = ok.to(negative.dtype) if negatives.repeats is None else ok * negatives.repeats
    return {
        "positive_score": float(positive.mean()),
        "negative_score": float((negative.masked_fill(~ok, 0.0) * counts).sum() / counts.sum()),
        "hardest_score": float(hardest[torch.isfinite(hardest)].mean()),
    }


def _drawn(negatives: Negatives) -> Tensor:
    """``(n,)`` allowed items; a pool that the batch shares counts once."""
    pool = shared_pool(negatives.ids)
    if pool is None:
        return negatives.ids[negatives.ok]
    kept = negatives.ok.any(0)
    found = pool[kept]
    return found if negatives.repeats is None else found.repeat_interleave(negatives.repeats[0, kept].long())
