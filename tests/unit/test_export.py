"""Exported vectors are the run's own, in every format."""

from __future__ import annotations

from pathlib import Path

import faiss
import polars
import pytest
import torch
from safetensors.torch import load_file

from negatives.data.word_vectors import load_word_vectors
from negatives.errors import ConfigError, InputError
from negatives.runs.export import FORMATS, export
from negatives.training.run_folder import RunFolder

QUERIES = torch.tensor([[1.0, 0.1], [1e-9, -3.25]])
ITEMS = torch.tensor([[1.0, 2.0], [0.5, -1.0], [7.0, 1 / 3]])
ITEM_NAMES = ["b", "a b", "a_b"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = RunFolder(tmp_path / "run")
    folder.write_toml("config.toml", {"task": "recommend"})
    folder.write_tensors("model.safetensors", {"queries": QUERIES, "items": ITEMS, "other": torch.zeros(1)})
    frame = polars.DataFrame(
        {"kind": ["item"] * 3 + ["query"] * 2, "index": [2, 0, 1, 0, 1], "name": ["a_b", "b", "a b", "u", "v"]}
    )
    frame.write_parquet(folder.path / "ids.parquet")
    return folder.path


def test_safetensors(run: Path) -> None:
    out = export(run, "safetensors", None)
    assert out == run / "export"
    found = load_file(out / "vectors.safetensors")
    assert torch.equal(found["items"], ITEMS)
    assert torch.equal(found["queries"], QUERIES)
    names = polars.read_parquet(out / "ids.parquet").filter(polars.col("kind") == "item")
    assert names["name"].to_list() == ITEM_NAMES


def test_parquet(run: Path, tmp_path: Path) -> None:
    frame = polars.read_parquet(export(run, "parquet", tmp_path / "out") / "vectors.parquet")
    items = frame.filter(polars.col("kind") == "item")
    assert items["index"].to_list() == [0, 1, 2]
    assert items["name"].to_list() == ITEM_NAMES
    assert torch.equal(torch.tensor(items["vector"].to_list()), ITEMS)


def test_word2vec(run: Path, tmp_path: Path) -> None:
    lines = (export(run, "word2vec", tmp_path / "out") / "items.vec").read_text().splitlines()
    assert lines[0] == "3 2"
    assert [line.split(" ")[0] for line in lines[1:]] == ["b", "a_b", "a_b#2"]
    assert torch.equal(torch.tensor([[float(x) for x in line.split(" ")[1:]] for line in lines[1:]]), ITEMS)


def test_word2vec_binary(run: Path, tmp_path: Path) -> None:
    found = load_word_vectors(export(run, "word2vec-binary", tmp_path / "out") / "items.bin")
    assert found.words == ["b", "a_b", "a_b#2"]
    assert torch.equal(found.vectors, ITEMS)


def test_faiss(run: Path, tmp_path: Path) -> None:
    out = export(run, "faiss", tmp_path / "out")
    index = faiss.read_index(str(out / "items.faiss"))
    values, ids = index.search(QUERIES.numpy(), 3)
    expected = (QUERIES @ ITEMS.T).topk(3)
    assert ids.tolist() == expected.indices.tolist()
    assert torch.allclose(torch.from_numpy(values), expected.values)


def test_a_missing_package_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"negatives\[ann\]"):
        export(run, "faiss", None)
    assert not (run / "export").exists()


def test_faults_are_named_and_leave_nothing(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean parquet"):
        export(run, "parkuet", None)
    with pytest.raises(InputError, match="no such run folder"):
        export(tmp_path / "x", "parquet", None)
    with pytest.raises(InputError, match="is a file"):
        export(run, "parquet", run / "config.toml")
    polars.DataFrame({"kind": ["item"], "index": [0], "name": ["b"]}).write_parquet(run / "ids.parquet")
    with pytest.raises(InputError, match="1 item names for 3 vectors"):
        export(run, "parquet", None)
    (run / "model.safetensors").write_text("x")
    with pytest.raises(InputError, match="cut short"):
        export(run, "parquet", None)
    (run / "ids.parquet").write_text("x")
    with pytest.raises(InputError, match="not a table of names"):
        export(run, "parquet", None)
    assert not (run / "export").exists()
    assert set(FORMATS) == {"safetensors", "parquet", "numpy", "word2vec", "word2vec-binary", "glove", "faiss"}
