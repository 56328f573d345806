"""``negatives evaluate``, ``report`` and ``export``: commands that read finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def evaluate(run: Path, data: str | None = None, /) -> None:
    """Evaluate a finished run on its test part, or on other data.

    Parameters
    ----------
    run
        A run folder.
    data
        A file or folder of the same kind; left out, the run's own test part.
    """
    from negatives.training.run_folder import RunFolder

    RunFolder(run).check_run()
    from negatives.runs import runner

    metrics = runner.evaluate(run, data)
    width = max(map(len, metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.4f}")


def report(
    runs: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    out: Path | None = None,
    format: str = "",
) -> None:
    """Write report.html for one run, or for several side by side.

    Parameters
    ----------
    runs
        Run folders, or folders of a comparison.
    out
        File to write; report.html in the first folder by default.
    format
        More formats, separated by commas, written beside it: md, latex and csv for the table, svg and png for the
        learning curves and the summary.
    """
    from negatives.errors import InputError
    from negatives.training.run_folder import BEGUN, COMPARE, REPORT, RunFolder

    for run in runs:
        if not any((run / name).exists() for name in (COMPARE, BEGUN)):
            RunFolder(run).check_run()
    if out is not None and out.is_dir():
        raise InputError("is a folder", path=out, hint="give the name of a file to --out")
    from negatives.diagnostics import report as pages

    formats = [name.strip() for name in format.split(",") if name.strip()]
    pages.check_formats(formats)
    target = out or runs[0] / REPORT
    pages.write_report(runs, target)
    print(f"report: {target}")
    for path in pages.write_formats(runs, target, formats):
        print(f"written: {path}")


def export(
    run: Path,
    /,
    *,
    format: str,
    out: Path | None = None,
) -> None:
    """Write a run's vectors for other programs.

    Parameters
    ----------
    run
        A run folder.
    format
        One of safetensors, parquet, word2vec, word2vec-binary, faiss; trec for the ranking of a search run.
    out
        Folder to write to; export/ in the run folder by default.
    """
    from negatives.runs.export import export as write

    print(f"exported to: {write(run, format, out)}")
