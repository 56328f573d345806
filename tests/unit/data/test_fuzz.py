"""Damaged files of every format: the library's own error or an answer, soon, and nothing left behind.

The cases run in a process of their own, so that a crash of a parser names the case that caused it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("first", [0, *(pytest.param(at, marks=pytest.mark.nightly) for at in range(250, 2000, 250))])
def test_damaged_files(first: int, tmp_path: Path) -> None:
    run(first, 250, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(10_000, 60_000, 5_000))
def test_many_damaged_files(first: int, tmp_path: Path) -> None:
    run(first, 5_000, tmp_path)


def run(first: int, count: int, folder: Path) -> None:
    command = [sys.executable, str(HERE / "damage.py"), str(first), str(count), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.stderr[-2000:], cases[-1:])
    assert len(cases) == count
    assert [case for case in cases if case["fault"]] == []
    refused = sum(case["refused"] for case in cases)
    assert 0.2 * count < refused < 0.95 * count  # both ways out are walked
    assert list(folder.iterdir()) == []


def test_a_header_that_asks_for_endless_memory(tmp_path: Path) -> None:
    """Polars ends the process that reads this file."""
    run_one(48531, tmp_path)


def run_one(case: int, folder: Path) -> None:
    command = [sys.executable, str(HERE / "damage.py"), str(case), "1", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["fault"] == ""
