"""What all tests share: one PyTorch thread, a cache folder of the test run, and the planted problem."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from planted import Planted
from planted import planted as make_planted

if "NEGATIVES_DEVICE" not in os.environ:  # before Triton's kernels are imported: they then run on the CPU, slowly
    os.environ["TRITON_INTERPRET"] = "1"


def pytest_configure() -> None:
    """Under nohup, or in a script's background, Ctrl-C and hang-up are ignored, by all that is started there too: tests
    of interruptions would fail for that reason alone.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, and mined data in a folder that parallel workers share; compiled kernels stay where they are."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    before = os.environ.get("NEGATIVES_CACHE")
    os.environ["NEGATIVES_CACHE"] = str(cache)
    torch.set_num_threads(1)
    yield
    os.environ.pop("NEGATIVES_CACHE")
    if before is not None:
        os.environ["NEGATIVES_CACHE"] = before


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """The same numbers whatever ran before: a test or a library that draws without a seed still repeats."""
    torch.manual_seed(0)
    torch.set_flush_denormal(False)  # a test of a command has switched it on
    np.random.seed(0)  # noqa: NPY002 (SciPy's and scikit-learn's default)


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Users and items in clusters; see :mod:`planted`."""
    return make_planted()


@pytest.fixture(scope="session")
def planted_file(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted pairs as a CSV file."""
    return planted.write(tmp_path_factory.mktemp("data") / "planted.csv")
