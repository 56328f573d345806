"""A run goes on only as what it was begun as, from a checkpoint that is whole, and ends as if it had never stopped."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from negatives.cli import main
from negatives.runs.terminal import Begin
from negatives.training import checkpoint
from negatives.training.callbacks import Step
from negatives.training.checkpoint import Checkpoints
from quick import ALONE

MODEL = ["--set", "model.name=mf", "--set", "batch_size=256", "--set", "optimiser.name=adagrad", "--epochs", "4"]
STOPS = 9
"""Steps after which the run of all tests is interrupted."""


def stopping(after: int, number: int = signal.SIGINT, then: Callable[[], object] = lambda: None) -> Any:
    """A listener that raises a signal after so many steps."""
    usual = Begin.on_step

    def listen(self: Begin, step: Step) -> None:
        usual(self, step)
        if step.context.step == after - 1:
            signal.raise_signal(number)
            then()

    return listen


def train(data: Path, out: Path, *more: str) -> int:
    return main(["train", "recommend", str(data), "--out", str(out), *MODEL, *ALONE, *more])


@pytest.fixture(scope="module")
def whole(planted_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one go."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert train(planted_file, out) == 0
    return out


@pytest.fixture(scope="module")
def interrupted(planted_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "interrupted"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Begin, "on_step", stopping(STOPS))
        assert train(planted_file, out, "--set", "save_every=1e-9") == 130
    return out


@pytest.fixture
def run(interrupted: Path, tmp_path: Path) -> Path:
    """A copy of the interrupted run."""
    shutil.copytree(interrupted, tmp_path / "run")
    return tmp_path / "run"


def resume(run: Path, *more: str) -> int:
    return main(["train", *more, "--resume", "--out", str(run)])


def same(run: Path, whole: Path) -> bool:
    tests = [json.loads((one / "metrics.json").read_text())["test"] for one in (run, whole)]
    return (
        tests[0] == tests[1] and (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    )


def refused(capsys: pytest.CaptureFixture[str], code: int) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) == (2, 1)
    return lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_save_and_the_resumed_run_is_the_same(
    number: int, whole: Path, planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Begin, "on_step", stopping(STOPS, number))
        assert train(planted_file, out) == 128 + number
    assert f"interrupted, a checkpoint is saved; go on with: negatives train --resume --out {out}" in (
        capsys.readouterr().err
    )
    assert [path.name for path in (out / "checkpoints").iterdir()] == [f"step-{STOPS:012d}.safetensors"]
    assert resume(out) == 0
    assert same(out, whole)


def test_a_second_hang_up_does_not_disturb_and_an_ignored_one_is_ignored(
    whole: Path, planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = stopping(STOPS, signal.SIGHUP, lambda: signal.raise_signal(signal.SIGHUP))
    with monkeypatch.context() as patch:
        patch.setattr(Begin, "on_step", again)
        assert train(planted_file, tmp_path / "a") == 129
        assert len(list((tmp_path / "a" / "checkpoints").iterdir())) == 1
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            assert train(planted_file, tmp_path / "b") == 0
        finally:
            signal.signal(signal.SIGHUP, before)
    assert same(tmp_path / "b", whole)


def test_a_second_ctrl_c_tells_what_the_folder_holds(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Begin, "on_step", stopping(1, signal.SIGINT, lambda: signal.raise_signal(signal.SIGINT)))
    assert train(planted_file, tmp_path / "run") == 130
    told = refused(capsys, 2)
    assert "interrupted before the first checkpoint, nothing is saved; begin anew with: negatives train" in told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seed", "7"], "the run was begun with another seed (0, now 7); leave that out to go on"),
        (["--epochs", "9"], "another epochs (4, now 9)"),
        (["--model", "lightgcn"], "another model"),
        (["--set", "evaluation.patience=3"], "another evaluation.patience (8, now 3)"),
    ],
)
def test_another_configuration_is_refused(
    more: list[str], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert said in refused(capsys, resume(run, *more))
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_what_changes_no_number_may_change_and_the_data_may_move(
    run: Path, whole: Path, planted_file: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "other-name.csv"
    moved.parent.mkdir()
    shutil.copy(planted_file, moved)
    assert resume(run, "recommend", str(moved), "--set", "save_every=5m", "--baselines", "none") == 0
    assert same(run, whole)


def test_other_data_is_refused(
    run: Path, planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = planted_file.read_text().splitlines()
    lines[-1], lines[-2] = lines[-2].replace("\n", ""), lines[-1]
    other = tmp_path / "other.csv"
    other.write_text("\n".join(lines[:-1]) + "\n")
    assert "the run was begun with other data; give that data to go on, or choose another --out" in refused(
        capsys, resume(run, "recommend", str(other))
    )


def test_another_version_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads((run / "begun.json").read_text())
    (run / "begun.json").write_text(json.dumps(told | {"format": "0.9", "negatives": "0.1.7"}))
    assert "begun by negatives 0.1.7, whose runs cannot go on here; go on with that version" in refused(
        capsys, resume(run)
    )
    (run / "begun.json").unlink()
    assert "was begun by an earlier version" in refused(capsys, resume(run))


def test_an_edited_configuration_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text().replace("epochs = 4", "epochs = 40"))
    told = refused(capsys, resume(run))
    assert "config.toml: was changed; the run was begun with another epochs (4, now 40); change it back" in told


def test_a_run_that_was_killed_before_its_configuration_was_written_goes_on(run: Path, whole: Path) -> None:
    (run / "config.toml").unlink()
    assert resume(run) == 0
    assert same(run, whole)


def test_a_finished_run_and_a_begun_one_are_not_begun_again(
    run: Path, whole: Path, planted_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the run is finished" in refused(capsys, resume(whole))
    assert "holds a run already; add --resume" in refused(capsys, train(planted_file, run))
    assert main(["compare", "--resume", "--out", str(run)]) == 2
    assert "no comparison was begun here" in capsys.readouterr().err


def test_a_start_that_is_refused_tidies_up_first(whole: Path, planted_file: Path) -> None:
    """The run was killed when all was written but the lock not yet removed."""
    for again in (lambda: resume(whole), lambda: train(planted_file, whole)):
        (whole / ".lock").write_text("")
        (whole / ".report.html.12345678.negatives.part").write_text("")
        before = {path.name for path in whole.iterdir()}
        assert again() == 2
        assert before - {path.name for path in whole.iterdir()} == {".lock", ".report.html.12345678.negatives.part"}


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    run: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, newest = sorted((run / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    assert resume(run) == 0
    told = capsys.readouterr().out
    assert f"{newest.name} (cut short, or not a safetensors file); the one before it is tried" in told
    assert f"going on from step {int(before.stem[5:])}" in told
    assert same(run, whole)


def test_without_a_whole_checkpoint_nothing_is_begun_anew_unasked(
    run: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"")
    told = refused(capsys, resume(run))
    assert "no checkpoint can be read; delete this folder to begin the training anew" in told
    shutil.rmtree(run / "checkpoints")
    assert resume(run) == 0
    assert "no checkpoint was written before the interruption; starting anew" in capsys.readouterr().out
    assert same(run, whole)


def test_damaged_later_checkpoints_are_dropped(tmp_path: Path) -> None:
    made = Checkpoints(tmp_path)
    for step in (10, 20, 30):
        made.save(step, {})
    assert [path.name[12:17] for path in made.newest_first()] == ["00030", "00020"]
    made.save(25, {})
    assert [path.name[12:17] for path in made.newest_first()] == ["00025", "00020"]


def nan(state: Any) -> None:
    next(iter(state["model"].values())).view(-1)[3] = torch.nan


def longer(state: Any) -> None:
    name, tensor = next(iter(state["model"].items()))
    state["model"][name] = torch.cat([tensor, tensor[:1]])


def other_names(state: Any) -> None:
    state["model"]["foreign"] = torch.zeros(1)


def without_sampler(state: Any) -> None:
    del state["sampler"]


def odd_sampler(state: Any) -> None:
    state["sampler"] = {"no": "sampler"}


def negative(state: Any) -> None:
    state["steps"] = -3


def fractional(state: Any) -> None:
    state["steps"] = 1.5


def endless(state: Any) -> None:
    state["seconds"] = float("inf")


def shorter_moments(state: Any) -> None:
    def cut(value: Any) -> Any:
        return {k: cut(v) for k, v in value.items()} if isinstance(value, dict) else (
            value[:-1] if isinstance(value, torch.Tensor) and value.dim() else value)  # fmt: skip

    state["engine"] = cut(state["engine"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nan, "hold NaN"),
        (longer, "are of another shape or type"),
        (other_names, "holds the weights of another model"),
        (without_sampler, "'sampler' stands in one of the two alone"),
        (odd_sampler, "does not fit this run"),
        (negative, "speaks of -3 steps done; the run has 0 to"),
        (fractional, "speaks of 1.5 steps done"),
        (endless, "speaks of inf seconds"),
        (shorter_moments, "is of another shape"),
    ],
)
def test_a_foreign_checkpoint_ends_in_a_sentence(
    change: Callable[[Any], None], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = max((run / "checkpoints").iterdir())
    state = checkpoint.load(newest)
    change(state)
    checkpoint.save(newest, state)
    told = refused(capsys, resume(run))
    assert said in told
    assert newest.name in told


def test_a_header_without_a_state_is_damaged(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its checksum may well be right."""
    import hashlib

    for path in (run / "checkpoints").iterdir():
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata())
        metadata |= {"tree": "[1, 2]", "sha256": hashlib.sha256(b"[1, 2]").hexdigest()}
        save_file({}, path, metadata)
        assert load_file(path) == {}
    assert "no checkpoint can be read" in refused(capsys, resume(run))
