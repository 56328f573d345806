"""Training that starts from a finished run: rows are found by name, and both runs are judged alike."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

import negatives
from negatives.answering import Run
from negatives.cli import main
from negatives.runs.terminal import Begin
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

SHORT = [*ALONE, "--epochs", "1"]


def pairs(path: Path, users: range, items: range) -> Path:
    rows = [f"u{user},i{item}" for user in users for item in items if (user * 7 + item * 3) % 5 < 3]
    path.write_text("user,item\n" + "\n".join(rows) + "\n")
    return path


def opened(path: Path) -> Run:
    run = negatives.load(path)
    assert isinstance(run, Run)
    return run


def trained(*words: object) -> int:
    return main(["train", *map(str, words), *SHORT])


@pytest.fixture
def first(tmp_path: Path) -> Path:
    assert trained("recommend", pairs(tmp_path / "a.csv", range(20), range(16)), "--out", tmp_path / "a",
                   "--model", "mf", "--sampler", "uniform") == 0  # fmt: skip
    return tmp_path / "a"


def test_rows_are_taken_over_by_name(first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = pairs(tmp_path / "b.csv", range(5, 26), range(1, 18))
    assert trained("recommend", more, "--from", first, "--out", tmp_path / "b", "--lr", "1e-12") == 0
    said = capsys.readouterr().out
    assert "query 15 taken over, 6 new, 5 gone; item 15 taken over, 2 new, 1 gone" in said
    old, new = opened(first), opened(tmp_path / "b")
    users = ["u5", "u19"]
    assert torch.allclose(old.encode(users), new.encode(users), atol=1e-5)
    assert torch.allclose(old.encode(["i3"], kind="item"), new.encode(["i3"], kind="item"), atol=1e-5)
    with pytest.raises(negatives.errors.InputError, match="no user is called 'u1'"):
        new.encode("u1")


def test_the_runs_are_judged_alike(first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert trained("--from", first, "--out", tmp_path / "b", "--lr", "1e-12") == 0
    assert "as it was" in capsys.readouterr().out
    before, after = (json.loads((run / "metrics.json").read_text()) for run in (first, tmp_path / "b"))
    assert after["start"]["test"] == pytest.approx(before["test"])
    assert after["start"]["run"] == str(first)
    assert "after this training" in after["start"]["verdict"]


def test_the_better_one_is_named(first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained("--from", first, "--out", tmp_path / "b", "--lr", "1000") == 0
    found = json.loads((tmp_path / "b" / "metrics.json").read_text())
    worse = found["test"][found["watched"]] < found["start"]["test"][found["watched"]]
    assert ("the old one was better" in capsys.readouterr().out) == worse


def test_an_interrupted_run_goes_on_from_what_it_took_over(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained("--from", first, "--out", tmp_path / "whole") == 0
    usual = Begin.on_step

    def stopped(self: Begin, step: Step) -> None:
        usual(self, step)
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Begin, "on_step", stopped)
        assert trained("--from", first, "--out", tmp_path / "b") == 143
    first.rename(tmp_path / "gone")
    capsys.readouterr()
    assert main(["train", "--resume", "--out", str(tmp_path / "b")]) == 0
    assert "the run that this one started from is not judged beside it" in capsys.readouterr().out
    one, other = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("whole", "b"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["knowledge", "--from", "{a}"], "is a run of the task recommend, not knowledge"),
        (["--from", "{a}", "--model", "lightgcn", "--loss", "bpr"], "with the model mf, this one of recommend with"),
        (["--from", "{a}", "--dim", "7"], "nothing of {a} fits this model"),
        (["--from", "{a}", "--resume", "--out", "{a}"], "give one of them"),
        (["--from", "{a}/nowhere"], "no such run folder"),
    ],
)
def test_what_does_not_fit_is_told(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    capsys.readouterr()
    out = [] if "--out" in words else ["--out", tmp_path / "b"]
    assert trained(*(word.format(a=first) for word in words), *out) == 2
    assert said.format(a=first) in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("task", "rows", "told"),
    [
        (
            "classify",
            [f"{a} {b} c{at},{a}" for at in range(8) for a in ("red", "blue") for b in ("sky", "sea")],
            "feature",
        ),
        ("knowledge", [f"e{a},r{a % 2},e{(a * 7 + b) % 20}" for a in range(20) for b in range(4)], "relation"),
        ("language", [f"the {a} sat on {b} and {c} ." for a in "abcd" for b in "klmn" for c in "wxyz"], "item"),
    ],
)
def test_other_kinds_of_rows(
    task: str, rows: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ("data.txt" if task == "language" else "data.csv")
    head = {"classify": ["text,label"], "knowledge": ["head,relation,tail"], "language": []}[task]
    path.write_text("\n".join([*head, *rows]) + "\n")
    assert trained(task, path, "--out", tmp_path / "a") == 0
    capsys.readouterr()
    assert trained("--from", tmp_path / "a", "--out", tmp_path / "b") == 0
    said = capsys.readouterr().out
    assert f"{told} " in said.split("from ", 1)[1]
    assert " 0 new, 0 gone" in said
    one, other = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in "ab")
    assert one.keys() == other.keys()
