"""Tells a training that does not learn, while it is still short."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from negatives.evaluation import standard_error
from negatives.training.callbacks import Callback, Step

log = logging.getLogger(__name__)

LOOK_AT = 0.07
"""Share of the training after which the model is looked at."""
CHANCE = 3.0
"""Standard errors beyond which a change is more than chance."""
FELL = 0.8
"""Share of the value before training below which a model has become worse."""
ROSE = 1.5
"""Times the loss of the first step beyond which the loss has risen."""

Look = Callable[[], tuple[float, Tensor | None]]
"""The watched metric, and its terms ``(n,)`` where it is a mean over questions."""


@dataclass(slots=True)
class Watcher(Callback):
    """Compares the validation value before training with that after a short part of it.

    It tells when the value has fallen by more than chance and clearly, when it has not risen by more than chance and is
    not above what a cheap method reaches, or when the loss has risen. The loss of the first step, which no update has
    touched, against that of the last ones says which cause is likely.

    Args:
        look: Evaluates the model as it stands.
        metric: What it gives.
        progress: How much of the training is done.
        lr: Step size, for the advice.
        cheap: What a method without training reaches, if that is known.
    """

    look: Look
    metric: str
    progress: Callable[[], float]
    lr: float
    cheap: float | None = None
    told: str | None = field(default=None, init=False)
    """What was told; None so long as all is well."""
    too_large: bool = field(default=False, init=False)
    """Whether a smaller step is likely to help."""
    _before: tuple[float, Tensor | None] | None = field(default=None, init=False, repr=False)
    _losses: list[float] = field(default_factory=list, init=False, repr=False)
    _looked: bool = field(default=False, init=False, repr=False)

    def begin(self) -> None:
        """Look at the model before its first step."""
        self._before = self.look()

    def on_step(self, step: Step) -> None:
        if self._looked or self._before is None:
            return
        self._losses.append(step.loss)
        progress = self.progress()
        if progress < LOOK_AT:
            return
        self._looked = True
        after = self.look()
        if reason := self._fault(self._before, after):
            self.told = self._sentence(progress, after[0], reason)
            log.warning(self.told)

    def _fault(self, before: tuple[float, Tensor | None], after: tuple[float, Tensor | None]) -> str | None:
        """What is wrong in a few words, or None."""
        first, last = self._loss()
        if not math.isfinite(after[0]) or not math.isfinite(last):
            return "no number any more"
        if last > ROSE * abs(first):
            return f"the loss has risen from {first:.3g} to {last:.3g}"
        if before[1] is None or after[1] is None:
            return None  # without terms nobody can say what is chance
        gain, error = after[0] - before[0], standard_error(after[1].double() - before[1].double())
        if gain < -CHANCE * error and after[0] < FELL * before[0]:
            return f"it has fallen from {before[0]:.3g}"
        level = (self.cheap or 0.0) + CHANCE * standard_error(after[1])
        return "it does not move" if gain <= CHANCE * error and after[0] <= level else None

    def _loss(self) -> tuple[float, float]:
        """Loss of the first step, and mean of the last quarter of the steps."""
        last = self._losses[-max(1, len(self._losses) // 4) :]
        return self._losses[0], sum(last) / len(last)

    def _sentence(self, progress: float, value: float, reason: str) -> str:
        first, last = self._loss()
        self.too_large = not last < first
        than = "" if self.cheap is None else f", where a method without training has {self.cheap:.3g}"
        cause = (
            f"the step size {self.lr:g} is likely too large; try --set optimiser.lr={self.lr / 10:g}"
            if self.too_large
            else f"the loss falls ({first:.3g} to {last:.3g}), so what is learned does not carry over: check that "
            "queries and items of the data belong together, or try another step size"
        )
        return (
            f"after {progress:.0%} of the training the validation {self.metric} is {value:.3g}{than}: {reason}; {cause}"
        )
