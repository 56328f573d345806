"""Every reader of the table: the same pairs come out of each format, from a path that it takes by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from layouts import CASES as LAYOUTS
from layouts import rows, write
from negatives.data.readers import Options, reader_of, registry
from negatives.data.readers.formats import reader_for
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
PUBLISHED = {
    "movielens": "movielens 100k",
    "amazon": "amazon 2018 ratings",
    "yelp": "yelp",
    "online_retail": "online retail",
    "checkins": "gowalla",
    "lastfm": "last.fm hetrec",
    "bookcrossing": "book-crossing",
    "openke": "openke",
    "codex": "codex",
    "ntriples": "n-triples",
    "ogb": "ogb, nodes",
    "recbole": "recbole pairs",
    "matrix_market": "matrix market, symmetric",
    "snap": "snap",
    "numpy": "npy, lying",
    "torch": "torch tensor",
    "adjacency": "adjacency",
}
"""Formats with rows of their own, and the layout that stands for each."""
REFUSED = {"refused"}


TEXTS = {"fasttext", "topics"}
"""Formats of texts alone, which have tests of their own."""
NAMES = {*CASES, *PUBLISHED, *REFUSED, *TEXTS}


def test_every_reader_has_a_case() -> None:
    assert set(registry) == NAMES


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_layout_is_known_and_read_alike_twice(name: str, tmp_path: Path) -> None:
    case = LAYOUTS[PUBLISHED[name]]
    path = write(tmp_path, case.files) / case.data
    found = reader_of(path) if path.is_dir() else reader_for(path, case.schema, case.options)
    assert type(found) is registry.get(name)
    first, again = (registry.build(name).parts(path, case.schema, case.options) for _ in range(2))
    assert {part: rows(table, case.schema) for part, table in first.items()} == case.rows
    assert [table.notes for table in first.values()] == [table.notes for table in again.values()]
    assert all(note.strip() for table in first.values() for note in table.notes)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_layout_that_is_broken_names_the_file(name: str, tmp_path: Path) -> None:
    case = LAYOUTS[PUBLISHED[name]]
    path = write(tmp_path, case.files) / case.data
    broken = broken_file(path if path.is_file() else path / next(iter(case.files)))
    with pytest.raises(InputError, match=broken.name):
        registry.build(name).parts(path, case.schema, case.options)


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
