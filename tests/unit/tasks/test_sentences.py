"""``sentences`` from text to run folders: accuracies, noise, resume, comparison, wrong input."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from negatives.cli import main
from negatives.config import build
from negatives.runs import runner, terminal
from negatives.tasks.sentences import Sentences
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

SUBJECTS, VERBS = ("cat", "dog", "owl", "fox"), ("sees", "hears", "likes")
OPENINGS = [f"{day} {time}" for day in ("then", "now", "soon", "once", "never", "still", "today", "again", "often")
            for time in ("early", "late", "there", "here", "twice", "softly", "loudly", "far")]  # fmt: skip
KINDS = ("shuffled", "unigram", "bigram", "trigram")
SMALL = [*ALONE, "--set", "model.dim=12", "--set", "optimiser.lr=0.01"]


def write_text(folder: Path, sizes: dict[str, int]) -> Path:
    """Sentences that differ, in which the last word repeats the first, two words later: a trigram cannot know it."""
    folder.mkdir()
    first = 0
    for part, n in sizes.items():
        lines = []
        for i in range(first, first + n):
            place, kind = divmod(i * 37 % (len(OPENINGS) * 12), 12)
            subject, verb = SUBJECTS[kind % 4], VERBS[kind // 4]
            lines.append(f"{OPENINGS[place]} the {subject} {verb} the {subject} .")
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
        first += n
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("data") / "animals", {"train": 640, "valid": 80, "test": 80})


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["sentences", str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "sentences"
    assert train(text, out, *SMALL, "--epochs", "5") == 0
    return out


def test_a_run_tells_real_sentences_from_every_kind_of_noise(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = metrics(run)
    assert (found["task"], found["model"], found["loss"]) == ("sentences", "sentence", "logistic")
    test = found["test"]
    assert list(test) == ["accuracy", *(f"accuracy:{kind}" for kind in KINDS)]
    assert test["accuracy"] == pytest.approx(sum(test[f"accuracy:{kind}"] for kind in KINDS) / 4)
    assert min(test.values()) > 0.75
    assert found["valid"]["accuracy"] > 0.75
    assert found["unfilled"] == 0
    assert runner.evaluate(run) == test
    assert main(["evaluate", str(run)]) == 0
    assert f"accuracy:bigram    {test['accuracy:bigram']:.4f}" in capsys.readouterr().out


def test_the_report_and_the_samples_show_kinds_of_noise(run: Path, tmp_path: Path) -> None:
    assert main(["report", str(run), "--out", str(tmp_path / "r.html")]) == 0
    assert all(f"<th>accuracy:{kind}</th>" in (tmp_path / "r.html").read_text() for kind in KINDS)
    for sample in metrics(run)["samples"]:
        kinds = [one["item"].partition(":")[0] for one in sample["recommended"]]
        assert sorted(kinds) == sorted(("real", *KINDS))
        assert f"real: {sample['query']}" in [one["item"] for one in sample["recommended"]]
    steps = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert any("violation_rate" in step for step in steps)


def test_training_ends_with_the_figures_at_the_terminal(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(text, tmp_path / "run", *SMALL, "--epochs", "1") == 0
    test = metrics(tmp_path / "run")["test"]
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test: accuracy ")]
    assert told == ["test: " + ", ".join(f"{name} {value:.4f}" for name, value in test.items())]


def test_vectors_of_words(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--format", "parquet", "--out", str(tmp_path / "e")]) == 0
    frame = pl.read_parquet(tmp_path / "e" / "vectors.parquet")
    assert set(frame["kind"]) == {"word"}
    assert set(frame["name"]) == {"the", *SUBJECTS, *VERBS, ".", "<eos>", "<unk>", *" ".join(OPENINGS).split()}


def test_an_interrupted_run_ends_as_if_nothing_had_happened(text: Path, tmp_path: Path) -> None:
    """Ten steps an epoch; the interruption falls between two renewals, the second of which is still to come."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = [*SMALL, "--epochs", "3", "--set", "reading.every=0.7"]
    assert train(text, whole, *options) == 0
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step + 1 == 12:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", on_step)
        assert train(text, broken, *options) == 130
    assert train(None, broken, "--resume") == 0
    assert metrics(broken)["test"] == metrics(whole)["test"]
    mine, theirs = (read_tensors(one / "model.safetensors")[0] for one in (broken, whole))
    assert int(theirs["model.noise.renewals"]) > 1
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


FEW = ["--set", "sampler.candidates=4"]
"""Every candidate is a sentence to score."""


@pytest.mark.parametrize(
    "options",
    [
        ["--sampler", "uniform", "--loss", "logistic", "--set", "reading.reestimate=false"],
        ["--sampler", "softmax", "--loss", "logistic", "--set", "sampler.pool=64"],
        ["--sampler", "hold", "--loss", "logistic", "--set", "reading.noise=unigram", *FEW],
        ["--set", 'sampler.select.share={schedule="linear",start=0,stop=1}', "--set", "reading.drawn=90"],
    ],
    ids=["static", "pool", "held", "hardening"],
)
def test_noise_of_other_samplers(options: list[str], text: Path, tmp_path: Path) -> None:
    assert train(text, tmp_path / "run", *SMALL, "--epochs", "4", *options) == 0
    found = metrics(tmp_path / "run")
    assert found["test"]["accuracy"] > 0.7
    held = read_tensors(tmp_path / "run" / "model.safetensors")[0]["model.noise.lengths"].numel()
    assert held == (90 if "reading.drawn=90" in options else 640)


