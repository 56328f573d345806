"""Test values of each query in Parquet files: of one run beside its metrics, and of all runs beside compare.json.

Columns are ``metric``, ``query`` (its place in the test part) and ``value``. Of one run ``name`` and ``known`` follow,
the query's training pairs, where there are such; in that of all runs ``sampler`` and ``seed`` stand first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars
import torch
from torch import Tensor

from negatives.errors import InputError
from negatives.evaluation import Metrics
from negatives.runs.results import Result
from negatives.tasks.base import Examples
from negatives.training.files import replacing
from negatives.training.run_folder import QUERIES, RunFolder


def write_run(folder: RunFolder, test: Metrics, examples: Examples[object]) -> None:
    """The values of one run, and where they are of queries that training knows, the name of each and its pairs.

    Args:
        folder: The run's.
        test: Metrics on the test part.
        examples: For names and pairs.
    """
    frame = _frame(test.per_query)
    if test.queries is not None and len(frame):
        frame = frame.join(_asked(test.queries, examples), on="query", how="left", maintain_order="left")
    _write(folder, [frame])


def _asked(queries: Tensor, examples: Examples[object]) -> polars.DataFrame:
    """Columns ``query``, ``name`` and ``known``, one row for each of ``queries`` ``(n,)``."""
    ids, texts, known = queries.cpu(), examples.query_texts, examples.catalogue.known
    names = (
        examples.query_names.gather(ids.numpy()).cast(polars.Utf8)
        if texts is None
        else polars.Series([texts[one] for one in ids.tolist()], dtype=polars.Utf8)
    )
    pairs = torch.zeros_like(ids) if known is None else known.lengths()[ids]
    places = polars.int_range(len(ids), dtype=polars.Int64, eager=True)
    return polars.DataFrame({"query": places, "name": names, "known": pairs.long().numpy()})


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
                "metric": polars.repeat(name, len(values), dtype=polars.String, eager=True),
                "query": polars.int_range(len(values), dtype=polars.Int64, eager=True),
                "value": polars.Series(values.detach().double().cpu().numpy(), dtype=polars.Float64),
            }
        )
        for name, values in per_query.items()
    ]
    return polars.concat(columns) if columns else polars.DataFrame({"metric": [], "query": [], "value": []})


def _write(folder: RunFolder, frames: Sequence[polars.DataFrame]) -> None:
    with replacing(folder.path / QUERIES) as temporary:
        polars.concat(frames).write_parquet(temporary)
