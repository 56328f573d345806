"""Figures as plain Plotly descriptions (``data`` and ``layout``), drawn by plotly.js in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from negatives.diagnostics.report.runs import Run
from negatives.diagnostics.report.series import (
    Reader,
    controlled,
    learning_curve,
    mean_over_seeds,
    measured,
    running_mean,
)
from negatives.diagnostics.report.uncertain import room

Groups = Mapping[str, Sequence[Run]]
Figure = dict[str, Any]
Axis = Mapping[str, Any]
"""Settings of a vertical axis, in the words of plotly.js."""

PLAIN: Axis = {}
SHARES: Axis = {"range": [0, 1.03], "tickformat": ".0%"}
SMALL_SHARES: Axis = {"rangemode": "tozero", "tickformat": ".2~%"}
NEAR_ONE: Axis = {"rangemode": "normal"}
FROM_ZERO: Axis = {"rangemode": "tozero"}

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9", "#7A5195", "#444444")
"""Told apart by colour-blind readers too (Okabe and Ito, 2008)."""
DASHES = ("solid", "dash", "dot", "dashdot")
PARTS = {
    "draw": ("draw candidates", "#0072B2"),
    "guard": ("guard against false negatives", "#56B4E9"),
    "select": ("select negatives", "#009E73"),
    "score": ("score candidates", "#E69F00"),
    "forward": ("forward", "#F0C75E"),
    "loss": ("loss", "#CC79A7"),
    "backward": ("backward", "#D55E00"),
    "update": ("update", "#7A5195"),
    "refresh": ("refresh embeddings", "#8C6D46"),
    "other": ("everything else", "#B5BBC2"),
}
GRID = "#e9ecef"
FEW = 12
"""Points up to which each is marked."""
LONG_KEY = 34
LOW = 0.75
"""Share of the highest value of a metric up to which the lowest one has the axis begin at zero."""
SMOOTHED = 9
"""Values of a running mean, at most."""


def lines(
    groups: Groups,
    readers: Mapping[str, Reader],
    x_title: str,
    y_title: str,
    axis: Axis = PLAIN,
    *,
    steady: bool = False,
) -> Figure | None:
    """One colour per label and one dash per reader; seeds as thin lines, their mean thick.

    An axis without a range of its own spans enough that equal points look equal.

    Args:
        groups: Runs by label.
        readers: What to draw, by name.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
        axis: Settings of the vertical axis.
        steady: Whether single values swing so much that their running mean is drawn thick, and they thin.

    Returns:
        The figure, or None when no run has any of the numbers.
    """
    data: list[dict[str, Any]] = []
    several = len(groups) > 1
    for place, (label, runs) in enumerate(groups.items()):
        for number, (name, reader) in enumerate(readers.items()):
            colour = COLOURS[(place if several else number) % len(COLOURS)]
            title = " · ".join(([label] if several else []) + ([name] if len(readers) > 1 or not several else []))
            dash = DASHES[number % len(DASHES)] if several else "solid"
            data += _group(runs, reader, title, {"color": colour, "dash": dash}, steady)
    if not data:
        return None
    values = [value for one in data for value in one["y"]]
    if not axis and (span := room(values)) is not None:
        axis = {"range": list(span)}
    elif axis is NEAR_ONE:
        axis = {"range": [min(0.9, min(values) - 0.01), max(1.005, max(values))]}
    legend = len({one["legendgroup"] for one in data}) > 1
    return {"data": data, "layout": layout(x_title, y_title, axis, legend=legend)}


def _group(runs: Sequence[Run], reader: Reader, title: str, look: Mapping[str, str], steady: bool) -> list[Figure]:
    found = [(run, series) for run in runs if (series := reader(run)).x]
    if not found:
        return []
    base = {"type": "scatter", "mode": "lines", "legendgroup": title}
    thin = [
        base
        | {"x": _short(series.x), "y": _short(series.y), "showlegend": False, "opacity": 0.35, "hoverinfo": "skip"}
        | {"line": {**look, "width": 1}, "name": f"{title}, seed {run.seed}"}
        for run, series in (found if len(found) > 1 or (steady and len(found[0][1].x) > SMOOTHED) else [])
    ]
    mean = mean_over_seeds([series for _, series in found])
    mean = running_mean(mean, min(SMOOTHED, max(3, len(mean.x) // 5))) if steady else mean
    mode = "lines+markers" if len(mean.x) <= FEW else "lines"
    thick = base | {"x": _short(mean.x), "y": _short(mean.y), "name": title, "mode": mode}
    return [*thin, thick | {"line": {**look, "width": 2.5}}]


def _short(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def layout(x_title: str, y_title: str, axis: Axis = PLAIN, *, legend: bool = True, height: int = 330) -> dict[str, Any]:
    """The look that all figures share."""
    ticks = {"gridcolor": GRID, "zeroline": False, "linecolor": "#adb5bd", "automargin": True}
    return {
        "height": height,
        "margin": {"l": 58, "r": 14, "t": 10, "b": 44},
        "font": {"family": "system-ui, sans-serif", "size": 12.5, "color": "#343a40"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": ticks | {"title": {"text": x_title, "standoff": 8}, "rangemode": "tozero"},
        "yaxis": ticks | {"title": {"text": y_title, "standoff": 8}} | dict(axis),
        "showlegend": legend,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
        "hovermode": "x unified",
        "hoverlabel": {"namelength": -1},
    }


def learning(groups: Groups, metric: str, over: str) -> Figure | None:
    """Validation metric over training time or over epochs, and the level of the best simple method of a single run."""
    title = "training time, seconds" if over == "seconds" else "epochs"
    found = lines(groups, {metric: learning_curve(metric, over)}, title, f"{metric}, validation")
    if found is None:
        return None
    values = [value for one in found["data"] for value in one["y"]]
    if 0 <= min(values) <= LOW * max(values):
        found["layout"]["yaxis"] |= FROM_ZERO
    level = _best_simple(groups, metric)
    if level is None:
        return found
    end = max(x for one in found["data"] for x in one["x"])
    line = {"color": "#8a8f98", "width": 1.5, "dash": "dash"}
    drawn = {"type": "scatter", "mode": "lines", "name": level[0], "x": [0.0, end], "y": _short([level[1]] * 2)}
    look = found["layout"] | {"showlegend": True}
    if (span := room([*values, level[1]])) is None:
        look["yaxis"] = {name: value for name, value in look["yaxis"].items() if name != "range"}
    else:
        look["yaxis"] |= {"range": list(span)}
    return {"data": [*found["data"], drawn | {"line": line, "legendgroup": level[0]}], "layout": look}


def _best_simple(groups: Groups, metric: str) -> tuple[str, float] | None:
    """The simple method that is best on the validation part, of which a run tells; None where several runs are."""
    runs = [run for runs in groups.values() for run in runs]
    valid: Mapping[str, Mapping[str, float]] = runs[0].metrics.get("baselines_valid") or {} if len(runs) == 1 else {}
    known = {name: values[metric] for name, values in valid.items() if values.get(metric) is not None}
    return max(known.items(), key=lambda one: one[1]) if known else None


def probe(
    groups: Groups, names: Mapping[str, str], y_title: str, axis: Axis = PLAIN, *, steady: bool = False
) -> Figure | None:
    """Measurements over epochs; ``names`` maps a probe to its name in the legend."""
    readers = {title: measured(name) for name, title in names.items() if _recorded(groups, name)}
    known = all(run.steps_per_epoch() for runs in groups.values() for run in runs if run.history)
    return lines(groups, readers, "epochs" if known else "steps", y_title, axis, steady=steady)


def _recorded(groups: Groups, name: str) -> bool:
    return any(line.get(name) is not None for runs in groups.values() for run in runs for line in run.lines("step"))


def controls(groups: Groups) -> tuple[dict[str, Figure], dict[str, str]]:
    """One figure for every number that changed, and the values of those that stayed the same in each sampler."""
    values: dict[str, dict[str, set[float]]] = {}
    for label, runs in groups.items():
        for line in (line for run in runs for line in run.lines("control")):
            for path, value in line.get("values", {}).items():
                if isinstance(value, (int, float)):
                    values.setdefault(path, {}).setdefault(label, set()).add(value)
    found: dict[str, Figure] = {}
    constant: dict[str, str] = {}
    for path in sorted(values):
        if all(len(taken) == 1 for taken in values[path].values()):
            constant[path] = " or ".join(sorted({f"{value:g}" for taken in values[path].values() for value in taken}))
        elif figure := lines(groups, {path: controlled(path)}, "epochs", _wrapped(path)):
            for line in figure["data"]:
                line["line"]["shape"] = "hv"
            found[path] = figure
    return found, constant


def _wrapped(path: str) -> str:
    """A dotted key on several lines, where it is too long for the height of a figure."""
    return path if len(path) <= LONG_KEY else path.replace(".", ".<br>")


def time_by_part(groups: Groups) -> Figure | None:
    """Stacked bars: seconds of training by part of the step, mean over seeds."""
    spent = {label: _mean_parts(runs) for label, runs in groups.items()}
    spent = {label: parts for label, parts in spent.items() if parts}
    if not spent:
        return None
    names = [name for name in PARTS if any(name in parts for parts in spent.values())]
    names += sorted({name for parts in spent.values() for name in parts} - set(names))
    data = []
    for place, name in enumerate(names):
        title, colour = PARTS.get(name, (name, COLOURS[place % len(COLOURS)]))
        seconds = [parts.get(name, 0.0) for parts in spent.values()]
        share = [one / max(sum(parts.values()), 1e-12) for one, parts in zip(seconds, spent.values(), strict=True)]
        data.append(
            {"type": "bar", "orientation": "h", "name": title, "marker": {"color": colour}, "x": _short(seconds)}
            | {"y": list(spent), "customdata": share, "text": [f"{one:.0%}" if one >= 0.04 else "" for one in share]}
            | {"textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
            | {"hovertemplate": f"{title}: %{{x:.2f}} s, %{{customdata:.1%}}<extra></extra>"}
        )
    look = layout("seconds of training", "", {"autorange": "reversed"}, height=150 + 46 * len(spent))
    look |= {"barmode": "stack", "hovermode": "closest", "bargap": 0.35}
    look["legend"] |= {"traceorder": "normal", "maxheight": 0.9}
    return {"data": data, "layout": look}


def _mean_parts(runs: Sequence[Run]) -> dict[str, float]:
    found = [parts for run in runs if (parts := run.seconds_by_part())]
    names = {name: None for parts in found for name in parts}
    return {name: sum(parts.get(name, 0.0) for parts in found) / len(found) for name in names}
