"""Text for a terminal of any width."""

from __future__ import annotations

import shutil
import textwrap

NARROWEST = 30
"""Columns below which lines are left to the terminal."""


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return max(NARROWEST, shutil.get_terminal_size((80, 24)).columns)


def wrapped(text: str, indent: str = "", after: str | None = None) -> str:
    """A paragraph in lines that fit the terminal; words are kept whole where they can be.

    Args:
        text: Without line breaks.
        indent: Stands before the first line.
        after: Stands before the other lines; as before the first when None.
    """
    following = indent if after is None else after
    lines = textwrap.wrap(text, width(), initial_indent=indent, subsequent_indent=following, break_on_hyphens=False)
    return "\n".join(lines)
