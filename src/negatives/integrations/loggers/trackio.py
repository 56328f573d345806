"""Trackio, kept on this machine. Its own settings hold: ``TRACKIO_DIR``, ``TRACKIO_SPACE_ID`` and so on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from negatives.integrations.loggers.base import PROJECT, Begun, Logger


class Trackio(Logger):
    """Numbers and sentences of the history, then the test metrics."""

    module = "trackio"
    install = "negatives[trackio]"

    def open(self, run: Begun) -> str:
        import trackio

        self._project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        with redirect_stdout(StringIO()):  # it tells where to look in five lines, with colours
            self._run: Any = trackio.init(
                project=self._project,
                name=run.before or run.name,
                group=run.group,
                config=dict(run.config),
                resume="allow" if run.before else "never",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
        return str(self._run.name)

    def where(self) -> str:
        return f"trackio show --project {self._project}"

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def text(self, name: str, text: str, step: int) -> None:
        self._run.log({name: text}, step=step)

    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        import trackio

        with redirect_stdout(StringIO()):
            if final:
                self._run.log(dict(final), step=step)
            trackio.finish()
