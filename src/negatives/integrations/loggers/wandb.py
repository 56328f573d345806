"""Weights & Biases. Its own settings hold: ``WANDB_PROJECT``, ``WANDB_MODE=offline``, ``wandb login`` and so on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from negatives.errors import ConfigError
from negatives.integrations.loggers.base import PROJECT, Begun, Logger


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

        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            group=run.group,
            name=run.name,
            dir=str(run.folder),
            id=run.before or uuid4().hex[:12],
            resume="allow",
            config=dict(run.config),
            settings=wandb.Settings(console="off", silent=True),
        )
        return str(self._run.id)

    def where(self) -> str:
        return f"wandb sync {self._run.dir.rpartition('/')[0]}" if self._run.offline else str(self._run.url)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def text(self, name: str, text: str, step: int) -> None:
        self._run.log({name: text}, step=step)

    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        if final:
            self._run.summary.update(dict(final))
        self._run.finish(exit_code=1 if final is None else 0)
