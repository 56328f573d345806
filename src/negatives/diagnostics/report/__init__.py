"""One HTML file that shows what runs did; it opens offline."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from negatives.diagnostics.report import head, questions
from negatives.diagnostics.report.beside import beside, beside_verdict
from negatives.diagnostics.report.decisions import decided
from negatives.diagnostics.report.images import IMAGES, check_images, write_images
from negatives.diagnostics.report.page import rendered
from negatives.diagnostics.report.runs import Loaded, Run, load
from negatives.diagnostics.report.sections import sections
from negatives.diagnostics.report.settings import settings
from negatives.diagnostics.report.tables import TABLES
from negatives.errors import ConfigError, InputError
from negatives.registry import suggest
from negatives.training.files import write_bytes
from negatives.training.run_folder import plain

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
    with understood(runs):
        page = rendered(content(load([Path(run) for run in runs])))
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


def content(loaded: Loaded) -> dict[str, Any]:
    """Everything that the page shows; ``drawn`` holds what its script draws: figures, and tables that are long."""
    drawn: dict[str, Any] = {"figures": {}, "grids": {}}
    parts = loaded.parts()
    several = len(parts) > 1
    return {
        "title": head.title(loaded),
        "subtitle": "" if several else head.subtitle(loaded),
        "verdicts": [head.verdict(loaded)] if several else _verdicts(loaded),
        "parts": [_part(part, f"{place}" if several else "", drawn) for place, part in enumerate(parts)],
        "drawn": drawn,
        "notes": list(dict.fromkeys(note for run in loaded.runs for note in run.metrics.get("notes", []))),
        "problems": _problems(loaded),
        "environment": _environment(loaded),
        "command": _command(loaded),
        "config": _config(loaded.runs),
    }


def _verdicts(loaded: Loaded) -> list[str]:
    """Sentences about runs on the same data."""
    return list(filter(None, (head.verdict(loaded), beside_verdict(loaded), head.start_verdict(loaded))))


def _part(part: Loaded, mark: str, drawn: dict[str, Any]) -> dict[str, Any]:
    """Runs on the same data; what is drawn goes into ``drawn`` under names with the part's mark."""
    metric = head.main_metric(part)
    answered = [run.metrics["samples"] for run in part.runs if run.metrics.get("samples")]
    samples: list[Mapping[str, Any]] = answered[0] if answered else []
    return {
        "title": head.title(part) if mark else "",
        "subtitle": head.subtitle(part),
        "verdicts": _verdicts(part) if mark else [],
        "cards": head.cards(part, metric),
        "table": head.test_table(part, metric),
        "beside": beside(part, metric),
        "by_pairs": questions.by_pairs(part, metric),
        "grids": _grids(part, metric, mark, drawn),
        "decided": [asdict(block) for block in decided(part, metric)],
        "settings": settings(part),
        "several": len(part.groups()) > 1,
        "sections": _sections(part, metric, mark, drawn),
        "samples": samples,
        "marked": any("right" in one for sample in samples for one in sample.get("recommended", [])),
    }


def _sections(part: Loaded, metric: str, mark: str, drawn: dict[str, Any]) -> list[dict[str, Any]]:
    shown = [asdict(section) for section in sections(part.groups(), metric)]
    for section in shown:
        for panel in section["panels"]:
            panel["id"] = "-".join(["graph", *filter(None, (mark, _slug(section["title"]), _slug(panel["title"])))])
            if panel["figure"]:
                drawn["figures"][panel["id"]] = panel["figure"]
    return shown


def _grids(part: Loaded, metric: str, mark: str, drawn: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for grid in questions.grids(part, metric):
        name = "-".join(["grid", *filter(None, (mark, _slug(grid.title)))])
        drawn["grids"][name] = {"rows": plain(grid.rows), "order": grid.order}
        found.append({"id": name, "title": grid.title, "note": grid.note, "columns": grid.columns, "n": len(grid.rows)})
    return found


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


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


__all__ = ["check_formats", "content", "is_report", "understood", "write_formats", "write_report"]
