"""What is temporary goes with the process that made it, or with the next one that looks; nothing else goes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from negatives import temporary
from negatives.cli import main
from negatives.data.corpus.encoded import Folder
from negatives.temporary import SUFFIX, file_beside, folder_in, sweep
from negatives.training.taken import held

KILLED = """
import fcntl, os, signal, sys
from pathlib import Path
from negatives.temporary import Passing, file_beside, folder_in
place = Path(sys.argv[1])
file, folder = file_beside(place / "mined.jsonl"), folder_in(place, "out")
file.__enter__().write_text("x" * 100)
(folder.__enter__() / "a").write_text("y" * 50)
passing = Passing("corpus")
(passing.path / "tokens").write_text("z" * 10)
(place / "runs" / "begun").mkdir()
fcntl.flock(os.open(place / "runs" / "begun" / ".lock", os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    """A process that holds temporary files, and is killed once its input ends."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    temporary.sweep_passing.cache_clear()
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    made = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    assert made.stdout.readline() == "ready\n"
    return made


def left(folder: Path) -> list[str]:
    return sorted(path.name.partition(".")[2].partition(".")[0] for path in folder.glob(f"*{SUFFIX}"))


def test_what_is_held_stays_and_what_is_left_over_goes(
    process: subprocess.Popen[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [str(tmp_path)]
    assert main(["clean", *places]) == 0
    assert capsys.readouterr().out == "nothing is left over\n"
    assert left(tmp_path) == ["mined", "out"]
    assert process.communicate()[0] == ""
    assert main(["clean", "--dry-run", *places]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "4 leftovers with 160 bytes would be removed"
    assert any(line.endswith("begun/.lock: 0 bytes") for line in told)
    assert left(tmp_path) == ["mined", "out"]
    assert main(["clean", *places]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 leftovers with 160 bytes removed"
    assert left(tmp_path) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["runs", "tmp"]
    assert list((tmp_path / "runs").iterdir()) == []


def test_without_paths_the_usual_places_are_cleaned(
    process: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process.communicate()
    monkeypatch.chdir(tmp_path)
    assert main(["clean"]) == 0
    assert "2 leftovers with 10 bytes removed" in capsys.readouterr().out
    assert left(tmp_path) == ["mined", "out"]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert main(["clean", "mined.jsonl"]) == 0
    assert left(tmp_path) == []
    assert main(["clean", "none/at/all"]) == 2


def test_the_next_corpus_sweeps_those_of_killed_processes(process: subprocess.Popen[str], tmp_path: Path) -> None:
    process.communicate()
    (tmp_path / "tmp" / "negatives-mine").mkdir()
    made = Folder()
    assert sorted((tmp_path / "tmp").iterdir()) == sorted([Path(made.name), tmp_path / "tmp" / "negatives-mine"])
    del made
    assert [one.name for one in (tmp_path / "tmp").iterdir()] == ["negatives-mine"]


def test_the_next_holder_of_a_folder_sweeps_it(process: subprocess.Popen[str], tmp_path: Path) -> None:
    process.communicate()
    assert left(tmp_path) == ["mined", "out"]
    with held(tmp_path):
        assert left(tmp_path) == []


def test_links_and_others_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / f".a{SUFFIX}").write_text("x")
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / f".link{SUFFIX}").symlink_to(tmp_path / "far")
    (tmp_path / "near" / "folder").symlink_to(tmp_path / "far")
    (tmp_path / "near" / "a.part").write_text("x")
    assert sweep(tmp_path / "near") == []
    monkeypatch.setattr(os, "getuid", lambda: -1)
    assert sweep(tmp_path) == []
    monkeypatch.undo()
    assert [one.path.name for one in sweep(tmp_path)] == [f".a{SUFFIX}"]


def test_a_file_system_without_locks_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(temporary.fcntl, "flock", none)
    with file_beside(tmp_path / ("long" * 60)) as path, folder_in(tmp_path, "x"):
        assert path.exists()
        assert sweep(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
