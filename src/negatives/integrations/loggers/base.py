"""What every logger offers."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from negatives.errors import ConfigError

PROJECT = "negatives"
"""Where a logger that groups runs puts them, unless its own settings say otherwise."""
Plain = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that begins, or goes on after an interruption.

    Args:
        folder: Of the run; it exists.
        group: What belongs together: a task, or a comparison.
        config: The filled configuration, flat, by dotted key.
        before: What :meth:`Logger.open` gave when the run began; None at its beginning.
        after: The last step that the logger was told of.
    """

    folder: Path
    group: str
    config: Mapping[str, Plain]
    before: str | None = None
    after: int = 0

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.absolute().name


class Logger(ABC):
    """Hands a run on to another program. Methods may raise anything: the training then goes on without the logger."""

    module: ClassVar[str]
    """What it imports."""
    install: ClassVar[str]
    """What ``pip install`` is to be given where that is missing."""

    @classmethod
    def check(cls) -> None:
        """Look at what can be known before the training.

        Raises:
            ConfigError: Its package is missing, or it is not set up; says what to do.
        """
        if importlib.util.find_spec(cls.module) is None:
            raise ConfigError(f"log: {cls.module} is not installed; run: pip install '{cls.install}'")

    @abstractmethod
    def open(self, run: Begun) -> str:
        """Begin, or go on with what was begun.

        Returns:
            What it needs to go on with the same run after an interruption.
        """

    @abstractmethod
    def where(self) -> str:
        """How to look at it, in a few words for the terminal."""

    @abstractmethod
    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Note some numbers after so many steps."""

    @abstractmethod
    def text(self, name: str, text: str, step: int) -> None:
        """Note a sentence."""

    def flush(self) -> None:  # noqa: B027
        """Write what was noted, for a reader who looks on."""

    @abstractmethod
    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        """The end.

        Args:
            final: Test metrics, of the run and of the simple methods; None where the training was interrupted.
            step: The last step.
        """
