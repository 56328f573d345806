"""Signals end a command with one line and their own exit code, wherever they come."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from negatives.cli import main

IMPORTING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from negatives.cli.stopping import stopping
def main():
    with stopping():
        import slow
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_the_midst_of_an_import(number: int, tmp_path: Path) -> None:
    """An extension module that turns the exception into one of its own would show a traceback."""
    text = "import os\ntry: os.kill(os.getpid(), {})\nexcept BaseException as e: raise ImportError('odd') from e\n"
    (tmp_path / "slow.py").write_text(text.format(int(number)))
    done = subprocess.run([sys.executable, "-c", IMPORTING, str(tmp_path)], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("negatives: interrupted\n", 128 + number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_anywhere_else(number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def raised(*_: object) -> None:
        signal.raise_signal(number)

    before = signal.getsignal(number)
    monkeypatch.setattr("negatives.cli.app._version", raised)
    assert main(["--version"]) == 128 + number
    assert capsys.readouterr().err == "negatives: interrupted; no checkpoint was written\n"
    assert signal.getsignal(number) is before


def test_a_terminal_that_closes_gets_its_exit_code() -> None:
    """Neither standard output nor the error output can be written any more."""
    code = (
        "import os, signal, sys\nfrom negatives.cli import main\nimport negatives.cli.app as app\n"
        "def gone(): sys.stdin.read(); signal.raise_signal(signal.SIGHUP)\n"
        "app._version = gone\nsys.exit(main(['--version']))"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.close(ours)
        process.communicate()
    assert process.returncode == 129


@pytest.mark.nightly
@pytest.mark.parametrize("tenths", range(1, 25))
def test_at_any_moment_of_a_real_start(tenths: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "negatives", "train", "recommend", str(tmp_path / "none.csv")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        process.wait(tenths / 10 + 0.2)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    assert len(told.splitlines()) == 1, told
    assert process.returncode in (130, 2)
