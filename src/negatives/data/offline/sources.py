"""The standard library's own sources as an offline dataset: one pass over the syntax trees, cached on disk.

Each record is a module, a class or a function (methods and nested functions among them). Later tasks read
them as calls, documentation, inheritance, definitions or imports.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from negatives.temporary import file_beside, sweep

SKIP = frozenset(
    (
        *("test", "tests", "idle_test", "idlelib", "lib2to3", "tkinter", "turtledemo", "distutils", "ensurepip"),
        *("site-packages", "dist-packages", "lib-dynload", "pydoc_data", "__pycache__", "__phello__"),
        *("turtle.py", "this.py", "antigravity.py", "sitecustomize.py", "usercustomize.py"),
    )
)
"""What is left out: tests, and what differs between machines or runs code when imported."""
SKIP_PREFIXES = ("config-", "_sysconfigdata", "__hello__", "__phello__")
SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "module": pl.String(),
    "name": pl.String(),
    "calls": pl.List(pl.String()),
    "uses": pl.List(pl.String()),
    "raises": pl.List(pl.String()),
    "bases": pl.List(pl.String()),
    "imports": pl.List(pl.String()),
    "doc": pl.String(),
}
"""Columns of the records: ``name`` is qualified within the module; lists keep every occurrence in order.

``uses`` holds attributes and the names that the definition does not bind itself; ``calls`` are among them.
"""

Record = dict[str, str | list[str] | None]


def mine(root: Path | None = None, cache: bool = True) -> pl.DataFrame:
    """Records of all modules below ``root``, sorted by file, with the columns of ``SCHEMA``.

    Args:
        root: Folder of sources; None for the standard library of the running Python.
        cache: Keep the records of the standard library in the user's cache folder.
    """
    if root is not None:
        return _mine(root)
    path = cache_file()
    if cache:
        with contextlib.suppress(OSError, pl.exceptions.PolarsError):
            frame = pl.read_parquet(path, glob=False)
            if dict(frame.schema) == SCHEMA:
                return frame
    frame = _mine(Path(sysconfig.get_paths()["stdlib"]))
    if cache:
        with contextlib.suppress(OSError, pl.exceptions.PolarsError):
            _write(frame, path)
    return frame


def cache_folder() -> Path:
    """The user's cache folder of this package: below ``NEGATIVES_CACHE``, ``XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("NEGATIVES_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "negatives"


def cache_file() -> Path:
    """Where the records are kept; the name depends on the Python version, its place and this miner."""
    text = sys.version + sysconfig.get_paths()["stdlib"] + Path(__file__).read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return cache_folder() / f"stdlib-{sys.version_info.major}.{sys.version_info.minor}-{digest}.parquet"


def _write(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, deep=False)
    with file_beside(path) as temporary:
        frame.write_parquet(temporary)
        os.replace(temporary, path)


def _mine(root: Path) -> pl.DataFrame:
    records = [record for path in sources(root) for record in file_records(path, root)]
    return pl.DataFrame(records, schema=SCHEMA, orient="row")


def sources(root: Path) -> Iterator[Path]:
    """Python files below ``root`` in order, without tests and without what differs between machines."""
    for entry in sorted(root.iterdir(), key=lambda path: path.name):
        if entry.name in SKIP or entry.name.startswith(SKIP_PREFIXES):
            continue
        if entry.is_dir():
            yield from sources(entry)
        elif entry.suffix == ".py":
            yield entry


def file_records(path: Path, root: Path) -> list[Record]:
    """Records of one file; none if it cannot be read or parsed."""
    parts = path.relative_to(root).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    records: list[Record] = []
    _visit(tree, _record("module", module, "", tree), (), records)
    return records


def _record(kind: str, module: str, name: str, node: ast.AST) -> Record:
    doc = None
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        doc = ast.get_docstring(node)
    doc = None if doc is None else doc.encode(errors="replace").decode()
    lists: Record = {name: [] for name in ("calls", "uses", "raises", "bases", "imports")}
    return {"kind": kind, "module": module, "name": name, **lists, "doc": doc}


def _visit(node: ast.AST, record: Record, scope: tuple[str, ...], records: list[Record]) -> None:
    """Fill ``record`` with what stands in ``node`` outside nested definitions, which get records of their own."""
    records.append(record)
    module = str(record["module"])
    own: set[str] = set()
    used: list[tuple[bool, str]] = []
    stack = list(ast.iter_child_nodes(node))[::-1]
    while stack:
        child = stack.pop()
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "class" if isinstance(child, ast.ClassDef) else "function"
            inner = _record(kind, module, ".".join((*scope, child.name)), child)
            if isinstance(child, ast.ClassDef):
                _append(inner, "bases", [_last(base) for base in child.bases])
            _visit(child, inner, (*scope, child.name), records)
            continue
        _note(child, record)
        if isinstance(child, ast.arg) or (isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)):
            own.add(child.arg if isinstance(child, ast.arg) else child.id)
        elif isinstance(child, ast.Name | ast.Attribute):
            used.append((isinstance(child, ast.Attribute), str(_last(child))))
        stack.extend(list(ast.iter_child_nodes(child))[::-1])
    _append(record, "uses", [name for attribute, name in used if attribute or name not in own])


def _note(node: ast.AST, record: Record) -> None:
    if isinstance(node, ast.Call):
        _append(record, "calls", [_last(node.func)])
    elif isinstance(node, ast.Raise) and node.exc is not None:
        _append(record, "raises", [_last(node.exc)])
    elif isinstance(node, ast.Import):
        _append(record, "imports", [alias.name for alias in node.names])
    elif isinstance(node, ast.ImportFrom):
        _append(record, "imports", ["." * node.level + (node.module or "")])


def _append(record: Record, column: str, names: list[str | None]) -> None:
    target = record[column]
    assert isinstance(target, list)
    target.extend(name for name in names if name)


def _last(node: ast.AST) -> str | None:
    """Last attribute or name of an expression: ``os.path.join`` gives ``join``."""
    if isinstance(node, ast.Call | ast.Subscript):
        return _last(node.func if isinstance(node, ast.Call) else node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
