"""The engine for word vectors: one kernel runs over the windows of a batch of running text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.words import Windows, train_windows_, window_scores, window_starts, window_update_
from negatives.losses.logistic_loss import Logistic
from negatives.models.words.base import WindowModel
from negatives.randomness import Purpose
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import Engine, Outcome, finite, rows_of
from negatives.types import Context, Negatives, State

MOST = 64
"""Negatives per word up to which everything is one kernel."""
SLICE = 64
"""Words whose gradients are added up before the tables move, under any loss but the logistic one."""
CELLS = 1 << 22


@dataclass(slots=True)
class WindowEngine(Engine):
    """Plain gradient descent over windows: all words around a centre share the centre's negatives.

    With the logistic loss the tables move window by window. Any other loss is differentiated by PyTorch for slices
    of 64 windows, whose gradients are summed.

    The loss told and the scores are those of the first 512 rows before the step, each with its query alone.

    Args:
        optimiser: ``sgd``.
        weight_decay: Must be 0.
        half: Makes no difference.
    """

    optimiser: str = "sgd"
    weight_decay: float = 0.0
    half: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.model, WindowModel):
            raise ConfigError(f"{type(self.model).__name__} is not trained on windows of text")
        if self.optimiser != "sgd" or self.weight_decay:
            raise ConfigError("skip_gram and cbow train with optimiser.name=sgd and without weight_decay")
        if self.model.query_table.device.type != "cpu":
            raise ConfigError("skip_gram and cbow train on the CPU; leave device out")

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        rows = slice(0, OBSERVED_ROWS)
        seen = rows_of(negatives, rows)
        with torch.no_grad():
            positive = self.model.score(context.queries[rows], context.positives[rows])
            negative = self.model.score(context.queries[rows], seen.ids)
            loss = finite(self.loss(positive, negative, seen), context)
        start = self._spend("loss", start)
        assert isinstance(self.model, WindowModel)
        key = context.key(Purpose.NOISE)
        windows = Windows(context.positives, context.examples, self.model.window, key, self.model.mean)
        tables = self.model.query_table.data, self.model.item_table.data
        if isinstance(self.loss, Logistic) and not self.loss.margin and not self.loss.mean and negatives.k <= MOST:
            train_windows_(*tables, windows, negatives, lr)
        else:
            step = max(1, min(SLICE, CELLS // (2 * self.model.window * negatives.k)))
            for at in range(0, context.rows, step):
                self._slice(tables, windows, negatives, slice(at, at + step), lr)
        self._spend("update", start)
        return Outcome(loss, negatives, positive, negative)

    def state(self) -> State:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Plain gradient descent remembers nothing."""

    def _slice(
        self, tables: tuple[Tensor, Tensor], windows: Windows, negatives: Negatives, rows: slice, lr: float
    ) -> None:
        part = replace(windows, first=rows.start, stop=rows.stop)
        centres = windows.words[rows]
        ids = negatives.ids[rows]
        scores = window_scores(*tables, part, ids)
        owner = torch.repeat_interleave(torch.arange(centres.numel()), window_starts(part).diff())
        some = _repeated(rows_of(negatives, rows), owner)
        some = replace(some, ok=some.ok & (some.ids != centres[owner, None]))
        _, grad_positive, grad_negative = self._differentiate(scores[:, 0], scores[:, 1:], some)
        window_update_(*tables, part, ids, torch.cat([grad_positive[:, None], grad_negative], 1), lr)


def _repeated(negatives: Negatives, owner: Tensor) -> Negatives:
    """The negatives of each input's window."""
    return Negatives(
        negatives.ids[owner],
        None if negatives.log_q is None else negatives.log_q[owner],
        negatives.ok[owner],
        None if negatives.weight is None else negatives.weight[owner],
        positive_log_q=None if negatives.positive_log_q is None else negatives.positive_log_q[owner],
    )


__all__ = ["WindowEngine"]
