"""Weights & Biases. Its own settings hold: ``WANDB_PROJECT``, ``WANDB_MODE=offline``, ``wandb login`` and so on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from negatives.errors import ConfigError
from negatives.integrations.loggers.base import PROJECT, Begun, Logger

PATIENCE = ("WANDB_INIT_TIMEOUT", "20")
"""Seconds that a training waits for the server at its beginning; W&B's own are 90."""


class WeightsAndBiases(Logger):
    """Numbers and sentences of the history, test metrics in the summary; files lie in the run folder."""

    module = "wandb"
    install = "negatives[wandb]"

    @classmethod
    def check(cls) -> None:
        super().check()
        import wandb

        if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False, verify=False):
            raise ConfigError("log: wandb is not logged in; run: wandb login, or set WANDB_MODE=offline")

    def open(self, run: Begun) -> str:
        import wandb

        self._at, self._told = -1, dict[str, list[str]]()
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            group=run.group,
            name=run.name,
            dir=str(run.folder),
            id=run.before or uuid4().hex[:12],
            resume="allow",
            config=dict(run.config),
            settings=wandb.Settings(console="off", silent=True, init_timeout=float(os.environ.get(*PATIENCE))),
        )
        return str(self._run.id)

    def where(self) -> str:
        return f"wandb sync {Path(self._run.dir).parent}" if self._run.offline else str(self._run.url)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def text(self, name: str, text: str, step: int) -> None:
        """Note a sentence, beside those of its name at the same step: W&B keeps one value for each."""
        self._told = {**self._told, name: [*self._told.get(name, []), text]} if step == self._at else {name: [text]}
        self._at = step
        self._run.log({name: "\n".join(self._told[name])}, step=step)

    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        if final:
            self._run.summary.update(dict(final))
        self._run.finish(exit_code=1 if final is None else 0)
