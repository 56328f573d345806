"""Write what was mined: JSON Lines, Parquet or CSV, and a report beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from negatives.errors import ConfigError
from negatives.mining.formats import Columns
from negatives.training.files import replacing

SUFFIXES = (".jsonl", ".parquet", ".csv")


def check_target(path: Path, nested: bool) -> None:
    """Refuse a file that could not be written, before anything is mined.

    Raises:
        ConfigError: The extension is not known, or CSV cannot hold lists.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--out {path}: the extension must be one of {', '.join(SUFFIXES)}")
    if nested and path.suffix == ".csv":
        raise ConfigError("CSV cannot hold lists; give --out a name that ends in .jsonl or .parquet")
    if path.is_dir():
        raise ConfigError(f"--out {path} is a folder; give the name of a file")


def write(found: Columns, summary: dict[str, Any], path: Path) -> Path:
    """Write the columns, and the report as ``<name>.report.json``; whole or not at all.

    Returns:
        The report's path.
    """
    frame = pl.DataFrame(found)
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            frame.write_parquet(temporary)
        elif path.suffix == ".csv":
            frame.write_csv(temporary)
        else:
            frame.write_ndjson(temporary)
    report = path.with_name(path.stem + ".report.json")
    report.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return report
