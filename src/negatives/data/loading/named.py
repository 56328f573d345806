"""What data is called in reports and in messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Given = Any
"""Data as a caller gives it: a path; None for the offline dataset; or a table in memory, as
:func:`negatives.data.readers.read` takes it."""


def named(data: Given) -> Path | None:
    """The path of data that has one, for messages."""
    return Path(data) if isinstance(data, (str, Path)) else None


def short_name(data: Given) -> str:
    """A name for reports: that of the file or folder without its endings.

    >>> short_name("shop/sales.csv.gz"), short_name(Path("-")), short_name([(1, 2)])
    ('sales', 'standard input', 'table')
    """
    path = named(data)
    if path is None:
        return "table"
    return "standard input" if path == Path("-") else path.name.split(".")[0] or path.resolve().name
