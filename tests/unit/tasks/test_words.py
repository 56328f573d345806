"""``words`` from a text to a run folder: its files, resuming, exporting, evaluation sets, and wrong input."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from negatives.cli import main
from negatives.data.loading import words as loading
from negatives.data.word_vectors import load_word_vectors
from negatives.runs import runner, terminal
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

GROUPS, EACH = 6, 10
QUICK = [
    *ALONE,
    "--epochs",
    "3",
    "--set",
    "batch_size=1500",
    "--set",
    "optimiser.lr=0.1",
    "--set",
    "model.dim=16",
]


def words_of(group: int) -> list[str]:
    return [f"{'abcdef'[group]}{i}" for i in range(EACH)]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of words of one group each, and a similarity set and analogies beside them."""
    folder = tmp_path_factory.mktemp("text")
    random = np.random.default_rng(0)
    groups = random.integers(0, GROUPS, 1500)
    lines = [" ".join(words_of(int(group))[i] for i in random.integers(0, EACH, 10)) for group in groups]
    (folder / "text.txt").write_text("\n".join(lines) + "\n")
    (folder / "eval").mkdir()
    pairs = []
    for a in range(GROUPS):
        for b in range(GROUPS):
            pairs += [f"{words_of(a)[i]}\t{words_of(b)[i + 1]}\t{10.0 if a == b else 0.0}" for i in range(4)]
    (folder / "eval" / "mine.txt").write_text("\n".join(pairs) + "\n")
    questions = [
        f"{words_of(a)[0]} {words_of(a)[1]} {words_of(b)[0]} {words_of(b)[1]}" for a in range(6) for b in range(6)
    ]
    (folder / "eval" / "questions.txt").write_text(": groups\n" + "\n".join(questions) + "\n")
    return folder / "text.txt"


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", "words", *([str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def same_model(left: Path, right: Path) -> bool:
    mine, theirs = (read_tensors(run / "model.safetensors")[0] for run in (left, right))
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(text, out, *QUICK, "--recipe", "word2vec") == 0
    return out


def test_the_files_of_a_run(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["data"], found["model"], found["epochs"]) == ("words", "text", "skip_gram", 3.0)
    assert found["test"].keys() == found["valid"].keys() == {"mean", "spearman:mine", "analogies"}
    assert found["test"]["spearman:mine"] > 0.5
    assert found["test"]["mean"] == pytest.approx((found["test"]["spearman:mine"] + found["test"]["analogies"]) / 2)
    assert any("mine 144 of 144, analogies 36 of 36" in note for note in found["notes"])
    assert "a third validates" in " ".join(found["notes"])
    tensors, _ = read_tensors(run / "model.safetensors")
    assert tensors["words"].shape == tensors["contexts"].shape == (60, 16)
    for sample in found["samples"]:
        assert len(sample["recommended"]) == 8
        near = [one["item"][0] == sample["query"][0] for one in sample["recommended"]]
        assert sum(near) >= 6
    assert "spearman:mine" in (run / "report.html").read_text()


def test_the_same_seed_gives_the_same_bits(text: Path, run: Path, tmp_path: Path) -> None:
    assert train(text, tmp_path / "again", "--config", str(run / "config.toml")) == 0
    assert same_model(run, tmp_path / "again")


@pytest.mark.parametrize(("recipe", "size"), [("word2vec", 700), ("glove", 60)])
def test_a_resumed_run_ends_as_one_that_was_not_interrupted(
    recipe: str, size: int, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--recipe", recipe, *QUICK[:-4], "--set", "model.dim=8", "--set", f"batch_size={size}"]
    if recipe == "word2vec":
        nearest = '{name = "nearest_items", n = 5, every = 4}'
        options += [
            "--set",
            f'sampler={{proposal={{name = "mixed", parts = ["popularity", {nearest}]}}, candidates = 3, guards = []}}',
        ]
    assert train(text, tmp_path / "whole", *options) == 0
    stopped = tmp_path / "stopped"
    on_step = terminal.Bar.on_step

    def interrupt(self: terminal.Bar, step: Step) -> None:
        on_step(self, step)
        if step.context.step == 7:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(terminal.Bar, "on_step", interrupt)
    assert train(text, stopped, *options) == 130
    monkeypatch.setattr(terminal.Bar, "on_step", on_step)
    assert train(text, stopped, "--resume") == 0
    assert same_model(tmp_path / "whole", stopped)


def test_evaluate_and_export(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run)]) == 0
    assert "spearman:mine" in capsys.readouterr().out
    assert main(["export", str(run), "--format", "word2vec-binary", "--out", str(tmp_path)]) == 0
    found = load_word_vectors(tmp_path / "words.bin")
    words, vectors = found.words, found.vectors
    assert sorted(words) == sorted(word for group in range(GROUPS) for word in words_of(group))
    assert torch.equal(vectors, read_tensors(run / "model.safetensors")[0]["words"])
    from gensim import models

    keyed = models.KeyedVectors.load_word2vec_format(str(tmp_path / "words.bin"), binary=True)
    assert keyed.most_similar(words[0])[0][0][0] == words[0][0]


