"""Runs to ask in tests: as they are right after training, and opened from a copy of their folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import negatives
from negatives.answering import Run
from negatives.config import build
from negatives.runs import opening, runner


def trained_and_opened(tmp_path: Path, **values: Any) -> tuple[Run, Run]:
    """Train a run; the same run in memory, and opened from a copy after its data and its folder are gone.

    Args:
        tmp_path: Where to work; data below it named ``data*`` is removed.
        **values: The configuration.
    """
    caught: list[Run] = []
    keep = runner.keep

    def catching(folder: Any, trained: Any, test: Any, whole: Any) -> None:
        caught.append(opening.asked(trained, whole))
        keep(folder, trained, test, whole)

    quick = {"threads": 1, "epochs": 2, "baselines": "none"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "keep", catching)
        path = runner.train(build([("test", quick | values)]), tmp_path / "trained")
    elsewhere = tmp_path / "elsewhere" / "copy"
    shutil.copytree(path, elsewhere)
    shutil.rmtree(path)
    for data in tmp_path.glob("data*"):
        shutil.rmtree(data) if data.is_dir() else data.unlink()
    opened = negatives.load(elsewhere)
    assert isinstance(opened, Run)
    return caught[0], opened
