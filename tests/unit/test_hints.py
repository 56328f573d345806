"""Every option and key that a message of the library names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from negatives.config import RunConfig, Section
from negatives.tasks.base import Task
from negatives.tasks.registry import registry
from negatives.tasks.schemas import SCHEMAS, check_columns

SOURCE = Path(__file__).parents[2] / "src" / "negatives"
OTHERS = {"logdir", "backend-store-uri", "project", "upgrade", "no-deps"}
"""Options of TensorBoard, MLflow and Trackio, which a run names to show where it can be looked at; and of pip."""
GAP = "\0"
"""Stands for what a message fills in."""
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
SET = re.compile(rf"--set ([a-z_]+(?:\.[a-z_{GAP}]+)*)=")
KEY = re.compile(rf"(?<![\w./])(reading|split|columns|evaluation|optimiser)\.([a-z_{GAP}]+)")


@cache
def messages() -> tuple[tuple[str, str], ...]:
    """Every text of the code that is no docstring, with its place; what is filled in is a gap."""
    return tuple(
        found for path in sorted(SOURCE.rglob("*.py")) for found in texts(ast.parse(path.read_text("utf-8")), path)
    )


def texts(tree: ast.AST, path: Path) -> Iterator[tuple[str, str]]:
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            inside |= {id(one) for one in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else GAP for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        yield f"{path.relative_to(SOURCE).as_posix()}:{node.lineno}", text


@cache
def options() -> frozenset[str]:
    """Options of all commands."""
    from negatives.cli.app import COMMANDS, make_app

    app = make_app()
    found = {"help", "version"}
    for command in COMMANDS:
        for argument in app[command.__name__].assemble_argument_collection():
            found |= {name.removeprefix("--") for name in argument.names if name.startswith("--")}
    return frozenset(found)


@cache
def keys() -> frozenset[str]:
    """Keys of the configuration with a dot: those of its sections, of all tasks' readers, and the roles of columns."""
    found = {f"columns.{role.name}" for schemas in SCHEMAS.values() for schema in schemas for role in schema}
    for name, field in RunConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= {f"{name}.{key}" for key in field.annotation.model_fields}
    for name in registry:
        task = registry.get(name)
        assert issubclass(task, Task)
        found |= {f"reading.{key}" for key in task.reading.model_fields}
    return frozenset(found)


def wrong(text: str) -> list[str]:
    """What a text names that does not exist."""
    found = [f"--{name}" for name in OPTION.findall(text) if name not in options() | OTHERS]
    for key in SET.findall(text):
        section = key.partition(".")[0]
        if section not in RunConfig.model_fields or (section in ("split", "optimiser") and key not in keys()):
            found.append(key)
    found += [
        f"{section}.{key}" for section, key in KEY.findall(text) if GAP not in key and f"{section}.{key}" not in keys()
    ]
    return found


def test_every_hint_names_what_exists() -> None:
    assert len(messages()) > 2000
    faults = {place: found for place, text in messages() if (found := wrong(text))}
    assert faults == {}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("use --split random", ["--split"]),
        ("use --set split.kind=random, or --set split.time=t", ["split.time", "split.time"]),
        ("lower split.test, or reading.missing=drop", []),
        ("set reading.mising=drop", ["reading.mising"]),
        ("say --columns user=..., or --out", []),
        (f"--set optimiser.lr={GAP}; split.{GAP} is wrong", []),
        ("--set nothing.at=1", ["nothing.at"]),
    ],
)
def test_a_wrong_hint_is_found(text: str, faults: list[str]) -> None:
    assert wrong(text) == faults


def test_the_words_of_earlier_faults_are_gone() -> None:
    """``--test`` and ``missing=drop`` were named without existing."""
    assert not any(re.search(r"(?<![.\w])missing=drop", text) for _, text in messages())
    assert "test" not in options()


def test_tasks_and_their_rows_agree() -> None:
    assert set(SCHEMAS) == {name for name in registry if registry.get(name).__module__.startswith("negatives.tasks.")}
    for task, schemas in SCHEMAS.items():
        check_columns({role.name: "c" for schema in schemas for role in schema}, task)