def test_held_out_text_judges_where_there_are_no_sets(text: Path, tmp_path: Path) -> None:
    lone = tmp_path / "lone.txt"
    lone.write_bytes(text.read_bytes())
    assert train(lone, tmp_path / "run", *QUICK, "--recipe", "cbow") == 0
    found = metrics(tmp_path / "run")
    assert found["test"]["mean"] == found["test"]["recall@20"] > 0.6 > 20 / 60
    assert "contexts in held-out sentences" in " ".join(found["notes"])


def test_phrases_thinning_and_folders_are_options_of_the_reader(text: Path, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for i in range(2):
        (tmp_path / "many" / f"{i}.txt").write_bytes(text.read_bytes())
    options = [
        "reading.phrases=1",
        "reading.phrase_threshold=2.0",
        "reading.sample=0.01",
        f"reading.evaluation={text.parent / 'eval'}",
    ]
    assert train(tmp_path / "many", tmp_path / "run", *QUICK, *(x for one in options for x in ("--set", one))) == 0
    notes = " ".join(metrics(tmp_path / "run")["notes"])
    assert "30,000 words" in notes
    assert "phrases of two words joined" in notes


def test_compare_ranks_samplers(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "compare",
        "words",
        str(text),
        "--samplers",
        "popularity,self_adversarial",
        "--seeds",
        "2",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*command, *QUICK[:6], "--set", "batch_size=1500", "--set", "optimiser.lr=0.05", "--tune", "0"]) == 0
    found = json.loads((tmp_path / "run" / "compare.json").read_text())
    assert {row["metric"] for row in found["summary"]} >= {"spearman:mine", "analogies"}


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"", [], "the file is empty"),
        (b"\x00\x01\x02", [], "binary content"),
        (b"a b c d\n", [], "no word occurs 5 times; the most frequent occurs 1 times"),
        (b"fine words\n" * 9 + b"\xff\n", [], "line 10: not UTF-8"),
        (
            b"fine words\n" * 9,
            ["--model", "mf"],
            "mf does not fit the task words: it needs n_queries; choose one of: cbow, ",
        ),
        (b"fine words\n" * 9, ["--recipe", "best"], "no recipe is called 'best'"),
        (b"fine words\n" * 9, ["--set", "reading.windw=3"], "no key is called 'windw'"),
        (b"fine words\n" * 9, ["--set", "reading.evaluation=nowhere"], "nowhere: no such folder"),
        (b"fine words\n" * 9, ["--set", "optimiser.name=adam"], "optimiser.name=sgd"),
    ],
)
def test_wrong_input_is_named_and_leaves_nothing(
    content: bytes, options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert train(path, tmp_path / "run", *options) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert says in told
    assert not (tmp_path / "run").exists()


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path / "none.txt", tmp_path / "run") == 2
    assert "no such file" in capsys.readouterr().err


def test_the_demo_shows_neighbours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        runner, "RunConfig", lambda task: runner.build([("", {"task": task, "epochs": 1, "threads": 1})])
    )
    assert main(["demo", "words", "--out", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    assert "is like:" in out
    assert "file  (stands near" in out


def test_contexts_are_taken_from_the_first_held_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences 0 1 | 2 3 | 4 5 | 6 7: the even ones validate; a bound of five words leaves the first two sentences."""
    corpus = SimpleNamespace(words=["w"] * 8, held=(np.arange(8, dtype=np.int32), np.arange(0, 9, 2)))
    assert loading.held_contexts(corpus, 0).lengths().tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    monkeypatch.setattr(loading, "HELD", 5)
    assert loading.held_contexts(corpus, 0).lengths().tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    monkeypatch.setattr(loading, "HELD", 0)  # never less than one sentence
    assert loading.held_contexts(corpus, 0).lengths().tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
