"""Errors that a caller may want to tell apart. Every message says what is wrong and how to mend it."""

from __future__ import annotations

import signal
from pathlib import Path


class NegativesError(Exception):
    """Base of all errors raised on purpose by this package."""


class NegativesWarning(UserWarning):
    """What this package warns of: something that works, and hardly as it was meant."""


LONGEST = 300
"""Characters of a message about input data at most, whatever stands in the data."""


class InputError(NegativesError):
    """Input data cannot be used. The message is one line of at most :data:`LONGEST` characters.

    Args:
        message: What is wrong.
        path: File that is at fault.
        line: Line of that file, counted from one.
        hint: What the reader can do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        then = "" if hint is None else f"; {clipped(hint, 140)}"
        at = "" if line is None else f", line {line}"
        left = LONGEST - len(then) - len(at) - 2
        where = "" if path is None else clipped(str(path), left - min(len(message), 80)) + at + ": "
        super().__init__(f"{where}{clipped(message, LONGEST - len(where) - len(then))}{then}")
        self.path, self.line, self.hint, self.reason = path, line, hint, message


def clipped(text: str, most: int) -> str:
    """Text on one line, without what a terminal would obey, the middle left out where it is too long.

    >>> clipped("a\\tb", 9), clipped("abcdefghij", 7)
    ('a b', 'ab...ij')
    """
    text = "".join(one if one.isprintable() else " " for one in text)
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[len(text) - (most - 3 - half) :]}"


class UnknownName(InputError):
    """Something was asked about by a name that the run does not know."""


class ConfigError(NegativesError):
    """An option, name or value is not known or does not fit."""


class LogQUnknown(NegativesError):
    """A loss needs ``log_q`` but the sampler's selection makes it unknowable."""


class NoNegativeLeft(NegativesError):
    """A query knows every item, so no negative exists for it."""


class NonFiniteScores(NegativesError):
    """The model returned NaN or infinity, so no honest draw is possible."""


SIGNALS = tuple(int(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What asks the program to give way."""


class Stopped(KeyboardInterrupt):
    """A signal came where nobody listens for it.

    Args:
        signal: Its number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal


class Interrupted(Exception):
    """A signal stopped the training.

    Args:
        signal: Number of the signal (1 for SIGHUP, 2 for Ctrl-C, 15 for SIGTERM).
        run: The run folder, where something was begun in it.
        command: The command that goes on with it.
        saved: Whether a checkpoint was saved; without one the training begins anew.
        kept: How many trainings of several are finished and kept.
    """

    def __init__(
        self, signal: int, run: Path | None = None, command: str = "train", saved: bool = True, kept: int = 0
    ) -> None:
        super().__init__(f"interrupted by signal {signal}")
        self.signal, self.run, self.command, self.saved, self.kept = signal, run, command, saved, kept