def test_comparing_samplers(text: Path, tmp_path: Path) -> None:
    options = ["--samplers", "uniform,dns", "--loss", "logistic", "--seeds", "2", "--epochs", "1"]
    sets = ["--set", "sampler.candidates=4", "--set", "evaluation.queries=40"]
    assert main(["compare", "sentences", str(text), *SMALL, *options, *sets, "--out", str(tmp_path / "c")]) == 0
    rows = json.loads((tmp_path / "c" / "compare.json").read_text())["summary"]
    assert {row["sampler"] for row in rows} == {"uniform", "dns"}
    assert {row["metric"] for row in rows} >= {f"accuracy:{kind}" for kind in KINDS}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--sampler", "in_batch", "--loss", "logistic"],
            "proposal must be uniform, not in_b",
        ),
        (["--sampler", "similar"], "difficulty must be score or margin"),
        (["--sampler", "dns"], "not bpr; add --loss logistic"),
        (["--model", "lstm"], "it needs tokens and counts; choose one of: sentence; or write negatives train language"),
        (["--recipe", "sentences"], "no recipe is called 'sentences'"),
        (["--set", "reading.noise=trigrams"], "choose one of: unigram, bigram, trigram"),
        (["--set", "reading.evry=1.0"], "did you mean every"),
        (["--set", "reading.longest=3"], "0 sentences of at most 3 words"),
        (["--set", "evaluation.metric=perplexity"], "no metric is called 'perplexity'"),
    ],
)
def test_what_does_not_fit(
    options: list[str], told: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(text, tmp_path / "run", *options) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_too_few_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_text(tmp_path / "few", {"train": 20, "test": 9})
    options = ["--set", "split.valid=0.0", "--set", "reading.cut=line"]
    (data / "train.txt").write_text((data / "train.txt").read_text().replace("\n", " ") + "\n")
    assert train(data, tmp_path / "run", *options, "--set", "reading.longest=200") == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "1 sentence of at most 200 words in the training part where 2 or more are needed; give more text" in line
    data = write_text(tmp_path / "untested", {"train": 20})
    assert train(data, tmp_path / "run", *options, "--set", "split.test=0.0") == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "0 sentences of at most 60 words in the test part" in line
    assert "raise split.test, or raise reading.longest" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [["--recipe", "sentences"], ["--model", "sentence"]], ids=["recipe", "model"])
def test_language_names_the_command_for_sentences(
    options: list[str], text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "language", str(text), "--out", str(tmp_path / "run"), *options]) == 2
    err = capsys.readouterr().err
    assert "negatives train sentences" in err
    assert len(err.strip().splitlines()) == 1


def test_the_demo_shows_real_sentences_among_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"max_seconds": 0.1, "threads": 1, "evaluation": {"queries": 20}, "reading": {"drawn": 100}}
    monkeypatch.setattr(Sentences, "demo", small)
    assert main(["demo", "sentences", "--out", str(tmp_path / "demo")]) == 0
    assert "from the most real to the least: " in capsys.readouterr().out


def test_paragraphs_are_cut_behind_their_marks(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joined = tmp_path / "paragraphs"
    joined.mkdir()
    for part in ("train", "valid", "test"):
        lines = (text / f"{part}.txt").read_text().splitlines()
        pairs = [" ".join(lines[at : at + 2]) for at in range(0, len(lines), 2)]
        (joined / f"{part}.txt").write_text("\n".join(pairs) + "\n")
    for cut, n in (("marks", 640), ("line", 320)):
        options = [*SMALL, "--epochs", "1", "--set", f"reading.cut={cut}"]
        assert train(joined, tmp_path / cut, *options) == 0
        assert f"sentences: {n} for training" in "".join(capsys.readouterr())


def test_sentences_of_two_parts_are_dropped_from_the_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_text(tmp_path / "twice", {"train": 64, "valid": 20, "test": 20})
    trained, tested = ((data / f"{part}.txt").read_text().splitlines(keepends=True) for part in ("train", "test"))
    (data / "test.txt").write_text("".join(trained[:3] + tested))
    (data / "valid.txt").write_text((data / "valid.txt").read_text() + tested[0] + trained[5])
    text = Sentences().read(data, build([("the test", {"task": "sentences"})]))
    assert {part: one.lengths.numel() for part, one in text.real.items()} == {"train": 64, "valid": 20, "test": 20}
    assert "test: 3 sentences that stand in the training part too dropped" in text.notes
    assert "valid: 2 sentences that stand in the training or the test part too dropped" in text.notes
    (data / "test.txt").write_text(trained[0] * 2)
    assert train(data, tmp_path / "run", *SMALL) == 2
    assert "every sentence of the test part stands in the training part too" in capsys.readouterr().err
