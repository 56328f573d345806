"""Runs that are handed on open in the programs they are written for, and give the run's own vectors there."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn.functional import normalize

import negatives
from negatives.config import build
from negatives.data.tokens import learn_tokenizer
from negatives.data.word_vectors import load_word_vectors
from negatives.errors import ConfigError
from negatives.runs import runner
from negatives.runs.export import FORMATS, WHOLE, export

TEXTS = ["the cat sat on the mat", "dogs and cats and dogs", "a mat for the dog | of *stars*", "stars shine at night"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def pairs(folder: Path) -> Path:
    rows = [(f"{TEXTS[at % 4]} {at % 7}", f"{TEXTS[(at * 3 + 1) % 4]} {at % 5}", at % 6) for at in range(40)]
    pl.DataFrame(rows, ["sentence1", "sentence2", "score"], orient="row").write_csv(folder / "data.csv")
    return folder / "data.csv"


def questions(folder: Path) -> Path:
    words = " ".join(TEXTS).split()
    texts = [" ".join(words[(at * 5 + k * (1 + at % 3)) % len(words)] for k in range(5)) for at in range(40)]
    rows = [(" ".join(text.split()[1:3]), text) for text in dict.fromkeys(texts)]
    pl.DataFrame(rows, ["anchor", "positive"], orient="row").write_csv(folder / "data.csv")
    return folder / "data.csv"


def tiny(folder: Path) -> Path:
    """A real Sentence Transformers model: a transformer of one layer, with drawn weights."""
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    learnt = learn_tokenizer(TEXTS, 100)
    learnt.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=learnt, pad_token="[PAD]", unk_token="[UNK]")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    inner = models.Transformer(str(folder / "bert"))
    pooled = SentenceTransformer(modules=[inner, models.Pooling(16)], device="cpu")
    pooled.save(str(folder / "pretrained"), create_model_card=False)
    return folder / "pretrained"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    @cache
    def of(task: str, model: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{task}_{model}")
        part: dict[str, Any] = {"name": model}
        if model == "static":
            part["dim"] = 8
        if model == "sentence_transformers":
            part |= {"path": str(tiny(folder)), "length": 12, "prompts": ["ask: ", "text: "]}
        data = questions(folder) if task == "search" else pairs(folder)
        values = {"task": task, "data": str(data), "model": part, "epochs": 1, "threads": 1, "baselines": "none"}
        sampler = {"name": "uniform", "candidates": 4}
        config = build([("test", values | {"sampler": sampler, "reading": {"vocabulary": 100}})])
        return runner.train(config, folder / "run")

    return of


Ready = Callable[..., Path]


def test_a_trained_transformer_opens_in_sentence_transformers(ready: Ready, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    path = ready("search", "sentence_transformers")
    out = export(path, "sentence-transformers", tmp_path / "out")
    model, run = SentenceTransformer(str(out), device="cpu"), negatives.load(path)
    long = " ".join(TEXTS)
    asked = [*TEXTS, long]
    queries, documents = model.encode_query(asked), model.encode_document(asked)
    for theirs, ours in ((queries, run.encode(text=asked)), (documents, run.encode(document=asked))):
        torch.testing.assert_close(
            normalize(torch.from_numpy(theirs), dim=1), normalize(ours, dim=1), atol=1e-4, rtol=0
        )
    assert not np.allclose(queries, documents)  # prompts are handed on
    assert model.similarity_fn_name == "cosine"
    assert model.max_seq_length == 12
    before = SentenceTransformer(str(path.parent / "pretrained"), device="cpu")
    assert not np.allclose(before.encode(["ask: " + TEXTS[0]]), queries[:1])  # it was trained


def test_the_figures_of_a_search_run_are_those_of_the_other_evaluator(ready: Ready, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.evaluation import InformationRetrievalEvaluator

    path = ready("search", "sentence_transformers")
    model = SentenceTransformer(str(export(path, "sentence-transformers", tmp_path / "out")), device="cpu")
    data = runner.load_run(path).examples.data
    test, names = data.part("test"), data.item_names  # type: ignore[attr-defined]
    relevant: dict[str, set[str]] = {}
    for query, item in zip(test.queries.tolist(), test.items.tolist(), strict=True):
        relevant.setdefault(str(query), set()).add(names[item])
    evaluator = InformationRetrievalEvaluator(
        {query: data.query_texts[int(query)] for query in relevant},  # type: ignore[attr-defined]
        dict(zip(names, data.item_texts, strict=True)),  # type: ignore[attr-defined]
        relevant,
        write_csv=False,
    )
    found = evaluator(model)["cosine_ndcg@10"]
    assert found == pytest.approx(json.loads((path / "metrics.json").read_text())["test"]["ndcg@10"], abs=1e-4)


@pytest.mark.parametrize("task", ["search", "similarity"])
def test_a_static_encoder_opens_in_sentence_transformers(task: str, ready: Ready, tmp_path: Path) -> None:
    """Queries are exact; where counts are saturated, texts without a repeated token are nearly so."""
    from sentence_transformers import SentenceTransformer

    path = ready(task, "static")
    model = SentenceTransformer(str(export(path, "sentence-transformers", tmp_path / "out")), device="cpu")
    theirs, ours = torch.from_numpy(model.encode(TEXTS)), normalize(negatives.load(path).encode(TEXTS), dim=1)
    if task == "search":
        torch.testing.assert_close(theirs, ours, atol=1e-6, rtol=0)
    else:
        assert (theirs * ours).sum(1).min() > 0.95
        assert not torch.allclose(theirs, ours, atol=1e-4)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"saturates how often a token counts in {'documents' if task == 'search' else 'all texts'}" in card


@pytest.mark.parametrize("task", ["search", "similarity"])
def test_a_static_encoder_as_onnx(task: str, ready: Ready, tmp_path: Path) -> None:
    onnxruntime = importlib.import_module("onnxruntime")
    tokenizers = importlib.import_module("tokenizers")
    path = ready(task, "static")
    out = export(path, "onnx", tmp_path / "out")
    tokenizer = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    tokenizer.enable_padding()
    texts = tokenizer.encode_batch([*TEXTS, ""], add_special_tokens=False)
    fed = {
        "input_ids": np.array([text.ids for text in texts], np.int64),
        "attention_mask": np.array([text.attention_mask for text in texts], np.int64),
    }
    run = negatives.load(path)
    forms = {"query": "text", "document": "document"} if task == "search" else {"model": "text"}
    assert sorted(one.name for one in out.glob("*.onnx")) == sorted(f"{name}.onnx" for name in forms)
    for name, form in forms.items():
        (found,) = onnxruntime.InferenceSession(str(out / f"{name}.onnx")).run(None, fed)
        ours = normalize(run.encode(**{form: [*TEXTS, ""]}), dim=1)
        torch.testing.assert_close(torch.from_numpy(found), ours, atol=1e-5, rtol=0)


def test_a_transformer_as_onnx(ready: Ready, tmp_path: Path) -> None:
    onnxruntime = importlib.import_module("onnxruntime")
    tokenizers = importlib.import_module("tokenizers")
    path = ready("search", "sentence_transformers")
    out = export(path, "onnx", tmp_path / "out")
    tokenizer = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    tokenizer.enable_padding(pad_token="[PAD]", pad_id=tokenizer.token_to_id("[PAD]"))
    texts = tokenizer.encode_batch([f"text: {text}" for text in TEXTS])
    fed = {
        "input_ids": np.array([text.ids for text in texts], np.int64),
        "attention_mask": np.array([text.attention_mask for text in texts], np.int64),
    }
    (found,) = onnxruntime.InferenceSession(str(out / "model.onnx")).run(None, fed)
    ours = normalize(negatives.load(path).encode(document=TEXTS), dim=1)
    torch.testing.assert_close(torch.from_numpy(found), ours, atol=1e-4, rtol=0)
    card = " ".join((out / "README.md").read_text().split())
    assert "longer than 12 tokens are to be cut off. Put 'ask: ' before each question and 'text: ' before" in card


def test_the_card_says_what_was_trained(ready: Ready, tmp_path: Path) -> None:
    path = ready("search", "sentence_transformers")
    text = (export(path, "sentence-transformers", tmp_path / "out") / "README.md").read_text()
    front = text.split("---\n")[1]
    assert "library_name: sentence-transformers\n" in front
    assert "license: unknown\n" in front
    value = json.loads((path / "metrics.json").read_text())["test"]["ndcg@10"]
    assert f"| ndcg@10 | {value:.4f} |" in text
    assert "| negatives drawn by | uniform (candidates = 4) |" in text
    assert "anchor" in text  # how the data was read
    assert str(path.parent) not in text.replace("\\", "")
    assert "Not chosen yet" in text


@pytest.mark.parametrize("model", ["static", "sentence_transformers"])
def test_a_folder_of_the_hub_answers_as_the_run(model: str, ready: Ready, tmp_path: Path) -> None:
    path = ready("search", model)
    out = export(path, "hub", tmp_path / "out")
    one, other = negatives.load(path), negatives.load(out)
    assert other.predict(TEXTS, k=3).equals(one.predict(TEXTS, k=3))
    described = json.loads((out / "config.json").read_text())
    assert described["task"] == "search"
    assert described["vectors"]["item"] == list(one.held.table("item").shape)
    assert "negatives.load(" in (out / "README.md").read_text()
    for name in ("config.toml", "metrics.json", "config.json", "README.md"):
        assert str(path.parent) not in (out / name).read_text().replace("\\", "")


def test_other_models_are_handed_on_as_vectors(tmp_path: Path) -> None:
    rows = [("u1", "a b"), ("u1", "c"), ("u2", "a b"), ("u2", "d"), ("u3", "c"), ("u3", "d")] * 2
    pl.DataFrame(rows, ["user", "item"], orient="row").write_csv(tmp_path / "data.csv")
    values = {"task": "recommend", "data": str(tmp_path / "data.csv"), "model": "mf", "epochs": 1, "threads": 1}
    path = runner.train(build([("test", values | {"baselines": "none"})]), tmp_path / "run")
    out = export(path, "numpy", tmp_path / "numpy")
    items, names = np.load(out / "items.npy"), json.loads((out / "items.json").read_text())
    run = negatives.load(path)
    assert np.array_equal(items, run.encode(names, kind="item").numpy())
    lines = (export(path, "glove", tmp_path / "glove") / "items.txt").read_text().splitlines()
    assert [line.split(" ")[0] for line in lines] == [name.replace(" ", "_") for name in names]
    assert torch.equal(load_word_vectors(tmp_path / "glove" / "items.txt").vectors, torch.from_numpy(items))
    assert negatives.load(export(path, "hub", tmp_path / "hub")).predict("u1").equals(run.predict("u1"))
    for name in ("sentence-transformers", "onnx"):
        with pytest.raises(ConfigError, match="does not take the model mf; export a run of static"):
            export(path, name, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_formats_are_named_once_and_their_packages_are_asked_for(ready: Ready, monkeypatch: Any) -> None:
    assert not set(FORMATS) & set(WHOLE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"negatives\[onnx\]"):
        export(ready("search", "static"), "onnx", None)


def test_an_export_takes_nothing_of_the_run_away(ready: Ready, tmp_path: Path) -> None:
    path = ready("search", "sentence_transformers")
    copy = Path(shutil.copytree(path, tmp_path / "run"))
    export(copy, "sentence-transformers", None)
    assert negatives.load(copy).predict(TEXTS).equals(negatives.load(path).predict(TEXTS))
