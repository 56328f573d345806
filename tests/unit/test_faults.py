"""The planted faults are well described: each applies to the tree as it is, and they spread over all packages."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "faults"
sys.path.append(str(FOLDER))

from catalogue import ROOT, Fault, part_of, read  # noqa: E402

LEAST = 600
ROOMS = (
    *("cli", "config", "control", "data", "diagnostics", "evaluation", "guards", "integrations", "kernels", "losses"),
    *("mining", "models", "parameters", "proposals", "randomness", "registry", "runs", "sampler", "selection"),
    *("sizing", "tasks", "testing", "training", "types"),
)
"""Packages and modules that faults are planted in."""
faults = read()


def problem(fault: Fault) -> str:
    """What is wrong with a fault's description; empty when it applies."""
    try:
        fault.applied(ROOT)
    except ValueError as error:
        return str(error)
    for test in fault.tests:
        path, _, name = test.partition("::")
        if not (ROOT / path).is_file():
            return f"{fault.label}: there is no file {path}"
        if name and f"def {name.partition('[')[0]}(" not in (ROOT / path).read_text(encoding="utf-8"):
            return f"{fault.label}: {path} has no test {name}"
    if not fault.tests or len(fault.why.split()) < 3:
        return f"{fault.label}: say why it is wrong, and which tests must notice"
    return ""


def test_every_fault_applies_to_the_tree() -> None:
    stale = [text for text in map(problem, faults) if text]
    assert not stale, "\n".join(stale)


def test_faults_are_many_and_in_every_room() -> None:
    rooms = Counter(fault.file.removesuffix(".py").split("/")[0] for fault in faults)
    assert len(faults) >= LEAST
    assert not set(ROOMS) - set(rooms), set(ROOMS) - set(rooms)


def test_no_change_is_planted_twice() -> None:
    changes = Counter((fault.file, fault.old, fault.new) for fault in faults)
    assert [change for change, n in changes.items() if n > 1] == []


def test_a_tenth_has_some_of_everything_and_all_tenths_are_the_whole() -> None:
    parts = [part_of(faults, index, 10) for index in range(10)]
    assert sorted(fault.label for part in parts for fault in part) == sorted(fault.label for fault in faults)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert part_of(faults, 13, 10) == parts[3]


def test_a_stale_fault_is_told(tmp_path: Path) -> None:
    source = tmp_path / "src" / "negatives" / "one.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1\nb = 1\n")
    for old, new, says in (
        ("c = 1", "c = 2", "stands 0 times"),
        (" = 1", " = 2", "stands 2 times"),
        ("a = 1", "a = (", "cannot be compiled"),
        ("a = 1", "a = 1  # the same", "says the same"),
    ):
        with pytest.raises(ValueError, match=says):
            Fault("p", "n", "one.py", old, new, "why", ("t",)).applied(tmp_path)
    assert Fault("p", "n", "one.py", "a = 1", "a = 2", "why", ("t",)).applied(tmp_path) == "a = 2\nb = 1\n"
    with pytest.raises(ValueError, match="no file"):
        Fault("p", "n", "two.py", "a", "b", "why", ("t",)).applied(tmp_path)


def test_descriptions_are_complete_and_names_differ(tmp_path: Path) -> None:
    row = '[[fault]]\nname = "n"\nfile = "f"\nold = "a"\nnew = "b"\nwhy = "w"\ntests = ["t"]\n'
    (tmp_path / "p.toml").write_text(row)
    assert [fault.label for fault in read(tmp_path)] == ["p: n"]
    (tmp_path / "p.toml").write_text(row + row)
    with pytest.raises(ValueError, match="one name: p: n"):
        read(tmp_path)
    (tmp_path / "p.toml").write_text(row.replace('why = "w"\n', ""))
    with pytest.raises(ValueError, match="why"):
        read(tmp_path)
