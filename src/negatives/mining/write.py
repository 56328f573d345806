"""Write what was mined: JSON Lines, Parquet or CSV, and a report beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from negatives.errors import ConfigError
from negatives.mining.formats import Columns
from negatives.training.targets import check_target, filling

SUFFIXES = (".jsonl", ".parquet", ".csv")


Inputs = Sequence[Path | str | None]
"""Files and folders that are read; some may be left out, or name a package."""


def check_out(path: Path, nested: bool, overwrite: bool, inputs: Inputs) -> None:
    """Refuse a file that could not be written, before anything is mined.

    Args:
        path: The file; the report goes beside it.
        nested: Whether lists are to be written.
        overwrite: Whether files that are there may be replaced.
        inputs: What is read, which is never replaced.

    Raises:
        ConfigError: The extension is not known, or CSV cannot hold lists.
        InputError: Something is there that may not be replaced.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--out {path}: the extension must be one of {', '.join(SUFFIXES)}")
    if nested and path.suffix == ".csv":
        raise ConfigError("CSV cannot hold lists; give --out a name that ends in .jsonl or .parquet")
    for one in (path, report_of(path)):
        check_target(one, overwrite=overwrite, inputs=inputs)


def report_of(path: Path) -> Path:
    """Where the report goes.

    >>> report_of(Path("a/mined.jsonl")).as_posix()
    'a/mined.report.json'
    """
    return path.with_name(path.stem + ".report.json")


def write(found: Columns, summary: dict[str, Any], path: Path, *, overwrite: bool = False, inputs: Inputs = ()) -> Path:
    """Write the columns, and the report as ``<name>.report.json``; whole or not at all.

    Args:
        found: The columns.
        summary: For the report.
        path: The file.
        overwrite: Whether files that are there may be replaced.
        inputs: What was read, which is never replaced.

    Returns:
        The report's path.

    Raises:
        InputError: Something is there that may not be replaced.
    """
    frame, report = pl.DataFrame(found), report_of(path)
    with filling(path.parent, overwrite=overwrite, inputs=inputs) as folder:
        target = folder / path.name
        if path.suffix == ".parquet":
            frame.write_parquet(target)
        elif path.suffix == ".csv":
            frame.write_csv(target)
        else:
            frame.write_ndjson(target)
        (folder / report.name).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return report
