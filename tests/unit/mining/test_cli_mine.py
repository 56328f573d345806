"""``negatives mine`` from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from negatives.cli import main
from quick import ALONE

PAIRS = [("what purrs", "a cat purrs"), ("what barks", "a dog barks"), ("what barks", "dogs bark"), ("red", "fire")]
MORE = ["a bird sings", "", "a cat purrs", "stars shine"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pairs, more documents, and vectors in the order of the texts."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"question": left, "answer": right}) + "\n" for left, right in PAIRS))
    (tmp_path / "corpus.txt").write_text("\n".join(MORE) + "\n")
    random = np.random.default_rng(1)
    for name, rows in (("queries", 3), ("items", 6)):
        np.save(tmp_path / f"{name}.npy", random.standard_normal((rows, 4)).astype(np.float32))
    return path


def mine(data: Path, *options: str, out: str = "mined.jsonl") -> int:
    where = ["--vectors", str(data.parent), "--corpus", str(data.parent / "corpus.txt")]
    return main(["mine", str(data), "--out", str(data.parent / out), *where, *options])


def test_a_table_of_pairs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mine(data, "--num-negatives", "2") == 0
    rows = pl.read_ndjson(data.parent / "mined.jsonl")
    assert rows.columns == ["question", "answer", "negative"]
    assert len(rows) == 2 * len(PAIRS)
    assert set(rows["negative"]) <= {"a bird sings", "stars shine", *(right for _, right in PAIRS)}
    assert not set(rows.filter(pl.col("question") == "what barks")["negative"]) & {"a dog barks", "dogs bark"}
    told = capsys.readouterr().out
    assert "corpus.txt: 1 empty documents skipped" in told
    assert "documents: " not in told  # no copy within the corpus itself
    assert "likely false negatives" in told
    summary = json.loads((data.parent / "mined.report.json").read_text())
    assert summary["queries"] == 3
    assert summary["options"]["num_negatives"] == 2


@pytest.mark.parametrize("name", ["m.parquet", "m.csv", "m.jsonl"])
def test_kinds_of_files(name: str, data: Path) -> None:
    assert mine(data, "--format", "labeled-pair", "--scores", out=name) == 0
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[name.rpartition(".")[2]]
    assert read(data.parent / name).columns == ["question", "answer", "score"]
    assert not list(data.parent.glob("*.part"))


def test_a_collection_and_the_encoder_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pets"
    (folder / "qrels").mkdir(parents=True)
    texts = [f"{word} {kind}" for word in ("cat", "dog", "bird", "fish") for kind in ("eats", "sleeps", "plays")]
    rows = [json.dumps({"_id": str(index), "text": text}) + "\n" for index, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("".join(rows))
    (folder / "queries.jsonl").write_text("".join(rows))
    lines = [f"{index}\t{index}\t1\n" for index in range(len(texts))]
    for part, some in (("train", lines[:9]), ("test", lines[9:])):
        (folder / "qrels" / f"{part}.tsv").write_text("".join(some))
    run = tmp_path / "run"
    quick = [*ALONE, "--epochs", "1", "--set", "model.dim=8", "--set", "reading.vocabulary=100"]
    assert main(["train", "search", str(folder), "--out", str(run), *quick]) == 0
    cache, out = tmp_path / "cache", tmp_path / "mined.jsonl"
    options = ["--model", str(run), "--cache", str(cache), "--format", "n-tuple"]
    assert main(["mine", str(folder), "--out", str(out), *options]) == 0
    found = pl.read_ndjson(out)
    assert found.columns == ["anchor", "positive", "negative_1", "negative_2", "negative_3"]
    assert found["anchor"].to_list() == texts[:9]
    assert len(list(cache.glob("*.npy"))) == 2
    stamp = {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")}
    assert main(["mine", str(folder), "--out", str(out), "--overwrite", *options]) == 0
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")} == stamp


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num-negatives", "0"], "it must be at least 1"),
        (["--range-min", "5", "--range-max", "6"], "fewer than 3"),
        (["--format", "labeled-list", "--out", "x.csv"], "CSV cannot hold lists"),
        (["--out", "x.xlsx"], "the extension must be one of"),
        (["--model", "also"], "give one of --model"),
    ],
)
def test_wrong_options(
    options: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    where = [] if "--out" in options else ["--out", "mined.jsonl"]
    assert main(["mine", str(data), "--vectors", str(data.parent), *where, *options]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not list(data.parent.glob("mined*"))


def test_wrong_files(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.write_bytes(b'{"a": "x", "b": "y"}\n{"a": "\xe9", "b": "z"}\n')
    assert mine(data) == 2
    assert "pairs.jsonl, line 2: not UTF-8 text" in capsys.readouterr().err
    data.write_text('{"a": "x"}\n')
    assert mine(data) == 2
    assert "only 1 column (a), where 2 are needed" in capsys.readouterr().err
    assert main(["mine", str(data.parent / "none.csv"), "--out", "x.jsonl", "--vectors", "y"]) == 2
    assert "no such file" in capsys.readouterr().err


def collection(tmp_path: Path) -> Path:
    """Queries that are documents of the collection: the first five by name and text, the others by text alone."""
    folder = tmp_path / "coll"
    (folder / "qrels").mkdir(parents=True)
    texts = [f"text {index}" for index in range(20)]
    corpus = [{"_id": f"d{d}", "title": "a title" * (d < 5), "text": text} for d, text in enumerate(texts)]
    queries = [{"_id": f"{'dq'[q >= 5]}{q}", "text": texts[q]} for q in range(10)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [f"{'dq'[q >= 5]}{q}\td{q + 10}\t1\n" for q in range(10)]
    (folder / "qrels" / "train.tsv").write_text("".join(lines))
    vectors = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)
    np.save(folder / "items.npy", vectors)
    np.save(folder / "queries.npy", vectors[:10])
    return folder


@pytest.mark.parametrize("format", ["triplet", "pairs"])
def test_a_query_that_is_a_document_is_never_its_own_negative(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = collection(tmp_path), tmp_path / "m.jsonl"
    own = []
    for more in ([], ["--no-ignore-identical"]):
        options = ["--overwrite", "--vectors", str(folder), "--num-negatives", "4", "--format", format, *more]
        assert main(["mine", str(folder), "--out", str(out), *options]) == 0
        rows = pl.read_ndjson(out)
        assert len(rows) == 40
        own.append(sum(a.split()[-1] == n.split()[-1] for a, n in zip(rows["anchor"], rows["negative"], strict=True)))
    told = capsys.readouterr().out
    assert own[0] == 0
    assert own[1] > 0
    assert told.count("10 are documents themselves") == 1


def test_tuples_that_are_left_out_are_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mine(data, "--num-negatives", "4", "--format", "n-tuple") == 0
    told = capsys.readouterr().out
    rows = pl.read_ndjson(data.parent / "mined.jsonl")
    summary = json.loads((data.parent / "mined.report.json").read_text())
    assert (summary["rows"], summary["queries_left_out"]) == (len(rows), 0)
    assert "left out" not in told
    more = "--overwrite", "--num-negatives", "5"  # "what barks" knows two of the six
    assert mine(data, *more, "--format", "n-tuple") == 0
    summary = json.loads((data.parent / "mined.report.json").read_text())
    assert (summary["rows"], summary["queries_left_out"]) == (2, 1)
    assert "1 queries are left out of the file" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["pairs", "triplet", "n-tuple", "labeled-pair", "labeled-list"])
def test_nothing_mined_is_no_success(format: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mine(data, "--min-score", "200", "--format", format) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "nothing is left to write" in lines[0]
    assert not list(data.parent.glob("mined*"))
    if format == "n-tuple":
        assert mine(data, "--num-negatives", "9", "--format", format) == 1
