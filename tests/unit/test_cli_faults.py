"""The command line: exit codes, one line for each fault, and what stays unimported."""

from __future__ import annotations

import errno
import json
import logging
import shlex
import subprocess
import sys
import types
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from negatives import runs
from negatives.cli import main
from negatives.config import Part, RunConfig
from negatives.errors import InputError, Interrupted, Stopped
from negatives.ranks import Ranks
from negatives.runs.begun import FORMAT

Calls = list[tuple[Any, ...]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A runner that only remembers how it was called."""
    seen: Calls = []

    def train(config: RunConfig, out: Path | None, *, resume: bool, command: str, started: float, ranks: Ranks) -> Path:
        assert ranks.count == 1
        assert started <= perf_counter()
        seen.append((config, out, resume))
        return out or Path("runs/new")

    runner = types.ModuleType("negatives.runs.runner")
    runner.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "negatives.runs.runner", runner)
    monkeypatch.setattr(runs, "runner", runner, raising=False)
    return seen


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> Path:
        raise error

    monkeypatch.setattr(sys.modules["negatives.runs.runner"], "train", train)


def fault(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str]:
    """Exit code of a command and its only line on standard error."""
    code = main(shlex.split(line))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("negatives: ")
    return code, err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trian", "did you mean train?"),
        ("frobnicate", "choose one of: clean, compare"),
        ("train recommend d --sampelr x", "no option is called --sampelr. Did you mean --sampler?"),
        ("train recommend d --learning 0.1", "no option is called --learning. See: negatives train --help"),
        ("train recommend d --batchsize 8", "Did you mean --batch-size?"),
        ("train recommend d --split random", "no option is called --split. See: negatives train --help"),
        ("train recommend d --lr high", "--lr 'high': give a number"),
        ("train recommend d --dim 1.5", "--dim '1.5': give a whole number"),
        ("train recommend d --columns user", "--columns 'user' is not of the form role=column"),
        ("train recommend d --columns user=a,user=b", "--columns names two columns for user: 'a' and 'b'; keep one"),
        ("inspect d --task recommed", "no task is called 'recommed'; did you mean recommend?"),
        ("inspect missing.csv", "missing.csv"),
        ("train recommend d --epochs many", "--epochs 'many': give a whole number. See: negatives train --help"),
        ("train recommend d --epochs 1.5", "--epochs '1.5': give a whole number"),
        ("train recommend d --max-seconds long", "--max-seconds 'long': give a number"),
        ("train recommend d more", "nothing takes 'more'. See: negatives train --help"),
        ("compare recommend d --samplers dns --seeds 1.5", "--seeds '1.5': give a whole number"),
        ("mine d --out o.jsonl --num-negatives 2.5", "--num-negatives '2.5': give a whole number"),
        ("train recommend d --epochs 0", "the options: epochs = 0"),
        ("train recommed d", "no task is called 'recommed'; did you mean recommend?"),
        ("train", "task is missing"),
        ("train recommend d --set batch_sise=3", "--set: no key is called 'batch_sise'; did you mean batch_size?"),
        ("train recommend d --set nothing", "key=value"),
        ("train recommend d --config missing.toml", "missing.toml: No such file"),
        ("train recommend d --resume", "give it with --out"),
        ("train recommend d --resume --out missing", "missing: no such run folder"),
        ("compare recommend d", "--samplers is missing"),
        ("compare recommend d --samplers dns,dns", "different names"),
        ("compare recommend d --samplers dns,unifrom", "did you mean uniform?"),
        ("compare recommend d --samplers dns --seeds 0", "at least 1"),
        ("demo recomend", "did you mean recommend?"),
        ("samplers dsn", "did you mean dns?"),
        ("evaluate missing", "missing: no such run folder"),
        ("report missing", "missing: no such run folder"),
        ("export missing --format parquet", "missing: no such run folder"),
        ("export missing --format parkuet", "did you mean parquet?"),
        ("export missing", "--format"),
    ],
)
def test_a_wrong_command_line_ends_with_two_and_one_line(
    line: str,
    message: str,
    calls: Calls,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text = fault(capsys, line)
    assert code == 2
    assert message in text
    assert calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("is empty", path="d.csv", line=3, hint="add rows"), "d.csv, line 3: is empty; add rows"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x/a"), "runs/x/a: No space left on device; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "d.csv"), "d.csv: Permission denied; choose"),
        (InputError("two\nlines"), "two lines"),
    ],
)
def test_faults_of_a_run_are_one_line(
    error: BaseException,
    message: str,
    calls: Calls,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raising(error, monkeypatch)
    code, text = fault(capsys, "train recommend d")
    assert code == 2
    assert message in text


def test_an_interruption_says_how_to_go_on(
    calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(Interrupted(2, Path("runs/a b")), monkeypatch)
    code, text = fault(capsys, "train recommend d")
    assert code == 130
    assert "negatives train --resume --out 'runs/a b'" in text
    raising(Interrupted(15, Path("here"), saved=False), monkeypatch)
    code, text = fault(capsys, "train recommend d --out here")
    assert code == 143
    assert text.endswith(
        "interrupted before the first checkpoint, nothing is saved; begin anew with: "
        "negatives train --resume --out here\n"
    )
    raising(Interrupted(2, saved=False), monkeypatch)
    assert fault(capsys, "train recommend d --out here")[1].endswith("checkpoint, nothing is saved\n")
    raising(Interrupted(1, Path("here"), "compare", saved=False, kept=2), monkeypatch)
    code, text = fault(capsys, "train recommend d")
    assert code == 129
    told = "interrupted; 2 finished trainings are kept; go on with: negatives compare --resume --out here\n"
    assert text.endswith(told)
    raising(Interrupted(1, Path("here"), "compare", kept=1), monkeypatch)
    text = fault(capsys, "train recommend d")[1]
    assert "interrupted; 1 finished training is kept, a checkpoint is saved; go on with" in text
    for stop, number in ((KeyboardInterrupt(), 130), (Stopped(15), 143), (Stopped(1), 129)):
        raising(stop, monkeypatch)
        assert fault(capsys, "train recommend d")[0] == number


def test_a_fault_of_the_program_keeps_its_traceback(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(ZeroDivisionError("bug"), monkeypatch)
    with pytest.raises(ZeroDivisionError, match="bug"):
        main(["train", "recommend", "d"])


def test_file_options_and_set_merge(calls: Calls, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('task = "recommend"\nepochs = 3\nseed = 1\n[model]\nname = "mf"\ndim = 8\n')
    line = "train --config {} --epochs 5 --sampler dns --set sampler.candidates=64 --set model.dim=16 --set loss=bpr"
    assert main([*shlex.split(line.format(file)), "--out", "here"]) == 0
    config, out, resume = calls[0]
    assert (config.task, config.data, config.epochs, config.seed) == ("recommend", None, 5, 1)
    assert (config.loss, config.model) == (Part("bpr"), Part("mf", {"dim": 16}))
    assert config.sampler == Part("dns", {"candidates": 64})
    assert (out, resume) == (Path("here"), False)


def test_messages_of_the_package_go_to_standard_output(
    calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("negatives.runs.runner")

    def train(*_: object, **__: object) -> Path:
        logger.info("read 3 columns")
        return Path("there")

    monkeypatch.setattr(sys.modules["negatives.runs.runner"], "train", train)
    assert main(["train", "recommend", "d"]) == 0
    out, err = capsys.readouterr()
    assert out == "read 3 columns\nrun folder: there\n"
    assert err == ""
    assert logging.getLogger("negatives").handlers == []


def test_resume_reads_the_run(calls: Calls, tmp_path: Path) -> None:
    told = {"format": FORMAT, "config": {"task": "recommend", "data": "d", "seed": 7}, "data": ""}
    (tmp_path / "begun.json").write_text(json.dumps(told))
    assert main(["train", "--resume", "--out", str(tmp_path)]) == 0
    config, out, resume = calls[0]
    assert (config.data, config.seed, out, resume) == ("d", 7, tmp_path, True)


def test_a_fault_names_the_file_that_holds_it(calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text("epochs = 0\n")
    code, text = fault(capsys, f"train recommend --config {file} --set seed=3")
    assert code == 2
    assert f"{file}: epochs = 0" in text


def test_light_commands_import_nothing_heavy() -> None:
    """One process runs them all, so that what one loads is told under its own line."""
    lines = ["--version", "--help", "train --help", "trian", "train recommend d --epochs x"]
    code = (
        "import sys; from negatives.cli import main\n"
        f"for line in {lines!r}:\n"
        "    try:\n        main(line.split())\n    except SystemExit:\n        pass\n"
        "    heavy = {'torch', 'numba', 'numpy', 'polars', 'plotly'} & set(sys.modules)\n"
        "    print('heavy:', line, *heavy, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [one for one in found.stderr.splitlines() if one.startswith("heavy:")] == [f"heavy: {one}" for one in lines]


@pytest.mark.parametrize("line", ["train --set seed=4 recommend d", "train recommend --set=seed=4 d"])
def test_set_takes_one_word(line: str, calls: Calls) -> None:
    assert main(line.split()) == 0
    assert (calls[0][0].seed, calls[0][0].data) == (4, "d")


def test_python_m_negatives() -> None:
    found = subprocess.run([sys.executable, "-m", "negatives", "trian"], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == "negatives: no command is called 'trian'; did you mean train?\n"
