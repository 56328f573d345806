"""Whole runs of every task with ``device=cuda``: reading, training, evaluation, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from places import PRETENDED, device

from forms import FORMS, SAMPLES
from negatives.config import build
from negatives.errors import ConfigError
from negatives.runs import builder, runner
from negatives.tasks.registry import registry

OFTEN = {"recommend", "sequence"}
"""Tasks whose runs are in the suite; those of the others are long enough for the night."""
ON_THE_CPU = {"words": "its engines are compiled loops"}


def ran(task: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Path:
    sample = SAMPLES[task]
    data = FORMS["CSV"](sample.rows, folder)
    recipe = next(iter(registry.get(task)().recipes()))
    given = {"task": task, "data": str(data), "recipe": recipe, "reading": dict(sample.options), "epochs": 1}
    quick = {"threads": 1, "baselines": "none", "device": "cuda", "precision": "bfloat16"}
    with device() as (where, _):
        if PRETENDED:
            monkeypatch.setattr(builder, "_device", lambda name: where)
            monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
        return runner.train(build([("test", given | quick | values)]), folder / "run")


@pytest.mark.filterwarnings("ignore:CUDA is not available")  # autocast looks for a real one
@pytest.mark.parametrize(
    "task",
    [pytest.param(task, marks=() if task in OFTEN or not PRETENDED else pytest.mark.nightly) for task in registry],
)
def test_a_run(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if task in ON_THE_CPU:
        with pytest.raises(ConfigError, match="on the CPU"):
            ran(task, tmp_path, monkeypatch)
        return
    found = json.loads((ran(task, tmp_path, monkeypatch) / "metrics.json").read_text())
    assert found["test"]


@pytest.mark.parametrize(("task", "values"), [("recommend", {"model": "ease"}), ("words", {"device": "auto"})])
def test_what_is_of_the_cpu_stays_there(
    task: str, values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (ran(task, tmp_path, monkeypatch, **values) / "metrics.json").exists()
