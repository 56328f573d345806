"""Commands that are killed at random moments, or started twice at once; see ``benchmarks/kills.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kills.py"


def kills(*options: str) -> str:
    """What the script tells; it forks, so it has a process of its own, without threads."""
    surroundings = os.environ | {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(SCRIPT), *options], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_run_and_an_export_survive() -> None:
    told = kills("--kills", "4", "--pairs", "2", "--only", "train,export")
    assert "train " in told
    assert told.count(" 0 wrong") == 2


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
def test_all_commands_survive(seed: int) -> None:
    kills("--kills", "50", "--pairs", "10", "--seed", str(seed))
