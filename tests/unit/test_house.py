"""Sizes and habits that the whole code base keeps; each list of exceptions may only shrink."""

from __future__ import annotations

import ast
import importlib
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from negatives.registry import Registry

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "benchmarks", "examples")
MOST_LINES = 60
MOST_PARAMETERS = 8
LONGEST_FILE = 500
MEDIAN_FILE = 100
Function = ast.FunctionDef | ast.AsyncFunctionDef

LONG_FUNCTIONS: set[str] = set()
MANY_PARAMETERS: set[str] = set()
CLASS_TESTS: set[str] = set()
UNTYPED = {"src/negatives/runs/terminal.py:self._bar"}  # tqdm has no types


@cache
def trees() -> dict[str, ast.Module]:
    """Every file of the code base, parsed, by its path from the root."""
    files = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "build" not in path.parts)
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def functions(body: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Every function under a node with its dotted name."""
    for child in ast.iter_child_nodes(body):
        named = isinstance(child, Function | ast.ClassDef)
        inner = f"{prefix}.{child.name}".lstrip(".") if isinstance(child, Function | ast.ClassDef) else prefix
        if isinstance(child, Function):
            yield inner, child
        yield from functions(child, inner if named else prefix)


def every_function() -> Iterator[tuple[str, Function]]:
    for path, tree in trees().items():
        for name, function in functions(tree):
            yield f"{path}:{name}", function


def parameters(function: Function) -> list[str]:
    """Names of a function's parameters but for ``self`` and ``cls``."""
    given = function.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [one.arg for one in every if one is not None and one.arg not in ("self", "cls")]


@cache
def registries() -> dict[str, Registry[object]]:
    """Every table of parts, by the module and the name under which it stands."""
    found: dict[str, Registry[object]] = {}
    for path, tree in trees().items():
        calls = (node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None)
        if not any(isinstance(one.value, ast.Call) and ast.unparse(one.value.func) == "Registry" for one in calls):
            continue
        name = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, Registry) and value not in found.values():
                found[f"{name}.{attribute}"] = value
    return found


def targets(table: Registry[object]) -> dict[str, str]:
    """``module:attribute`` behind each name, without other packages' rows."""
    return {name: target for name, target in table._rows.items() if target.startswith("negatives.")}


def test_the_scan_sees_the_code_base() -> None:
    assert len(trees()) > 250
    assert {"src/negatives/types.py", "benchmarks/kernels.py", "examples/own_loop.py"} <= trees().keys()
    assert {"negatives.proposals.registry", "negatives.losses.registry"} <= registries().keys()
    sample = ast.parse("class A:\n    def f(self, a, /, b, *c, d, **e):\n        def g(): ...\n")
    assert {name: parameters(one) for name, one in functions(sample)} == {"A.f": ["a", "b", "c", "d", "e"], "A.f.g": []}


def test_functions_are_short() -> None:
    long = {name for name, one in every_function() if (one.end_lineno or 0) - one.lineno + 1 > MOST_LINES}
    assert long == LONG_FUNCTIONS


def test_functions_have_few_parameters() -> None:
    many = {
        name
        for name, one in every_function()
        if len(parameters(one)) > MOST_PARAMETERS
        and not name.startswith(("src/negatives/kernels/jit/", "src/negatives/kernels/triton/"))
    }
    assert many == MANY_PARAMETERS


def test_files_are_short() -> None:
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in trees()}
    assert {path for path, length in lengths.items() if length > LONGEST_FILE} == set()
    assert statistics.median(lengths.values()) <= MEDIAN_FILE


def test_no_keywords_are_passed_through() -> None:
    """``**values`` handed on to another call hide which parameters there are."""
    passed = set()
    for name, one in every_function():
        handed = {ast.unparse(word.value) for node in ast.walk(one) if isinstance(node, ast.Call)
                  for word in node.keywords if word.arg is None}  # fmt: skip
        if name.startswith("src/") and one.args.kwarg is not None and one.args.kwarg.arg in handed:
            passed.add(name)
    assert passed == set()


def test_rows_differ() -> None:
    """Within a table, and for classes between all tables, no two names stand for the same thing."""
    every = [
        (target, f"{table}:{name}") for table, one in registries().items() for name, target in targets(one).items()
    ]
    assert len(every) > 80
    seen: dict[str, str] = {}
    twice = {(seen[target], name) for target, name in every if seen.setdefault(target, name) != name}
    assert twice == {tuple(f"negatives.evaluation.metrics.registry:{name}" for name in ("hits", "hr"))}  # both in use


@pytest.mark.parametrize("table", sorted(registries()))
def test_rows_lead_to_what_they_name(table: str) -> None:
    found = registries()[table]
    assert targets(found)
    for name in targets(found):
        assert found.get(name) is not None, name


def ours(tree: ast.Module) -> set[str]:
    """Names that a file imports from this package."""
    return {
        one.asname or one.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("negatives")
        for one in node.names
    }


def asked(node: ast.AST) -> Iterator[tuple[str, str]]:
    """First and last name of each class that an ``isinstance`` or ``issubclass`` asks for."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
        for one in ast.walk(node.args[1]):
            if isinstance(one, ast.Name | ast.Attribute):
                words = ast.unparse(one).split(".")
                yield words[0], words[-1]


def test_no_part_is_asked_for_its_class() -> None:
    """A part says what it can do; nobody outside its file asks whether it is this or that row of a table."""
    rows = {target.partition(":")[2] for one in registries().values() for target in targets(one).values()}
    assert {"Softmax", "KnownPositives", "BPR"} <= rows
    tests = {
        f"{path}:{last}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        for first, last in asked(node)
        if path.startswith("src/") and last in rows and first in ours(tree)
    }
    assert tests == CLASS_TESTS


def packages() -> list[str]:
    """Packages, and modules that still list their names, that need no optional package to be imported."""
    return sorted(
        path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path, tree in trees().items()
        if path.startswith("src/") and "/integrations/" not in path
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )


def test_every_public_name_is_there() -> None:
    assert {"negatives", "negatives.proposals", "negatives.evaluation", "negatives.mining"} <= set(packages())
    missing = []
    for name in packages():
        module = importlib.import_module(name)
        assert len(set(module.__all__)) == len(module.__all__), name
        missing += [f"{name}.{one}" for one in module.__all__ if not hasattr(module, one)]
    assert missing == []


def test_the_page_on_extending_names_every_group() -> None:
    """A table that other packages can extend is no use when nobody tells."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    assert {one.kind for one in registries().values() if f"`negatives.{one.kind}`" not in page} == set()


def anything(path: str, tree: ast.Module) -> Iterator[str]:
    """Parameters, fields and results of a file that may be anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            name, kind = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign):
            name, kind = ast.unparse(node.target), node.annotation
        elif isinstance(node, Function) and node.returns is not None:
            name, kind = f"{node.name}()", node.returns
        else:
            continue
        if ast.unparse(kind) == "Any":
            yield f"{path}:{name}"


def test_a_task_s_data_has_a_type() -> None:
    found = {
        one
        for path, tree in trees().items()
        if path.startswith(("src/negatives/tasks/", "src/negatives/runs/"))
        for one in anything(path, tree)
    }
    assert found == UNTYPED
