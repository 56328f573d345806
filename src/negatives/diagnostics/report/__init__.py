"""One HTML file that shows what runs did; it opens offline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from negatives.diagnostics.report import head
from negatives.diagnostics.report.beside import beside, beside_verdict
from negatives.diagnostics.report.decisions import decided
from negatives.diagnostics.report.images import IMAGES, check_images, write_images
from negatives.diagnostics.report.runs import Loaded, Run, load
from negatives.diagnostics.report.sections import sections
from negatives.diagnostics.report.tables import TABLES
from negatives.errors import ConfigError, InputError
from negatives.registry import suggest
from negatives.training.files import write_bytes

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "report.html.j2"
MARK = b'<meta name="generator" content="negatives">'
"""Stands in the head of every report, by which one is known."""


def write_report(runs: Sequence[Path], out: Path) -> None:
    """Write a report on one run, on several side by side, or on a comparison.

    Args:
        runs: Run folders, or folders of a comparison. Missing pieces are said in the report.
        out: The HTML file.

    Raises:
        InputError: A folder holds neither a run nor a comparison.
        OSError: The file cannot be written; names the path.
    """
    template, library = _template()
    with understood(runs):
        page = template.render(content(load([Path(run) for run in runs])) | {"plotly": library})
    write_bytes(out, page.encode("utf-8"))


def is_report(path: Path) -> bool:
    """Whether this program wrote a page."""
    with path.open("rb") as file:
        return MARK in file.read(1000)


def check_formats(formats: Sequence[str]) -> None:
    """Make sure that every format is known and can be written.

    Raises:
        ConfigError: It is not, or a package is missing.
    """
    known = (*TABLES, *IMAGES)
    for name in formats:
        if name not in known:
            raise ConfigError(f"no format is called {name!r}; {suggest(name, known)}")
        if name in IMAGES:
            check_images()


def write_formats(runs: Sequence[Path], report: Path, formats: Sequence[str]) -> list[Path]:
    """Write the report's table and figures beside it in other formats.

    Args:
        runs: Run folders, or folders of a comparison.
        report: The HTML file; the others have its name and endings of their own.
        formats: Of ``md``, ``latex``, ``csv``, ``svg`` and ``png``.

    Returns:
        What was written.

    Raises:
        ConfigError: A format is not known, or a package is missing.
        InputError: A folder holds neither a run nor a comparison.
    """
    check_formats(formats)
    with understood(runs):
        return _written(load([Path(run) for run in runs]), report, formats)


@contextmanager
def understood(runs: Sequence[Path]) -> Iterator[None]:
    """Tell a run whose files hold values that no run writes, such as text in place of a number.

    Raises:
        InputError: So it is.
    """
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        told = f"its metrics or its history hold what no run writes ({type(error).__name__}: {error})"
        raise InputError(told, path=runs[0], hint="get the folder again, or train the run again") from error


def _written(loaded: Loaded, report: Path, formats: Sequence[str]) -> list[Path]:
    written = []
    for name in formats:
        if name in IMAGES:
            written += write_images(loaded, report.with_suffix(""), name)
        else:
            ending, write = TABLES[name]
            written.append(report.with_suffix(ending))
            write_bytes(written[-1], write(loaded).encode("utf-8"))
    return written


@cache
def _template() -> tuple[Template, str]:
    """The compiled template and plotly.js."""
    import jinja2  # slow to import
    from plotly import offline

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("negatives.diagnostics").joinpath(TEMPLATE).read_text(encoding="utf-8")
    library: str = offline.get_plotlyjs()  # type: ignore[attr-defined, no-untyped-call]
    return environment.from_string(source), library


def content(loaded: Loaded) -> dict[str, Any]:
    """Everything that the template shows."""
    metric = head.main_metric(loaded)
    shown = [asdict(section) for section in sections(loaded.groups(), metric)]
    panels = [panel for section in shown for panel in section["panels"]]
    for number, panel in enumerate(panels):
        panel["id"] = f"graph-{number}"
    drawn = {panel["id"]: panel["figure"] for panel in panels if panel["figure"]}
    return {
        "title": head.title(loaded),
        "subtitle": head.subtitle(loaded),
        "verdicts": list(filter(None, (head.verdict(loaded), beside_verdict(loaded)))),
        "cards": head.cards(loaded, metric),
        "table": head.test_table(loaded, metric),
        "beside": beside(loaded, metric),
        "decided": [asdict(block) for block in decided(loaded, metric)],
        "sections": shown,
        "figures": json.dumps(drawn, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "samples": next((run.metrics["samples"] for run in loaded.runs if run.metrics.get("samples")), []),
        "notes": list(dict.fromkeys(note for run in loaded.runs for note in run.metrics.get("notes", []))),
        "problems": _problems(loaded),
        "environment": _environment(loaded),
        "command": _command(loaded),
        "config": _config(loaded.runs),
    }


def _problems(loaded: Loaded) -> list[str]:
    several = len(loaded.runs) > 1
    found = list(loaded.problems)
    for run in loaded.runs:
        prefix = f"{run.label}, seed {run.seed}: " if several else ""
        found += [prefix + problem for problem in run.problems]
        if run.metrics.get("unfilled"):
            found.append(f"{prefix}{run.metrics['unfilled']:,} slots could not be filled with a negative.")
    return found


def _environment(loaded: Loaded) -> dict[str, str]:
    known: Mapping[str, Any] = loaded.compare.get("environment") or next(
        (run.metrics["environment"] for run in loaded.runs if run.metrics.get("environment")), {}
    )
    return {str(name): str(value) for name, value in known.items() if value is not None}


def _command(loaded: Loaded) -> str:
    """The command that repeats what was run: the one that was given, or one that reads the folder's config.toml."""
    given = loaded.compare.get("command") or loaded.runs[0].metrics.get("command")
    if given:
        return str(given)
    found = [run for run in loaded.runs if run.path is not None and run.config]
    return "\n".join(f"negatives train --config {shlex.quote(str(run.path))}/config.toml" for run in found)


def _config(runs: Sequence[Run]) -> str:
    """Text of the first config.toml."""
    for run in runs:
        if run.path is not None and run.config:
            return (run.path / "config.toml").read_text(encoding="utf-8")
    return ""


__all__ = ["check_formats", "content", "is_report", "write_formats", "write_report"]
