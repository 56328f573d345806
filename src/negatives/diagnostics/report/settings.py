"""The numbers and parts that runs were trained with, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negatives.diagnostics.report.figures import COLOURS
from negatives.diagnostics.report.head import Table
from negatives.diagnostics.report.runs import Loaded, Run

SECTIONS = ("model", "loss", "sampler", "optimiser")
PLAIN = ("recipe", "batch_size", "epochs", "max_seconds", "until")
MANY = 3
"""Samplers from which on only what differs is shown."""


def settings(loaded: Loaded) -> Table | None:
    """One row for each sampler, one column for each setting; None where no configuration is known.

    Numbers that a schedule or a controller moves are shown under Control.
    """
    firsts = {label: runs[0] for label, runs in loaded.groups().items() if runs[0].config}
    found = {label: _flat(run) for label, run in firsts.items()}
    keys = list(dict.fromkeys(key for one in found.values() for key in one))
    note = "What the runs were trained with, filled in by the recipe, the data or the search where nobody said."
    if len(found) >= MANY:
        keys = [key for key in keys if len({one.get(key) for one in found.values()}) > 1]
        note += " Only what differs; the rest stands in config.toml."
    if not keys:
        return None
    if len(found) == 1:
        (one,) = found.values()
        return Table(["value"], [(key, "", [(value, "")], False) for key, value in one.items()], note)
    colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(loaded.groups())}
    rows = [(label, colours[label], [(one.get(key, "–"), "") for key in keys], False) for label, one in found.items()]
    return Table(keys, rows, note)


def _flat(run: Run) -> dict[str, str]:
    config = run.config
    found = {key: _text(config[key]) for key in PLAIN if config.get(key) is not None}
    for section in SECTIONS:
        given: Any = config.get(section)
        if isinstance(given, Mapping):
            found |= {f"{section}.{key}": _text(value) for key, value in _scalars(given).items()}
        elif given is not None:
            found[f"{section}.name"] = _text(given)
    return found


def _scalars(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Numbers and names by their dotted key."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping):
            found |= _scalars(value, f"{prefix}{key}.")
        elif isinstance(value, (str, int, float)):
            found[prefix + key] = value
    return found


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
