"""Test values of each query: by how many pairs a query has in training, and query by query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars
from numpy.typing import NDArray

from negatives.errors import InputError
from negatives.regular import regular
from negatives.training.run_folder import QUERIES

FEWEST = 20
"""Queries from which on they are divided by their pairs."""
GROUPS = 4
MOST = 2**31
"""Bytes of the file at most; it has nine for each query and metric."""
LETTERS = 100
"""Letters of a query's name that are shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the test part asked, and how it was answered.

    Args:
        values: Metric name to ``(n,)``.
        names: ``(n,)`` names of the queries; None where they have none.
        known: ``(n,)`` pairs of each query in the training part; None where there are none.
    """

    values: dict[str, NDArray[np.float64]]
    names: list[str] | None = None
    known: NDArray[np.int64] | None = None

    @property
    def named(self) -> dict[str, NDArray[np.float64]]:
        """The metrics that have a value for each named query."""
        n = -1 if self.names is None else len(self.names)
        return {name: values for name, values in self.values.items() if len(values) == n}


def read(folder: Path) -> Asked | None:
    """The values of a run's test part; None where none were kept.

    Raises:
        InputError: The file cannot be read, or holds what no run writes.
    """
    path = folder / QUERIES
    if not path.exists():
        return None
    try:
        return _asked(polars.read_parquet(regular(path, MOST), glob=False))
    except (OSError, ValueError, TypeError, polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise InputError("cannot be read", path=path, hint="get the folder again") from error


def _asked(frame: polars.DataFrame) -> Asked:
    parts = {str(name): part for (name,), part in frame.group_by(["metric"], maintain_order=True)}
    values = {name: part["value"].to_numpy().astype(np.float64) for name, part in parts.items()}
    first = next((part for part in parts.values() if "name" in part.columns and not part["name"].has_nulls()), None)
    if first is None:
        return Asked(values)
    names = [_clipped(name) for name in first["name"].to_list()]
    return Asked(values, names, first["known"].to_numpy().astype(np.int64))


def groups(known: NDArray[np.int64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Queries by their pairs in training, from the tail to the head: at most :data:`GROUPS` of about the same size.

    Args:
        known: ``(n,)`` pairs of each query.

    Returns:
        Wording and mask ``(n,)`` of each; empty where all are alike, or too few.

    >>> [(text, int(mask.sum())) for text, mask in groups(np.repeat([1, 2, 3, 9], 10))]
    [('1', 10), ('2', 10), ('3', 10), ('9', 10)]
    """
    if len(known) < FEWEST:
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, GROUPS + 1)[1:], method="inverted_cdf"))
    place = np.searchsorted(edges, known)
    masks = [place == at for at in range(len(edges))]
    found = [(_span(int(known[mask].min()), int(known[mask].max())), mask) for mask in masks if mask.any()]
    return found if len(found) > 1 else []


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _clipped(name: str) -> str:
    line = " ".join(str(name).split())
    return line if len(line) <= LETTERS else line[: LETTERS - 1] + "…"


def mean_over(found: Sequence[Asked], metric: str) -> NDArray[np.float64]:
    """Mean over seeds ``(n,)`` of one metric."""
    mean: NDArray[np.float64] = np.stack([one.values[metric] for one in found]).mean(0)
    return mean
