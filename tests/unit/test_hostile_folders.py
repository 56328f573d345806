"""Run folders that somebody else has made: nothing is written outside, nothing is run, and one line says why."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import negatives
from hostile import CASES
from negatives.answering import Run
from negatives.cli import main
from negatives.errors import NegativesError
from negatives.runs import runner
from negatives.runs.export import FORMATS
from negatives.training.run_folder import METRICS

OPTIONS = [
    "--model",
    "mf",
    "--dim",
    "4",
    "--epochs",
    "2",
    "--threads",
    "1",
    "--baselines",
    "none",
    "--sampler",
    "uniform",
]
LONGEST = 30
"""Seconds after which a command hangs."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run and an interrupted one."""
    folder = tmp_path_factory.mktemp("sound")
    rows = [f"u{user},i{item}" for user in range(12) for item in range(10) if (user * 7 + item * 3) % 5 < 3]
    (folder / "data.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    command = ["train", "recommend", str(folder / "data.csv"), *OPTIONS]
    assert main([*command, "--out", str(folder / "finished")]) == 0

    @contextmanager
    def stopped() -> Iterator[list[int]]:
        yield [signal.SIGTERM]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "signals_caught", stopped)
        assert main([*command, "--out", str(folder / "begun")]) == 128 + signal.SIGTERM
    assert not (folder / "begun" / METRICS).exists()
    return folder / "finished", folder / "begun"


@contextmanager
def in_time() -> Iterator[None]:
    """Fail where a command waits for ever."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def load(run: Path) -> int:
    """Ask the run from Python; 2 where it says in one line why it cannot."""
    try:
        found = negatives.load(run)
        assert isinstance(found, Run)
        found.predict(["u1"], k=3)
    except NegativesError as error:
        print(f"negatives: {error}")
        return 2
    return 0


def commands(run: Path, begun: Path, data: Path, out: Path, every: bool) -> dict[str, list[Callable[[], int]]]:
    """What each command of a case does."""

    def command(*words: str) -> Callable[[], int]:
        return lambda: main(list(words))

    formats = FORMATS if every else ("parquet", "word2vec")
    exports = [command("export", str(run), "--format", one, "--out", str(out / one)) for one in formats]
    return {
        "evaluate": [command("evaluate", str(run))],
        "export": exports,
        "export-here": [command("export", str(run), "--format", "parquet")],
        "report": [command("report", str(run))],
        "resume": [command("train", "--resume", "--out", str(begun))],
        "load": [lambda: load(run), command("predict", str(run), "u1")],
        "start": [command("train", "recommend", str(data), *OPTIONS, "--from", str(run), "--out", str(out / "new"))],
    }


def state(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_folder(
    name: str, runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    case = CASES[name]
    outside, begun, run = tmp_path / "outside", tmp_path / "in" / "begun", tmp_path / "in" / "run"
    outside.mkdir()
    for source, target in zip(runs, (run, begun), strict=True):
        shutil.copytree(source, target)
    refused = case.refused.split()
    case.change(begun if refused == ["resume"] else run, outside)
    if "resume" in refused and len(refused) > 1:
        (tmp_path / "outside2").mkdir()
        case.change(begun, tmp_path / "outside2")
    monkeypatch.chdir(tmp_path)
    before, seen = state(outside), sorted(path.name for path in tmp_path.iterdir())
    table, out = runs[0].parent / "data.csv", tmp_path / "in" / "out"
    for verb, doings in commands(run, begun, table, out, name.startswith("kind a")).items():
        for doing in doings if verb in (*refused, *case.others.split()) else ():
            capfd.readouterr()
            with in_time():
                code = doing()
            told = capfd.readouterr()
            text = told.out + told.err
            assert code == (2 if verb in refused else 0) or (code == 2 and not refused), (verb, text)
            assert "Traceback" not in text, verb
            assert len(told.err.splitlines()) <= 1, verb
            if verb in refused:
                *_, line = text.splitlines()
                assert line.startswith("negatives: "), verb
                assert case.said in line, verb
    assert state(outside) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == seen
    page = run / "report.html"
    if not page.is_symlink() and page.exists():
        assert not any(markup in page.read_text() for markup in ("<script>alert", "<img src=x"))
