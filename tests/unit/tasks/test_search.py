"""``search`` from a folder to a run: reading, encoders, samplers, resuming, exporting, and wrong input."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from negatives.cli import main
from negatives.config import RunConfig
from negatives.randomness import Purpose, integers, stream
from negatives.runs import runner, terminal
from negatives.tasks.search import Search
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

DOCUMENTS, TOPICS = 120, 12
QUICK = [*ALONE, "--epochs", "3", "--set", "model.dim=16", "--set", "reading.vocabulary=300"]
QUICK += ["--set", "batch_size=32", "--set", "sampler.pool=64"]
METRICS = ["ndcg@10", "recall@100", "mrr@10"]


def word(topic: int, index: int) -> str:
    """A made-up word of a topic."""
    return "".join("bdfgklmnprst"[topic] + "aeiou"[(index // 5**place) % 5] for place in range(3))


def write(folder: Path) -> Path:
    """Documents in topics; a query takes other words of its document's topic, and one of the document's own."""
    (folder / "qrels").mkdir(parents=True)
    key = stream(3, Purpose.SPLIT)
    draws = integers(key, torch.arange(DOCUMENTS)[:, None], torch.arange(24), 60).tolist()
    corpus = [
        {"_id": f"d{d}", "title": f"{word(d % TOPICS, draws[d][0])} {word(d % TOPICS, 100 + d // TOPICS)}",
         "text": " ".join(word(d % TOPICS, index) for index in draws[d][1:])}
        for d in range(DOCUMENTS)
    ]  # fmt: skip
    queries = [
        {"_id": f"q{q}", "text": " ".join([word(q % TOPICS, draws[q][1]), word(q % TOPICS, draws[(q * 7) % 120][3])])}
        for q in range(DOCUMENTS)
    ]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    head = "query-id\tcorpus-id\tscore\n"
    lines = [f"q{q}\td{q}\t2\nq{q}\td{(q + TOPICS) % DOCUMENTS}\t1\n" for q in range(DOCUMENTS)]
    (folder / "qrels" / "train.tsv").write_text(head + "".join(lines[:90]))
    (folder / "qrels" / "test.tsv").write_text(head + "".join(lines[90:]) + "q5\td1000\t1\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "planted")


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", "search", *([str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(folder, out, *QUICK, "--set", "epochs=8") == 0
    return out


def test_a_run(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["data"], found["model"], found["sampler"]) == ("search", "planted", "static", "ance")
    assert list(found["valid"]) == METRICS
    assert list(found["test"]) == [*METRICS, "ndcg@10:new"]
    assert found["test"]["ndcg@10"] > 0.5
    assert any("1 judgements of missing or empty documents skipped" in note for note in found["notes"])
    assert any("120 serve as training queries" in note for note in found["notes"])
    names = pl.read_parquet(run / "ids.parquet")
    tables, _ = read_tensors(run / "model.safetensors")
    assert tables["items"].shape[0] == (names["kind"] == "item").sum() == DOCUMENTS
    assert len(found["samples"]) == 5
    assert "ndcg@10" in (run / "report.html").read_text()


def test_training_helps(folder: Path, tmp_path: Path) -> None:
    """From random vectors, training finds what next to no training does not."""
    found = []
    for name, lr in (("trained", "0.01"), ("fresh", "1e-9")):
        options = ["--set", "epochs=8", "--set", "model.start=random", "--set", f"optimiser.lr={lr}"]
        assert train(folder, tmp_path / name, *QUICK, *options) == 0
        found.append(metrics(tmp_path / name)["test"]["ndcg@10"])
    assert found[0] > found[1] + 0.05


def test_evaluate_export_and_trec(run: Path, tmp_path: Path) -> None:
    assert runner.evaluate(run) == metrics(run)["test"]
    assert main(["export", str(run), "--format", "word2vec", "--out", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x" / "items.vec").read_text().startswith(f"{DOCUMENTS} ")
    assert main(["export", str(run), "--format", "trec", "--out", str(tmp_path / "t")]) == 0
    lines = [line.split() for line in (tmp_path / "t" / "test.run").read_text().splitlines()]
    assert {line[0] for line in lines} == {f"q{q}" for q in range(90, DOCUMENTS)}
    assert [int(line[3]) for line in lines[:3]] == [1, 2, 3]
    assert float(lines[0][4]) >= float(lines[1][4])
    judged = (tmp_path / "t" / "test.qrels").read_text().splitlines()
    assert judged[0].split() == ["q90", "0", "d90", "2"]
    assert len(judged) == 60
    assert by_trec_eval(tmp_path / "t") == pytest.approx({m: metrics(run)["test"][m] for m in METRICS[:2]}, abs=1e-12)


def by_trec_eval(folder: Path) -> dict[str, float]:
    """What trec_eval says of the exported files."""
    import pytrec_eval as trec

    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "test.qrels").read_text().splitlines():
        query, _, item, grade = line.split()
        qrels.setdefault(query, {})[item] = int(grade)
    found: dict[str, dict[str, float]] = {}
    for line in (folder / "test.run").read_text().splitlines():
        query, _, item, _, score, _ = line.split()
        found.setdefault(query, {})[item] = float(score)
    each = trec.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100"}).evaluate(found)
    names = {"ndcg@10": "ndcg_cut_10", "recall@100": "recall_100"}
    return {ours: sum(one[theirs] for one in each.values()) / len(each) for ours, theirs in names.items()}


def test_trec_eval_gives_the_reported_figure_with_ties_and_odd_names(tmp_path: Path) -> None:
    """Many documents have one text, names hold blanks, and the last query has no relevant document."""
    folder = tmp_path / "odd"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d {d}", "text": "same words here" if d % 3 else f"{word(d % 7, d)} own"} for d in range(150)]
    queries = [{"_id": f"q {q}", "text": "same words" if q % 2 else word(q % 7, q)} for q in range(40)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [f"q {q}\td {(q * 7 + k) % 150}\t{k}\n" for q in range(40) for k in (0, 1, 2)[: 1 if q == 39 else 3]]
    (folder / "qrels" / "train.tsv").write_text("".join(lines[:60]))
    (folder / "qrels" / "test.tsv").write_text("".join(lines[60:]))
    assert train(folder, tmp_path / "run", *QUICK) == 0
    assert main(["export", str(tmp_path / "run"), "--format", "trec", "--out", str(tmp_path / "t")]) == 0
    reported = metrics(tmp_path / "run")["test"]
    assert by_trec_eval(tmp_path / "t") == pytest.approx({m: reported[m] for m in METRICS[:2]}, abs=1e-12)


def arguments(folder: Path, again: str = "") -> Path:
    """Queries that are documents themselves: the first eight have their names, the others their texts."""
    (folder / "qrels").mkdir(parents=True)
    texts = [" ".join(word(d % 6, (d * 5 + k) % 60) for k in range(9)) + f" {d}" for d in range(48)]
    corpus = [{"_id": f"d{d}", "title": "a title" if d < 8 else "", "text": text} for d, text in enumerate(texts)]
    queries = [{"_id": f"d{q}" if q < 8 else f"q{q}", "text": texts[q]} for q in range(24)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [f"{row['_id']}\td{q + 24}\t1\n" for q, row in enumerate(queries)]
    (folder / "qrels" / "train.tsv").write_text("".join(lines[::2]) + again)
    (folder / "qrels" / "test.tsv").write_text("".join(lines[1::2]))
    return folder


def test_a_query_that_is_a_document_is_neither_its_answer_nor_its_negative(tmp_path: Path) -> None:
    task, config = Search(), RunConfig(task="search")
    folder = arguments(tmp_path / "arguments", again="d0\td0\t1\n")
    data = task.load(folder, config).data
    assert data.identical is not None
    names = data.item_names.to_list()
    own = {data.query_names[q]: [names[d] for d in data.identical.row(q).tolist()] for q in range(24)}
    assert own == {f"d{q}": [f"d{q}"] * (q > 0) for q in range(8)} | {f"q{q}": [f"d{q}"] for q in range(8, 24)}
    known = data.catalogue().known
    assert known is not None
    assert all(set(data.identical.row(q).tolist()) <= set(known.row(q).tolist()) for q in range(24))
    assert int(data.catalogue().counts.sum()) == data.known(("train", "titles")).nnz
    assert sum("23 are documents themselves" in note for note in data.notes) == 1
    kept = task.load(folder, RunConfig(task="search", reading={"ignore_identical": False})).data
    assert kept.identical is None


def test_the_ranking_leaves_the_query_itself_out(tmp_path: Path) -> None:
    folder, found = arguments(tmp_path / "arguments"), []
    for out, more in ((tmp_path / "apart", []), (tmp_path / "kept", ["--set", "reading.ignore_identical=false"])):
        assert train(folder, out, *QUICK, *more) == 0
        assert main(["export", str(out), "--format", "trec", "--out", str(out / "t")]) == 0
        lines = [line.split() for line in (out / "t" / "test.run").read_text().splitlines()]
        found.append(sum(line[0][1:] == line[2][1:] for line in lines))
        reported = metrics(out)["test"]
        assert by_trec_eval(out / "t") == pytest.approx({m: reported[m] for m in METRICS[:2]}, abs=1e-12)
    assert found == [0, 12]


def test_judgements_that_stand_again_count_once(tmp_path: Path) -> None:
    good = write(tmp_path / "good")
    once = Search().load(good, RunConfig(task="search")).data
    path = good / "qrels" / "test.tsv"
    path.write_text(path.read_text() + "q95\td95\t1\nq95\td95\t3\nq96\td96\t2\n")
    again = Search().load(good, RunConfig(task="search")).data
    one, two = once.part("test"), again.part("test")
    assert torch.equal(one.items, two.items)
    raised = [again.query_names[query] for query in two.queries[two.grades != one.grades].tolist()]
    assert raised == ["q95"]
    assert int((two.grades - one.grades).sum()) == 1
    assert any("test: 3 repeated judgements left out; 1 have several grades" in note for note in again.notes)


@pytest.mark.parametrize("sampler", ["uniform", "in_batch", "queue", "softmax", "dns", "simans", "nv_retriever"])
def test_samplers_work(sampler: str, folder: Path, tmp_path: Path) -> None:
    options = [one for one in QUICK if not one.startswith("sampler.pool")]
    options = [one for at, one in enumerate(options) if one != "--set" or at + 1 < len(options)]
    assert train(folder, tmp_path / "r", *options[:4], "--epochs", "1", *options[6:], "--sampler", sampler) == 0
    assert metrics(tmp_path / "r")["sampler"] == sampler


@pytest.mark.parametrize("asked", [{"recipe": "transformer"}, {"model": "sentence_transformers"}])
def test_a_pretrained_encoder_is_trained_on_the_judged_queries_alone(asked: dict[str, str], folder: Path) -> None:
    task = Search()
    assert len(task.load(folder, RunConfig(task="search", **asked)).data.part("titles")) == 0
    titled = RunConfig(task="search", **asked, reading={"titles": True})
    assert len(task.load(folder, titled).data.part("titles")) > 0


def test_an_interrupted_run_ends_as_if_nothing_had_happened(folder: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(folder, whole, *QUICK) == 0
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step == 15:
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", on_step)
        assert train(folder, broken, *QUICK) == 143
    assert main(["train", "--resume", "--out", str(broken)]) == 0
    assert metrics(broken)["test"] == metrics(whole)["test"]
    one, two = (read_tensors(out / "model.safetensors")[0] for out in (whole, broken))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_offline_collection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from negatives.data.offline.docs import documented_functions

    root = tmp_path / "lib"
    root.mkdir()
    (root / "m.py").write_text('def f():\n    """Read all the rows.\n\n    Then stop.\n    """\n    open()\n')
    found = documented_functions(root, cache=False)
    assert list(found.queries.values()) == ["read all the rows."]
    assert list(found.documents) == ["m.f"]
    assert "Read all" not in found.documents["m.f"]
    assert found.judged == {"all": [("q0", "m.f", 1)]}


def fault(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    out = folder.parent / "never"
    assert train(folder, out, *QUICK, *options) == 2
    assert not out.exists()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_wrong_input_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good")
    corpus = good / "corpus.jsonl"
    text = corpus.read_text()
    corpus.write_bytes(text.replace('"d3"', '"d\xe9"', 1).encode("latin-1"))
    assert "corpus.jsonl, line 4: not UTF-8 text" in fault(good, capsys)
    corpus.write_text(text.replace('"_id": "d2"', '"_id": "d1"', 1))
    assert "corpus.jsonl, line 3: the _id 'd1' stands twice" in fault(good, capsys)
    corpus.write_text(text + "{broken\n")
    assert f"corpus.jsonl, line {DOCUMENTS + 1}: not JSON" in fault(good, capsys)
    corpus.write_text(text)
    qrels = good / "qrels" / "train.tsv"
    whole = qrels.read_text()
    qrels.write_text(whole.replace("q0\td0\t2", "q0\td0\tmuch", 1))
    assert "train.tsv, line 2: empty or unreadable grade (score)" in fault(good, capsys)
    qrels.write_text(whole.replace("q0\td0\t2", "q0\td0\t1.5", 1))
    assert "train.tsv, line 2: the grade 1.5 is no whole number" in fault(good, capsys)
    qrels.write_text(whole.replace("q0\td0\t2", "q0\td0", 1))
    assert "train.tsv, line 2: empty or unreadable grade (score)" in fault(good, capsys)
    corpus.unlink()
    assert "has no corpus.jsonl" in fault(good, capsys)
    assert "no such file" in fault(tmp_path / "none", capsys)


def test_empty_documents_are_counted(tmp_path: Path) -> None:
    from negatives.data.readers.beir import read_beir

    good = write(tmp_path / "good")
    with (good / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "empty", "title": " ", "text": ""}\n')
    found = read_beir(good)
    assert "corpus.jsonl: 1 empty texts skipped" in found.notes
    assert "empty" not in found.documents


def test_the_missing_package_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert train(folder, tmp_path / "r", *QUICK) == 2
    assert "pip install 'negatives[text]'" in capsys.readouterr().err


def test_starting_from_word_vectors(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.vec"
    words.write_text("2 3\nba 1 0 0\nda 0 1 0\n")
    options = [*QUICK[:6], *QUICK[8:], "--set", f"reading.vectors={words}"]
    assert train(folder, tmp_path / "r", *options) == 0
    assert read_tensors(tmp_path / "r" / "model.safetensors")[0]["items"].shape[1] == 3
    words.write_text("2 3\nba 1 0 0\nda 0 1\n")
    assert train(folder, tmp_path / "s", *options) == 2
    assert "line 3: not a word and 3 numbers" in capsys.readouterr().err
