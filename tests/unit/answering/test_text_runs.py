"""Finished runs of texts answer without their data as they did when they were trained, about their own documents and
about new ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import negatives
from negatives.answering import Run
from negatives.answering.texts import SearchRun, SimilarityRun
from negatives.data.tokens import learn_tokenizer
from negatives.errors import ConfigError, InputError
from negatives.models.encoders.base import TextEncoder
from negatives.models.encoders.static import StaticEncoder
from negatives.runs import runner
from negatives.training import kept
from opened import trained_and_opened

WORDS = ["tea", "milk", "bread", "jam", "salt", "rice", "beans", "corn", "leek", "plum", "pear", "fig"]
N = 36
SEARCH, SIMILAR = ("static", "sentence_transformers", "bm25", "tfidf"), ("static", "sentence_transformers", "tfidf")
NEW = {"n1": "fig and plum for the pear", "n2": "bread with jam", "n3": "an anvil of iron"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def document(at: int) -> str:
    return f"how to cook {WORDS[at % 12]} with {WORDS[(at * 5 + 1) % 12]} and {WORDS[(at // 3) % 12]} number {at}"


def collection(folder: Path) -> Path:
    path = folder / "data"
    (path / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{at}", "title": WORDS[at % 12], "text": document(at)} for at in range(N)]
    asked = [{"_id": f"q{at}", "text": f"{WORDS[at % 12]} and {WORDS[(at * 5 + 1) % 12]}"} for at in range(N)]
    for name, rows in (("corpus", corpus), ("queries", asked)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [f"q{at}\td{at}\t1\n" for at in range(N)]
    (path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines[:24]))
    (path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines[24:]))
    return path


def graded(folder: Path) -> Path:
    path = folder / "data.csv"
    rows = [(document(at), document((at * 7 + 3) % N), (at * 5) % 6) for at in range(N)]
    pl.DataFrame(rows, ["sentence1", "sentence2", "score"], orient="row").write_csv(path)
    return path


@cache
def tiny(folder: Path) -> Path:
    """A Sentence Transformers model in a folder ``data_model``, which is removed after training."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    tokenizer = learn_tokenizer(map(document, range(N)), 120)
    weights = torch.randn(tokenizer.get_vocab_size(), 8, generator=torch.Generator().manual_seed(0)).numpy()
    inner = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[inner], device="cpu").save(str(folder / "data_model"), create_model_card=False)
    return folder / "data_model"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Run, Run]]:
    """Trains each model once; data and pretrained model are gone when the copy is opened."""

    @cache
    def of(task: str, model: str = "static") -> tuple[Run, Run]:
        sampler = {"name": "uniform", "candidates": 4}
        folder = tmp_path_factory.mktemp(f"{task}_{model}")
        data = collection(folder) if task == "search" else graded(folder)
        part: dict[str, Any] = {"name": model}
        if model == "sentence_transformers":
            part["path"] = str(tiny(folder))
        elif model == "static":
            part["dim"] = 16
        reading = {"vocabulary": 200}
        return trained_and_opened(folder, task=task, data=str(data), model=part, reading=reading, sampler=sampler)

    return of


Ready = Callable[..., tuple[Run, Run]]
BOTH = [("search", model) for model in SEARCH] + [("similarity", model) for model in SIMILAR]


@pytest.mark.parametrize(("task", "model"), BOTH)
def test_answers_are_those_of_the_training_process(ready: Ready, task: str, model: str) -> None:
    trained, opened = ready(task, model)
    assert isinstance(trained, (SearchRun, SimilarityRun))
    assert isinstance(opened, type(trained))
    asked = ["tea and leek", "milk", document(3), "salt with rice and fig", "nothing that is known"]
    found = trained.predict(asked, k=4)
    assert found.equals(opened.predict(asked, k=4))
    assert found.columns == ["query", "rank", "item", "score", *["text"] * (task == "search")]
    assert found["rank"].to_list() == [1, 2, 3, 4] * 5
    if model == "static":  # whatever company a question is asked in
        assert trained.predict("milk", k=3).equals(found.filter(pl.col("query") == "milk").head(3))
    pairs = [document(1), "a new text of milk"]
    assert trained.score("tea", pairs).equals(opened.score("tea", pairs))
    one, other = trained.index(NEW), opened.index(NEW)
    assert one.predict(asked, k=2).equals(other.predict(asked, k=2))
    assert one.score("fig", ["n1", "plum"] if task == "search" else ["fig", "plum"]).equals(
        other.score("fig", ["n1", "plum"] if task == "search" else ["fig", "plum"])
    )
    if model in ("static", "sentence_transformers"):
        assert torch.equal(trained.encode(asked), opened.encode(text=asked))
        name = "d3" if task == "search" else document(3)
        assert trained.similar(name, k=3).equals(opened.similar(name, k=3))


