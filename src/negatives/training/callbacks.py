"""What the training loop tells to whoever listens: probes, recorders, progress bars."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from negatives.control.decisions import Decision
from negatives.types import Context, Negatives, State


@dataclass(frozen=True, slots=True)
class Step:
    """One finished training step.

    Args:
        context: The batch (its ``step`` and ``epoch`` say where the training is).
        negatives: What the sampler returned.
        positive: ``(rows,)`` detached scores of the positives.
        negative: ``(n, k)`` detached scores of the negatives, of the first ``n`` rows at least 512 or all.
        loss: Mean loss of the batch.
        signals: What the sampler measured at this step; empty at steps where it did not measure.
        seconds: Seconds of training so far, evaluation not counted.
        parts: Seconds so far by part of the step: draw, guard, score, select, loss, backward, update, ...
        decisions: What the sampler's controllers saw and changed at this step, in words.
    """

    context: Context
    negatives: Negatives
    positive: Tensor
    negative: Tensor
    loss: float
    signals: Mapping[str, float]
    seconds: float
    parts: Mapping[str, float]
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation on the validation part.

    Args:
        step: Steps done.
        epoch: Epochs done, as a fraction.
        seconds: Seconds of training so far, evaluation not counted.
        metrics: Metric name to value.
        best: True when the watched metric is the best so far.
    """

    step: int
    epoch: float
    seconds: float
    metrics: Mapping[str, float]
    best: bool


class Callback(ABC):  # noqa: B024
    """Listens to the training loop. Every method does nothing unless overridden."""

    def on_step(self, step: Step) -> None:  # noqa: B027
        """After every training step."""

    def on_evaluation(self, evaluation: Evaluation) -> None:  # noqa: B027
        """After every evaluation."""

    def on_end(self) -> None:  # noqa: B027
        """After the last step, also after an interruption."""

    def state(self) -> State:
        """What must be remembered for a resume."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Restore what :meth:`state` gave."""
