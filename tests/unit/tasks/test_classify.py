"""``classify`` from files to run folders: figures, recipes, resume, samplers, export, demo, wrong input."""

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
from negatives.randomness import Purpose, stream, uniforms
from negatives.runs import runner, terminal
from negatives.runs.builder import fill, task_of
from negatives.sampler import presets
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

ROWS, TOPICS, WORDS = 240, 12, 6
SHORT = [
    *ALONE,
    "--set",
    "batch_size=64",
    "--set",
    "model.dim=16",
    "--set",
    "optimiser.lr=0.02",
    "--set",
    "model.drop=0.2",
]
QUICK = [*SHORT, "--set", "split.valid=0.1", "--epochs", "6"]


def write_rows(path: Path, n: int, first: int) -> None:
    """Rows with two topics each; a topic shows in four of its six words."""
    key, lines = stream(4, Purpose.SPLIT), []
    for row in range(first, first + n):
        topics = sorted({row % TOPICS, row * 7 % 11})
        draws = uniforms(key, torch.tensor(row), torch.arange(TOPICS * WORDS)).tolist()
        words = [t * WORDS + w for t in topics for w in range(WORDS) if draws[t * WORDS + w] < 0.7]
        lines.append(",".join(map(str, topics)) + " " + " ".join(f"{word}:1" for word in words))
    path.write_text(f"{n} {TOPICS * WORDS} {TOPICS}\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "topics"
    folder.mkdir()
    write_rows(folder / "train.txt", ROWS, 0)
    write_rows(folder / "test.txt", 60, ROWS)
    return folder


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["classify", str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(topics: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(topics, out, *QUICK) == 0
    return out


def test_a_run_learns_and_says_so(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["data"], found["sampler"], found["model"]) == ("classify", "topics", "full", "sparse")
    assert {f"{kind}@{k}" for kind in ("precision", "ndcg", "psp") for k in (1, 3, 5)} == set(found["test"])
    assert found["test"]["precision@1"] > 0.9
    assert found["test"]["ndcg@3"] > 0.85
    assert found["valid"].keys() == found["test"].keys()
    for sample in found["samples"]:
        assert len(sample["recommended"]) == 5
        assert 1 <= len(sample["known"]) <= 2
    assert "precision@1" in (run / "report.html").read_text()
    assert runner.evaluate(run) == found["test"]


def test_label_vectors_rank_as_the_model_does(run: Path) -> None:
    names = pl.read_parquet(run / "ids.parquet")
    assert names.filter(pl.col("kind") == "label").sort("index")["name"].to_list() == [str(i) for i in range(TOPICS)]
    table = read_tensors(run / "model.safetensors")[0]["labels"]
    assert table.shape == (TOPICS, 17)
    trained = runner.load_run(run)
    scores = trained.model.score(torch.tensor([0]), torch.arange(TOPICS)[None])
    vectors = trained.model.encode_queries(torch.tensor([0]))
    torch.testing.assert_close(scores, vectors @ table.T)


def test_export_writes_the_labels(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--format", "parquet", "--out", str(tmp_path / "e")]) == 0
    frame = pl.read_parquet(tmp_path / "e" / "vectors.parquet")
    assert frame.filter(pl.col("kind") == "label").height == TOPICS


@pytest.mark.parametrize(
    ("options", "recipe", "loss"),
    [
        ([], "neighbours", "sampled_softmax"),
        (["--sampler", "softmax"], "sampled", "sampled_softmax"),
        (["--sampler", "nce"], "sampled", "nce"),
        (["--sampler", "dns"], "pairwise", "bpr"),
        (["--sampler", "popularity"], "pairwise", "logistic"),
        (["--loss", "bpr"], "pairwise", "bpr"),
        (["--sampler", "full", "--loss", "logistic"], "full", "logistic"),
        (["--recipe", "pairwise", "--sampler", "softmax"], "pairwise", "sampled_softmax"),
    ],
)
def test_recipes(options: list[str], recipe: str, loss: str, topics: Path) -> None:
    pairs = dict(zip((name[2:] for name in options[::2]), options[1::2], strict=True))
    config = RunConfig(task="classify", data=str(topics), **pairs)
    task = task_of(config)
    filled = fill(config, task, task.load(topics, config))
    assert (filled.recipe, filled.asked("loss")) == (recipe, loss)


@pytest.mark.parametrize("name", sorted(presets))
def test_every_sampler_works(name: str, topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = train(topics, tmp_path / "run", *SHORT, "--epochs", "4", "--sampler", name)
    if code == 2:
        said = capsys.readouterr().err
        assert any(one in said for one in ("group", "graph", "neighbour", "given negatives")), said
        return
    assert code == 0
    if name != "nce":  # its guard hides a row's labels, so with so few labels its scores do not settle
        assert metrics(tmp_path / "run")["test"]["precision@1"] > 0.3 > 1.5 * 2 / TOPICS


def interrupt(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step + 1 == at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(terminal.Bar, "on_step", on_step)


@pytest.mark.parametrize("options", [[], ["--sampler", "hold"]], ids=["full", "hold"])
def test_an_interrupted_run_ends_as_if_nothing_had_happened(options: list[str], topics: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(topics, whole, *QUICK, *options) == 0
    with pytest.MonkeyPatch.context() as patch:
        interrupt(9, patch)
        assert train(topics, broken, *QUICK, *options) == 130
    assert train(None, broken, "--resume") == 0
    assert metrics(broken)["test"] == metrics(whole)["test"]
    mine, theirs = (read_tensors(one / "model.safetensors")[0] for one in (broken, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_models_that_read_no_features(model: str, topics: Path, tmp_path: Path) -> None:
    options = [*ALONE, "--epochs", "1", "--model", model, "--sampler", "uniform", "--set", "batch_size=64"]
    assert train(topics, tmp_path / "run", *options, "--set", "optimiser.weight_decay=0.0") == 0
    assert runner.evaluate(tmp_path / "run") == metrics(tmp_path / "run")["test"]
    assert set(pl.read_parquet(tmp_path / "run" / "ids.parquet")["kind"]) == {"label"}


def test_texts(tmp_path: Path) -> None:
    animals, colours = ("fox", "dog", "cat", "owl"), ("red", "blue", "green", "grey")
    rows = [
        {
            "text": f"the {animals[i % 4]} is {colours[i // 4 % 4]} in picture{i}",
            "labels": [animals[i % 4], colours[i // 4 % 4]],
        }
        for i in range(120)
    ]
    path = tmp_path / "zoo.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert train(path, tmp_path / "run", *SHORT, "--epochs", "8") == 0
    found = metrics(tmp_path / "run")
    assert found["test"]["precision@1"] == 1.0
    assert {one["item"] for one in found["samples"][0]["recommended"][:2]} == set(found["samples"][0]["known"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 3 2\n0 1:1\n2 1:1\n", "a.txt, line 3: label 2 is out of range"),
        ("2 3 2\n0 1:1\n1 3:1\n", "a.txt, line 3: feature 3 is beyond"),
        ("0 1:1\n0.5 3:1\n", "a.txt, line 2: the label '0.5' is no class"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert train(path, tmp_path / "run") == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert said in err[-1]
    assert not (tmp_path / "run").exists()


def test_wrong_options(topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        (["--model", "gcn"], "the model gcn does not fit the task classify: it needs graph; choose one of: "),
        (["--recipe", "best"], "no recipe"),
        (["--set", "reading.wieghts=none"], "weights"),
        (["--set", "evaluation.metric=recal@20"], "no metric"),
        (["--set", "evaluation.metric=auc"], "auc needs scores of right and wrong pairs"),
    ):
        assert train(topics, tmp_path / "run", *options) == 2
        assert said in capsys.readouterr().err


def test_a_metric_that_the_task_does_not_list_may_be_watched(topics: Path, tmp_path: Path) -> None:
    assert train(topics, tmp_path / "run", *SHORT, "--epochs", "1", "--set", "evaluation.metric=recall@2") == 0
    found = metrics(tmp_path / "run")
    assert 0 < found["valid"]["recall@2"] <= 1
    assert 0 < found["test"]["recall@2"] <= 1


def test_lengths_of_the_list(topics: Path, tmp_path: Path) -> None:
    assert train(topics, tmp_path / "run", *SHORT, "--epochs", "1", "--set", "evaluation.k=4") == 0
    found = metrics(tmp_path / "run")["test"]
    assert set(found) == {f"{kind}@{k}" for kind in ("precision", "ndcg", "psp") for k in (1, 3, 4)}
