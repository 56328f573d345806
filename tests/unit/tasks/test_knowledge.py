"""``knowledge`` from a folder to a run: figures, names, directions, hard negatives, resume, samplers, wrong input."""

from __future__ import annotations

import json
import signal
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from negatives.cli import main
from negatives.config import Part, RunConfig
from negatives.randomness import Purpose, permutation, stream
from negatives.runs import runner, terminal
from negatives.runs.builder import fill, task_of
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

N, RELATIONS = 60, 4
SHIFTS = (1, 7, 19, 30)
SHORT = [*ALONE, "--set", "batch_size=64", "--set", "evaluation.patience=99", "--set", "model.dim=16"]
POOL = [*SHORT, "--epochs", "8", "--set", "sampler.pool=40"]


def ring(folder: Path, hard: bool = False) -> Path:
    """Entities on a ring: relation ``r`` leads from ``i`` to ``i + SHIFTS[r]`` and one further."""
    folder.mkdir()
    triples = [f"e{i}\tr{r}\te{(i + SHIFTS[r] + j) % N}" for i in range(N) for r in range(RELATIONS) for j in range(2)]
    order = permutation(stream(1, Purpose.SPLIT), len(triples)).tolist()
    parts = {"test": order[:40], "valid": order[40:80], "train": order[80:]}
    for part, rows in parts.items():
        (folder / f"{part}.txt").write_text("\n".join(triples[row] for row in rows) + "\n")
        if hard and part != "train":
            false = [_false(triples[row]) for row in rows]
            (folder / f"{part}_negatives.txt").write_text("\n".join(false) + "\n")
    return folder


