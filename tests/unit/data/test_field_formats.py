"""Layouts in which data sets of the fields are published: the right rows by part, what is told, one fault of each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from damage import damaged

from layouts import CASES, FAULTS, rows, write
from negatives.data.readers import read
from negatives.data.readers.schema import PAIRS, TRIPLES
from negatives.errors import LONGEST, InputError, NegativesError


@pytest.mark.parametrize("name", CASES)
def test_the_right_rows_by_part(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = read(write(tmp_path, case.files) / case.data, case.schema, case.options)
    assert {part: rows(table, case.schema) for part, table in found.items()} == case.rows
    notes = "\n".join(note for table in found.values() for note in table.notes)
    assert all(words in notes for words in case.told), notes


def test_values_beside_the_rows(tmp_path: Path) -> None:
    """Times are seconds, whatever the layout; weights are what the layout says."""
    for name, time in (
        ("movielens 100k", 881250949.0), ("amazon 2018 ratings", 1424304000.0), ("gowalla", 1287532527.0),
        ("foursquare", 1333476009.0), ("online retail", 1291191960.0), ("amazon 2023 reviews", 1588687728.923),
        ("yelp", 1531001351.0),
    ):  # fmt: skip
        case = CASES[name]
        table = read(write(tmp_path / name, case.files) / case.data, PAIRS, case.options)["train"]
        times = table.numbers("time")
        assert times is not None, name
        assert times[0] == time, name


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_its_place(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    with pytest.raises(InputError) as error:
        read(write(tmp_path, fault.files) / fault.data, fault.schema, fault.options)
    message = str(error.value)
    assert fault.words in message
    assert error.value.line == fault.line, message
    assert Path(str(error.value.path)).name == (fault.file or tmp_path.name)
    assert len(message) - len(str(tmp_path)) < 300
    assert "\n" not in message


def test_hostile_bytes_end_in_one_line(tmp_path: Path) -> None:
    """Blanks that other readers divide at, lists where a rating stood."""
    (tmp_path / "train2id.txt").write_bytes(b"2\n0 1\x0c\x1c 0\n1 \xc2\xa0 0\n")
    with pytest.raises(InputError, match="where a whole number is expected"):
        read(tmp_path, TRIPLES)
    (tmp_path / "a.jsonl").write_text('{"user": 1, "item": 2, "a": [1, 2]}\n' * 3)
    assert len(read(tmp_path / "a.jsonl", PAIRS)["train"]) == 3


@pytest.mark.parametrize("numbers", [range(6), pytest.param(range(6, 40), marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", CASES)
def test_a_damaged_layout_is_refused_or_read(name: str, numbers: range, tmp_path: Path) -> None:
    case = CASES[name]
    for number in numbers:
        dice = random.Random(f"{name} {number}")
        folder = write(tmp_path / str(number), case.files)
        file = dice.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
        file.write_bytes(damaged(file.read_bytes(), dice))
        message = ""
        try:
            read(folder / case.data, case.schema, case.options)
        except NegativesError as error:
            message = str(error)
        assert len(message) <= LONGEST, number
        assert "\n" not in message, number
