"""The report's learning curves and its summary as images, drawn by matplotlib from the same descriptions."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from negatives.diagnostics.report import figures, head
from negatives.diagnostics.report.figures import COLOURS, GRID
from negatives.diagnostics.report.runs import Loaded
from negatives.errors import ConfigError
from negatives.training.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES = ("svg", "png")
MISSING = "images need the package matplotlib; run: pip install 'negatives[figures]'"
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
LOOK = {"svg.hashsalt": "negatives", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
"""With a salt the same runs give the same bytes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One sampler in the summary.

    Args:
        label: Its name.
        mean: Mean of the main metric on the test part.
        low: Lower end of its interval over queries, or of its range over seeds where there is none.
        high: Upper end.
    """

    label: str
    mean: float
    low: float
    high: float


def check_images() -> None:
    """Make sure that images can be drawn.

    Raises:
        ConfigError: matplotlib is missing.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(MISSING)


def write_images(loaded: Loaded, stem: Path, format: str) -> list[Path]:
    """Learning curves over time and over epochs, and the summary; what nothing was recorded for is left out.

    Args:
        loaded: The runs.
        stem: Where, without an ending: ``report`` gives ``report-summary.svg`` and so on, ``report-1-summary.svg``
            where runs are on different data.
        format: One of :data:`IMAGES`.

    Raises:
        ConfigError: matplotlib is missing.
    """
    check_images()
    import matplotlib

    parts, written = loaded.parts(), []
    with matplotlib.rc_context(LOOK):
        for place, (name, drawn) in ((at, one) for at, part in enumerate(parts) for one in _drawn(part)):
            name = f"{place + 1}-{name}" if len(parts) > 1 else name
            path = stem.with_name(f"{stem.name}-{name}.{format}")
            content = BytesIO()
            about = {"Date": None} if format == "svg" else {"Software": None}
            drawn.savefig(content, format=format, dpi=200, metadata=about)
            write_bytes(path, content.getvalue())
            written.append(path)
    return written


def marks(loaded: Loaded, metric: str) -> list[Mark]:
    """The main metric of each sampler on the test part."""
    found = []
    tested = {row["sampler"]: row for row in loaded.compare.get("summary", []) if row["metric"] == metric}
    for label, runs in loaded.groups().items():
        values = [run.metrics["test"][metric] for run in runs if metric in run.metrics.get("test", {})]
        if label in tested and tested[label].get("mean") is not None:
            mean = tested[label]["mean"]
            low, high = tested[label].get("interval") or (mean, mean)
            found.append(Mark(label, mean, low, high))
        elif values:
            found.append(Mark(label, sum(values) / len(values), min(values), max(values)))
    return found


def _drawn(loaded: Loaded) -> Iterator[tuple[str, Figure]]:
    from matplotlib.figure import Figure

    metric = head.main_metric(loaded)
    groups = loaded.groups()
    for name, over in (("learning-seconds", "seconds"), ("learning-epochs", "epoch")):
        if described := figures.learning(groups, metric, over):
            sheet = Figure(figsize=(5.0, 3.2), layout="constrained")
            _lines(sheet.subplots(), described)
            yield name, sheet
    if points := marks(loaded, metric):
        sheet = Figure(figsize=(5.0, 0.8 + 0.32 * len(points)), layout="constrained")
        _intervals(sheet.subplots(), points, metric)
        yield "summary", sheet


def _lines(axes: Axes, described: Mapping[str, Any]) -> None:
    """The curves of a description in the words of plotly.js."""
    for one in described["data"]:
        line = one["line"]
        axes.plot(
            one["x"],
            one["y"],
            color=line["color"],
            linewidth=0.7 * line["width"],
            linestyle=DASHES[line["dash"]],
            alpha=one.get("opacity", 1.0),
            label=one["name"] if one.get("showlegend", True) else None,
        )
    look = described["layout"]
    axes.set_xlabel(look["xaxis"]["title"]["text"])
    axes.set_ylabel(look["yaxis"]["title"]["text"])
    if "range" in look["yaxis"]:
        axes.set_ylim(look["yaxis"]["range"])
    axes.grid(color=GRID)
    if look["showlegend"]:
        axes.legend(frameon=False)


def _intervals(axes: Axes, points: list[Mark], metric: str) -> None:
    """A dot for each mean, and its interval."""
    for place, one in enumerate(points):
        colour = COLOURS[place % len(COLOURS)]
        axes.plot([one.low, one.high], [place, place], color=colour, linewidth=1.6)
        axes.plot([one.mean], [place], "o", color=colour)
    axes.set_yticks(range(len(points)), [one.label for one in points])
    axes.set_ylim(len(points) - 0.5, -0.5)
    axes.set_xlabel(f"{metric}, test")
    axes.grid(axis="x", color=GRID)
