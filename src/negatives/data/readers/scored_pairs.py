"""Files of sentence pairs with a score: the layout of STS-B, or tables with a header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from negatives.data.readers.blocks import inner_suffix, lines, objects
from negatives.errors import InputError

PARTS = {"train": "train", "dev": "valid", "valid": "valid", "validation": "valid", "test": "test"}
LEFT = ("sentence1", "text1", "left", "anchor", "a")
RIGHT = ("sentence2", "text2", "right", "positive", "b")
SCORE = ("score", "similarity", "label", "similarity_score")
HINT = "give the columns sentence1, sentence2 and score, or STS-B's seven columns with tabs between"
Scored = tuple[str, str, float]
"""Two sentences and their score."""


@dataclass(frozen=True, slots=True)
class ScoredTable:
    """The pairs of one file.

    Args:
        rows: Sentences and scores.
        notes: What was read and what was skipped.
    """

    rows: list[Scored]
    notes: tuple[str, ...]


def read_scored_folder(folder: Path) -> dict[str, ScoredTable]:
    """The parts of a folder: files whose names end in train, dev, valid or test.

    Raises:
        InputError: No file is a part, or a line is malformed.
    """
    found: dict[str, ScoredTable] = {}
    for path in sorted(folder.iterdir()):
        stem = path.name.split(".")[0].lower()
        part = next((PARTS[name] for name in PARTS if stem == name or stem.endswith(("-" + name, "_" + name))), None)
        if part is not None and path.is_file():
            found[part] = read_scored(path)
    if not found:
        raise InputError("holds no file called train, dev or test", path=folder, hint=HINT)
    return found


def read_scored(path: Path) -> ScoredTable:
    """Read one file.

    Raises:
        InputError: A line is malformed, or no pair is left.
    """
    rows: list[Scored] = []
    empty = 0
    for line, left, right, score in _objects(path) if inner_suffix(path) == ".jsonl" else _table(path):
        try:
            value = float(score)
        except ValueError:
            raise InputError(f"the score {score!r} is no number", path=path, line=line, hint="correct it") from None
        if value != value or abs(value) == float("inf"):
            raise InputError(f"the score {score!r} is not finite", path=path, line=line, hint="correct it")
        if left.strip() and right.strip():
            rows.append((left.strip(), right.strip(), value))
        else:
            empty += 1
    if not rows:
        raise InputError("holds no pair", path=path, hint=HINT)
    notes = [
        f"{path.name}: {len(rows):,} pairs, scores from {min(r[2] for r in rows):g} to {max(r[2] for r in rows):g}"
    ]
    if empty:
        notes.append(f"{path.name}: {empty:,} pairs with an empty sentence skipped")
    return ScoredTable(rows, tuple(notes))


def _objects(path: Path) -> Iterator[tuple[int, str, str, str]]:
    for number, row in objects(path, lines(path), HINT):
        keys = [next((name for name in names if name in row), "") for names in _NAMES]
        if "" in keys:
            raise InputError("no object with two sentences and a score", path=path, line=number, hint=HINT)
        yield number, *(str(row[key]) for key in keys)  # type: ignore[misc]


_NAMES = (LEFT, RIGHT, SCORE)


def _table(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Rows of a table with a header, with tabs or commas between, or of STS-B's file."""
    import csv

    places: list[int] | None = None
    separator = "\t"
    for number, line in lines(path):
        if places is None:
            separator = "\t" if "\t" in line else ","
        cells = line.split("\t") if separator == "\t" else next(csv.reader([line]))
        if places is None:
            places, header = _places(cells, path, number)
            if header:
                continue
        if len(cells) <= max(places):
            count = f"{len(cells)} columns where {max(places) + 1} are needed"
            raise InputError(count, path=path, line=number, hint=HINT)
        yield number, cells[places[0]], cells[places[1]], cells[places[2]]


def _places(cells: list[str], path: Path, number: int) -> tuple[list[int], bool]:
    """Columns of the sentences and the score, and whether the line is a header."""
    lower = [cell.strip().lower() for cell in cells]
    found = [next((lower.index(name) for name in names if name in lower), -1) for names in _NAMES]
    if min(found) >= 0:
        return found, True
    if len(cells) >= 7:  # genre, file, year, number, score, sentence, sentence
        return [5, 6, 4], False
    raise InputError(f"{len(cells)} columns that are not known", path=path, line=number, hint=HINT)
