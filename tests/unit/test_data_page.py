"""The page on data: its examples run, and what it says to type works on the files that they write."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from negatives.cli import main
from negatives.tasks.registry import registry

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_task_has_an_example_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of Python in order, then the commands that read what they wrote; nothing is trained."""
    monkeypatch.chdir(tmp_path)
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    text = PAGE.read_text("utf-8")
    blocks = BLOCK.findall(text)
    code = "\n".join(body for kind, body in blocks if kind == "python")
    exec(compile(code, str(PAGE), "exec"), page.__dict__)
    lines = [line for kind, body in blocks if kind == "sh" for line in body.splitlines()]
    inspected = [line for line in lines if not line.startswith("negatives train")]
    for line in inspected:
        assert main(shlex.split(line)[1:]) == 0, line
    shown = set(re.findall(r"load\(\"(\w+)\"", code)) | set(re.findall(r"--task (\w+)", "\n".join(lines)))
    assert shown >= set(registry)
    assert len(inspected) > 8


def test_no_other_page_repeats_how_data_is_read() -> None:
    """Where one would look, a link leads to the page."""
    for task in ("recommend", "knowledge", "graph", "classify", "search", "similarity", "mine"):
        text = (PAGE.parent / f"{task}.md").read_text("utf-8")
        assert f"(data.md#{task})" in text, task
        assert "semicolon" not in text, task
        assert "zstandard" not in text, task
