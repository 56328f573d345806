"""The simple methods of the task beside the runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negatives.diagnostics.report.head import Table
from negatives.diagnostics.report.runs import Loaded

COLOUR = "#8a8f98"


def beside(loaded: Loaded, metric: str) -> Table | None:
    """Test values of the baselines, the watched metric first; None where none were measured.

    Below each value stands that of the validation part, by which a method's own numbers were chosen.
    """
    told = source(loaded)
    test: Mapping[str, Mapping[str, float]] = told.get("baselines") or {}
    if not test:
        return None
    names = sorted(dict.fromkeys(name for one in test.values() for name in one), key=lambda name: name != metric)
    best = max(test, key=lambda one: test[one].get(metric) or 0.0)
    rows = [(name, COLOUR, [_cell(told, name, column) for column in names], name == best) for name in test]
    verdict = told.get("baselines_verdict") or ""
    note = "Computed on the training part, with nothing to train. Below each test value stands that of validation."
    return Table(names, rows, f"{verdict} {note}".strip())


def source(loaded: Loaded) -> Mapping[str, Any]:
    """What holds the baselines: the comparison, or the first run that has any."""
    found = (one for one in (loaded.compare, *(run.metrics for run in loaded.runs)) if one.get("baselines"))
    return next(found, {})


def _cell(told: Mapping[str, Any], name: str, metric: str) -> tuple[str, str]:
    value = told["baselines"][name].get(metric)
    valid = (told.get("baselines_valid") or {}).get(name, {}).get(metric)
    return "–" if value is None else f"{value:.4f}", "" if valid is None else f"validation {valid:.4f}"
