"""The simple methods of the task beside the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from negatives.diagnostics.report import head
from negatives.diagnostics.report.figures import COLOURS
from negatives.diagnostics.report.head import Table
from negatives.diagnostics.report.runs import Loaded, Run

COLOUR = "#8a8f98"


def beside(loaded: Loaded, metric: str) -> Table | None:
    """Test values of the baselines, the watched metric first; None where none were measured.

    The model stands before them; where it is one of them itself, it stands there once. Below each value stands that of
    the validation part, by which a method's own numbers were chosen.
    """
    told = source(loaded)
    label, runs = head.best(loaded, metric)
    name = str(runs[0].metrics.get("model") or label) if len(loaded.groups()) == 1 else label
    found: Mapping[str, Mapping[str, float]] = told.get("baselines") or {}
    test = {one: values for one, values in found.items() if one != name}
    if not test:
        return None
    names = sorted(dict.fromkeys(name for one in test.values() for name in one), key=lambda name: name != metric)
    own = {"baselines": {name: _means(runs, "test")}, "baselines_valid": {name: _means(runs, "valid")}}
    best = max(test, key=lambda one: test[one].get(metric) or 0.0)
    best = best if (own["baselines"][name].get(metric) or 0.0) < (test[best].get(metric) or 0.0) else name
    colour = COLOURS[list(loaded.groups()).index(label) % len(COLOURS)]
    chosen = {one: _numbers(told, one) for one in test}
    rows = [(name, colour, [_cell(own, name, column) for column in names], name == best)]
    rows += [(one, COLOUR, [_cell(told, one, column) for column in names], one == best) for one in test]
    if any(chosen.values()):
        names = [*names, "chosen numbers"]
        for label, _, cells, _ in rows:
            cells.append((chosen.get(label, ""), ""))
    note = f"Simple methods, computed on the training part with nothing to train, beside {name}."
    note += " Below each test value stands that of validation." if told.get("baselines_valid") else ""
    return Table(names, rows, note)


def _numbers(told: Mapping[str, Any], name: str) -> str:
    """The numbers of a method that were chosen on the validation part."""
    one = (told.get("baselines_chosen") or {}).get(name) or {}
    return ", ".join(f"{key} {value:.4g}" for key, value in (one.get("params") or {}).items() if _is_number(value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _means(runs: Sequence[Run], part: str) -> dict[str, float]:
    """Means over seeds of the metrics that all runs have."""
    found = [run.metrics.get(part) or {} for run in runs]
    return {
        name: sum(one[name] for one in found) / len(found)
        for name in found[0]
        if all(one.get(name) is not None for one in found)
    }


def beside_verdict(loaded: Loaded) -> str:
    """One sentence about the model and the best baseline; empty for runs that were not made as one comparison."""
    alone = loaded.compare or len(loaded.runs) == 1
    return str(source(loaded).get("baselines_verdict") or "") if alone else ""


def source(loaded: Loaded) -> Mapping[str, Any]:
    """What holds the baselines: the comparison, or the first run that has any."""
    found = (one for one in (loaded.compare, *(run.metrics for run in loaded.runs)) if one.get("baselines"))
    return next(found, {})


def _cell(told: Mapping[str, Any], name: str, metric: str) -> tuple[str, str]:
    value = told["baselines"][name].get(metric)
    valid = (told.get("baselines_valid") or {}).get(name, {}).get(metric)
    return "–" if value is None else f"{value:.4f}", "" if valid is None else f"validation {valid:.4f}"
