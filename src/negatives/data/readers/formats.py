"""The table of formats, and which of them takes a path."""

from __future__ import annotations

from pathlib import Path

from negatives.data.readers.base import Reader
from negatives.registry import Registry

registry: Registry[Reader] = Registry(
    "readers",
    (
        ("delimited", "negatives.data.readers.delimited:Delimited"),
        ("jsonl", "negatives.data.readers.jsonl:JsonLines"),
        ("parquet", "negatives.data.readers.parquet:Parquet"),
        ("lines", "negatives.data.readers.lines:ItemLines"),
        ("citeulike", "negatives.data.readers.citeulike:Citeulike"),
    ),
)


def reader_of(path: Path) -> Reader | None:
    """The first format that takes a path by its name; None where none does."""
    return next((reader for name in registry if (reader := registry.build(name)).takes(path)), None)
