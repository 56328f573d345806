"""Every reader of the table: the same pairs come out of each format, from a path that it takes by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from negatives.data.readers import Options, reader_of, registry
from negatives.data.readers.schema import PAIRS as SCHEMA
from negatives.errors import InputError

PAIRS = [(0, 10), (0, 11), (1, 10), (1, 12), (2, 11)]


def delimited(folder: Path) -> Path:
    path = folder / "pairs.csv"
    path.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in PAIRS))
    return path


def json_lines(folder: Path) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps({"user": user, "item": item}) + "\n" for user, item in PAIRS))
    return path


def parquet(folder: Path) -> Path:
    path = folder / "pairs.parquet"
    pl.DataFrame(PAIRS, schema=["user", "item"], orient="row").write_parquet(path)
    return path


def arrow(folder: Path) -> Path:
    path = folder / "pairs.arrow"
    pl.DataFrame(PAIRS, schema=["user", "item"], orient="row").write_ipc(path)
    return path


def item_lists(folder: Path) -> Path:
    path = folder / "pairs.txt"
    path.write_text("0 10 11\n1 10 12\n2 11\n")
    return path


def citeulike(folder: Path) -> Path:
    (folder / "users.dat").write_text("2 10 11\n2 10 12\n1 11\n")
    return folder


def broken_file(path: Path) -> Path:
    path.write_bytes(b"\0\1\2 broken \n")
    return path


CASES: dict[str, Callable[[Path], Path]] = {
    "delimited": delimited,
    "jsonl": json_lines,
    "parquet": parquet,
    "arrow": arrow,
    "lists": item_lists,
    "citeulike": citeulike,
}
NAMELESS = {"lists"}
"""Formats that no name tells; the first lines do."""


TEXTS = {"fasttext", "topics"}
"""Formats of texts alone, which have tests of their own."""


def test_every_reader_has_a_case() -> None:
    assert set(registry) == set(CASES) | TEXTS


@pytest.mark.parametrize("name", CASES)
def test_the_same_pairs_come_out_of_every_format(name: str, tmp_path: Path) -> None:
    path, reader = CASES[name](tmp_path), registry.build(name)
    first, again = (reader.read(path, SCHEMA, Options()) for _ in range(2))
    assert len(first) == len(PAIRS)
    assert sorted(zip(first.ids("user").values.tolist(), first.ids("item").values.tolist(), strict=True)) == PAIRS
    assert (first.ids("user").values == again.ids("user").values).all()
    assert first.notes == again.notes
    assert all(note.strip() for note in first.notes)


@pytest.mark.parametrize("name", CASES)
def test_a_path_is_taken_by_its_own_format_alone(name: str, tmp_path: Path) -> None:
    path = CASES[name](tmp_path)
    taking = [one for one in registry if registry.build(one).takes(path)]
    assert taking == ([] if name in NAMELESS else [name])
    found = reader_of(path)
    assert (found is None) if name in NAMELESS else type(found) is registry.get(name)


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_read_names_the_file(name: str, tmp_path: Path) -> None:
    path = CASES[name](tmp_path)
    broken = broken_file(path / "users.dat" if path.is_dir() else path)
    with pytest.raises(InputError, match=broken.name):
        registry.build(name).read(path, SCHEMA, Options())
