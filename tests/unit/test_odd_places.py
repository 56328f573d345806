"""Surroundings that spoil a command: closed and full streams, small locales, little memory, folders that are gone."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import negatives
from negatives.cli import faults, main
from negatives.cli.app import BROKEN_PIPE
from negatives.cli.faults import MEMORY, THREADS, sentence

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX systems")
SOURCE = str(Path(negatives.__file__).parents[1])
ONE_LINE = "negatives: "


def start(
    *words: str,
    shell: str = "{}",
    flags: Sequence[str] = (),
    before: Callable[[], None] | None = None,
    cwd: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, within a line of a shell."""  # fmt: skip
    code = f"import sys; sys.path.insert(0, {SOURCE!r}); from negatives.cli import main; sys.exit(main())"
    line = [sys.executable, *flags, "-c", code, *words]
    told = shell.format(" ".join(f"'{word}'" if "'" not in word else f'"{word}"' for word in line))
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONUTF8"} | environment
    return subprocess.run(
        ["bash", "-c", told], capture_output=True, text=True, env=surroundings, preexec_fn=before, cwd=cwd, timeout=60
    )


@pytest.mark.parametrize(
    ("shell", "code"),
    [
        ("{} <&-", 0),
        ("{} >&-", 0),
        ("{} 2>&-", 0),
        ("{} <&- >&- 2>&-", 0),
        ("{} >/dev/full", 2),
        ("{} | true; exit ${{PIPESTATUS[0]}}", BROKEN_PIPE),
    ],
)
def test_streams_that_are_closed_full_or_not_read(shell: str, code: int) -> None:
    found = start("--help", shell=shell)
    assert found.returncode == code or (code == BROKEN_PIPE and found.returncode == 0)
    assert "Traceback" not in found.stderr
    assert "Exception ignored" not in found.stderr
    assert len(found.stderr.splitlines()) == (1 if code == 2 else 0)


@pytest.mark.parametrize("shell", ["{} 2>/dev/full", "{} 2>&1 | true; exit ${{PIPESTATUS[0]}}", "{} >&- 2>&-"])
def test_a_message_that_nobody_can_read_keeps_its_code(shell: str) -> None:
    found = start("nothing", shell=shell)
    assert (found.returncode, found.stderr) == (2, "")


@pytest.mark.parametrize("flags", [("-O",), ("-OO",), ("-I",)])
def test_other_ways_to_start_python(flags: Sequence[str]) -> None:
    found = start("--help", flags=flags)
    assert (found.returncode, found.stderr) == (0, "")
    assert "train" in found.stdout


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    found = start("--help", shell=f"cd {tmp_path}; mkdir gone; cd gone; rmdir ../gone; {{}}")
    assert found.returncode == 2
    assert found.stderr.splitlines() == [ONE_LINE + faults.GONE]


def test_few_addresses() -> None:
    import resource

    limit = 3 * 2**29
    found = start("--help", before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    (line,) = found.stderr.splitlines()
    assert found.returncode == 2
    assert "ulimit -v allows 1.5 GB" in line


def test_a_name_that_is_no_text() -> None:
    found = start("evaluate", shell="{} $'caf\\xe9'")
    assert found.returncode == 2
    assert found.stderr == f"{ONE_LINE}caf\\udce9 is not written in UTF-8; rename that file or folder\n"


def test_a_locale_without_the_characters_of_a_name() -> None:
    found = start("evaluate", "bücher", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert "cannot be written in this locale (ascii); set PYTHONUTF8=1" in line


def test_a_terminal_without_the_characters_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is complete; its name is printed as it can be."""
    rows = [f"u{user},i{item}" for user in range(12) for item in range(10) if (user * 7 + item * 3) % 5 < 3]
    (tmp_path / "käufe.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), "ascii"))
    out = tmp_path / "läufe"
    quick = ("--model", "mf", "--epochs", "1", "--threads", "1", "--baselines", "none")
    assert main(["train", "recommend", str(tmp_path / "käufe.csv"), "--out", str(out), *quick]) == 0
    printed = sys.stdout.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert printed.splitlines()[-1] == f"run folder: {tmp_path}/l\\xe4ufe"
    assert (out / "report.html").exists()


@pytest.mark.parametrize("command", ["train", "export", "report", "evaluate", "data"])
def test_links_that_lead_nowhere(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    data, run = tmp_path / "data.csv", tmp_path / "run"
    data.write_text("user,item\n" + "\n".join(f"u{place % 7},i{place % 5}" for place in range(35)))
    run.mkdir()
    (run / "config.toml").write_text('task = "recommend"')
    words = {
        "train": ["train", "recommend", str(data), "--out", str(link)],
        "export": ["export", str(run), "--format", "parquet", "--out", str(link)],
        "report": ["report", str(run), "--out", str(link)],
        "evaluate": ["evaluate", str(link)],
        "data": ["train", "recommend", str(link)],
    }[command]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{ONE_LINE}{link}: ")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), MEMORY),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you"), MEMORY),
        (RuntimeError("Storage size calculation overflowed with sizes=[12, 4611686018427387904]"), MEMORY),
        (RuntimeError("can't start new thread"), THREADS),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), MEMORY),
        (OSError(errno.ENOSPC, "No space left on device", "out"), "out: No space left on device; free some space"),
        (OSError(errno.ENOSPC, "No space left on device"), "where the output of this command goes"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']"), "set TMPDIR"),
        (OSError(errno.EMFILE, "Too many open files", "x"), "ulimit -n"),
    ],
)
def test_what_the_machine_lacks_is_said_in_a_sentence(error: BaseException, told: str) -> None:
    found = sentence(error)
    assert found is not None
    assert told in found
    assert "\n" not in found


def test_other_errors_are_faults_of_the_program() -> None:
    assert sentence(RuntimeError("a matrix is not square")) is None
    assert sentence(KeyError("model")) is None
