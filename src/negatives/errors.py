"""Errors that a caller may want to tell apart. Every message says what is wrong and how to mend it."""

from __future__ import annotations

from pathlib import Path

LONGEST, LEAST = 300, 60
"""Letters of a message, and of what it says is wrong beside a long path; what is longer is cut in its middle."""


def cut(text: str, longest: int = LONGEST) -> str:
    """A text of so many letters at most, without its middle where it is longer.

    >>> cut("abcdefghij", 7), cut("abc", 7)
    ('abc…hij', 'abc')
    """
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


class NegativesError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(NegativesError):
    """Input data cannot be used.

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
        where = "" if path is None else f"{path}" + ("" if line is None else f", line {line}") + ": "
        closing = "" if hint is None else f"; {hint}"
        room = max(LONGEST - len(where) - len(closing), LEAST)
        super().__init__(f"{where}{cut(message, room)}{closing}")
        self.path, self.line, self.hint = path, line, hint


class ConfigError(NegativesError):
    """An option, name or value is not known or does not fit."""


class LogQUnknown(NegativesError):
    """A loss needs ``log_q`` but the sampler's selection makes it unknowable."""


class NoNegativeLeft(NegativesError):
    """A query knows every item, so no negative exists for it."""


class NonFiniteScores(NegativesError):
    """The model returned NaN or infinity, so no honest draw is possible."""


class Interrupted(Exception):
    """A signal stopped the training.

    Args:
        signal: Number of the signal (2 for Ctrl-C, 15 for SIGTERM).
        run: The run folder, where it is known.
        command: The command that goes on with it.
        saved: Whether a checkpoint was saved; without one the command begins anew.
    """

    def __init__(self, signal: int, run: Path | None = None, command: str = "train", saved: bool = True) -> None:
        super().__init__(f"interrupted by signal {signal}")
        self.signal, self.run, self.command, self.saved = signal, run, command, saved
