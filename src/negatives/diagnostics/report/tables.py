"""The report's table of test metrics for papers and other programs: Markdown, LaTeX and CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import polars

from negatives.diagnostics.report import head
from negatives.diagnostics.report.runs import Loaded

LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
COLUMNS = ("sampler", "metric", "mean", "low", "high", "gain", "p_value", "train_seconds", "seconds_to_baseline")


def markdown(loaded: Loaded) -> str:
    """A table with the best sampler in bold, what stands in its second lines in brackets, and the verdict.

    Runs on different data have a table each, below a heading.
    """
    return _by_part(loaded, lambda part: f"## {head.about(part)}\n\n", _markdown)


def _markdown(loaded: Loaded) -> str:
    table, verdict = _table(loaded), head.verdict(loaded)
    lines = [_row(["sampler", *table.columns]), _row(["---", *("---:" for _ in table.columns)])]
    for label, _, cells, best in table.rows:
        shown = [f"{value} ({second})" if second else value for value, second in cells]
        strong = [f"**{one}**" for one in (label, *shown)] if best else [label, *shown]
        lines.append(_row(strong))
    return "\n".join([*lines, "", *([verdict, ""] if verdict else []), table.note, ""])


def latex(loaded: Loaded) -> str:
    r"""A ``tabular`` for the package ``booktabs``; what stands in second lines is small, below its value.

    Runs on different data have one each, below a comment.
    """
    return _by_part(loaded, lambda part: f"% {head.about(part)}\n", _latex)


def _latex(loaded: Loaded) -> str:
    table = _table(loaded)
    heading = " & ".join(map(_escaped, ["sampler", *table.columns]))
    lines = [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule", rf"{heading} \\", r"\midrule"]
    for label, _, cells, best in table.rows:
        values = [_escaped(value) for value in (label, *(value for value, _ in cells))]
        lines.append(" & ".join(rf"\textbf{{{one}}}" if best else one for one in values) + r" \\")
        seconds = [rf"{{\scriptsize {_escaped(second)}}}" if second else "" for _, second in cells]
        if any(seconds):
            lines.append(" & ".join(["", *seconds]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", f"% {table.note}", ""])


def csv(loaded: Loaded) -> str:
    """One line for each sampler and metric of a comparison, in full; else one for each run and metric.

    Runs on different data have ``task`` and ``data`` before these.
    """
    parts = loaded.parts()
    rows = []
    for part in parts:
        about = {"task": part.runs[0].task, "data": part.runs[0].data or part.runs[0].source} if len(parts) > 1 else {}
        rows += [about | row for row in _rows(part)]
    return polars.DataFrame(rows, infer_schema_length=None).write_csv()


def _rows(loaded: Loaded) -> list[dict[str, Any]]:
    if summary := loaded.compare.get("summary"):
        return [_plain(row) for row in summary]
    return [
        {"sampler": run.label, "seed": run.seed, "metric": name, "value": value}
        for run in loaded.runs
        for name, value in run.metrics.get("test", {}).items()
    ]


def _by_part(loaded: Loaded, heading: Callable[[Loaded], str], write: Callable[[Loaded], str]) -> str:
    parts = loaded.parts()
    if len(parts) == 1:
        return write(loaded)
    return "\n".join(heading(part) + write(part) for part in parts)


TABLES: Mapping[str, tuple[str, Callable[[Loaded], str]]] = {
    "md": (".md", markdown),
    "latex": (".tex", latex),
    "csv": (".csv", csv),
}
"""Name of a format to the ending of its file and its writer."""


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row.get("interval") or (None, None)
    return {name: (dict(row) | {"low": low, "high": high}).get(name) for name in COLUMNS}


def _table(loaded: Loaded) -> head.Table:
    found = head.test_table(loaded, head.main_metric(loaded))
    return found or head.Table([], [], "No run has test metrics.")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(text: str) -> str:
    return re.sub(r"[\\&%$#_{}~^–]", lambda found: LATEX[found[0]], text)
