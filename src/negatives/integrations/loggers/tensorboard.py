"""TensorBoard: event files in the run's own folder, ``tensorboard --logdir runs`` shows all runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negatives.integrations.loggers.base import Begun, Logger

FOLDER = "tensorboard"


class TensorBoard(Logger):
    """Scalars, and texts for the configuration and for decisions."""

    module = "tensorboard"
    install = "negatives[tensorboard]"

    def open(self, run: Begun) -> str:
        from torch.utils.tensorboard import SummaryWriter

        self._logdir, self._config = run.folder, dict(run.config)
        purge = None if run.before is None else run.after + 1
        self._writer: Any = SummaryWriter(str(run.folder / FOLDER), purge_step=purge)  # type: ignore[no-untyped-call]
        if run.before is None:
            rows = "".join(f"| {key} | {value} |\n" for key, value in run.config.items())
            self._writer.add_text("configuration", f"| key | value |\n|---|---|\n{rows}", 0)
        return FOLDER

    def where(self) -> str:
        return f"tensorboard --logdir {self._logdir}"

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, name: str, text: str, step: int) -> None:
        self._writer.add_text(name, text, step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        if final:
            self._writer.add_hparams(self._config, dict(final), run_name=".", global_step=step)
        self._writer.close()
