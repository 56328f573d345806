"""Test values of each query in Parquet files: of one run beside its metrics, and of all runs beside compare.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars
import torch
from torch import Tensor

from negatives.errors import InputError
from negatives.runs.results import Result
from negatives.training.files import replacing
from negatives.training.run_folder import RunFolder

QUERIES = "per_query.parquet"
"""Columns ``metric``, ``query`` (its place in the test part) and ``value``; ``sampler`` and ``seed`` before them."""


def write_run(folder: RunFolder, per_query: Mapping[str, Tensor]) -> None:
    """The values of one run."""
    _write(folder, [_frame(per_query)])


def write_all(folder: RunFolder, results: Sequence[Result]) -> None:
    """The values of all runs of a comparison."""
    frames = []
    for one in results:
        who = [polars.lit(one.sampler).alias("sampler"), polars.lit(one.seed, dtype=polars.Int64).alias("seed")]
        frames.append(_frame(one.per_query).select(*who, polars.all()))
    _write(folder, frames)


def read_run(folder: RunFolder) -> dict[str, Tensor]:
    """What :func:`write_run` wrote.

    Raises:
        InputError: The file is missing or broken.
    """
    path = folder.path / QUERIES
    try:
        frame = polars.read_parquet(path)
        parts = {str(name): part for (name,), part in frame.group_by(["metric"], maintain_order=True)}
        return {name: torch.from_numpy(part["value"].to_numpy().copy()) for name, part in parts.items()}
    except (OSError, polars.exceptions.PolarsError) as error:
        hint = "delete the folder of this run and start the comparison again"
        raise InputError("cannot be read", path=path, hint=hint) from error


def _frame(per_query: Mapping[str, Tensor]) -> polars.DataFrame:
    columns = [
        polars.DataFrame(
            {
                "metric": [name] * len(values),
                "query": polars.Series(range(len(values)), dtype=polars.Int64),
                "value": polars.Series(values.double().tolist(), dtype=polars.Float64),
            }
        )
        for name, values in per_query.items()
    ]
    return polars.concat(columns) if columns else polars.DataFrame({"metric": [], "query": [], "value": []})


def _write(folder: RunFolder, frames: Sequence[polars.DataFrame]) -> None:
    with replacing(folder.path / QUERIES) as temporary:
        polars.concat(frames).write_parquet(temporary)
