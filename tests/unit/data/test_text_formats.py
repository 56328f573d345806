"""Search, similarity, mine and classify read the same rows from every format that can carry them."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from negatives.cli import main
from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled, read_parts
from negatives.data.loading.retrieval import Holding, load_retrieval
from negatives.data.loading.similarity import load_similarity
from negatives.data.readers import Options
from negatives.data.readers.beir import read_beir
from negatives.data.readers.questions import read_collection
from negatives.data.readers.scored_pairs import read_scored
from negatives.data.readers.values import label_separator, message, text_lists
from negatives.errors import InputError
from negatives.mining.data import read_texts
from quick import ALONE

PAIRS = [("what purrs?", "a cat, mostly"), ("what barks?", 'a "dog"'), ("what purrs?", "a tiger")]
SCORED = [("a cat", "the cat", 5.0), ("a dog, old", 'the "dog"', 4.5), ("a hat", "a car", 0.5)]
LABELLED = [("a red, old fox", "animal|colour"), ("the blue sky", "colour"), ("it is late", "time")]
JUDGEMENTS = [("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d2", 1)]


def write(path: Path, frame: pl.DataFrame) -> Path:
    """A table in the format of a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = io.BytesIO()
    kinds: dict[str, Callable[[], Any]] = {
        ".csv": lambda: frame.write_csv(raw),
        ".tsv": lambda: frame.write_csv(raw, separator="\t", quote_style="never"),
        ".jsonl": lambda: frame.write_ndjson(raw),
        ".json": lambda: raw.write(json.dumps(frame.to_dicts()).encode()),
        ".parquet": lambda: frame.write_parquet(raw),
        ".arrow": lambda: frame.write_ipc(raw),
    }
    kinds[path.suffixes[0]]()
    path.write_bytes(gzip.compress(raw.getvalue()) if path.suffix == ".gz" else raw.getvalue())
    return path


def standard_input(folder: Path, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    raw = write(folder / "x.csv", frame).read_bytes()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(raw), isatty=lambda: False))
    return Path("-")


