"""What was decided while runs trained: the race of recipes, the numbers that tuning chose, and every decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from negatives.diagnostics.report.figures import COLOURS, Figure, Groups
from negatives.diagnostics.report.head import Table, duration
from negatives.diagnostics.report.runs import Loaded, Run
from negatives.diagnostics.report.series import Reader, learning_curve
from negatives.diagnostics.wording import seen_text

ROWS = 60
"""Decisions of a table at most."""
NONE = ("–", "")


@dataclass(frozen=True, slots=True)
class Block:
    """A table under its heading.

    Args:
        title: Heading.
        first: Heading of the first column.
        table: The table.
    """

    title: str
    first: str
    table: Table


def decided(loaded: Loaded, metric: str) -> list[Block]:
    """All tables of decisions that the runs have; empty where nothing was decided."""
    found = [
        ("Tuned numbers", "sampler", _tuned(loaded, metric)),
        ("Recipes tried", "name", _raced(loaded, metric)),
        ("Decisions in order", "what", _told(loaded, metric)),
    ]
    return [Block(title, first, table) for title, first, table in found if table is not None]


def marked(figure: Figure | None, groups: Groups, metric: str, over: str) -> Figure | None:
    """A figure of learning curves with a mark for every decision, on the curve of its own run.

    Args:
        figure: See :func:`negatives.diagnostics.report.figures.learning`.
        groups: Runs by label.
        metric: The metric on the curves.
        over: ``"seconds"`` or ``"epoch"``.
    """
    if figure is None:
        return None
    found = []
    for place, (label, runs) in enumerate(groups.items()):
        name = f"{label} · decisions" if len(groups) > 1 else "decisions"
        found += _marks(
            runs, learning_curve(metric, over), over, {"name": name, "color": COLOURS[place % len(COLOURS)]}
        )
    legend = figure["layout"]["showlegend"] or bool(found)
    return {"data": [*figure["data"], *found], "layout": figure["layout"] | {"showlegend": legend}}


def _marks(runs: Sequence[Run], curve: Reader, over: str, look: Mapping[str, str]) -> list[Figure]:
    """One trace with the decisions of all seeds, under a name and in a colour; none where there are none."""
    x: list[float] = []
    y: list[float] = []
    text: list[str] = []
    for run in runs:
        series, lines = curve(run), run.lines("decision")
        if series.x and lines:
            at = [_place(run, line, over) for line in lines]
            x += [float(f"{one:.5g}") for one in at]
            y += [float(f"{one:.5g}") for one in np.interp(at, series.x, series.y)]
            text += [f"{line.get('decision', '')}: {line.get('changed', '')}" for line in lines]
    marker = {"color": "white", "size": 8, "symbol": "diamond", "line": {"color": look["color"], "width": 2}}
    trace = {"type": "scatter", "mode": "markers", "name": look["name"], "x": x, "y": y, "text": text, "marker": marker}
    return [trace | {"hovertemplate": "%{text}<extra></extra>"}] if x else []


def _place(run: Run, line: Mapping[str, Any], over: str) -> float:
    return float(line["seconds"] if over == "seconds" else line["step"] / (run.steps_per_epoch() or 1.0))


def _raced(loaded: Loaded, metric: str) -> Table | None:
    """The recipes that were tried before one was kept."""
    several = len(loaded.runs) > 1
    found = [(run, row) for run in loaded.runs for row in run.metrics.get("race") or []]
    if all(row.get("value") is None for _, row in found):
        return None
    folds = any(row.get("folds") for _, row in found)
    columns = [f"{metric}, validation", "trained", *(["folds"] if folds else []), "outcome"]
    rows = []
    for run, row in found:
        kept = bool(row.get("kept", row.get("folds")))
        cells = [_judged(row), _length(row), *([(str(row.get("folds") or ""), "")] if folds else [])]
        label = f"{run.label}, seed {run.seed}: {row.get('arm')}" if several else str(row.get("arm"))
        rows.append((label, COLOURS[0] if kept else "#ced4da", [*cells, ("kept" if kept else "left out", "")], kept))
    note = (
        "Each where it was judged last. A recipe is preferred to the task's first only where it is ahead by more than "
        "the noise, and a simple method only where it is ahead of every recipe."
    )
    if folds:
        note += " Values are means over the folds; what is kept then learns from all pairs."
    return Table(columns, rows, note)


def _judged(row: Mapping[str, Any]) -> tuple[str, str]:
    value, error = row.get("value"), row.get("error")
    return NONE if value is None else (f"{value:.4f}", f"standard error {error:.4f}" if error else "")


def _length(row: Mapping[str, Any]) -> tuple[str, str]:
    seconds, epochs = row.get("train_seconds"), row.get("epochs")
    return "–" if seconds is None else duration(seconds), "" if epochs is None else f"{epochs:.3g} epochs"


def _tuned(loaded: Loaded, metric: str) -> Table | None:
    """The numbers that a comparison chose for each sampler."""
    chosen: Mapping[str, Mapping[str, Any]] = loaded.compare.get("chosen") or {}
    tuned = {name: one for name, one in chosen.items() if one.get("trials")}
    if not tuned:
        return None
    paths = list(dict.fromkeys(path for one in tuned.values() for path in one["values"]))
    colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(loaded.groups())}
    rows = []
    for name, one in tuned.items():
        best, trials = one["trial"], {trial["number"]: trial for trial in one["trials"]}
        own = trials.get(0, {}).get("values", {})
        cells = [_number(one["values"].get(path), own.get(path)) for path in paths]
        valid = trials.get(best, {}).get("valid")
        forms = len({trial.get("loss") for trial in trials.values()}) > 1
        own_told = "the recipe's own" if best == 0 else f"loss {one['loss']}" if forms else ""
        cells.append((f"{best} of {len(trials)}", own_told))
        cells.append(NONE if valid is None else (f"{valid:.4f}", ""))
        rows.append((name, colours.get(name, "#444444"), cells, False))
    note = (
        "Each sampler's own numbers, chosen on the validation part from as many candidates at the same price; below a "
        "number stands the recipe's, where another was chosen. Trial 0 is the recipe's own."
    )
    return Table([*paths, "trial", f"{metric}, validation"], rows, note)


def _number(value: float | None, own: float | None) -> tuple[str, str]:
    if value is None:
        return NONE
    return f"{value:.4g}", "" if own is None or own == value else f"recipe: {own:.4g}"


def _told(loaded: Loaded, metric: str) -> Table | None:
    """Every decision; of several seeds, those of the first."""
    groups = loaded.groups()
    firsts = {label: runs[0] for label, runs in groups.items()}
    lines = [(label, run, line) for label, run in firsts.items() for line in run.lines("decision")]
    if not lines:
        return None
    colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(groups)}
    rows = []
    for label, run, line in lines[:ROWS]:
        name = str(line.get("decision", ""))
        cells = [_when(run, line), (seen_text(line.get("seen")), ""), (str(line.get("changed", "")), "")]
        title = f"{label}: {name}" if len(groups) > 1 else name
        rows.append((title, colours[label], [*cells, _brought(run, line, metric)], False))
    note = "What was seen, what was changed, and what it brought."
    if any("gain" not in line for _, _, line in lines):
        note += f" For a number that moves while training: {metric} on the validation part before and after; other "
        note += "things change in between too."
    if any(len(runs) > 1 for runs in groups.values()):
        note += " Those of each sampler's first seed."
    if len(lines) > ROWS:
        note += f" The first {ROWS} of {len(lines):,}; history.jsonl holds all."
    return Table(["when", "seen", "changed", "brought"], rows, note)


def _when(run: Run, line: Mapping[str, Any]) -> tuple[str, str]:
    per_epoch = run.steps_per_epoch()
    if not line["step"]:
        return "before training", ""
    return duration(line["seconds"]), f"epoch {line['step'] / per_epoch:.3g}" if per_epoch else f"step {line['step']:,}"


def _brought(run: Run, line: Mapping[str, Any], metric: str) -> tuple[str, str]:
    """The gain that was measured, else the validation metric around the decision."""
    if "gain" in line:
        return (f"{line['gain']:+.4f}", "") if line["gain"] else NONE
    looks = [one for one in run.lines("evaluation") if one.get("metrics", {}).get(metric) is not None]
    before = [one["metrics"][metric] for one in looks if one["step"] < line["step"]]
    after = [one["metrics"][metric] for one in looks if one["step"] >= line["step"]]
    return (f"{before[-1]:.4f} to {after[0]:.4f}", "") if before and after else NONE