@pytest.mark.parametrize("model", SEARCH)
def test_scores_are_those_of_the_ranking(ready: Ready, model: str) -> None:
    _, run = ready("search", model)
    for asked in ({"text": "leek and tea"}, {"document": "corn and beans"}, {"query": "q3"}):
        ranked = run.predict(**asked, k=5)
        scored = run.score(None, ranked["item"].to_list(), **asked)
        assert scored["score"].to_list() == pytest.approx(ranked["score"].to_list(), abs=1e-5)
        assert ranked["text"].to_list() == [run.held.more["item_texts"][int(name[1:])] for name in ranked["item"]]
    texts = ranked["text"].to_list()
    again = run.score(None, texts, query="q3")
    assert again["score"].to_list() == pytest.approx(ranked["score"].to_list(), abs=1e-5)


@pytest.mark.parametrize("model", SEARCH)
def test_a_query_by_name_is_its_text(ready: Ready, model: str) -> None:
    _, run = ready("search", model)
    by_name, by_text = run.predict(query="q5", k=5), run.predict(run.held.more["query_texts"][5], k=5)
    assert by_name["query"].to_list() == ["q5"] * 5
    assert by_name["item"].to_list() == by_text["item"].to_list()
    assert by_name["score"].to_list() == pytest.approx(by_text["score"].to_list(), abs=1e-5)


@pytest.mark.parametrize("model", SIMILAR)
def test_similarity_is_a_cosine_in_both_directions(ready: Ready, model: str) -> None:
    _, run = ready("similarity", model)
    some, others = ["tea with milk", document(0), "fig"], ["bread and figs", document(9), "fig"]
    there, back = run.score(some, others)["score"].to_list(), run.score(others, some)["score"].to_list()
    assert there == back
    assert there[2] == pytest.approx(1.0, abs=1e-5)
    assert all(-1 <= one < 1 - 1e-4 for one in there[:2])
    first = run.predict(document(4), k=2)
    assert first["item"][0] == document(4)
    assert first["score"][0] == pytest.approx(1.0, abs=1e-5)
    if model == "static":
        near = run.similar(document(4), k=1)
        assert near["item"][0] == first["item"][1]
        assert near["score"][0] == pytest.approx(first["score"][1], abs=1e-5)


@pytest.mark.parametrize(("task", "model"), BOTH)
def test_an_index_is_kept_in_a_folder(ready: Ready, task: str, model: str, tmp_path: Path) -> None:
    trained, opened = ready(task, model)
    assert isinstance(trained, (SearchRun, SimilarityRun))
    assert isinstance(opened, (SearchRun, SimilarityRun))
    index = trained.index(NEW)
    found = index.predict("bread and jam", k=5)
    assert sorted(found["item"]) == ["n1", "n2", "n3"]
    assert found["text"].to_list() == [NEW[name] for name in found["item"]]
    if model != "sentence_transformers":  # whose vectors are drawn
        assert found["item"][0] == "n2"
    index.save(tmp_path / "index")
    again = opened.index(tmp_path / "index")
    assert again.predict("bread and jam", k=5).equals(found)
    assert not set(trained.predict("bread and jam")["item"]) & set(NEW)  # the run itself is as it was
    with pytest.raises(InputError, match="holds an index already"):
        index.save(tmp_path / "index")


def test_documents_are_given_in_several_ways(ready: Ready, tmp_path: Path) -> None:
    _, run = ready("search")
    assert isinstance(run, SearchRun)
    texts = list(NEW.values())
    asked = run.index(texts).predict("plum", k=3)
    assert asked["item"].to_list() == [str(texts.index(text)) for text in asked["text"]]
    frame = pl.DataFrame({"id": list(NEW), "title": ["Fruit", "Bread", None], "text": texts})
    titled = run.index(frame).predict("plum", k=3).sort("item")
    assert titled["text"].to_list() == [f"Fruit {texts[0]}", f"Bread {texts[1]}", texts[2]]
    frame.write_csv(tmp_path / "new.csv")
    assert run.index(tmp_path / "new.csv").predict("plum", k=3).sort("item").equals(titled)
    with pytest.raises(InputError, match="there is no document"):
        run.index([])
    with pytest.raises(InputError, match="the id 'a' stands twice"):
        run.index(pl.DataFrame({"id": ["a", "a"], "text": ["x", "y"]}))
    with pytest.raises(InputError, match="a document is int, not text"):
        run.index([1, 2])


def test_texts_that_do_not_fit_their_names_are_refused(ready: Ready, tmp_path: Path) -> None:
    _, run = ready("search", "bm25")
    assert run.held.path is not None
    path = Path(shutil.copytree(run.held.path, tmp_path / "run"))
    values = kept.read(path / "kept.safetensors")
    for what in ("item_texts", "query_texts"):
        more = values["more"] | {what: list(values["more"][what])[1:]}
        kept.save(path / "kept.safetensors", values | {"more": more})
        with pytest.raises(InputError, match=r"names for \d+ texts"):
            negatives.load(path)