def stored(kind: str, folder: Path, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A table as a file, several files, standard input, or in memory."""
    if kind == "frame":
        return frame
    if kind == "tuples":
        return [tuple(row) for row in frame.iter_rows()]
    if kind == "-":
        return standard_input(folder, frame, monkeypatch)
    if kind == "pieces":
        for piece in range(2):
            name = f"train-0000{piece}-of-00002.parquet"
            write(folder / "pieces" / "data" / name, frame[:2] if piece == 0 else frame[2:])
        return folder / "pieces"
    return write(folder / f"rows{kind}", frame)


KINDS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".arrow", ".csv.gz", ".jsonl.gz")
KINDS += ("-", "pieces", "frame", "tuples")


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_reads_every_format(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pl.DataFrame(PAIRS, schema=["anchor", "positive"], orient="row")
    collection = read_collection(stored(kind, tmp_path, pairs, monkeypatch))
    found = [(collection.queries[q], collection.documents[d], grade) for q, d, grade in collection.judged["train"]]
    assert found == [(*pair, 1) for pair in PAIRS]
    texts = read_texts(stored(kind, tmp_path, pairs, monkeypatch))
    assert (texts.queries, texts.items) == (["what purrs?", "what barks?"], [right for _, right in PAIRS])
    assert texts.positives.row(0).tolist() == [0, 2]
    scored = pl.DataFrame(SCORED, schema=["sentence1", "sentence2", "score"], orient="row")
    assert read_scored(stored(kind, tmp_path, scored, monkeypatch))["train"].rows == SCORED
    rows = pl.DataFrame(LABELLED, schema=["text", "labels"], orient="row")
    table = read_parts(stored(kind, tmp_path, rows, monkeypatch), TextReading())["train"]
    assert list(table.content) == [text for text, _ in LABELLED]
    assert table.labels.to_list() == ["animal", "colour", "colour", "time"]


def tables() -> dict[str, pl.DataFrame]:
    corpus = pl.DataFrame({"_id": ["d1", "d2"], "title": ["T", ""], "text": ["one", "two"]})
    queries = pl.DataFrame({"_id": ["q1", "q2"], "text": ["first", "second"]})
    qrels = pl.DataFrame(JUDGEMENTS, schema=["query-id", "corpus-id", "score"], orient="row")
    return {"corpus": corpus, "queries": queries, "qrels": qrels}


def beir(folder: Path) -> Any:
    for name in ("corpus", "queries"):
        write(folder / f"{name}.jsonl", tables()[name])
    write(folder / "qrels" / "test.tsv", tables()["qrels"])
    return folder


def mteb(folder: Path) -> Any:
    """Parquet in folders, texts in pieces, judgements in the folder of the default configuration."""
    for piece in range(2):
        write(folder / "corpus" / f"corpus-0000{piece}-of-00002.parquet", tables()["corpus"][piece : piece + 1])
    write(folder / "queries" / "queries-00000-of-00001.parquet", tables()["queries"])
    write(folder / "data" / "test-00000-of-00001.parquet", tables()["qrels"])
    (folder / "README.md").write_text("what this is\n")
    return folder


def mteb_parts(folder: Path) -> Any:
    for name, frame in tables().items():
        write(folder / name / "test-00000-of-00001.parquet", frame)
    return folder


def trec(folder: Path) -> Any:
    folder.mkdir()
    (folder / "collection.tsv").write_text("d1\tT one\nd2\ttwo\n")
    (folder / "queries.dev.tsv").write_text("q1\tfirst\nq2\tsecond\n")
    (folder / "qrels.test.txt").write_text("".join(f"{q} 0 {d} {grade}\n" for q, d, grade in JUDGEMENTS))
    return folder


def topics(folder: Path) -> Any:
    trec(folder).joinpath("queries.dev.tsv").unlink()
    (folder / "vectors").mkdir()
    (folder / "queries.npy").write_bytes(b"\x93NUMPY")
    (folder / "topics.301-302").write_text(
        "<top>\n<num> Number: q1\n<title> first\n<desc> Description:\nmore\n</top>\n"
        "<top>\n<num> Number: q2\n<title>\nsecond\n<narr> Narrative:\n</top>\n"
    )
    return folder


def in_memory(folder: Path) -> Any:
    found = tables()
    return {"corpus": found["corpus"], "queries": found["queries"], "qrels": {"test": found["qrels"]}}


@pytest.mark.parametrize("layout", [beir, mteb, mteb_parts, trec, topics, in_memory], ids=lambda one: one.__name__)
def test_collections(layout: Callable[[Path], Any], tmp_path: Path) -> None:
    found = read_collection(layout(tmp_path / "collection"))
    assert dict(found.documents) == {"d1": "T one", "d2": "two"}
    assert dict(found.queries) == {"q1": "first", "q2": "second"}
    assert dict(found.judged) == {"test": JUDGEMENTS}


def test_the_only_file_of_judgements_needs_no_part(tmp_path: Path) -> None:
    folder = trec(tmp_path / "c")
    (folder / "qrels.test.txt").rename(folder / "2019qrels-pass.txt")
    assert list(read_beir(folder).judged) == ["all"]
    (folder / "qrels.extra.txt").write_text("q1 0 d1 1\n")
    with pytest.raises(InputError, match="no file of judgements is called after a part"):
        read_beir(folder)
    (folder / "qrels.train.txt").write_text("q1 0 d1 1\n")
    found = read_beir(folder)
    assert list(found.judged) == ["train"]
    assert "qrels.extra.txt: not a known part, skipped" in found.notes


def test_texts_without_ids_and_torn_topics(tmp_path: Path) -> None:
    folder = topics(tmp_path / "c")
    torn = folder / "topics.301-302"
    torn.write_text("<top>\n<num> Number: q1\n<title> a\n</top>\n<top>\n<title> b\n</top>\n")
    with pytest.raises(InputError, match="line 5: a topic without number or title"):
        read_beir(folder)
    beir(folder)
    torn.unlink()
    (folder / "collection.tsv").unlink()
    (folder / "corpus.jsonl").write_text('{"text": "one"}\n')
    with pytest.raises(InputError, match=r"corpus\.jsonl, line 1: the texts have no ids"):
        read_beir(folder)


def test_a_data_set_saved_to_disk(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"query": ["a b", "c d"], "pos": [["x y"], ["z", "w v"]], "neg": [[], ["x y"]]}
    part = datasets.Dataset.from_dict(rows)
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(tmp_path / "saved")
    for data in (tmp_path / "saved", datasets.DatasetDict({"train": part, "test": part}), {"train": part}):
        found = read_collection(data)
        assert [(found.queries[q], found.documents[d], g) for q, d, g in found.judged["train"]] == [
            ("a b", "x y", 1), ("c d", "z", 1), ("c d", "w v", 1), ("c d", "x y", 0),
        ]  # fmt: skip


def test_chat_messages_in_parquet(tmp_path: Path) -> None:
    say = [{"role": "system", "content": "Find."}, {"role": "user", "content": [{"type": "text", "text": "red"}]}]
    assert message(say) == "Find.\nred"
    one = [{"role": "user", "content": "red"}]
    frame = pl.DataFrame({"messages": [one], "positive_messages": [[[{"role": "user", "content": "fire"}]]]})
    found = read_collection(write(tmp_path / "m.parquet", frame))
    assert (dict(found.queries), dict(found.documents)) == ({"q1": "red"}, {"d1": "fire"})
    cosine = {"messages": one, "positive_messages": [[{"role": "user", "content": "fire"}]], "label": 0.8}
    (tmp_path / "c.jsonl").write_text(json.dumps(cosine) + "\n")
    assert read_scored(tmp_path / "c.jsonl")["train"].rows == [("red", "fire", 0.8)]


def test_lists_of_labels_belong_to_their_texts(tmp_path: Path) -> None:
    """As mine writes them with the format labeled-list."""
    path = tmp_path / "l.jsonl"
    path.write_text('{"anchor": "red", "positive": ["fire", "grass"], "labels": [1, 0]}\n')
    found = read_collection(path)
    assert found.judged["train"] == [("q1", "d1", 1), ("q1", "d2", 0)]
    path.write_text('{"anchor": "red", "positive": ["fire", "grass"], "labels": [1]}\n')
    with pytest.raises(InputError, match="1 labels for 2 texts"):
        read_collection(path)


def test_triples_are_two_pairs(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("anchor,positive,negative\na cat,the cat,a car\na hat,the hat,\n")
    rows = [("a cat", "the cat", 1.0), ("a hat", "the hat", 1.0), ("a cat", "a car", 0.0)]
    assert read_scored(path)["train"].rows == rows


def test_a_text_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": ["a", "b"], "labels": ["x"]}\n')
    with pytest.raises(InputError, match="the column text holds lists or objects"):
        read_parts(path, TextReading())
    path.write_text('{"text": ["a"], "labels": ["x"]}\n')
    assert list(read_parts(path, TextReading())["train"].content) == ["a"]


@pytest.mark.parametrize("rows", [100, 1500])
def test_a_key_may_become_a_list_late(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    lines = [{"text": f"text {row}", "labels": "a"} for row in range(rows)] + [{"text": "last", "labels": ["a", "b"]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_parts(path, TextReading())["train"].labels.to_list()[-2:] == ["a", "b"]
    lines = [{"query": f"q {row}", "pos": "a"} for row in range(rows)] + [{"query": "last", "pos": ["b", "c"]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_texts(path).items == ["a", "b", "c"]


def test_lists_of_texts() -> None:
    assert text_lists(pl.Series(["a", " ", None])).to_list() == [["a"], [], []]
    assert text_lists(pl.Series([["a", None, " "], None, []])).to_list() == [["a"], [], []]
    assert text_lists(pl.Series([[1, 2]])).to_list() == [["1", "2"]]


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["a|b", "c"], "|"),
        (["Smith, John", "Doe, Jane"], None),
        (["Smith, John; Doe, Jane", "Smith, John"], None),
        (["Smith, John;Doe, Jane", "Smith, John"], ";"),
        (["Drama, War", "War, Crime, Drama", "Crime"], ","),
        (["Paris, France", "Rome, Italy", "France"], None),
        (["a,b", "b"], ","),
    ],
)
def test_what_stands_between_labels(cells: list[str], mark: str | None) -> None:
    assert label_separator(cells) == mark


def test_parts_share_one_separator_and_fresh_labels_are_told(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,labels\none two,a|b\nthree four,b\n")
    (tmp_path / "test.csv").write_text('text,labels\nfive six,"c, d"\nseven,a\n')
    found = read_parts(tmp_path, TextReading())
    assert found["test"].labels.to_list() == ["c, d", "a"]
    assert found["test"].notes[-1] == "test: 1 of 2 labels have no row in train (c, d)"


def test_matrices(tmp_path: Path) -> None:
    for mark, rows in (("trn", "2"), ("tst", "1")):
        (tmp_path / f"{mark}_X_Xf.txt").write_text(f"{rows} 3\n0:1 2:0.5\n" + ("\n" if mark == "trn" else ""))
        (tmp_path / f"{mark}_X_Y.txt").write_text(f"{rows} 4\n3:1 1:1\n" + ("0:1\n" if mark == "trn" else ""))
    found = read_parts(tmp_path, TextReading())
    assert (found["train"].labels.to_list(), found["train"].owners.tolist()) == ([3, 1, 0], [0, 0, 1])
    assert {table.n_labels for table in found.values()} == {4}
    assert found["train"].content.row(0)[0].tolist() == [0, 2]  # type: ignore[union-attr]
    (tmp_path / "trn_X_Y.txt").write_text("3 4\n3:1\n0:1\n0:1\n")
    with pytest.raises(InputError, match=r"3 rows where trn_X_Xf\.txt has 2"):
        read_parts(tmp_path, TextReading())
    (tmp_path / "trn_X_Y.txt").write_text("2 4\n3:1\n4:1\n")
    with pytest.raises(InputError, match="line 3: feature 4 is beyond the 4 features"):
        read_parts(tmp_path, TextReading())


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("1 1:1\n2 2:x\n", 2, "'2:x' is not 'feature:value'"),
        ("1 1:1\n\n# so\n0.5 2:1\n", 4, "the label '0.5' is no class"),
        ("1 1:1\n2 2:1 # so\n3 qid:1 4294967296:1\n", 3, "feature 4294967296 is beyond"),
        ("1 1:1\n2 99999999999999999999:1\n", 2, "feature 99999999999999999999 is beyond"),
    ],
)
def test_faults_of_libsvm_name_the_line(text: str, line: int, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=fault) as caught:
        read_parts(path, TextReading())
    assert caught.value.line == line


def test_a_header_in_one_part_alone(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1 3 2\n0 1:1\n")
    (tmp_path / "test.txt").write_text("0 1:1\n")
    with pytest.raises(InputError, match=r"test\.txt, line 1: no header, but another part has one"):
        read_parts(tmp_path, TextReading())


def test_the_loaders_take_what_is_in_memory() -> None:
    pairs = pl.DataFrame({"anchor": [f"q {n}" for n in range(20)], "positive": [f"d {n}" for n in range(20)]})
    found = load_retrieval(pairs, Holding())
    assert (found.name, found.n_items, len(found.parts["test"])) == ("table", 20, 4)
    scored = [(f"a {n}", f"b {n}", n % 2) for n in range(30)]
    assert load_similarity(scored, None, None).n_sentences == 60
    rows = [(f"red fox {n}", "ab"[n % 2]) for n in range(30)]
    assert load_labelled(rows, LabelledSplit(), TextReading()).n_labels == 2


def test_columns_are_named_for_texts_and_judgements(tmp_path: Path) -> None:
    folder = beir(tmp_path / "c")
    text = (folder / "corpus.jsonl").read_text().replace('"text"', '"inhalt"').replace('"title"', '"kopf"')
    (folder / "corpus.jsonl").write_text(text)
    queries = (folder / "queries.jsonl").read_text().replace('"text"', '"inhalt"')
    (folder / "queries.jsonl").write_text(queries)
    found = read_beir(folder, Options(columns={"text": "inhalt"}))
    assert dict(found.documents) == {"d1": "one", "d2": "two"}


def test_pairs_alone_train_a_search(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    words = [f"{a}{b}" for a in "bdfgk" for b in ("ala", "ele", "ili", "olo", "ulu", "aba")]
    path.write_text("anchor,positive\n" + "".join(f"find {one} now,a text on {one} here\n" for one in words))
    options = [*ALONE, "--epochs", "2", "--set", "model.dim=8", "--set", "reading.vocabulary=100"]
    assert main(["train", "search", str(path), "--out", str(tmp_path / "run"), *options]) == 0
    assert 0 < json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["ndcg@10"] <= 1


def test_layouts_without_a_header(tmp_path: Path) -> None:
    """STS-B's fifth column is the score, some of its lines have two columns more; TREC has one column more."""
    line = "main-news\theadlines\t2015\t0042\t4.5\ta dog\ta cat"
    (tmp_path / "sts.csv").write_text(f"{line}\n{line}\tone\ttwo\n")
    assert read_scored(tmp_path / "sts.csv")["train"].rows == [("a dog", "a cat", 4.5)] * 2
    (tmp_path / "sts.csv").write_text(f"{line}\tone\ttwo\n{line}\n")
    assert read_scored(tmp_path / "sts.csv")["train"].rows == [("a dog", "a cat", 4.5)] * 2
    folder = beir(tmp_path / "c")
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n{"_id": "0", "text": "y"}\n')
    (folder / "qrels" / "test.tsv").write_text("q1\t0\td1\t2\n")
    assert dict(read_beir(folder).judged) == {"test": [("q1", "d1", 2)]}


def test_names_above_texts_are_a_header(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("request,reply\nhow are you,I am fine\nwhat is it,it is late\n")
    found = read_texts(path)
    assert (found.names, found.queries) == (("request", "reply"), ["how are you", "what is it"])
    path.write_text("hello,hello to you\nhow are you,I am fine\nwhat is it,it is late\n")
    assert read_texts(path).queries[0] == "hello"


def test_a_label_counts_once_for_a_row(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text('{"text": "a", "labels": ["x", "y", "x"]}\n{"text": "b", "labels": ["y", " y "]}\n')
    table = read_parts(path, TextReading())["train"]
    assert (table.labels.to_list(), table.owners.tolist()) == (["x", "y", "y"], [0, 0, 1])


def test_all_parts_are_as_wide_as_the_widest(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1 1:1\n2 2:1\n")
    (tmp_path / "test.txt").write_text("3 9:1\n")
    found = read_parts(tmp_path, TextReading())
    assert {table.content.n_cols for table in found.values()} == {10}  # type: ignore[union-attr]


def test_texts_of_one_id_in_two_files(tmp_path: Path) -> None:
    folder = mteb(tmp_path / "c")
    write(folder / "corpus" / "corpus-00001-of-00002.parquet", tables()["corpus"])
    assert any("1 texts that stand in another file too, merged" in note for note in read_beir(folder).notes)
    other = tables()["corpus"].with_columns(text=pl.lit("another"))
    write(folder / "corpus" / "corpus-00001-of-00002.parquet", other)
    with pytest.raises(InputError, match="the _id 'd1' stands for another text in another file"):
        read_beir(folder)


def test_odd_labels_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("nan 1:1\n1e999 2:1\n+1 2:1\n")
    assert read_parts(path, TextReading())["train"].labels.to_list() == ["nan", "1e999", "1"]
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "marks": ["a"]}\n{"text": "two", "also": "b"}\n')
    with pytest.raises(InputError, match="which column is the labels"):
        read_parts(path, TextReading())
