"""``language`` from text to run folders: perplexity, normalisation, noise, resume, export, wrong input."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from negatives.cli import main
from negatives.config import RunConfig
from negatives.runs import runner, terminal
from negatives.runs.builder import fill, task_of
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from negatives.training.text_feed import TextFeed
from quick import ALONE

SMALL = [*ALONE, "--set", "batch_size=160", "--set", "reading.window=10", "--set", "model.dim=16"]
QUICK = [*SMALL, "--set", "model.drop=0.0", "--epochs", "4"]
SUBJECTS, VERBS = ("cat", "dog", "owl", "fox"), ("sees", "hears", "likes")


def write_text(folder: Path) -> Path:
    """Sentences in which the last word repeats the first, two words later: a bigram cannot know it."""
    folder.mkdir()
    sizes = {"train": 900, "valid": 100, "test": 100}
    first = 0
    for part, n in sizes.items():
        lines = []
        for i in range(first, first + n):
            subject, verb = SUBJECTS[i * 3 % 7 % 4], VERBS[i * 5 // 3 % 3]
            lines.append(f"the {subject} {verb} the {subject} .")
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
        first += n
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("data") / "animals")


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["language", str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(text, out, *QUICK) == 0
    return out


def test_a_run_learns_what_a_bigram_cannot(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["model"], found["sampler"]) == ("language", "lstm", "custom")
    test = found["test"]
    assert set(test) == {"perplexity", "log_likelihood", "log_z", "log_z_sd"}
    assert test["perplexity"] == pytest.approx(2.718281828 ** -test["log_likelihood"])
    assert test["perplexity"] < 1.75 < 12 ** (2 / 7)  # a bigram knows neither the verb nor the last subject
    assert runner.evaluate(run) == test
    assert "log_likelihood" in (run / "report.html").read_text()
    assert all(len(sample["known"]) == 1 for sample in found["samples"])


def test_vectors_of_words(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--format", "parquet", "--out", str(tmp_path / "e")]) == 0
    frame = pl.read_parquet(tmp_path / "e" / "vectors.parquet")
    words = frame.filter(pl.col("kind") == "word")["name"].to_list()
    assert set(words) == {"the", *SUBJECTS, *VERBS, ".", "<eos>", "<unk>"}
    assert frame.filter(pl.col("kind") == "input")["name"].to_list() == words


@pytest.mark.parametrize(
    ("options", "worst"),
    [
        (["--sampler", "full"], 1.75),
        (["--recipe", "nce"], 1.9),
        (["--recipe", "bigram"], 1.9),
        (["--recipe", "transformer"], 1.9),
        (["--sampler", "learned_unigram"], 1.9),
        (["--sampler", "nce"], 1.9),
    ],
    ids=lambda value: "-".join(value[1:]) if isinstance(value, list) else "",
)
def test_every_way_to_train_reaches_the_text(options: list[str], worst: float, text: Path, tmp_path: Path) -> None:
    assert train(text, tmp_path / "run", *QUICK, *options, "--set", "evaluation.every=4.0") == 0
    found = metrics(tmp_path / "run")["test"]
    assert found["perplexity"] < worst
    if "nce" in options:
        assert abs(found["log_z"]) < 0.5


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ({}, "default"),
        ({"sampler": "full"}, "full"),
        ({"sampler": "nce"}, "nce"),
        ({"loss": "nce"}, "nce"),
        ({"model": "transformer"}, "transformer"),
        ({"sampler": "in_batch"}, "default"),
    ],
)
def test_recipes(options: dict[str, str], recipe: str, text: Path) -> None:
    config = RunConfig(task="language", data=str(text), **options)
    task = task_of(config)
    assert fill(config, task, task.load(text, config)).recipe == recipe


@pytest.mark.parametrize("asked", [{"recipe": "transformer"}, {"model": "transformer"}], ids=["recipe", "model"])
def test_the_reader_follows_the_recipe(asked: dict[str, str], text: Path) -> None:
    """What config.toml says of the reading is what was read, so that a resumed run sees the same batches."""
    config = RunConfig(task="language", data=str(text), **asked)
    task = task_of(config)
    examples = task.load(text, config)
    filled = fill(config, task, examples)
    assert filled.reading["window"] == 64
    assert isinstance(examples.feed, TextFeed)
    assert examples.feed.window == 64
    own = task.load(text, config.model_copy(update={"reading": {"window": 9}})).feed
    assert isinstance(own, TextFeed)
    assert own.window == 9


@pytest.mark.parametrize("recipe", ["default", "bigram"])
def test_an_interrupted_run_ends_as_if_nothing_had_happened(recipe: str, text: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = [*SMALL, "--recipe", recipe, "--epochs", "2"]
    assert train(text, whole, *options) == 0
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step + 1 == 50:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", on_step)
        assert train(text, broken, *options) == 130
    assert train(None, broken, "--resume") == 0
    assert metrics(broken)["test"] == metrics(whole)["test"]
    mine, theirs = (read_tensors(one / "model.safetensors")[0] for one in (broken, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_comparing_samplers(text: Path, tmp_path: Path) -> None:
    options = ["--samplers", "nce,learned_unigram", "--seeds", "2", "--epochs", "1", *ALONE]
    sets = [one for one in SMALL if one not in ALONE]
    assert main(["compare", "language", str(text), *options, *sets, "--out", str(tmp_path / "c")]) == 0
    rows = json.loads((tmp_path / "c" / "compare.json").read_text())["summary"]
    assert {row["sampler"] for row in rows} == {"nce", "learned_unigram"}
    assert all(abs(row["gain"]) < 5 for row in rows)  # log-likelihoods are negative


def test_wrong_input(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one two three\n\xff\n")
    assert train(path, tmp_path / "run") == 2
    assert "a.txt, line 2: not UTF-8" in capsys.readouterr().err
    assert train(text, tmp_path / "run", "--set", "evaluation.metric=perplexity") == 2
    assert "no metric is called 'perplexity'" in capsys.readouterr().err
    assert train(text, tmp_path / "run", "--model", "mf") == 2
    assert train(text, tmp_path / "run", "--recipe", "fast") == 2
    capsys.readouterr()
    assert train(text, tmp_path / "run", "--sampler", "dns") == 2
    assert "under the loss bpr scores do not become any" in capsys.readouterr().err
    assert train(text, tmp_path / "run", "--loss", "logistic") == 2
    assert "choose --loss sampled_softmax or nce" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
