"""``negatives evaluate``, ``report`` and ``export``: commands that read finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from negatives.cli.options import Overwrite


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
    overwrite: Overwrite = False,
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
    from negatives.training.run_folder import BEGUN, COMPARE, CONFIG, REPORT, RunFolder
    from negatives.training.targets import check_target, filling

    for run in runs:
        compared = (run / COMPARE).exists() or ((run / BEGUN).exists() and not (run / CONFIG).exists())
        if not compared:
            RunFolder(run).check_run()
    from negatives.diagnostics import report as pages

    formats = [name.strip() for name in format.split(",") if name.strip()]
    pages.check_formats(formats)
    default = runs[0] / REPORT
    target = out or default
    own, read = (pages.is_report, []) if target.absolute() == default.absolute() else (None, runs)
    check_target(target, overwrite=overwrite, inputs=read, own=own)
    with filling(target.parent, overwrite=overwrite, inputs=read, own=own) as folder:
        pages.write_report(runs, folder / target.name)
        others = [path.name for path in pages.write_formats(runs, folder / target.name, formats)]
    print(f"report: {target}")
    for name in others:
        print(f"written: {target.with_name(name)}")


def export(
    run: Path,
    /,
    *,
    format: str,
    out: Path | None = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run, or its vectors, for other programs.

    Parameters
    ----------
    run
        A run folder.
    format
        Of vectors: safetensors, parquet, numpy, word2vec, word2vec-binary, glove, faiss. Of encoders of texts:
        sentence-transformers, onnx. Of any run: hub, the layout of Hugging Face's. Of search: trec, its test ranking.
    out
        Folder to write to; export/ in the run folder by default.
    """
    from negatives.runs.export import export as write

    print(f"exported to: {write(run, format, out, overwrite=overwrite)}")
