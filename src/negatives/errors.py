"""Errors that a caller may want to tell apart. Every message says what is wrong and how to mend it."""

from __future__ import annotations

from pathlib import Path


class NegativesError(Exception):
    """Base of all errors raised on purpose by this package."""


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
        self.path, self.line, self.hint = path, line, hint


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
