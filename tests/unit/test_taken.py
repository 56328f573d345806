"""One process at a time writes into a run folder; runs that begin together get folders of their own."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from negatives.cli import main
from negatives.errors import InputError
from negatives.training.run_folder import LOCK, RunFolder
from negatives.training.taken import held, taken
from quick import ALONE


def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n" + "".join(f"{n % 20},{n * 7 % 31}\n" for n in range(400)))
    return path


def test_a_folder_that_is_held_is_refused_and_let_go_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    with held(path):
        with pytest.raises(InputError, match="another process is writing here"), held(path):
            pass
        (path / "metrics.json").write_text("{}")
    assert [one.name for one in path.iterdir()] == ["metrics.json"]
    with held(path):
        assert (path / LOCK).exists()


def test_what_stays_empty_is_removed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong data"), held(tmp_path / "runs" / "x"):
        raise ValueError("wrong data")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with held(tmp_path / "mine"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]  # what was there stays


def test_a_dead_process_lets_go(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from negatives.training.taken import held\n"
        "hold = held(Path(sys.argv[1])); hold.__enter__(); print('held', flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("held\n", 9)
    assert (tmp_path / "run" / LOCK).exists()
    RunFolder(tmp_path / "run").check_free()  # what a dead process left is no run
    with held(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / LOCK).exists()


def _take(root: str, found: object, gate: object) -> None:
    import os

    os.chdir(root)
    gate.wait()  # type: ignore[attr-defined]
    with taken(None, "recommend", "a.csv", "dns") as folder:
        (folder.path / "config.toml").write_text("x")
        found.put(str(folder.path))  # type: ignore[attr-defined]


def test_runs_that_begin_together_get_folders_of_their_own(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    found, gate = context.Queue(), context.Barrier(6)
    running = [context.Process(target=_take, args=(str(tmp_path), found, gate)) for _ in range(6)]
    for one in running:
        one.start()
    paths = {found.get(timeout=30) for _ in running}
    for one in running:
        one.join()
    assert len(paths) == 6
    assert len(list((tmp_path / "runs").iterdir())) == 6


@pytest.mark.parametrize("command", ["train", "compare"])
def test_commands_hold_their_folder(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    more = ["--samplers", "uniform", "--seeds", "1", "--tune", "0"] if command == "compare" else ["--model", "mf"]
    asked = [command, "recommend", str(pairs(tmp_path)), "--epochs", "1", "--out", str(out), *more, *ALONE]
    with held(out):
        assert main(asked) == 2
    assert "another process is writing here" in capsys.readouterr().err
    assert not out.exists()
    assert main(asked) == 0
    assert not (out / LOCK).exists()
    before = {one.name: one.read_bytes() for one in out.iterdir() if one.is_file()}
    assert main(asked) == 2
    assert before == {one.name: one.read_bytes() for one in out.iterdir() if one.is_file()}
