"""Small files after public reports of what went wrong elsewhere, each with what is right here: ``tests/data_cases``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from negatives.data.ids import Ids
from negatives.data.readers import Options, Schema, read
from negatives.data.readers import schema as schemas
from negatives.data.table import Table
from negatives.errors import LONGEST, InputError

FOLDER = Path(__file__).parents[2] / "data_cases"
TASKS = {
    "recommend": schemas.PAIRS,
    "knowledge": schemas.TRIPLES,
    "graph": schemas.EDGES,
    "classify": schemas.LABELLED,
    "similarity": schemas.SCORED,
    "search": schemas.QUESTIONS,
    "words": schemas.LINES,
}
KEYS = {"what", "after", "task", "file", "text", "rows", "told", "error", "line", "numbers", "options"}


def case(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def rows(table: Table, schema: Schema) -> list[list[str]]:
    """The names and texts that a row of the schema needs, row by row."""
    columns = [table.columns[role.name] for role in schema.needed if role.kind in ("id", "text", "texts")]
    found = [one.text().to_list() if isinstance(one, Ids) else [_alone(cell) for cell in one] for one in columns]
    return [list(row) for row in zip(*found, strict=True)]


def _alone(cell: Any) -> str:
    """A text, also where it stands alone in a list."""
    return cell if isinstance(cell, str) else " | ".join(cell)


def written(name: str, folder: Path) -> tuple[Path, Schema, Options, dict[str, Any]]:
    found = case(name)
    path = folder / found["file"]
    path.write_bytes(found["text"].encode())
    return path, TASKS[found["task"]], Options(**found.get("options", {})), found


def test_there_are_cases_and_each_says_whom_it_follows() -> None:
    assert len(NAMES) >= 25
    for name in NAMES:
        found = case(name)
        assert set(found) <= KEYS, name
        assert found["after"], name
        assert ("rows" in found) != ("error" in found), name


@pytest.mark.parametrize("name", [name for name in NAMES if "rows" in case(name)])
def test_the_right_rows(name: str, tmp_path: Path) -> None:
    path, schema, options, found = written(name, tmp_path)
    table = read(path, schema, options)["train"]
    assert rows(table, schema) == found["rows"], found["what"]
    for role, values in found.get("numbers", {}).items():
        numbers = table.numbers(role)
        assert numbers is not None, found["what"]
        assert numbers.tolist() == values, found["what"]
    notes = "\n".join(table.notes)
    assert all(words in notes for words in found.get("told", ())), (found["what"], notes)


@pytest.mark.parametrize("name", [name for name in NAMES if "error" in case(name)])
def test_the_right_words(name: str, tmp_path: Path) -> None:
    path, schema, options, found = written(name, tmp_path)
    with pytest.raises(InputError) as error:
        read(path, schema, options)
    message = str(error.value)
    assert all(words in message for words in found["error"]), message
    if "line" in found:
        assert error.value.line == found["line"], message
    assert len(message) <= LONGEST
