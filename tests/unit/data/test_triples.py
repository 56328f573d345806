"""Triples: formats, splits, numbering, and input that cannot be used."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from negatives.data.loading.triples import TripleSplit, load_triples, ways_of
from negatives.data.offline.triples import stdlib_triples
from negatives.data.readers import Options, read
from negatives.data.readers.schema import TRIPLES
from negatives.data.splits import Asked, any_rows
from negatives.data.table import Table
from negatives.data.triples import TripleData, Triples
from negatives.errors import ConfigError, InputError

TRAIN = [("a", "likes", "b"), ("b", "likes", "c"), ("c", "knows", "a"), ("a", "knows", "c"), ("c", "likes", "a")]
TEST = [("b", "knows", "a"), ("a", "likes", "c")]
VALID = [("c", "knows", "b")]


def read_triples(path: Path, columns: dict[str, str] | None = None) -> dict[str, Table]:
    return read(path, TRIPLES, Options(columns=columns or {}))


def rows(table: Table) -> list[tuple[str, ...]]:
    return list(zip(*(table.ids(role).text() for role in ("head", "relation", "tail")), strict=True))


def text(triples: list[tuple[str, str, str]], separator: str = "\t") -> str:
    return "".join(separator.join(triple) + "\n" for triple in triples)


def folder(path: Path) -> Path:
    """One part as plain text, one as compressed CSV, one as Parquet."""
    path.mkdir()
    (path / "train.txt").write_text(text(TRAIN))
    (path / "valid.csv.xz").write_bytes(lzma.compress(text(VALID, ",").encode()))
    pl.DataFrame(TEST, schema=["h", "r", "t"], orient="row").write_parquet(path / "test.parquet")
    (path / "README.txt").write_text("not a part\n")
    return path


def names(data: TripleData, part: str) -> set[tuple[str, str, str]]:
    triples = data.part(part)
    return {
        (data.entity_names[h], data.relation_names[r], data.entity_names[t])
        for h, r, t in zip(triples.heads.tolist(), triples.relations.tolist(), triples.tails.tolist(), strict=True)
    }


def test_a_folder_of_three_formats(tmp_path: Path) -> None:
    data = load_triples(folder(tmp_path / "kg"))
    assert (names(data, "train"), names(data, "valid"), names(data, "test")) == (set(TRAIN), set(VALID), set(TEST))
    assert (data.name, data.n_entities, data.n_relations) == ("kg", 3, 2)


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
def test_separators_and_no_header(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "kg.txt"
    path.write_text(text(TRAIN, separator))
    assert rows(read_triples(path)["train"]) == TRAIN


def test_a_header_says_which_column_is_what(tmp_path: Path) -> None:
    path = tmp_path / "kg.csv.gz"
    lines = "object,weight,subject,predicate\n" + "".join(f"{t},1,{h},{r}\n" for h, r, t in TRAIN)
    path.write_bytes(gzip.compress(lines.encode()))
    table = read_triples(path)["train"]
    assert rows(table) == TRAIN
    assert any("skipped: weight" in note for note in table.notes)


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "kg.csv"
    path.write_text("x,y,z\n" + "".join(f"{t},{r},{h}\n" for h, r, t in TRAIN))
    assert rows(read_triples(path, {"head": "z", "relation": "y", "tail": "x"})["train"]) == TRAIN
    with pytest.raises(InputError, match="no column is called 'w'"):
        read_triples(path, {"head": "w"})


def test_a_first_line_of_entities_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "kg.tsv"
    path.write_text("source\tis\tgood\nb\tis\tc\n")
    assert len(read_triples(path)["train"]) == 2


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"a\tb\nc\td\n", 1, "only 2 columns .*, where 3 are needed"),
        (b"a\tr\tb\nc\td\ne\tr\tf\n", 2, "empty or missing tail"),
        (b"a\tr\tb\n\nc\tr\td\tx\n", 3, "4 columns where 3 are expected"),
        (b"a\tr\tb\nc\t\td\n", 2, "empty or missing relation"),
        (b"a\tr\tb\n\x00\x01\x02\n", 2, "binary content"),
        (b"\x89PNG\xff\xfe\n", 1, "not UTF-8"),
        (b"", None, "the file is empty"),
        (b"\n\n", None, "the file is empty"),
        (b"head\trelation\ttail\n", 1, "no triple is left"),
    ],
)
def test_faults_name_file_and_line(content: bytes, line: int | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "kg.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_triples(path)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


def test_faults_of_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_triples(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="no train file"):
        read_triples(tmp_path)
    (tmp_path / "kg.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as a Parquet file"):
        read_triples(tmp_path / "kg.parquet")
    (tmp_path / "train.txt").write_text(text(TRAIN))
    (tmp_path / "train.csv").write_text(text(TRAIN, ","))
    with pytest.raises(InputError, match="both look like train"):
        read_triples(tmp_path)


def test_duplicates_and_leaks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(text([*TRAIN, TRAIN[0]]))
    (tmp_path / "test.txt").write_text(text([*TEST, TRAIN[1]]))
    data = load_triples(tmp_path, TripleSplit(valid=0.0))
    assert names(data, "test") == set(TEST)
    assert any("train: 1 duplicate triples merged" in note for note in data.notes)
    assert any("test: 1 triples dropped, they stand in train too" in note for note in data.notes)


@pytest.mark.parametrize("unseen", ["keep", "drop"])
def test_unknown_entities_are_counted_and_kept_or_dropped(unseen: str, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(text(TRAIN))
    (tmp_path / "test.txt").write_text(text([*TEST, ("stranger", "likes", "a")]))
    data = load_triples(tmp_path, TripleSplit(valid=0.0, unseen=unseen))
    assert len(data.part("test")) == (3 if unseen == "keep" else 2)
    note = next(note for note in data.notes if "unknown in train" in note)
    assert note.startswith("test: 1 triples")
    assert ("dropped" in note) == (unseen == "drop")


def test_a_test_part_of_another_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(text(TRAIN))
    (tmp_path / "test.txt").write_text(text([("x", "likes", "y")]))
    with pytest.raises(InputError, match="no entity of the test part"):
        load_triples(tmp_path)


def test_hard_negatives_are_parts_of_their_own(tmp_path: Path) -> None:
    folder(tmp_path / "kg")
    (tmp_path / "kg" / "valid_negatives.txt").write_text(text([("b", "knows", "b"), ("stranger", "knows", "a")]))
    (tmp_path / "kg" / "test_negatives.tsv.gz").write_bytes(gzip.compress(text([("c", "likes", "c")]).encode()))
    data = load_triples(tmp_path / "kg")
    assert names(data, "valid_negatives") == {("b", "knows", "b")}
    assert names(data, "test_negatives") == {("c", "likes", "c")}
    assert any("valid_negatives: 1 triples dropped" in note for note in data.notes)
    assert data.known(("train", "valid", "test")).nnz == 2 * 8


def test_queries_are_the_pairs_that_occur(tmp_path: Path) -> None:
    data = load_triples(folder(tmp_path / "kg"))
    train = data.part("train")
    for_tail, for_head = data.queries(train)
    assert torch.equal(data.query_heads[for_tail], train.heads)
    assert torch.equal(data.query_relations[for_tail], train.relations)
    assert torch.equal(data.query_heads[for_head], train.tails)
    assert torch.equal(data.query_relations[for_head], train.relations + data.n_relations)
    every = {(h, r) for part in (TRAIN, VALID, TEST) for h, r, _ in part}
    every |= {(t, r + "^-1") for part in (TRAIN, VALID, TEST) for _, r, t in part}
    assert sorted(data.query_names().to_list()) == sorted(" ".join(pair) for pair in every)


def test_the_catalogue_knows_the_training_part_alone(tmp_path: Path) -> None:
    data = load_triples(folder(tmp_path / "kg"))
    catalogue = data.catalogue()
    assert catalogue.known is not None
    assert catalogue.item_graph is not None
    assert catalogue.known.nnz == 2 * len(TRAIN)
    assert int(catalogue.counts.sum()) == 2 * len(TRAIN)
    assert catalogue.item_graph.row(0).tolist() == [1, 2]
    assert torch.equal(catalogue.query_anchors, data.query_heads)  # type: ignore[arg-type]
    assert torch.equal(catalogue.query_groups, data.query_relations)  # type: ignore[arg-type]


def test_what_is_held_back_leaves_every_entity_and_relation() -> None:
    n = 400
    triples = Triples(torch.arange(n) % 37, torch.arange(n) % 5, torch.arange(n) * 7 % 41)

    def chosen(key: int) -> Tensor:
        return any_rows(ways_of(41, 5).basis(triples), Asked(0.3, key))

    stays, held = triples.pick(~chosen(5)), triples.pick(chosen(5))
    assert len(held) == round(0.3 * n)
    assert len(stays) + len(held) == n
    for name in ("heads", "relations", "tails"):
        assert set(getattr(held, name).tolist()) <= set(getattr(stays, name).tolist())
    assert torch.equal(triples.pick(chosen(5)).heads, held.heads)
    assert not torch.equal(triples.pick(chosen(6)).tails, held.tails)


def test_random_split_joins_the_parts(tmp_path: Path) -> None:
    data = load_triples(folder(tmp_path / "kg"), TripleSplit(kind="random", test=0.25, valid=0.0))
    sizes = [len(data.part(part)) for part in ("train", "valid", "test", "canaries")]
    assert sizes == [6, 0, 2, 0]
    assert any("divided anew" in note for note in data.notes)


@pytest.mark.parametrize("values", [{"kind": "temporal"}, {"unseen": "guess"}, {"test": 1.0}, {"canaries": -0.1}])
def test_splits_that_do_not_exist(values: dict) -> None:
    with pytest.raises(ConfigError):
        TripleSplit(**values)


def test_given_needs_a_test_part(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(text(TRAIN))
    with pytest.raises(InputError, match="no test part"):
        load_triples(tmp_path, TripleSplit(kind="given"))


def test_triples_of_sources(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("from . import errors\nimport os\n")
    (tmp_path / "pkg" / "errors.py").write_text("class Base(Exception): pass\nclass Deep(Base): pass\n")
    (tmp_path / "tool.py").write_text(
        "import pkg.errors\nclass Tool:\n    def run(self): raise Deep('x')\ndef stop(): raise Unknown\n"
    )
    found = set(rows(stdlib_triples(tmp_path)))
    assert found == {
        ("pkg", "imports", "pkg"),
        ("pkg.errors", "defines class", "pkg.errors.Base"),
        ("pkg.errors", "defines class", "pkg.errors.Deep"),
        ("pkg.errors.Base", "inherits from", "Exception"),
        ("pkg.errors.Deep", "inherits from", "pkg.errors.Base"),
        ("tool", "defines class", "tool.Tool"),
        ("tool", "imports", "pkg.errors"),
        ("tool", "defines function", "tool.Tool.run"),
        ("tool.Tool.run", "raises", "pkg.errors.Deep"),
        ("tool", "defines function", "tool.stop"),
    } - {("pkg", "imports", "pkg")}
    assert "1 bases and exceptions dropped" in stdlib_triples(tmp_path).notes[1]