def _false(triple: str) -> str:
    head, relation, tail = triple.split("\t")
    return f"{head}\t{relation}\te{(int(tail[1:]) + 25) % N}"


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["knowledge", str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ring(tmp_path_factory.mktemp("data") / "ring", hard=True)


@pytest.fixture(scope="module")
def run(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the default recipe, long enough to learn the ring."""
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(graph, out, *SHORT, "--epochs", "40", "--set", "sampler.pool=40", "--set", "model.n3=0.005") == 0
    return out


def test_the_ring_is_learnt(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["model"], found["sampler"], found["loss"]) == (
        "knowledge",
        "complex",
        "softmax",
        "sampled_softmax",
    )
    test = found["test"]
    assert test["mrr"] > 0.5 > 5 * sum(1 / rank for rank in range(1, N + 1)) / N
    assert test["hits@1"] <= test["hits@3"] <= test["hits@10"]
    assert test["mrr"] == pytest.approx((test["mrr:tail"] + test["mrr:head"]) / 2)
    assert test["accuracy"] > 0.8
    assert found["valid"].keys() == {"mrr", "hits@1", "hits@3", "hits@10"}
    assert (run / "report.html").exists()


def test_every_relation_and_direction_has_a_row(run: Path) -> None:
    found = metrics(run)
    rows = found["details"]["relations"]
    assert {(row["relation"], row["direction"]) for row in rows} <= {
        (f"r{r}", side) for r in range(RELATIONS) for side in ("tail", "head")
    }
    assert sum(row["answers"] for row in rows) == 2 * 40
    for metric in ("mrr", "hits@10"):
        total = sum(row["answers"] * row[metric] for row in rows)
        assert total / 80 == pytest.approx(found["test"][metric])
    tails = [row for row in rows if row["direction"] == "tail"]
    assert sum(row["answers"] * row["mrr"] for row in tails) / 40 == pytest.approx(found["test"]["mrr:tail"])


def test_vectors_are_of_entities_and_relations(run: Path) -> None:
    names = pl.read_parquet(run / "ids.parquet")
    tensors = read_tensors(run / "model.safetensors")[0]
    entities, relations = (
        names.filter(pl.col("kind") == kind).sort("index")["name"].to_list() for kind in ("entity", "relation")
    )
    assert sorted(entities) == sorted(f"e{i}" for i in range(N))
    assert relations == [f"r{r}" for r in range(RELATIONS)] + [f"r{r}^-1" for r in range(RELATIONS)]
    assert tensors["entities"].shape == (N, 32)
    assert tensors["relations"].shape == (2 * RELATIONS, 32)


def test_evaluate_repeats_the_test_metrics(run: Path) -> None:
    assert runner.evaluate(run) == metrics(run)["test"]


def test_samples_never_offer_what_is_known(run: Path) -> None:
    for sample in metrics(run)["samples"]:
        assert not {one["item"] for one in sample["recommended"]} & set(sample["known"])


@pytest.mark.parametrize("sides", ["both", "bernoulli"])
def test_an_interrupted_run_ends_as_if_nothing_had_happened(sides: str, graph: Path, tmp_path: Path) -> None:
    options = [
        *SHORT,
        "--epochs",
        "3",
        "--sampler",
        "nscaching",
        "--model",
        "rotate",
        "--set",
        f"reading.sides={sides}",
    ]
    options += ["--set", "model.dropout=0.1", "--set", "sampler.candidates=4"]
    assert train(graph, tmp_path / "whole", *options) == 0
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step == 11:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", on_step)
        assert train(graph, tmp_path / "broken", *options) == 130
    assert train(None, tmp_path / "broken", "--resume") == 0
    mine, theirs = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("whole", "broken"))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert metrics(tmp_path / "whole")["test"] == metrics(tmp_path / "broken")["test"]


@pytest.mark.parametrize("model", ["complex", "distmult", "transe", "rotate"])
@pytest.mark.parametrize(
    "sampler", ["softmax", "uniform", "self_adversarial", "typed", "neighbourhood", "nscaching", "dns"]
)
def test_models_and_samplers_go_together(model: str, sampler: str, graph: Path, tmp_path: Path) -> None:
    options = [*SHORT, "--epochs", "1", "--model", model, "--sampler", sampler]
    if sampler == "softmax":
        options += ["--set", "sampler.pool=20"]
    assert train(graph, tmp_path / "r", *options) == 0
    assert metrics(tmp_path / "r")["model"] == model


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_models_without_relations_are_ranked_by_the_same_filter(model: str, graph: Path, tmp_path: Path) -> None:
    options = [*SHORT, "--epochs", "1", "--model", model, "--sampler", "uniform", "--loss", "bpr"]
    assert train(graph, tmp_path / "r", *options, "--set", "optimiser.weight_decay=0.0") == 0
    assert 0 < metrics(tmp_path / "r")["test"]["mrr"] <= 1
    assert set(pl.read_parquet(tmp_path / "r" / "ids.parquet")["kind"]) == {"entity", "relation"}
    assert runner.evaluate(tmp_path / "r") == metrics(tmp_path / "r")["test"]


def test_recipes_follow_what_was_asked_for(graph: Path) -> None:
    def recipe(**asked: Any) -> RunConfig:
        config = RunConfig(task="knowledge", data=str(graph), **asked)
        task = task_of(config)
        return fill(config, task, task.load(graph, config))

    assert recipe().recipe == "small"
    assert recipe(model="rotate").asked("sampler") == "self_adversarial"
    assert recipe(sampler="self_adversarial").recipe == "pairwise"
    assert recipe(sampler="nce").recipe == "small"
    assert recipe(model="transe").part("loss").params["margin"] > 0


def test_the_recipe_for_small_graphs_needs_a_dense_one(tmp_path: Path) -> None:
    for each, expected in ((2, "default"), (8, "small")):
        folder = tmp_path / expected
        folder.mkdir()
        lines = [f"e{i}\tr\te{(i + j + 1) % 30}" for i in range(30) for j in range(each)]
        (folder / "train.txt").write_text("\n".join(lines) + "\n")
        for part in ("valid", "test"):
            (folder / f"{part}.txt").write_text("e1\tr\te20\n")
        config = RunConfig(task="knowledge", data=str(folder))
        task = task_of(config)
        assert fill(config, task, task.load(folder, config)).recipe == expected


def test_candidates_of_ones_own_replace_the_pool_of_the_recipe(graph: Path) -> None:
    config = RunConfig(task="knowledge", data=str(graph), model="transe", sampler={"candidates": 8})
    task = task_of(config)
    filled = fill(config, task, task.load(graph, config))
    assert filled.sampler == Part("self_adversarial", {"candidates": 8})


def test_compared_samplers_share_what_is_set(graph: Path, tmp_path: Path) -> None:
    options = ["--samplers", "uniform,nscaching", "--seeds", "1", "--epochs", "1", "--loss", "logistic", *SHORT]
    command = ["compare", "knowledge", str(graph), "--out", str(tmp_path / "c"), *options]
    assert main([*command, "--tune", "0", "--set", "sampler.candidates=3"]) == 0
    for name in ("uniform", "nscaching"):
        config = tomllib.loads((tmp_path / "c" / f"{name}-0" / "config.toml").read_text())
        assert config["sampler"] == {"name": name, "candidates": 3}
    rows = json.loads((tmp_path / "c" / "compare.json").read_text())["summary"]
    assert {row["metric"] for row in rows} == {"mrr", "hits@1", "hits@3", "hits@10"}


def test_without_hidden_triples_the_validation_part_serves_as_canaries(graph: Path) -> None:
    config = RunConfig(task="knowledge", data=str(graph))
    examples = task_of(config).load(graph, config)
    valid = examples.data.known(("valid",))
    assert torch.equal(examples.canaries.indices, valid.indices)
    hidden = RunConfig(task="knowledge", data=str(graph), split={"canaries": 0.1})
    examples = task_of(hidden).load(graph, hidden)
    assert examples.canaries.nnz == 2 * len(examples.data.part("canaries")) == 2 * 40


def test_wrong_data_is_one_line_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.tsv"
    path.write_text("a\tb\nc\td\n")
    assert train(path, tmp_path / "r", *POOL) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "two.tsv, line 1: only 2 columns" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--model gcn", "does not fit the task knowledge: it needs graph; choose one of: "),
        (
            "--model grus",
            "has no model 'grus'; choose one of: complex, distmult, ease, history, item_knn, lightgcn, mf, ",
        ),
        (
            "--model transe --set model.relation_weight=0.1",
            "choose one of: dim, dropout, entity_dropout, init, n3, norm\n",
        ),
        ("--set reading.sides=boht", "choose one of: both, bernoulli, tail"),
        ("--set reading.sids=both", "did you mean sides"),
        ("--set evaluation.metric=recall@20", "recall@20 needs ranked lists, and here are ranks of right answers"),
        ("--set split.kind=temporal", "no split is called 'temporal' for triples"),
        ("--recipe bets", "no recipe is called"),
        ("--model transe --set model.norm=3", "norm is 3"),
        ("--sampler typed --loss sampled_softmax --set sampler.proposal=typo", "typo"),
        ("--set model.dropout=1.5", "dropout is 1.5"),
    ],
)
def test_wrong_options_are_one_line_and_leave_nothing(
    options: str, message: str, graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(graph, tmp_path / "r", *POOL, *options.split()) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("negatives: ")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_samplers_that_need_more_than_the_data_has(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lack in (("typed", "queries with groups"), ("neighbourhood", "a graph of the items")):
        assert main(["train", "recommend", str(planted_file), "--out", str(tmp_path / "r"), "--sampler", name]) == 2
        assert lack in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
