"""Where a model is good and where it is not: by the pairs that a query has in training, by relation, by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negatives.diagnostics.report.asked import Asked, groups, mean_over
from negatives.diagnostics.report.figures import COLOURS
from negatives.diagnostics.report.head import Table
from negatives.diagnostics.report.runs import Loaded
from negatives.diagnostics.report.uncertain import mean_interval, span_text

MOST = 2_000
"""Queries that are listed, at most; of more, every so many-th in the order of their values."""
METRICS = 4
"""Metrics of a table, at most."""
NAMED = {"recommend": "user", "sequence": "user", "graph": "node", "knowledge": "entity and relation"}
NAMED |= {"search": "query", "words": "word", "classify": "row"}
GREY = "#8a8f98"


@dataclass(frozen=True, slots=True)
class Grid:
    """A long table that the page draws and sorts itself.

    Args:
        title: Heading.
        note: How to read it.
        columns: Headings.
        rows: Cells; numbers as they are, so that they sort.
        order: Place of the column that it is sorted by at first; its lowest values come first.
    """

    title: str
    note: str
    columns: list[str]
    rows: list[list[Any]]
    order: int


def noun(loaded: Loaded) -> str:
    """What the task calls a query."""
    return NAMED.get(loaded.runs[0].task, "query")


def by_pairs(loaded: Loaded, metric: str) -> Table | None:
    """Test values of queries with few and with many pairs in training; None where that is not known.

    One run shows several metrics, several samplers the watched one.
    """
    found = _asked(loaded)
    if not found:
        return None
    first = next(iter(found.values()))[0]
    assert first.known is not None
    shares = groups(first.known)
    columns = _columns(found, metric)
    if not shares or not columns:
        return None
    rows = []
    for place, (text, mask) in enumerate(shares):
        cells = [(f"{int(mask.sum()):,}", "")]
        for label, name in columns.values():
            cells.append(_cell([float(value) for value in mean_over(found[label], name)[mask]]))
        colour = COLOURS[0] if place == len(shares) - 1 else GREY
        rows.append((f"{text} pair{'s' * (text != '1')}", colour, cells, False))
    what = noun(loaded)
    note = f"Each {what} of the test part by its pairs in training: the tail first, the head last."
    told = f"Values are those of {metric}. " if len(found) > 1 else ""
    return Table(["queries", *columns], rows, f"{note} {told}Below a value: its 95 % interval.")


def grids(loaded: Loaded, metric: str) -> list[Grid]:
    """Long tables that sort: one for each detail of the first run that has any, and one of all queries."""
    details: Mapping[str, Any] = next((run.metrics["details"] for run in loaded.runs if run.metrics.get("details")), {})
    found = [_detail(name, rows) for name, rows in details.items() if isinstance(rows, list) and rows]
    queries = _queries(loaded, metric)
    return [*found, *([queries] if queries else [])]


def _detail(name: str, rows: Sequence[Mapping[str, Any]]) -> Grid:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    body = [[_plain(row.get(column)) for column in columns] for row in rows]
    numbers = [place for place in range(len(columns)) if isinstance(body[0][place], float)]
    note = f"One row for each of {len(rows):,}. A click on a heading sorts; the lowest stand first."
    return Grid(f"By {name.rstrip('s')}", note, columns, body, numbers[0] if numbers else 0)


def _queries(loaded: Loaded, metric: str) -> Grid | None:
    found = _asked(loaded)
    if not found:
        return None
    first = next(iter(found.values()))[0]
    columns = _columns(found, metric)
    if not columns:
        return None
    values: dict[str, NDArray[Any]] = {title: mean_over(found[label], name) for title, (label, name) in columns.items()}
    order = np.argsort(next(iter(values.values())), kind="stable")
    n = len(order)
    kept = order if n <= MOST else order[np.linspace(0, n - 1, MOST).astype(np.int64)]
    assert first.names is not None
    assert first.known is not None
    if len(set(first.known.tolist())) > 1:
        values = {"pairs in training": first.known} | values
    rows = [[first.names[at], *(_plain(column[at].item()) for column in values.values())] for at in kept.tolist()]
    note = "A click on a heading sorts; the lowest stand first."
    if n > MOST:
        note += f" {MOST:,} of {n:,}, evenly from the worst to the best; per_query.parquet holds all."
    what = noun(loaded)
    return Grid(f"By {what}", note, [what, *values], rows, len(values) - len(columns) + 1)


def _asked(loaded: Loaded) -> dict[str, list[Asked]]:
    """Values of named queries by label; only what answered the same queries as the first."""
    found: dict[str, list[Asked]] = {}
    first: Asked | None = None
    for label, runs in loaded.groups().items():
        told = [run.asked for run in runs if run.asked is not None and run.asked.named]
        first = first or next(iter(told), None)
        if told and len(told) == len(runs) and all(first is not None and one.names == first.names for one in told):
            found[label] = told
    return found


def _columns(found: Mapping[str, Sequence[Asked]], metric: str) -> dict[str, tuple[str, str]]:
    """Heading to label and metric: the watched metric of several samplers, or the first metrics of one."""
    if len(found) > 1:
        return {label: (label, metric) for label, told in found.items() if all(metric in one.named for one in told)}
    ((label, told),) = found.items()
    names = sorted(told[0].named, key=lambda name: name != metric)
    return {name: (label, name) for name in names[:METRICS] if all(name in one.named for one in told)}


def _cell(values: list[float]) -> tuple[str, str]:
    told = mean_interval(values)
    return f"{np.mean(values):.4f}", "" if told is None else span_text(*told[1:])


def _plain(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
