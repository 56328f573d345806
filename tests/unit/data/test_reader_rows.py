"""A format that another package adds is read by every task that can use it; so are the formats of the table."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from negatives.data.ids import Ids
from negatives.data.loading.edges import Reading, load_edges
from negatives.data.loading.pairs import load_pairs
from negatives.data.loading.triples import TripleSplit, load_triples
from negatives.data.readers import Options, Reader, Schema, formats, read, reader_of, registry
from negatives.data.readers.schema import PAIRS
from negatives.data.table import Table
from negatives.errors import InputError
from negatives.registry import Registry

ROWS = [(f"a{left}", f"r{(left + right) % 2}", f"b{right}") for left in range(12) for right in range(8)]


class Arrows(Reader):
    """Lines ``head>relation>tail``; a folder in this format has a file ``all.arrows``."""

    suffixes = (".arrows",)
    marker = "all.arrows"

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        file = path / "all.arrows" if path.is_dir() else path
        rows = [line.split(">") for line in file.read_text().splitlines()]
        places = {"head": 0, "relation": 1, "tail": 2, "user": 0, "item": 2, "source": 0, "target": 2}
        columns = {role.name: Ids.of([row[places[role.name]] for row in rows]) for role in schema.needed}
        return Table(columns, (f"{file.name}: {len(rows)} arrows",), np.arange(1, len(rows) + 1))


@pytest.fixture
def arrows(monkeypatch: pytest.MonkeyPatch) -> type[Arrows]:
    """The row, added as an installed package adds it."""
    module = ModuleType("other_package")
    module.Arrows = Arrows  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "other_package", module)
    point = importlib.metadata.EntryPoint("arrows", "other_package:Arrows", "negatives.readers")
    usual = importlib.metadata.entry_points

    def entry_points(*, group: str) -> object:
        return [point] if group == "negatives.readers" else usual(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    fresh: Registry[Reader] = Registry("readers", formats.registry._rows.items())
    monkeypatch.setattr(formats, "registry", fresh)
    return Arrows


def write(path: Path, rows: list[tuple[str, str, str]] = ROWS) -> Path:
    path.write_text("".join(">".join(row) + "\n" for row in rows))
    return path


def test_pairs_of_another_package_s_format(arrows: type[Arrows], tmp_path: Path) -> None:
    assert isinstance(reader_of(write(tmp_path / "x.arrows")), arrows)
    data = load_pairs(tmp_path / "x.arrows", split="random")
    assert "x.arrows: 96 arrows" in data.notes
    assert sum(len(part) for part in (data.train, data.valid, data.test, data.canaries)) == len(ROWS)
    assert sorted(data.item_names) == sorted({row[2] for row in ROWS})


def test_the_format_may_be_asked_for_by_name(arrows: type[Arrows], tmp_path: Path) -> None:
    data = load_pairs(write(tmp_path / "x.unknown"), options=Options(format="arrows"), split="random")
    assert "x.unknown: 96 arrows" in data.notes


def test_folders_of_another_package_s_format(arrows: type[Arrows], tmp_path: Path) -> None:
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    for folder in (parts, whole):
        folder.mkdir()
    write(parts / "train.arrows", ROWS[:80])
    write(parts / "test.arrows", ROWS[80:])
    assert {part: len(table) for part, table in read(parts, PAIRS).items()} == {"train": 80, "test": 16}
    write(whole / "all.arrows")
    assert {part: len(table) for part, table in read(whole, PAIRS).items()} == {"train": 96}


def test_edges_and_triples_of_another_package_s_format(arrows: type[Arrows], tmp_path: Path) -> None:
    path = write(tmp_path / "x.arrows")
    edges = load_edges(path, Reading())
    assert "x.arrows: 96 arrows" in edges.notes
    assert sum(len(part) for part in (edges.train, edges.valid, edges.test, edges.canaries)) == len(ROWS)
    triples = load_triples(path, TripleSplit())
    assert "x.arrows: 96 arrows" in triples.notes
    assert sum(len(part) for part in triples.parts.values()) == len(ROWS)
    assert sorted(triples.relation_names) == ["r0", "r1"]


def test_a_graph_may_stand_in_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"weight": [0.5, 1.0, 2.0], "source": [3, 7, 3], "target": [7, 9, 9]})
    frame.write_parquet(tmp_path / "edges.parquet")
    frame.select("source", "target").write_csv(tmp_path / "edges.csv")
    of_parquet = load_edges(tmp_path / "edges.parquet", Reading(test=0.4))
    of_text = load_edges(tmp_path / "edges.csv", Reading(test=0.4))
    assert of_parquet.node_names.to_list() == of_text.node_names.to_list() == ["3", "7", "9"]
    for part in ("train", "valid", "test", "canaries"):
        assert getattr(of_parquet, part).queries.tolist() == getattr(of_text, part).queries.tolist()
        assert getattr(of_parquet, part).items.tolist() == getattr(of_text, part).items.tolist()


def test_pairs_are_no_triples(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"user": 1, "item": 2}\n')
    with pytest.raises(InputError, match=r"only 2 columns \(user, item\), where 3 are needed"):
        load_triples(path)
    (tmp_path / "users.dat").write_text("1 0\n1 1\n")
    with pytest.raises(InputError, match="this format has no head, relation, tail"):
        load_triples(tmp_path)


@pytest.mark.parametrize(
    ("name", "row"),
    [("a.CSV.gz", "delimited"), ("a.inter", "delimited"), ("a.ndjson", "jsonl"), ("a.pq", "parquet"), ("a.txt", None)],
)
def test_names_tell_the_format(name: str, row: str | None, tmp_path: Path) -> None:
    found = reader_of(tmp_path / name)
    assert type(found) is (type(None) if row is None else registry.get(row))
