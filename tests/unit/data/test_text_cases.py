"""Files as people have them, after public reports: what each is read as, or the words of the error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from negatives.data.loading.labelled import TextReading, read_parts
from negatives.data.pairs import SparseFeatures
from negatives.data.readers import Options
from negatives.data.readers.questions import read_collection
from negatives.data.readers.scored_pairs import read_scored
from negatives.errors import InputError
from negatives.mining.data import read_texts

CASES = sorted((Path(__file__).parents[2] / "data_cases" / "texts").glob("*.toml"))
Found = tuple[dict[str, list[Any]], tuple[str, ...]]


def search(data: Path, options: Options) -> Found:
    """Query, document and grade by part."""
    found = read_collection(data, options)
    return {
        part: [[found.queries[query], found.documents[document], grade] for query, document, grade in rows]
        for part, rows in found.judged.items()
    }, found.notes


def mine(data: Path, options: Options) -> Found:
    """Query and answer."""
    found = read_texts(data, options=options)
    rows = [
        [query, found.items[item]]
        for index, query in enumerate(found.queries)
        for item in found.positives.row(index).tolist()
    ]
    return {"train": rows}, found.notes


def similarity(data: Path, options: Options) -> Found:
    """Two sentences and their score by part."""
    found = read_scored(data, options)
    rows = {part: [list(row) for row in table.rows] for part, table in found.items()}
    return rows, tuple(note for table in found.values() for note in table.notes)


def classify(data: Path, options: Options) -> Found:
    """Text, or features by their number, and labels by part."""
    found = read_parts(data, TextReading(options))
    rows = {}
    for part, table in found.items():
        labels: list[list[str]] = [[] for _ in range(table.n_rows)]
        for owner, label in zip(table.owners.tolist(), table.labels.to_list(), strict=True):
            labels[owner].append(label)
        contents: list[Any] = []
        for row in range(table.n_rows):
            if isinstance(table.content, SparseFeatures):
                index, values = table.content.row(row)
                contents.append({str(at): value for at, value in zip(index.tolist(), values.tolist(), strict=True)})
            else:
                contents.append(table.content[row])
        rows[part] = [list(pair) for pair in zip(contents, labels, strict=True)]
    return rows, tuple(note for table in found.values() for note in table.notes)


TASKS = {"search": search, "mine": mine, "similarity": similarity, "classify": classify}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case(path: Path, tmp_path: Path) -> None:
    case = tomllib.loads(path.read_text())
    for name, text in case["files"].items():
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    data = tmp_path / "data" if len(case["files"]) > 1 else tmp_path / "data" / next(iter(case["files"]))
    options = Options(columns=case.get("columns", {}))
    if "error" in case:
        with pytest.raises(InputError) as caught:
            TASKS[case["task"]](data, options)
        assert case["error"] in str(caught.value)
        assert len(str(caught.value)) - len(str(tmp_path)) <= 300
        return
    rows, notes = TASKS[case["task"]](data, options)
    assert rows == case["right"]
    assert case.get("told", "") in "\n".join(notes)


def test_there_are_cases_of_every_task() -> None:
    assert len(CASES) >= 20
    assert {tomllib.loads(path.read_text())["task"] for path in CASES} == set(TASKS)
