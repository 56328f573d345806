"""Reading graphs: formats, faults that name file and line, what is skipped and counted, and how edges are divided."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from negatives.data.edges import symmetric
from negatives.data.loading.edges import Reading, load_edges
from negatives.data.offline.imports import module_imports
from negatives.data.readers import Options, read
from negatives.data.readers.node_features import read_node_features
from negatives.data.readers.schema import EDGES
from negatives.data.table import Table
from negatives.errors import ConfigError, InputError
from negatives.types import Csr

RING = "".join(f"{node} {(node + gap) % 30}\n" for node in range(30) for gap in (1, 2, 5))


def read_edges(path: Path, **columns: str) -> Table:
    return read(path, EDGES, Options(columns=columns))["train"]


def pairs(table: Table) -> list[tuple[str, str]]:
    return list(zip(table.ids("source").text(), table.ids("target").text(), strict=True))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("edges.txt", "3 7\n7 9\n3 9\n"),
        ("edges.txt", "3\t7\n7\t9\n3\t9\n"),
        ("edges.txt", "# Nodes: 3 Edges: 3\n3   7  \n\n 7 9\n% more\n3 9\n"),
        ("edges.csv", "3,7\n7,9\n3,9\n"),
        ("edges.csv", "source,target\n3,7\n7,9\n3,9\n"),
        ("edges.csv", "weight,Source,Target\n0.1,3,7\n1,7,9\n2,3,9\n"),
        ("edges.tsv", "from\tto\tyear\n3\t7\t2001\n7\t9\t2002\n3\t9\t2003\n"),
        ("edges.csv", "a;b\n3;7\n7;9\n3;9\n"),
        ("edges.edgelist", "3 7 {}\n7 9 {}\n3 9 {}\n"),
    ],
)
def test_formats(name: str, text: str, tmp_path: Path) -> None:
    table = read_edges(write(tmp_path / name, text))
    assert pairs(table) == [("3", "7"), ("7", "9"), ("3", "9")]
    assert table.lines is not None
    lines = text.split("\n")
    for line, ends in zip(table.lines.tolist(), pairs(table), strict=True):
        assert all(end in lines[line - 1] for end in ends)


def test_names_may_be_text_and_columns_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "e.csv", 'who,"whom",when\nann,bob,3\n"carl, jr",ann,4\n')
    table = read_edges(path, source="whom", target="who")
    assert pairs(table) == [("bob", "ann"), ("ann", "carl, jr")]
    with pytest.raises(InputError, match=r"no column is called 'whem'.*did you mean"):
        read_edges(path, source="whem")


def test_compressed(tmp_path: Path) -> None:
    path = tmp_path / "graph.txt.gz"
    path.write_bytes(gzip.compress(RING.encode()))
    assert load_edges(path).n_nodes == 30


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0\n1\n", r"edges.txt, line 1: only 1 column"),
        ("# head\n0 1\n\n1\n", r"edges.txt, line 4: empty or missing target \(column_2\)"),
        ("0 1\n1 2\n2 3 4\n", r"edges.txt, line 3: 3 columns where 2 are expected"),
        ("0 0\n1 1\n", r"edges.txt, line 1: every edge is a self-loop"),
        ("", r"edges.txt: the file is empty"),
        ("# nothing\n", r"edges.txt, line 1: holds comments only"),
        ("source target\n", r"edges.txt, line 1: no edge is left"),
        ("0 1\n\x00\x01\n", r"edges.txt, line 2: binary content"),
        ("0 1\n", r"no edge is left for the test"),
    ],
)
def test_faults_name_file_and_line(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=fault):
        load_edges(write(tmp_path / "edges.txt", text))


@pytest.mark.parametrize("text", ["a -1\n-1 b\n", "4 -1\n-1 5\n"])
def test_a_minus_belongs_to_the_name(text: str, tmp_path: Path) -> None:
    assert [source for source, _ in pairs(read_edges(write(tmp_path / "e.txt", text)))] == [text[0], "-1"]


def test_loops_and_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "edges.txt", RING + "4 4\n1 0\n0 1\n7 7\n")
    data = load_edges(path)
    assert {"edges.txt: 2 self-loops dropped", "edges.txt: 2 duplicate edges dropped"} <= set(data.notes)
    assert sum(len(data.part(part)) for part in ("train", "valid", "test", "canaries")) == 90
    with_direction = load_edges(path, Reading(directed=True))
    assert "edges.txt: 1 duplicate edges dropped" in with_direction.notes
    assert sum(len(with_direction.part(part)) for part in ("train", "valid", "test", "canaries")) == 91


def test_the_split_is_85_5_10_and_a_function_of_seed_and_edges(tmp_path: Path) -> None:
    many = "".join(f"{u} {v}\n" for u in range(50) for v in range(u))
    data = load_edges(write(tmp_path / "a.txt", many), Reading(canaries=0.0))
    n = 50 * 49 // 2
    assert (len(data.test), len(data.valid)) == (round(0.1 * n), round(0.05 / 0.9 * (n - round(0.1 * n))))
    codes = [set((p.queries * 50 + p.items).tolist()) for p in (data.train, data.valid, data.test)]
    assert sum(map(len, codes)) == len(set().union(*codes)) == n
    turned = "\n".join(" ".join(line.split()[::-1]) for line in many.splitlines()[::-1]) + "\n"
    same = load_edges(write(tmp_path / "b.txt", turned), Reading(canaries=0.0))
    assert torch.equal(same.test.queries, data.test.queries)
    assert torch.equal(same.test.items, data.test.items)
    other = load_edges(tmp_path / "a.txt", Reading(canaries=0.0, seed=1))
    assert not torch.equal(other.test.queries, data.test.queries)


def test_given_parts(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", RING)
    write(tmp_path / "test.txt", "0 9\n0 1\n3 14\n")
    data = load_edges(tmp_path)
    assert list(zip(data.test.queries.tolist(), data.test.items.tolist(), strict=True)) == [(0, 9), (3, 14)]
    assert "test: 1 edges dropped, they stand in train too" in data.notes
    anew = load_edges(tmp_path, Reading(split="random", canaries=0.0))
    assert len(anew.test) == round(0.1 * 92)
    with pytest.raises(InputError, match="there is no test part"):
        load_edges(tmp_path / "train.txt", Reading(split="given"))


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="no split is called 'temporal'"):
        Reading(split="temporal")
    with pytest.raises(ConfigError, match=r"split.valid is 1"):
        Reading(valid=1.0)


FEATURES = "30 4\n" + "0 2\n" * 15 + "\n" + "1 3\n" * 13 + "3 1 3\n"


def test_features_belong_to_nodes_by_their_line(tmp_path: Path) -> None:
    write(tmp_path / "edges.txt", RING)
    write(tmp_path / "features.txt", FEATURES)
    data = load_edges(tmp_path)
    assert data.features is not None
    assert (data.features.n_rows, data.features.n_cols) == (30, 4)
    rows = [data.features.row(node)[0].tolist() for node in (0, 15, 16, 29)]
    assert rows == [[0, 2], [], [1, 3], [1, 3]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (FEATURES + "0\n", r"features.txt, line 1: 31 rows of features, where the first line promises 30"),
        (FEATURES.replace("30 4", "31 4"), r"features.txt, line 1: 30 rows of features"),
        (FEATURES.replace("1 3\n", "1 4\n", 1), r"features.txt, line 18: the column 4, .* promises 4 columns"),
        (FEATURES.replace("30 4", "30"), r"features.txt, line 1: 1 numbers where two are expected"),
        (FEATURES.replace("1 3\n", "1 x\n", 1), r"features.txt, line 18: 'x' stands where a whole number"),
        ("28 4\n" + "0\n" * 28, r"edges.txt, line 72: the node 28 has no row among 28 rows of features"),
    ],
)
def test_faults_of_features(text: str, fault: str, tmp_path: Path) -> None:
    write(tmp_path / "edges.txt", RING)
    write(tmp_path / "features.txt", text)
    with pytest.raises(InputError, match=fault):
        load_edges(tmp_path)


def test_features_need_numbered_nodes(tmp_path: Path) -> None:
    write(tmp_path / "edges.txt", "0 1\n1 two\n")
    write(tmp_path / "features.txt", "3 1\n0\n0\n0\n")
    with pytest.raises(InputError, match=r"edges.txt, line 2: a node is not a whole number"):
        load_edges(tmp_path)


def test_folders_that_do_not_say(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_edges(tmp_path / "none")
    with pytest.raises(InputError, match="no file of edges"):
        load_edges(tmp_path)
    write(tmp_path / "one.txt", RING)
    write(tmp_path / "README.md", "about")
    assert load_edges(tmp_path).n_nodes == 30
    write(tmp_path / "two.txt", RING)
    with pytest.raises(InputError, match="no file of edges"):
        load_edges(tmp_path)


def test_the_catalogue_holds_training_edges_only(tmp_path: Path) -> None:
    data = load_edges(write(tmp_path / "edges.txt", RING), Reading(canaries=0.1))
    catalogue = data.catalogue()
    assert catalogue.known is not None
    assert catalogue.item_graph is not None
    assert catalogue.query_anchors is not None
    assert catalogue.query_anchors.tolist() == list(range(30))
    assert catalogue.item_graph.nnz == 2 * len(data.train) == int(catalogue.counts.sum())
    for node in range(30):
        near = catalogue.item_graph.row(node).tolist()
        assert catalogue.known.row(node).tolist() == sorted([*near, node])
    held = data.both_ways(("valid", "test", "canaries"))
    for u, v in zip(held.queries.tolist(), held.items.tolist(), strict=True):
        assert v not in catalogue.item_graph.row(u).tolist()


def test_directions(tmp_path: Path) -> None:
    data = load_edges(write(tmp_path / "edges.txt", RING), Reading(directed=True, canaries=0.0))
    graph = data.graph()
    assert graph.nnz == len(data.train)
    both = symmetric(graph)
    for u, v in zip(data.train.queries.tolist(), data.train.items.tolist(), strict=True):
        assert v in graph.row(u).tolist()
        assert u in both.row(v).tolist()
    assert isinstance(both, Csr)


def test_no_features_file_is_no_fault(tmp_path: Path) -> None:
    assert read_node_features(write(tmp_path / "f.txt", "2 3\n0 0 2\n1\n")).indices.tolist() == [0, 2, 1]


def test_imports_of_modules(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    write(tmp_path / "alone.py", "import sys, os.path\nimport pack.inner\nimport elsewhere\n")
    write(tmp_path / "pack" / "__init__.py", "from .inner import x\n")
    write(
        tmp_path / "pack" / "inner.py", "from . import other\nfrom ..alone import y\n\ndef readLine():\n    import re\n"
    )
    found = module_imports(tmp_path)
    names = found.names.to_list()
    edges = {(names[u], names[v]) for u, v in zip(found.sources.tolist(), found.targets.tolist(), strict=True)}
    assert edges == {
        ("alone", "sys"), ("alone", "os"), ("alone", "pack.inner"), ("pack", "pack.inner"), ("pack.inner", "pack"),
        ("pack.inner", "alone"), ("pack.inner", "re"),
    }  # fmt: skip
    assert "1 imports of other names left out" in found.notes[1]
    words = found.features.row(names.index("pack.inner"))[0]
    assert words.numel() == 4  # pack, inner, read, line


def test_the_offline_graph() -> None:
    data = load_edges(None)
    assert data.n_nodes > 300
    assert data.features is not None
    assert data.features.n_rows == data.n_nodes
    assert len(data.train) > 4 * len(data.test) > 0
