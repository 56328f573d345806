"""What readers and loaders make of small files that are written out here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from negatives.data import splits
from negatives.data.labelled import LabelledTable
from negatives.data.loading.edges import Reading, load_edges
from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.loading.pairs import load_pairs
from negatives.data.loading.retrieval import Holding, load_retrieval
from negatives.data.loading.triples import ways_of
from negatives.data.readers import Options, read
from negatives.data.readers.beir import read_beir
from negatives.data.readers.labelled_text import labelled_texts
from negatives.data.readers.schema import LABELLED, PAIRS, TRIPLES
from negatives.data.readers.scored_pairs import read_scored
from negatives.data.triples import Triples


def read_labelled_text(path: Path, separator: str | None = None) -> LabelledTable:
    return labelled_texts(read(path, LABELLED), separator)["train"]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_rating_at_the_limit_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "user,item,rating\n1,1,3\n1,2,4\n2,3,5\n2,4,3.5\n")
    table = read(path, PAIRS, Options(min_rating=4.0))["train"]
    assert table.ids("item").values.tolist() == [2, 3]


def test_missing_ids_are_missing_however_they_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", "user,item\na,x\nNaN,y\nNull,z\nb,NONE\nc,w\n")
    table = read(path, PAIRS, Options(missing="drop"))["train"]
    assert table.ids("user").text().to_list() == ["a", "c"]


def test_a_mark_before_the_text_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "marked.csv"
    path.write_bytes(b"\xef\xbb\xbf7,1\n8,2\n")
    assert read(path, PAIRS)["train"].ids("user").values.tolist() == [7, 8]
    path.write_bytes(b"\xef\xbb\xbfuser,item,extra\n7,1,0\n")
    assert read(path, PAIRS, Options(columns={"user": "user"}))["train"].ids("user").values.tolist() == [7]
    lines = tmp_path / "marked.jsonl"
    lines.write_bytes(b"\xef\xbb\xbf" + jsonl({"text": "a", "labels": ["x"]}).encode())
    assert read_labelled_text(lines).labels.to_list() == ["x"]


def test_the_fifth_column_is_the_score_and_trec_has_one_column_more(tmp_path: Path) -> None:
    line = "main-news\theadlines\t2015\t0042\t4.5\ta dog\ta cat\n"
    assert read_scored(write(tmp_path / "sts.csv", line))["train"].rows == [("a dog", "a cat", 4.5)]
    write(tmp_path / "b" / "corpus.jsonl", jsonl({"_id": "d1", "text": "x"}, {"_id": "0", "text": "y"}))
    write(tmp_path / "b" / "queries.jsonl", jsonl({"_id": "q1", "text": "z"}))
    write(tmp_path / "b" / "qrels" / "test.tsv", "q1\t0\td1\t2\n")
    assert read_beir(tmp_path / "b").judged == {"test": [("q1", "d1", 2)]}


def test_a_label_counts_once_for_a_row(tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", jsonl({"text": "a", "labels": ["x", "y", "x"]}, {"text": "b", "labels": ["y"]}))
    table = read_labelled_text(path)
    assert list(zip(table.owners.tolist(), table.labels.to_list(), strict=True)) == [(0, "x"), (0, "y"), (1, "y")]


def test_negatives_of_the_training_part_are_left_out(tmp_path: Path) -> None:
    for name, tail in (("train", "b"), ("train_negatives", "c"), ("test_negatives", "d")):
        write(tmp_path / f"{name}.txt", f"a\tr\t{tail}\n")
    found = read(tmp_path, TRIPLES)
    assert {part: table.ids("tail").text().to_list() for part, table in found.items()} == {
        "train": ["b"], "test_negatives": ["d"],
    }  # fmt: skip


def test_no_part_holds_a_training_pair_and_users_are_numbered_without_gaps(tmp_path: Path) -> None:
    train = [(user, item) for user in (1, 3, 5) for item in range(6)]
    for name, rows in {
        "train": train, "valid": [(1, 0), (1, 7), (2, 8)], "test": [(3, 1), (3, 8), (2, 7), (5, 7)],
    }.items():  # fmt: skip
        write(tmp_path / f"{name}.csv", "user,item\n" + "".join(f"{user},{item}\n" for user, item in rows))
    data = load_pairs(tmp_path, canaries=0.0)
    parts = {}
    for name in ("train", "valid", "test"):
        part = getattr(data, name)
        users, items = data.query_names[part.queries.numpy()], data.item_names[part.items.numpy()]
        parts[name] = {(int(user), int(item)) for user, item in zip(users, items, strict=True)}
    assert parts["valid"] == {(1, 7)}
    assert parts["test"] == {(3, 8), (5, 7)}
    assert parts["train"] == set(train)


def test_training_that_loses_a_user_numbers_the_others_anew(tmp_path: Path) -> None:
    """A temporal split takes all that the first and the last user did."""
    rows = [(1, 1, 90), (1, 2, 91), (2, 1, 10), (2, 3, 11), (2, 2, 95), (3, 1, 12), (3, 2, 13), (4, 3, 96)]
    lines = "".join(f"{user},{item},{time + 1_500_000_000}\n" for user, item, time in rows)
    data = load_pairs(
        write(tmp_path / "t.csv", "user,item,timestamp\n" + lines), split="temporal", test=0.5, valid=0.0, canaries=0.0
    )
    assert data.query_names.cast(int).to_list() == [2, 3]
    assert data.train.queries.tolist() == [0, 0, 1, 1]
    assert data.test.queries.tolist() == [0]


def test_every_entity_and_relation_stays_however_much_is_held_back() -> None:
    rows = torch.arange(40)
    triples = Triples(rows % 10, rows // 10, (rows * 7 + 3) % 13 + 10)
    for seed in range(5):
        chosen = splits.any_rows(ways_of(23, 4).basis(triples), splits.Asked(0.9, splits.key_of("test", seed)))
        kept, held = triples.pick(~chosen), triples.pick(chosen)
        assert len(kept) + len(held) == 40
        assert len(held) > 10
        assert torch.unique(torch.cat([kept.heads, kept.tails])).numel() == 23
        assert torch.unique(kept.relations).numel() == 4


def labelled(tmp_path: Path) -> Path:
    rows = [{"text": f"common w{row}a w{row}b", "labels": [f"l{row % 5}"]} for row in range(60)]
    test = [{"text": "common only seen here", "labels": ["l1"]} for _ in range(3)]
    write(tmp_path / "l" / "train.jsonl", jsonl(*rows))
    write(tmp_path / "l" / "test.jsonl", jsonl(*test))
    return tmp_path / "l"


def test_rows_keep_a_label_and_words_are_those_of_training_rows(tmp_path: Path) -> None:
    how = LabelledSplit(valid=0.0, canaries=0.5)
    data = load_labelled(labelled(tmp_path), how, TextReading(min_rows=2, weights="none"))
    assert len(data.parts["train"]) == 60
    assert len(data.parts["canaries"]) == 0
    assert data.feature_names is not None
    assert data.feature_names.to_list() == ["common"]


def test_validation_edges_are_no_test_edges(tmp_path: Path) -> None:
    for name, rows in {"train": ["0 1", "1 2", "2 3"], "test": ["0 2", "1 3"], "valid": ["2 0", "0 3"]}.items():
        write(tmp_path / "g" / f"{name}.txt", "\n".join(rows) + "\n")
    data = load_edges(tmp_path / "g", Reading(canaries=0.0))
    assert list(zip(data.valid.queries.tolist(), data.valid.items.tolist(), strict=True)) == [(0, 3)]
    assert len(data.test) == 2


@pytest.mark.parametrize("seed", [0, 1])
def test_judgements_are_held_back_by_whole_queries(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    write(folder / "corpus.jsonl", jsonl(*({"_id": f"d{one}", "text": f"t {one}"} for one in range(9))))
    write(folder / "queries.jsonl", jsonl(*({"_id": f"q{one}", "text": f"asks {one}"} for one in range(10))))
    judged = [f"q{query}\td{(query + more) % 9}\t1\n" for query in range(10) for more in range(3)]
    write(folder / "qrels" / "train.tsv", "".join(judged))
    data = load_retrieval(folder, Holding(test=0.3, valid=0.3, seed=seed), titles=False)
    asked = {part: set(data.part(part).queries.tolist()) for part in ("train", "valid", "test")}
    assert [len(asked[part]) for part in ("test", "valid", "train")] == [3, 2, 5]
    assert not asked["train"] & asked["test"]
    assert not asked["train"] & asked["valid"]
    assert {len(data.part(part).queries) for part in ("test", "valid", "train")} == {9, 6, 15}
