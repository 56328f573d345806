"""``graph`` from a file to a run folder: models, walks, resuming, comparing, and wrong input."""

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
from negatives.randomness import Purpose, integers, stream, uniforms
from negatives.runs import runner, terminal
from negatives.runs.builder import task_of
from negatives.tasks.graph import Graph
from negatives.training.callbacks import Step
from negatives.training.feeds import PairFeed
from negatives.training.files import read_tensors
from negatives.training.walk_feed import WalkFeed
from quick import ALONE

NODES, GROUPS = 160, 8
SHORT = [*ALONE, "--set", "reading.wrong=40", "--set", "evaluation.every=1.0"]
QUICK = [*SHORT, "--epochs", "3"]
WALKS = ["--set", "reading.walk_length=6", "--set", "reading.walks=2", "--set", "reading.window=2"]
METRICS = ["auc", "ap", "mrr", "hits@10", "mrr:hard", "hits@10:hard"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nodes in groups: nine of ten edges stay within one, and words tell the group."""
    made = tmp_path_factory.mktemp("data") / "planted"
    made.mkdir()
    nodes, key = torch.arange(NODES).repeat_interleave(7), stream(1, Purpose.SPLIT)
    draws = torch.arange(7).repeat(NODES)
    own = integers(key, nodes, draws, NODES // GROUPS) * GROUPS + nodes % GROUPS
    other = integers(key, nodes, draws + 7, NODES)
    ends = torch.where(uniforms(key, nodes, draws + 14) < 0.9, own, other)
    lines = [f"{u} {v}\n" for u, v in zip(nodes.tolist(), ends.tolist(), strict=True)]
    (made / "edges.txt").write_text("".join(lines))
    words = (
        integers(key, torch.arange(NODES)[:, None], torch.arange(20, 24), 10)
        + 10 * (torch.arange(NODES) % GROUPS)[:, None]
    )
    words[:, 0] = integers(key, torch.arange(NODES), 30, 80)
    (made / "features.txt").write_text(
        f"{NODES} 80\n" + "".join(" ".join(map(str, sorted(set(row)))) + "\n" for row in words.tolist())
    )
    return made


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["graph", str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the default recipe for data with features."""
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(folder, out, *SHORT, "--epochs", "12") == 0
    return out


def test_a_run_with_features(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["data"], found["model"]) == ("graph", "planted", "gcn")
    assert list(found["test"]) == list(found["valid"]) == METRICS
    assert found["test"]["auc"] > 0.8
    assert found["test"]["mrr"] > found["test"]["mrr:hard"] > 2 / 41
    assert any("self-loops dropped" in note for note in found["notes"])
    assert any("duplicate edges dropped" in note for note in found["notes"])
    names = pl.read_parquet(run / "ids.parquet")
    assert names["kind"].unique().to_list() == ["node"]
    assert read_tensors(run / "model.safetensors")[0]["nodes"].shape[0] == len(names) == NODES
    for sample in found["samples"]:
        assert not {one["item"] for one in sample["recommended"]} & {*sample["known"], sample["query"]}
    assert "mrr:hard" in (run / "report.html").read_text()


def test_evaluate_and_export(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.evaluate(run) == metrics(run)["test"]
    assert main(["export", str(run), "--format", "word2vec", "--out", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x" / "nodes.vec").read_text().startswith(f"{NODES} ")


@pytest.mark.parametrize("model", ["gcn", "sage", "propagation", "node2vec", "line", "mf", "history", "lightgcn"])
@pytest.mark.parametrize("sampler", ["dns", "softmax"])
def test_models_and_samplers_go_together(model: str, sampler: str, folder: Path, tmp_path: Path) -> None:
    options = [*SHORT, *WALKS, "--epochs", "1", "--model", model, "--sampler", sampler, "--set", "model.dim=16"]
    options += ["--set", "sampler.pool=64"] if sampler == "softmax" else []
    assert train(folder, tmp_path / "r", *options) == 0
    found = metrics(tmp_path / "r")
    assert (found["model"], found["sampler"]) == (model, sampler)
    kinds = pl.read_parquet(tmp_path / "r" / "ids.parquet")["kind"].unique(maintain_order=True).to_list()
    assert kinds == (["node", "context"] if model in ("node2vec", "line", "mf", "history", "lightgcn") else ["node"])


@pytest.mark.parametrize("options", [{"recipe": "node2vec"}, {"model": "node2vec"}, {"model": {"name": "node2vec"}}])
def test_node2vec_walks_however_it_is_asked_for(options: dict[str, Any], folder: Path) -> None:
    task = Graph()
    walked = task.load(folder, RunConfig(task="graph", **options, reading={"wrong": 10, "window": 2}))
    assert isinstance(walked.feed, WalkFeed)
    assert walked.feed.window == 2
    assert task.recipe_name(RunConfig(task="graph", **options), walked.data) == "node2vec"
    for other in ({}, {"recipe": "node2vec", "model": "line"}, {"model": {"dim": 8}}):
        assert isinstance(task.load(folder, RunConfig(task="graph", **other, reading={"wrong": 10})).feed, PairFeed)


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ({}, "features"),
        ({"sampler": "dns"}, "pairwise"),
        ({"sampler": "softmax"}, "features"),
        ({"loss": {"name": "hinge"}}, "pairwise"),
        ({"sampler": "dns", "loss": "info_nce"}, "features"),
        ({"sampler": "dns", "model": "sage"}, "sage"),
        ({"sampler": "dns", "recipe": "features"}, "features"),
    ],
)
def test_the_recipe_fits_what_is_asked(options: dict[str, Any], recipe: str, folder: Path) -> None:
    task, config = Graph(), RunConfig(task="graph", **options)
    examples = task.load(folder, RunConfig(task="graph", reading={"wrong": 10}))
    assert task.recipe_name(config, examples.data) == recipe


@pytest.mark.parametrize("model", ["node2vec", "gcn"])
def test_an_interrupted_run_ends_as_if_nothing_had_happened(model: str, folder: Path, tmp_path: Path) -> None:
    options = [*QUICK, *WALKS, "--model", model, "--set", "batch_size=256", "--set", "model.dim=16"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(folder, whole, *options) == 0
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step == 9:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", on_step)
        assert train(folder, broken, *options) == 130
    assert train(None, broken, "--resume") == 0
    assert metrics(broken)["test"] == metrics(whole)["test"]
    mine, theirs = (read_tensors(one / "model.safetensors")[0] for one in (broken, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_directions(folder: Path, tmp_path: Path) -> None:
    assert train(folder, tmp_path / "r", *QUICK, "--set", "reading.directed=true", "--set", "model.dim=16") == 0
    assert any("directed edges" in note for note in metrics(tmp_path / "r")["notes"])
    assert set(pl.read_parquet(tmp_path / "r" / "ids.parquet")["kind"]) == {"node", "context"}


def test_validation_edges_may_carry_messages_at_the_test(folder: Path, tmp_path: Path) -> None:
    trained = {}
    for known in ("false", "true"):
        assert train(folder, tmp_path / known, *QUICK, "--set", f"reading.valid_at_test={known}") == 0
        trained[known] = metrics(tmp_path / known)
    assert trained["true"]["valid"] == trained["false"]["valid"]
    assert trained["true"]["test"] != trained["false"]["test"]


def test_compare_asks_every_sampler_the_same(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--samplers", "uniform,dns", "--seeds", "2", *QUICK, "--set", "model.dim=16"]
    assert main(["compare", "graph", str(folder), *options, "--tune", "0", "--out", str(tmp_path / "c")]) == 0
    found = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert found["metric"] == "mrr:hard"
    rows = {(row["sampler"], row["metric"]) for row in found["summary"]}
    assert rows == {(sampler, metric) for sampler in ("uniform", "dns") for metric in METRICS}
    assert "did best" in capsys.readouterr().out


def test_the_demo_predicts_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from negatives.config import RunConfig

    sets = [*SHORT, *WALKS, "--epochs", "1", "--set", "model.dim=16"]
    assert main(["train", "graph", "--out", str(tmp_path / "r"), *sets]) == 0
    asked = [sample["query"] for sample in metrics(tmp_path / "r")["samples"]]
    assert "json" in asked
    assert task_of(RunConfig(task="graph")).phrases[0] == "is linked to"


BAD = {
    "one.txt": ("0\n1\n", "line 1: only 1 column"),
    "binary.txt": ("\x00\x01\n", "line 1: binary content"),
    "empty.txt": ("", "the file is empty"),
    "loop.txt": ("3 3\n", "every edge is a self-loop"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_wrong_data_is_one_line_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(BAD[name][0])
    assert train(tmp_path / name, tmp_path / "r", *QUICK) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{name}" in err
    assert BAD[name][1] in err
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--model skip_gram",
            "skip_gram does not fit the task graph: it is trained on the feed corpus, not on pairs or edges or walks",
        ),
        ("--model gnc", "the task graph has no model 'gnc'; did you mean gcn"),
        ("--set reading.windows=3", "did you mean window?"),
        ("--set reading.p=0", "reading: p = 0"),
        ("--set split.kind=temporal", "no split is called 'temporal' for edges"),
        ("--recipe besst", "no recipe is called 'besst'"),
        ("--set evaluation.metric=recall@20", "no metric is called 'recall@20'"),
        ("--set reading.source=frm", "no column is called 'frm'"),
    ],
)
def test_wrong_options_are_one_line(
    options: str, message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, tmp_path / "r", *QUICK, *options.split()) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []


def shop(path: Path) -> Path:
    """Customers and what they bought, as names that mix when they are sorted."""
    key = stream(2, Purpose.SPLIT)
    users = torch.arange(60).repeat_interleave(8)
    items = integers(key, users, torch.arange(8).repeat(60), 20) * 2 + users % 2
    pairs = zip(users.tolist(), items.tolist(), strict=True)
    path.write_text("".join(f"{'ax'[u % 2]}{u} {'bm'[i % 2]}{i}\n" for u, i in pairs))
    return path


def test_negatives_and_non_edges_of_a_bipartite_graph_are_of_the_other_side(tmp_path: Path) -> None:
    from negatives.runs.builder import fill, prepare

    path, task = shop(tmp_path / "shop.txt"), Graph()
    for bipartite in ("auto", "ignore"):
        config = RunConfig(task="graph", reading={"bipartite": bipartite}, sampler="uniform", loss="bpr")
        examples = task.load(path, config)
        users = examples.data.edges.node_names.str.contains("^[ax]").to_torch().long()
        tests = [one for one in (examples.data.valid, examples.data.test) if one is not None]
        crossing = [users[one.other_sources] + users[one.other_targets] for one in tests]
        ends = [users[one.random.long()] != users[one.sources][:, None] for one in tests]
        made = prepare(fill(config, task, examples), examples, task)
        nodes = torch.arange(users.numel()).repeat(20)
        neg = made.sampler(nodes, nodes, made.model)
        fitting = (users[neg.ids] != users[nodes][:, None])[neg.ok].double().mean()
        told = [note for note in examples.notes if note.startswith("bipartite: ")]
        if bipartite == "auto":
            assert set(torch.cat(crossing).tolist()) == {1}
            assert all(bool(one[:, : one.shape[1] // 2].all()) for one in ends)
            assert float(fitting) == 1.0
            assert len(told) == 1
        else:
            assert set(torch.cat(crossing).tolist()) == {0, 1, 2}
            assert float(fitting) < 0.9
            assert not told
    assert train(path, tmp_path / "run", *QUICK) == 0
    assert any("bipartite: 60 and 40 nodes" in note for note in metrics(tmp_path / "run")["notes"])


def test_no_non_edge_is_asked_in_two_parts(folder: Path) -> None:
    for directed in (False, True):
        data = Graph().load(folder, RunConfig(task="graph", reading={"directed": directed})).data
        assert data.valid is not None
        pairs = [
            {(a, b) if directed or a < b else (b, a) for a, b in zip(*ends, strict=True)}
            for ends in ((one.other_sources.tolist(), one.other_targets.tolist()) for one in (data.valid, data.test))
        ]
        assert not pairs[0] & pairs[1]
        assert [len(one) for one in pairs] == [len(data.valid.sources), len(data.test.sources)]
        assert not torch.equal(data.valid.random[:40], data.test.random[:40])
