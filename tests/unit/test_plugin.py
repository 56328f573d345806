"""The package in ``examples/plugin`` works as if it were installed, and nothing in ``src/`` knows of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "plugin"


def project() -> dict[str, Any]:
    """The table ``project`` of the package."""
    found: dict[str, Any] = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    return found


def installed(folder: Path) -> dict[str, str]:
    """The environment of a process that sees the package: what ``pip install`` writes of it, and its sources."""
    about = project()
    info = folder / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in rows.items())
        for group, rows in about["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    paths = [folder, PLUGIN / "src", ROOT / "src", os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(path) for path in paths if path)}


def test_the_package_passes_its_tests(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", "tests", "src"]
    words += [f"--basetemp={tmp_path / 'base'}"]
    folder = tmp_path / "installed"
    folder.mkdir()
    done = subprocess.run(words, cwd=PLUGIN, env=installed(folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout


def test_it_adds_a_row_to_every_table_of_the_walk() -> None:
    kinds = {group.removeprefix("negatives.") for group in project()["entry-points"]}
    assert kinds == {
        "guards", "losses", "metrics", "models", "presets", "proposals", "readers", "selection", "tasks",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted({"baskets", *(n for t in project()["entry-points"].values() for n in t)}))
def test_no_source_knows_of_it(name: str) -> None:
    quoted = {f'"{name}"', f"'{name}'", f"import {name}", f"from {name}"}
    for path in (ROOT / "src").rglob("*"):
        if path.suffix in (".py", ".toml", ".j2"):
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in quoted), f"{path} names {name}"
