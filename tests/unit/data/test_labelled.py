"""Rows with labels: the extreme-classification format, JSON Lines, CSV, tags, their faults, and the parts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from negatives.data.bags import vocabulary
from negatives.data.labelled import LabelledTable, Weighting
from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.offline.labels import docstring_modules
from negatives.data.pairs import SparseFeatures
from negatives.data.readers import Options, read
from negatives.data.readers.labelled_text import labelled_texts
from negatives.data.readers.schema import LABELLED
from negatives.data.readers.xmc import read_xmc
from negatives.errors import ConfigError, InputError

GOOD = "3 5 4\n0,3 1:0.5 4:2\n 2:1e-1\n2 0:1 1:1 2:1\n"


def read_labelled_text(path: Path, options: Options | None = None, separator: str | None = None) -> LabelledTable:
    return labelled_texts(read(path, LABELLED, options), separator)["train"]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows_of(table: LabelledTable) -> list[tuple[list[object], dict[int, float]]]:
    """Labels and features of each row."""
    assert isinstance(table.content, SparseFeatures)
    found = []
    for row in range(table.n_rows):
        index, values = table.content.row(row)
        labels = [label for owner, label in zip(table.owners, table.labels, strict=True) if owner == row]
        found.append((labels, dict(zip(index.tolist(), [round(v, 4) for v in values.tolist()], strict=True))))
    return found


@pytest.mark.parametrize(
    "text",
    [GOOD, GOOD.rstrip("\n"), GOOD.replace("\n", "\r\n"), GOOD.replace("\n 2:1e-1", "\n\t2:.1")],
    ids=["plain", "no line feed at the end", "carriage returns", "tab"],
)
def test_reading_the_format(text: str, tmp_path: Path) -> None:
    table = read_xmc(write(tmp_path / "a.txt", text))
    assert rows_of(table) == [([0, 3], {1: 0.5, 4: 2.0}), ([], {2: 0.1}), ([2], {0: 1.0, 1: 1.0, 2: 1.0})]
    assert table.n_labels == 4
    assert "3 rows, 5 features, 4 labels, 3 pairs" in table.notes[0]


def test_a_row_without_features_and_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"2 3 2\n1\n0 2:1\n"))
    assert rows_of(read_xmc(path)) == [([1], {}), ([0], {2: 1.0})]


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("0,1 1:2\n0 1:1\n", 1, "no header"),
        ("2 5 4\n0 1:1\n4 1:1\n", 3, "label 4 is out of range"),
        ("2 5 4\n0 1:1\n1 5:1\n", 3, "feature 5 is beyond the 5 features"),
        ("2 5 4\n0 1:1\n1 1:x\n", 3, "'1:x' is not 'feature:value'"),
        ("2 5 4\n0 1:1\n1 1\n", 3, "'1' is not 'feature:value'"),
        ("2 5 4\n0;1 1:1\n1 1:1\n", 2, "'0;1' stands where labels"),
        ("2 5 4\n0 1:1\n-1 1:1\n", 3, "'-1' stands where labels"),
        ("2 5 4\n0,,1 1:1\n1 1:1\n", 2, "'0,,1' stands where labels"),
        ("2 5 4\n0 1:1,2:1\n1 1:1\n", 2, "not 'feature:value'"),
        ("2 5 4\n0 1:1\n1 1:1e99999\n", 3, "no finite value"),
        ("1 5 4\n0 1:1\n1 1:1\n", 3, "more rows than the 1"),
        ("3 5 4\n0 1:1\n1 1:1\n", 1, "2 rows where the header states 3"),
        (b"2 5 4\n0 1:1\n1 1:1 \xff\n", 3, "not UTF-8"),
        (b"2 5 4\n0 1:1\n1 1:1 \x00\n", 3, "binary"),
    ],
)
def test_faults_name_the_line(text: str | bytes, line: int, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        read_xmc(write(tmp_path / "a.txt", text))
    assert caught.value.line == line


JSON_ROWS = [
    {"text": "Red fox", "labels": ["animal", "colour"]},
    {"text": "blue sky", "labels": "colour"},
    {"text": "x", "labels": [7]},
]
CSV = 'id,text,label\n1,"Red, fox",animal|colour\n2,blue sky,colour\n3,x,\n'


def test_json_lines_and_tables(tmp_path: Path) -> None:
    table = read_labelled_text(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, JSON_ROWS))))
    assert table.labels.to_list() == ["animal", "colour", "colour", "7"]
    assert table.owners.tolist() == [0, 0, 1, 2]
    table = read_labelled_text(write(tmp_path / "a.csv", CSV))
    assert (table.labels.to_list(), table.owners.tolist()) == (["animal", "colour", "colour"], [0, 0, 1])
    assert list(table.content) == ["Red, fox", "blue sky", "x"]
    assert any("labels between '|'" in note for note in table.notes)
    tabs = write(tmp_path / "a.tsv", "body\tkind\nred fox\ta b\n")
    asked = read_labelled_text(tabs, Options(columns={"labels": "kind"}), " ")
    assert asked.labels.to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "text", "line", "fault"),
    [
        ("a.jsonl", '{"text": "a", "labels": ["b"]}\n{"text": null, "labels": ["b"]}\n', 2, "missing text"),
        ("a.jsonl", '{"text": "a", "labels": ["b"]}\n[1]\n', 2, "not a JSON object"),
        ("a.jsonl", '{"text": "a", "labels": ["b"]}\n{\n', 2, "not JSON"),
        ("a.jsonl", '{"text": "a", "labels": [{"b": 1}]}\n', 1, "only 1 column"),
        ("a.jsonl", '{"words": "a", "more": "c", "labels": ["b"]}\n', 1, "--columns text=words"),
        ("a.jsonl", '{"text": "a", "labels": []}\n', None, "no row has a label"),
        ("a.csv", "text\nred\n", 1, "only 1 column"),
        ("a.csv", "text,label\na,b\na,b,c\n", 3, "3 columns where 2"),
        ("a.csv", b"text,label\na,b\n\xe4,c\n", 3, "not UTF-8"),
    ],
)
def test_faults_of_texts(name: str, text: str | bytes, line: int | None, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        read_labelled_text(write(tmp_path / name, text))
    assert caught.value.line == line


def folder(tmp_path: Path, train: str, test: str) -> Path:
    write(tmp_path / "train.txt", train)
    write(tmp_path / "test.txt", test)
    return tmp_path


def test_given_parts(tmp_path: Path) -> None:
    train = "40 5 4\n" + "".join(f"0,1,2 1:{row + 1} 4:2\n" for row in range(40))
    path = folder(tmp_path, train, "2 5 4\n3 0:1\n 1:1\n")
    data = load_labelled(path, LabelledSplit(valid=0.1, canaries=0.3), TextReading())
    assert (data.n_rows, data.n_labels) == (42, 4)
    assert data.parts["test"].queries.tolist() == [40]
    assert data.parts["test"].items.tolist() == [3]
    assert torch.unique(data.parts["valid"].queries).numel() == 4
    assert data.n_train == 36
    hidden, kept = data.parts["canaries"], data.parts["train"]
    assert len(hidden) + len(kept) == 36 * 3
    assert 5 < len(hidden) < 45
    assert not set(hidden.queries.tolist()) & set(data.parts["valid"].queries.tolist())
    assert data.row_names[40] == "test row 1"
    assert any("1 rows without labels are left out" in note for note in data.notes)
    assert any("1 of 4 have no training row" in note for note in data.notes)


@pytest.mark.parametrize(
    ("test", "fault"), [("1 6 4\n0 2:1\n", "numbers of features"), ("1 5 5\n0 2:1\n", "numbers of labels")]
)
def test_headers_that_differ(test: str, fault: str, tmp_path: Path) -> None:
    path = folder(tmp_path, "1 5 4\n0 1:1\n", test)
    with pytest.raises(InputError, match=fault):
        load_labelled(path, LabelledSplit(), TextReading())


def test_one_file_is_divided_at_random_by_the_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "50 5 4\n" + "".join(f"1 1:{row + 1}\n" for row in range(50)))
    first, again, other = (load_labelled(path, LabelledSplit(seed=seed), TextReading()) for seed in (0, 0, 1))
    rows = [data.parts["test"].queries.tolist() for data in (first, again, other)]
    assert len(rows[0]) == 10
    assert rows[0] == rows[1] != rows[2]
    with pytest.raises(InputError, match="no test part"):
        load_labelled(path, LabelledSplit("given"), TextReading())
    with pytest.raises(ConfigError, match="no split is called 'temporal'"):
        LabelledSplit("temporal")
    with pytest.raises(InputError, match="no train file"):
        load_labelled(_empty(tmp_path), LabelledSplit(), TextReading())


def _empty(tmp_path: Path) -> Path:
    made = tmp_path / "empty"
    made.mkdir()
    write(made / "x.txt", "a")
    write(made / "y.txt", "b")
    return made


def test_texts_become_bags_of_training_words(tmp_path: Path) -> None:
    rows = [{"text": f"fox number{i} fox", "labels": ["a" if i % 2 else "b"]} for i in range(30)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    data = load_labelled(path, LabelledSplit(), TextReading(weights="none"))
    assert data.feature_names is not None
    assert data.feature_names.to_list() == ["fox"]
    assert data.features.values.tolist() == [2.0] * 30
    assert data.label_names.to_list() == ["a", "b"]
    assert vocabulary(["b a", "a b", "c c"], 1, 2) == ["a", "b"]
    with pytest.raises(InputError, match="no word stands in 40 rows"):
        load_labelled(path, LabelledSplit(), TextReading(min_rows=40))


def test_weights_count_training_rows_only() -> None:
    x = SparseFeatures(
        torch.tensor([0, 2, 3, 4]), torch.tensor([0, 1, 0, 1], dtype=torch.int32), torch.tensor([3.0, 4, 1, 1]), 2
    )
    assert Weighting("length").of(x).values.tolist() == pytest.approx([0.6, 0.8, 1, 1])
    by_idf = Weighting.learnt(x, torch.tensor([0, 1]), "tf_idf").of(x).values.tolist()
    assert by_idf[0] == pytest.approx(0.0)  # stands in both training rows, log(3 / 3)
    assert by_idf[1] == pytest.approx(1.0)


def test_tags_of_a_citeulike_folder(tmp_path: Path) -> None:
    write(tmp_path / "mult.dat", "2 0:1 2:3\n1 1:1\n0\n")
    write(tmp_path / "tag-item.dat", "2 0 1\n0\n1 1\n")
    write(tmp_path / "tags.dat", "x\ny\nz\n")
    data = load_labelled(tmp_path, LabelledSplit(test=0.0, valid=0.0, canaries=0.0), TextReading())
    assert data.label_names.to_list() == ["x", "y", "z"]
    assert [data.known().row(row).tolist() for row in range(3)] == [[0], [0, 2], []]
    write(tmp_path / "tag-item.dat", "2 0 1\n1 3\n1 1\n")
    with pytest.raises(InputError, match="article 3 is beyond") as caught:
        load_labelled(tmp_path, LabelledSplit(), TextReading())
    assert caught.value.line == 2


def test_docstrings_of_sources(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    many = "\n".join(f'def f{i}():\n    """Say {i}."""\n' for i in range(4))
    write(tmp_path / "one.py", many)
    write(tmp_path / "pkg" / "two.py", many)
    write(tmp_path / "rare.py", 'def g():\n    """Rare."""\n')
    table = docstring_modules(tmp_path, min_rows=3)
    assert table.n_rows == 8
    assert sorted(set(table.labels.to_list())) == ["one", "pkg.*", "pkg.two"]
    assert table.names is not None
    assert table.names[0] == "one.f0"
    assert next(iter(table.content)) == "Say 0."
    assert table.labels.filter(table.owners == 4).to_list() == ["pkg.*", "pkg.two"]
