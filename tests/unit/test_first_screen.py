"""The commands with which the README begins, as they stand there, on a table."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from negatives.cli import main

README = Path(__file__).parents[2] / "README.md"


def lines() -> list[list[str]]:
    """The words of the three commands."""
    block = README.read_text(encoding="utf-8").partition("## From a table to answers")[2].partition("```sh\n")[2]
    return [shlex.split(line, comments=True) for line in block.partition("```")[0].splitlines()]


def test_from_a_table_to_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    users = [f"ann,{item}\nbob,{item}\n" for item in ("tea", "milk", "jam")]
    others = [f"u{user},i{item}\n" for user in range(30) for item in range(12) if (user + item) % 3 == 0]
    Path("purchases.csv").write_text("user,item\n" + "".join(users + others))
    train, predict, serve = lines()
    assert [train[1], predict[1], serve[1]] == ["train", "predict", "serve"]
    assert main([*train[1:], "--threads", "1", "--epochs", "2"]) == 0
    capsys.readouterr()
    assert main(predict[1:]) == 0
    said = capsys.readouterr().out
    assert re.search(r"ann +\S+ +1 ", said)
    assert re.search(r"bob +\S+ +1 ", said)
    started = subprocess.Popen(
        [sys.executable, "-m", "negatives", *serve[1:], "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        found = (re.search(r"http://\S+", line) for line in started.stdout)
        address = next(one for one in found if one is not None)
        with urllib.request.urlopen(f"{address[0].rstrip('/')}/health", timeout=30) as answer:
            assert answer.status == 200
    finally:
        started.send_signal(signal.SIGINT)
        started.wait(timeout=30)
        if started.stdout is not None:
            started.stdout.close()
    assert started.returncode in (0, 130)
