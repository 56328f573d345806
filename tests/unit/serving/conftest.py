"""One small run that every test here asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from negatives.answering import Run
from opened import trained_and_opened

USERS, ITEMS = 30, 24


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A recommendation run without its data, on a folder of its own."""
    folder = tmp_path_factory.mktemp("serving")
    rows = [
        f"u{user},i{item}"
        for user in range(USERS)
        for item in range(ITEMS)
        if item % 2 == user % 2 and (user * 7 + item * 3) % 5 < 3
    ]
    (folder / "data.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    return trained_and_opened(folder, task="recommend", data=str(folder / "data.csv"), model="lightgcn")[1]


@pytest.fixture(scope="session")
def folder(run: Run) -> Path:
    """Where it lies."""
    assert run.held.path is not None
    return run.held.path
