"""Tells a training that does not learn, while it is still short."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.evaluation import standard_error
from negatives.models import Model
from negatives.training.callbacks import Callback, Step
from negatives.types import Csr

log = logging.getLogger(__name__)

LOOK_AT = 0.07
"""Share of the training after which the model is looked at."""
TOO_LATE = 0.2
"""Share after which a look says nothing about the beginning; where so few steps are so much, nobody looks."""
CHANCE = 3.0
"""Standard errors beyond which a change is more than chance."""
FELL = 0.8
"""Share of the value before training below which a model has become worse."""
ROSE = 1.5
"""Times the loss of the first step beyond which the loss has risen."""
FLAT = 0.02
"""Share of the loss of the first step by which it changes though nothing happens."""
FEWEST_HIDDEN = 50
"""Hidden positives from which on their scores say something."""
MOST_HIDDEN = 2_000
OTHERS = 8
"""Other queries that a hidden positive's score is compared with."""

Look = Callable[[], tuple[float, Tensor | None]]
"""The watched metric, and its terms ``(n,)`` where it is a mean over questions."""


@torch.no_grad()
def carries_over(model: Model, hidden: Csr) -> float | None:
    """Standard errors by which hidden positives score higher with their own query than with others.

    From each score go the means of its query and of its item over other pairs of the hidden, so what is merely popular
    cancels; nothing is left where queries and items do not belong together.

    Args:
        model: As it stands.
        hidden: Positives that the model was not trained on.

    Returns:
        The mean difference over its standard error; None for fewer than 50 of them.
    """
    items = hidden.indices.to(torch.int64)
    queries = torch.repeat_interleave(torch.arange(hidden.indptr.numel() - 1), hidden.lengths())
    n = items.numel()
    if n < FEWEST_HIDDEN:
        return None
    if n > MOST_HIDDEN:
        kept = torch.arange(MOST_HIDDEN) * n // MOST_HIDDEN
        items, queries, n = items[kept], queries[kept], MOST_HIDDEN
    training = model.training
    model.eval()
    model.refresh()
    device = next(model.parameters()).device
    items, queries = items.to(device), queries.to(device)
    shifts = [(1 + at) * n // (OTHERS + 1) for at in range(OTHERS)]
    own = model.score(queries, items).double()
    of_query = torch.stack([model.score(queries, items.roll(shift)) for shift in shifts]).double().mean(0)
    of_item = torch.stack([model.score(queries.roll(shift), items) for shift in shifts]).double().mean(0)
    model.train(training)
    gap = own - of_query - of_item + of_query.mean()
    error = standard_error(gap)
    return float(gap.mean()) / error if error > 0 else 0.0


@dataclass(slots=True)
class Watcher(Callback):
    """Looks at a model before its first step and again after a short part of the training.

    It tells when there are no numbers any more; when the loss has risen, or does not fall while the validation value
    falls; when the value has not risen by more than chance, or is no better than that of a cheap method, although the
    loss falls, and hidden positives score no higher with their own query than with others; and where too few are
    hidden, when the value has not risen and is no better than the cheap method's. Where a sampler's numbers move by
    themselves the loss rises as negatives grow harder: there it is no fault while the value rises too.

    Args:
        look: Evaluates the model as it stands.
        carry: See :func:`carries_over`; None where nothing is hidden.
        metric: What ``look`` gives.
        progress: How much of the training is done.
        lr: Step size, for the advice.
        cheap: Evaluates a method that knows no query, popularity or chance, on the same questions; None for none, whose
            value is 0.
    """

    look: Look
    carry: Callable[[], float | None]
    metric: str
    progress: Callable[[], float]
    lr: float
    cheap: Look | None = None
    told: str | None = field(default=None, init=False)
    """What was told; None so long as all is well."""
    too_large: bool = field(default=False, init=False)
    """Whether a smaller step is likely to help."""
    _before: tuple[float, Tensor | None] | None = field(default=None, init=False, repr=False)
    _losses: list[float] = field(default_factory=list, init=False, repr=False)
    _moving: bool = field(default=False, init=False, repr=False)
    _looked: bool = field(default=False, init=False, repr=False)

    @property
    def before(self) -> float | None:
        """The watched metric before the first step; None so long as nobody looked."""
        return None if self._before is None else self._before[0]

    def begin(self) -> None:
        """Look at the model before its first step; without this nothing is told."""
        self._before = self.look()

    def on_step(self, step: Step) -> None:
        if self._looked or self._before is None:
            return
        self._losses.append(step.loss)
        self._moving |= any(name.startswith("control.") for name in step.signals)
        progress = self.progress()
        if progress < LOOK_AT:
            return
        self._looked = True
        if progress > TOO_LATE:
            return
        after = self.look()
        if (reason := self._fault(self._before, after)) is not None:
            self.told = self._sentence(progress, after[0], reason)
            log.warning(self.told)

    def _fault(self, before: tuple[float, Tensor | None], after: tuple[float, Tensor | None]) -> str | None:
        """What is wrong in a few words, or None."""
        first, last = self._loss()
        if not math.isfinite(after[0]) or not math.isfinite(last):
            return "no number any more"
        error = math.inf  # without terms nobody can say what is chance
        if before[1] is not None and after[1] is not None:
            error = standard_error(after[1].double() - before[1].double())
        gain = after[0] - before[0]
        harder = self._moving and gain > (CHANCE * error if error < math.inf else 0.0)
        if last > ROSE * abs(first) and not harder:
            return "the loss has risen"
        if last > first and gain < -CHANCE * error and after[0] < FELL * before[0]:
            return f"it has fallen from {before[0]:.3g}, and the loss has not"
        if error == math.inf:
            return None
        moved, better = gain > CHANCE * error, self._better(after)
        if moved and better:
            return None
        carried = self.carry()
        if carried is None:
            return None if moved or better else "it does not move"
        alien = carried < CHANCE and last < (1 - FLAT) * first
        return "hidden positives score no higher with their own query than with others" if alien else None

    def _better(self, after: tuple[float, Tensor | None]) -> bool:
        """Whether the value is above the cheap method's by more than chance."""
        value, terms = (0.0, None) if self.cheap is None else self.cheap()
        if after[1] is None or terms is None or terms.shape != after[1].shape:
            return after[0] > value + CHANCE * standard_error(after[1])
        return after[0] > value + CHANCE * standard_error(after[1].double() - terms.double())

    def _loss(self) -> tuple[float, float]:
        """Loss of the first step, which no update has touched, and mean of the last quarter of the steps."""
        last = self._losses[-max(1, len(self._losses) // 4) :]
        return self._losses[0], sum(last) / len(last)

    def _sentence(self, progress: float, value: float, reason: str) -> str:
        first, last = self._loss()
        self.too_large = not last < (1 + FLAT) * first
        if self.too_large:
            cause = f"the step size {self.lr:g} is likely too large; try --set optimiser.lr={self.lr / 10:g}"
        elif last < (1 - FLAT) * first:
            cause = (
                "what is learned does not carry over; check that queries and items of the data belong together, and if "
                "they do, that a query has pairs enough for numbers of its own"
            )
        else:
            cause = f"the step size {self.lr:g} is likely too small; try --set optimiser.lr={self.lr * 10:g}"
        seen = f"after {progress:.0%} of the training the validation {self.metric} is {value:.3g}"
        return f"{seen}: {reason} (loss {first:.3g} to {last:.3g}); {cause}"