def test_an_index_of_another_model_is_refused(ready: Ready, tmp_path: Path) -> None:
    runs = [ready("search", model)[1] for model in ("static", "sentence_transformers", "bm25")]
    for at, run in enumerate(runs):
        assert isinstance(run, SearchRun)
        run.index(NEW).save(tmp_path / str(at))
    for at, run in enumerate(runs):
        for other in {0, 1, 2} - {at}:
            with pytest.raises(InputError, match="the index is of another model"):
                run.index(tmp_path / str(other))  # type: ignore[attr-defined]
    values = kept.read(tmp_path / "0" / "index.safetensors")
    kept.save(tmp_path / "0" / "index.safetensors", values | {"vectors": values["vectors"][:2]})
    with pytest.raises(InputError, match="names, texts and vectors do not fit"):
        runs[0].index(tmp_path / "0")  # type: ignore[attr-defined]


def test_a_graph_finds_what_a_comparison_with_all_finds(ready: Ready, tmp_path: Path) -> None:
    _, run = ready("search")
    assert isinstance(run, SearchRun)
    documents = {f"x{at}": document(at) + f" {WORDS[at % 7]}" for at in range(200)}
    exact, near = run.index(documents), run.index(documents, approximate=True)
    for asked in ("tea and leek", "jam", "beans with corn and plum"):
        one, other = exact.predict(asked, k=5), near.predict(asked, k=5)
        assert other["score"].to_list() == pytest.approx(one["score"].to_list(), abs=1e-4)
    near.save(tmp_path / "near")
    assert run.index(tmp_path / "near").predict("jam", k=5).equals(near.predict("jam", k=5))
    with pytest.raises(ConfigError, match="bm25 has no vectors; leave approximate out"):
        ready("search", "bm25")[1].index(documents, approximate=True)  # type: ignore[attr-defined]


def test_what_is_kept_holds_no_bags_and_no_foreign_folder(ready: Ready) -> None:
    _, static = ready("search")
    assert static.held.path is not None
    assert isinstance(static.held.model, StaticEncoder)
    facts = kept.read(static.held.path / "kept.safetensors")["facts"]
    assert facts["document_bags"].n_rows == facts["query_bags"].n_rows == 0
    _, other = ready("search", "sentence_transformers")
    assert other.held.path is not None
    assert isinstance(other.held.model, TextEncoder)
    tensors, _ = kept.mapped(other.held.path / "model.safetensors")
    assert set(tensors) == {"queries", "items"}  # its weights stand in its own folder, once
    assert not list(other.held.path.glob(".*part"))
    from sentence_transformers import SentenceTransformer

    package = SentenceTransformer(str(other.held.path / "encoder"), device="cpu")
    mine = torch.nn.functional.normalize(other.encode(["tea and leek"]), dim=1)
    theirs = torch.nn.functional.normalize(torch.from_numpy(package.encode(["tea and leek"])), dim=1)
    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)


def test_a_run_is_evaluated_without_its_pretrained_model(tmp_path: Path) -> None:
    part = {"name": "sentence_transformers", "path": str(tiny(tmp_path))}
    values = {"task": "search", "data": str(collection(tmp_path)), "model": part, "epochs": 1, "threads": 1}
    path = runner.train(negatives.config.build([("test", values | {"baselines": "none"})]), tmp_path / "run")
    shutil.rmtree(tiny(tmp_path))
    assert runner.evaluate(path) == json.loads((path / "metrics.json").read_text())["test"]


def test_an_encoder_starts_from_word_vectors_of_another_length(tmp_path: Path) -> None:
    """The length of a vector is that of the file, whatever the recipe says."""
    lines = [f"{word} " + " ".join(f"{(at * 7 + k) % 5}" for k in range(6)) for at, word in enumerate(WORDS)]
    (tmp_path / "data_vectors.txt").write_text("\n".join(lines) + "\n")
    reading = {"vocabulary": 200, "vectors": str(tmp_path / "data_vectors.txt")}
    trained, opened = trained_and_opened(tmp_path, task="search", data=str(collection(tmp_path)), reading=reading,
                                         model="static")  # fmt: skip
    assert trained.encode("tea").shape == (1, 6)
    assert trained.predict("tea and leek").equals(opened.predict("tea and leek"))


def test_a_model_that_was_trained_elsewhere(tmp_path: Path) -> None:
    run = negatives.from_pretrained(tiny(tmp_path))
    index = run.index(NEW)
    found = index.predict("plum", k=3)
    vectors = torch.nn.functional.normalize(run.encode(["plum", *NEW.values()]), dim=1)
    wanted = dict(zip(NEW, (vectors[1:] @ vectors[0]).tolist(), strict=True))
    assert dict(zip(found["item"], found["score"], strict=True)) == pytest.approx(wanted, abs=1e-6)
    assert run.score("fig", "fig")["score"].to_list() == pytest.approx([1.0], abs=1e-6)
    with pytest.raises(ConfigError, match="give it documents"):
        run.predict("plum")
    index.save(tmp_path / "index")
    assert negatives.from_pretrained(tiny(tmp_path)).index(tmp_path / "index").predict("plum", k=3).equals(found)
