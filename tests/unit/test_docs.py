"""Every example in the documents runs, and every command in them is one that the command line understands."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.exists()]
BLOCK = re.compile(
    r"(?P<skip><!-- (?:no-run|from (?P<file>\S+)) -->\s*\n)?^```(?P<kind>\w+)[^\n]*\n(?P<body>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: Path, kind: str) -> list[tuple[int, str]]:
    """Line and text of each block of a kind that is to run."""
    text = page.read_text(encoding="utf-8")
    found = [one for one in BLOCK.finditer(text) if one["kind"] == kind and not one["skip"]]
    return [(text.count("\n", 0, one.start("body")) + 1, one["body"]) for one in found]


def commands() -> list[tuple[str, str]]:
    """Every line of a shell block that calls the command."""
    found = []
    for page in PAGES:
        for number, body in blocks(page, "sh"):
            for offset, line in enumerate(body.replace("\\\n", " ").splitlines()):
                if line.startswith("negatives "):
                    found.append((f"{page.name}:{number + offset}", line))
    return found


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after another and share their names."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    with torch.random.fork_rng():
        for number, body in blocks(page, "python"):
            code = compile("\n" * (number - 1) + body, str(page), "exec")
            exec(code, module.__dict__)


@pytest.mark.parametrize(("place", "line"), commands(), ids=lambda value: value if ":" in value else "")
def test_commands_are_understood(place: str, line: str) -> None:
    from negatives.cli.app import make_app
    from negatives.cli.options import as_typed

    words = as_typed(shlex.split(line, comments=True)[1:])
    command, bound, _ = make_app().parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound is not None
    names = bound.arguments
    for option in ("task", "sampler", "samplers", "name"):
        if isinstance(names.get(option), str):
            check_name(option, names[option])


def check_name(option: str, value: str) -> None:
    """Tasks and samplers that a document names must exist."""
    from negatives.sampler import presets
    from negatives.tasks.registry import registry

    known = set(registry) if option == "task" else set(presets)
    assert {one for one in value.split(",") if not one.endswith(".toml")} <= known


def test_blocks_are_found() -> None:
    readme = ROOT / "README.md"
    assert len(blocks(readme, "python")) >= 1
    assert any(place.startswith("README.md") for place, _ in commands())
    marked = "<!-- no-run -->\n```python\nraise SystemExit\n```\n\n```python\nx = 1\n```\n"
    assert [one["body"] for one in BLOCK.finditer(marked) if not one["skip"]] == ["x = 1\n"]


EXCERPTS = [
    (page.name, one["file"], one["body"])
    for page in PAGES
    for one in BLOCK.finditer(page.read_text(encoding="utf-8"))
    if one["file"]
]


@pytest.mark.parametrize(("page", "file", "body"), EXCERPTS, ids=[f"{page}:{file}" for page, file, _ in EXCERPTS])
def test_excerpts_stand_in_their_files(page: str, file: str, body: str) -> None:
    """A line of three dots stands for lines left out; indentation and blank lines do not count."""
    held, at = lines(ROOT / file), 0
    for piece in re.split(r"^\.\.\.\n", body, flags=re.MULTILINE):
        shown = [line.strip() for line in piece.splitlines() if line.strip()]
        places = [place for place in range(at, len(held)) if held[place : place + len(shown)] == shown]
        assert shown, f"{page} shows nothing of {file}"
        assert places, f"{page} shows what {file} does not hold: {piece}"
        at = places[0] + len(shown)


def lines(path: Path) -> list[str]:
    """The lines of a file without indentation and blank lines."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def test_the_walk_shows_every_part_of_the_package() -> None:
    shown = {Path(file).name for page, file, _ in EXCERPTS if page == "extending.md"}
    parts = {"guard.py", "loss.py", "metric.py", "model.py", "preset.py", "proposal.py", "reader.py", "selection.py"}
    assert shown >= parts | {"task.py", "next_basket.toml", "pyproject.toml"}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_loop_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "examples" / "own_loop.py"
    assert len(path.read_text().splitlines()) < 60
    with torch.random.fork_rng():
        runpy.run_path(str(path), run_name="__main__")
    out = capsys.readouterr().out
    losses = [float(one) for one in re.findall(r"loss ([\d.]+)", out)]
    assert len(losses) == 10
    assert losses[-1] < 0.8 * losses[0]
    assert all(after < before + 0.005 for before, after in pairwise(losses))
    recall, chance = (float(one) for one in re.findall(r"recall@20 ([\d.]+), by chance ([\d.]+)", out)[0])
    assert recall > 3 * chance
