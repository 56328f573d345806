"""The engine for word vectors: one kernel runs over the windows of a batch of running text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.words import LOSS, Windows, train_windows_, window_scores, window_starts, window_update_
from negatives.models.words.base import WindowModel
from negatives.randomness import Purpose
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.gradients import differentiate
from negatives.types import Context, Negatives

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

    Raises:
        ConfigError: The update is not SGD without weight decay, or the model is not on the CPU.
    """

    model: WindowModel
    model_type = WindowModel
    on_cpu = True
    family = "trained on windows of text"

    def _prepare(self) -> None:
        if self.update.optimiser != "sgd" or self.update.weight_decay:
            raise ConfigError("skip_gram and cbow train with optimiser.name=sgd and without weight_decay")
        self._refuse_device(self.model.query_table, "skip_gram and cbow")

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        rows = slice(0, OBSERVED_ROWS)
        seen = negatives.take(rows)
        with torch.no_grad():
            positive = self.model.score(context.queries[rows], context.positives[rows])
            negative = self.model.score(context.queries[rows], seen.ids)
            loss = finite(self.loss(positive, negative, seen), context)
        start = self._spend("loss", start)
        key = context.key(Purpose.NOISE)
        windows = Windows(context.positives, context.examples, self.model.window, key, self.model.mean)
        tables = self.model.query_table.data, self.model.item_table.data
        if self.loss.kernel() == LOSS and negatives.k <= MOST:
            train_windows_(*tables, windows, negatives, lr)
        else:
            step = max(1, min(SLICE, CELLS // (2 * self.model.window * negatives.k)))
            for at in range(0, context.rows, step):
                self._slice(tables, windows, negatives, slice(at, at + step), lr)
        self._spend("update", start)
        return Outcome(loss, negatives, positive, negative)

    def _slice(
        self, tables: tuple[Tensor, Tensor], windows: Windows, negatives: Negatives, rows: slice, lr: float
    ) -> None:
        part = replace(windows, first=rows.start, stop=rows.stop)
        centres = windows.words[rows]
        ids = negatives.ids[rows]
        scores = window_scores(*tables, part, ids)
        owner = torch.repeat_interleave(torch.arange(centres.numel()), window_starts(part).diff())
        mine = replace(negatives.take(rows), scores=None, positive_scores=None)
        some = mine.take(owner)
        some = replace(some, ok=some.ok & (some.ids != centres[owner, None]))
        _, grad_positive, grad_negative = differentiate(self.loss, scores[:, 0], scores[:, 1:], some)
        window_update_(*tables, part, ids, torch.cat([grad_positive[:, None], grad_negative], 1), lr)
