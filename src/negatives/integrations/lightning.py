"""A sampler in the training of a Lightning module: epoch, progress, checkpoints and logs are the trainer's.

    class Towers(LightningModule):
        def __init__(self, users, items):
            super().__init__()
            self.negatives = SamplerCallback(negatives.sampler("dns", train=(users, items)))

        def configure_callbacks(self):
            return [self.negatives]

        def training_step(self, batch, step):
            users, items, rows = batch
            wrong = self.negatives(users, items, Vectors(self.user(users), self.items), examples=rows)

What the sampler has learnt stands in Lightning's checkpoints, so that ``fit(ckpt_path=...)`` goes on where it was. With
``examples``, the number of each row in the whole training set, a row has the same negatives on any number of ranks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from negatives.control.decisions import Decision
from negatives.integrations.upstream import base, fault
from negatives.sampler import Sampler
from negatives.types import Ids, Negatives

Callback, BROKEN = base("Callback", "lightning.pytorch.callbacks", "pytorch_lightning.callbacks")
logger = logging.getLogger(__name__)


class SamplerCallback(Callback):  # type: ignore[misc,valid-type]
    """Draws as its sampler does, with epoch and progress from the trainer.

    Args:
        sampler: What draws; see :func:`negatives.sampler.sampler`.
        name: Stands before the names of what is logged, and tells several samplers of one training apart.
        log: Log the sampler's signals at the steps at which it measures them, and say what its controllers decided.

    Attributes:
        decisions: What the controllers saw and changed so far, with the step.

    Raises:
        ConfigError: Lightning is missing or broken.
    """

    def __init__(self, sampler: Sampler, name: str = "negatives", log: bool = True) -> None:
        if BROKEN is not None:
            raise fault("SamplerCallback", "'negatives[lightning]'", BROKEN)
        self.sampler, self.name, self._logs = sampler, name, log  # the trainer sets ``log`` itself
        self.decisions: list[tuple[int, Decision]] = []
        self._epoch = 0
        self._progress: float | None = None

    def __call__(
        self,
        queries: Ids | None,
        positives: Ids,
        scorer: object | None = None,
        *,
        mask: Ids | None = None,
        examples: Ids | None = None,
    ) -> Negatives:
        """Negatives of one batch; the arguments are those of :meth:`negatives.Sampler.__call__`."""
        return self.sampler(
            queries, positives, scorer, mask=mask, examples=examples, epoch=self._epoch, progress=self._progress
        )

    @property
    def state_key(self) -> str:
        """See ``Callback.state_key``."""
        return f"negatives.{self.name}"

    def state_dict(self) -> dict[str, Any]:
        """See ``Callback.state_dict``."""
        return {"sampler": self.sampler.state()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """See ``Callback.load_state_dict``."""
        self.sampler.load_state(state_dict["sampler"])

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """See ``Callback.on_train_batch_start``."""
        self._epoch, self._progress = trainer.current_epoch, progress_of(trainer, batch_idx)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """See ``Callback.on_train_batch_end``."""
        if not self._logs:
            return
        if measured := self.sampler.measured:
            pl_module.log_dict({f"{self.name}/{key}": value for key, value in measured.items()}, on_step=True)
        for one in self.sampler.decisions():
            self.decisions.append((trainer.global_step, one))
            if trainer.is_global_zero:
                logger.info("%s: step %d, %s: %s; %s", self.name, trainer.global_step, one.by, one.seen, one.changed)


def progress_of(trainer: Any, batch_idx: int = 0) -> float | None:
    """Share of the training that is done, by its ``max_steps`` and ``max_epochs``; None where it has neither."""
    shares = []
    if (trainer.max_steps or 0) > 0:
        shares.append(trainer.global_step / trainer.max_steps)
    batches = trainer.num_training_batches
    if (trainer.max_epochs or 0) > 0 and 0 < batches < float("inf"):
        shares.append((trainer.current_epoch + batch_idx / batches) / trainer.max_epochs)
    return min(1.0, max(shares)) if shares else None
