"""No limit of time counts what the first step of a process compiles, and no training is charged for those after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from negatives.cli import main
from negatives.config import RunConfig
from negatives.runs import steps
from negatives.runs.budget import rehearse
from negatives.runs.builder import fill, prepare
from negatives.training import loop
from quick import ALONE

COMPILING = 1_000.0
"""Seconds of the first step of a process."""
LIMIT = ["--max-seconds", "0.25"]
OPTIONS = [*ALONE, "--set", "batch_size=256", "--set", "precision=float32"]


def clock_of(first: float) -> Callable[[], float]:
    """A clock on which the first step takes so many seconds and each other one a hundredth of a second."""
    now, read = 0.0, 0

    def clock() -> float:
        nonlocal now, read
        read += 1  # a step reads it before and after
        now += first if read == 2 else 0.01
        return now

    return clock


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step takes very long."""
    monkeypatch.setattr(loop, "perf_counter", clock_of(COMPILING))


@pytest.mark.usefixtures("compiled")
def test_a_limit_of_seconds_is_one_of_training(planted_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", "recommend", str(planted_file), "--recipe", "pairwise", *LIMIT, "--out", str(run)]
    assert main([*words, *OPTIONS, "--set", "evaluation.every=1"]) == 0  # else evaluations are timed, with some steps
    found = json.loads((run / "metrics.json").read_text())
    assert found["train_seconds"] < 1.0
    assert found["steps"] > 5


@pytest.mark.usefixtures("compiled")
def test_the_first_of_a_comparison_is_not_charged_for_all(planted_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "compare"
    words = ["compare", "recommend", str(planted_file), "--samplers", "uniform,dns", "--seeds", "1", "--tune", "2"]
    assert main([*words, *LIMIT, "--out", str(out), *OPTIONS, "--set", "model.name=mf"]) == 0
    for trial in sorted((out / "trials").iterdir()):
        told = json.loads((trial / "trial.json").read_text())
        assert all(one["seconds"] < 1.0 for one in told["rounds"].values()), trial.name


def test_the_first_recipe_on_folds_is_not_charged_for_all(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All values of all recipes are those of a machine that has compiled before."""
    seen = []
    for first in (0.01, COMPILING):
        monkeypatch.setattr(loop, "perf_counter", clock_of(first))
        run = tmp_path / str(first)
        assert main(["train", "recommend", str(planted_file), "--max-seconds", "4", "--out", str(run), *OPTIONS]) == 0
        lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        seen.append([line["seen"] for line in lines if line["kind"] == "decision"])
    assert "default" in seen[0][0]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("recipe", ["default", "pairwise", "history", "pairwise_lightgcn"])
def test_a_rehearsed_training_is_as_it_was(planted_file: Path, recipe: str) -> None:
    """To the bit."""
    asked = RunConfig(task="recommend", data=str(planted_file), recipe=recipe, epochs=1, threads=1)
    asked, task, examples = steps.load(asked)
    config = fill(asked, task, examples)
    models = []
    for first in (False, True):
        trained = prepare(config, examples, task)
        if first:
            rehearse(trained)
        assert (trained.loop.steps, trained.loop.seconds) == (0, 0.0)
        trained.loop.run()
        models.append(trained.model.state_dict())
    assert all((models[0][name] == models[1][name]).all() for name in models[0])
