"""``recommend`` from a file to a run folder: its files, repeating, resuming, cold items, and wrong input."""

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
from negatives.runs import runner, terminal
from negatives.training import checkpoint
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from planted import CLUSTERS, ITEMS, USERS, Planted
from quick import ALONE

SETS = ["batch_size=512", "evaluation.every=1.0", "evaluation.patience=9"]
SHORT = [*ALONE, *(word for pair in SETS for word in ("--set", pair))]
QUICK = [*SHORT, "--epochs", "4"]
DEFAULT = [*QUICK, "--set", "sampler.pool=256"]
TABLES = [*QUICK, "--model", "mf", "--set", "optimiser.name=adagrad", "--sampler"]
FAST = [*TABLES, "dns"]


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["recommend", str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def history(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def evaluations(run: Path) -> list[Any]:
    return [(line["step"], line["metrics"], line["best"]) for line in history(run) if line["kind"] == "evaluation"]


def same_model(left: Path, right: Path) -> bool:
    mine, theirs = (read_tensors(run / "model.safetensors")[0] for run in (left, right))
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture(scope="module")
def run(planted_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the default recipe."""
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(planted_file, out, *DEFAULT) == 0
    return out


def test_the_files_of_a_run(run: Path) -> None:
    names = ("config.toml", "metrics.json", "history.jsonl", "model.safetensors", "ids.parquet", "report.html")
    assert {*names, "sampler.safetensors"} <= {path.name for path in run.iterdir()}
    found = metrics(run)
    keys = "task data sampler model loss seed epochs steps train_seconds sampler_share test valid environment"
    assert set(keys.split()) <= found.keys()
    assert (found["task"], found["data"], found["sampler"], found["seed"]) == ("recommend", "planted", "auto", 0)
    assert (found["epochs"], found["steps"]) == (4.0, 28)
    assert 0 < found["sampler_share"] < 1
    assert {"recall@20", "ndcg@20"} <= found["test"].keys() == found["valid"].keys()
    assert found["test"]["recall@20"] > 0.5 > 4 * 20 / ITEMS
    assert found["environment"]["threads"] == 1
    lines = history(run)
    assert {line["kind"] for line in lines} >= {"step", "evaluation"}
    assert [step for step, *_ in evaluations(run)] == [0, 7, 14, 21, 28]
    assert evaluations(run)[0][1].keys() == {"recall@20"}
    assert not evaluations(run)[0][2]  # nothing to go back to
    model = read_tensors(run / "model.safetensors")[0]
    assert found["parameters"] == sum(table.numel() for name, table in model.items() if name.startswith("model."))
    assert 50 < found["peak_memory_mb"] < 100_000
    asked = pl.read_parquet(run / "per_query.parquet").filter(pl.col("metric") == "recall@20")
    assert asked["value"].mean() == pytest.approx(found["test"]["recall@20"])
    assert asked["name"].n_unique() == len(asked)
    assert asked["known"].min() >= 1
    assert max(one["recall@20"] for step, one, _ in evaluations(run) if step) == found["valid"]["recall@20"]
    text = (run / "report.html").read_text()
    assert "recall@20" in text
    assert 'src="http' not in text
    assert "<link" not in text


def test_every_field_of_the_history_is_documented(run: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "run-folder.md").read_text().split("## history.jsonl")[1]
    lines = history(run)
    fields = {name for line in lines for name in line} | {name for line in lines for name in line.get("parts", {})}
    assert len(fields) > 25
    assert [name for name in sorted(fields) if f"`{name}`" not in text] == []


def test_names_and_vectors_belong_together(run: Path, planted: Planted) -> None:
    names = pl.read_parquet(run / "ids.parquet")
    users, items = (names.filter(pl.col("kind") == kind).sort("index")["name"] for kind in ("query", "item"))
    assert sorted(items.to_list()) == sorted({f"i{item}" for item in planted.items.tolist()})
    assert len(users) == USERS
    tensors = read_tensors(run / "model.safetensors")[0]
    assert (len(tensors["queries"]), len(tensors["items"])) == (len(users), len(items))
    best = (tensors["queries"] @ tensors["items"].T).topk(10, dim=1).indices
    item_cluster = torch.tensor([int(planted.item_cluster[int(name[1:])]) for name in items.to_list()])
    user_cluster = torch.tensor([int(planted.user_cluster[int(name[1:])]) for name in users.to_list()])
    share = (item_cluster[best] == user_cluster[:, None]).double().mean()
    assert float(share) > 0.7 > 5 / CLUSTERS


def test_samples_are_names_and_never_known(run: Path) -> None:
    for sample in metrics(run)["samples"]:
        offered = {one["item"] for one in sample["recommended"]}
        assert len(offered) == 8
        assert not offered & set(sample["known"])
    right = [one["right"] for sample in metrics(run)["samples"] for one in sample["recommended"]]
    assert 0.1 < sum(right) / len(right) < 1  # the test part says so, and not of all


def test_evaluate_repeats_the_test_metrics(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = metrics(run)["test"]
    assert runner.evaluate(run) == expected
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines() if "@" in line)
    assert printed == {name: f"{value:.4f}" for name, value in expected.items()}


def test_the_configuration_repeats_the_run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(None, Path("again"), "--config", str(run / "config.toml")) == 0
    again = tmp_path / "again"
    assert same_model(run, again)
    assert metrics(again)["test"] == metrics(run)["test"]
    assert evaluations(again) == evaluations(run)
    left, right = (checkpoint.load(one / "sampler.safetensors") for one in (again, run))
    assert left == right
    assert tomllib.loads((again / "config.toml").read_text()) == tomllib.loads((run / "config.toml").read_text())


def test_another_seed_gives_another_run(run: Path, planted_file: Path, tmp_path: Path) -> None:
    assert train(planted_file, tmp_path / "r", *DEFAULT, "--seed", "1") == 0
    assert metrics(tmp_path / "r")["test"] != metrics(run)["test"]


def interrupt(at: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a signal after a step, as Ctrl-C does."""
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step + 1 == at:
            signal.raise_signal(number)

    monkeypatch.setattr(terminal.Bar, "on_step", on_step)


@pytest.mark.parametrize(
    ("options", "number", "at"),
    [(DEFAULT, signal.SIGINT, 9), ([*TABLES, "hold"], signal.SIGTERM, 14)],
    ids=["default-SIGINT", "hold-SIGTERM"],
)
def test_an_interrupted_run_ends_as_if_nothing_had_happened(
    options: list[str],
    number: int,
    at: int,
    planted_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(planted_file, whole, *options) == 0
    with pytest.MonkeyPatch.context() as patch:
        interrupt(at, number, patch)
        assert train(planted_file, broken, *options) == 128 + number
    assert f"go on with: negatives train --resume --out {broken}" in capsys.readouterr().err
    assert [path.name for path in (broken / "checkpoints").iterdir()] == [f"step-{at:012d}.safetensors"]
    assert not (broken / "metrics.json").exists()
    assert main(["evaluate", str(broken)]) == 2
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", lambda self, step: seen.append(step.context.step))
        assert train(None, broken, "--resume") == 0
    assert seen == list(range(at, 28))
    assert metrics(broken)["test"] == metrics(whole)["test"]
    assert metrics(broken)["valid"] == metrics(whole)["valid"]
    assert metrics(broken)["steps"] == metrics(whole)["steps"]
    assert same_model(broken, whole)
    assert evaluations(broken) == evaluations(whole)
    steps = [[line["step"] for line in history(one) if line["kind"] == "step"] for one in (whole, broken)]
    assert steps[0] == steps[1]


def test_a_longer_list_is_ranked_where_the_watched_metric_needs_one(planted_file: Path, tmp_path: Path) -> None:
    assert train(planted_file, tmp_path / "r", *FAST, "--set", "evaluation.metric=hr@30") == 0
    found = metrics(tmp_path / "r")["test"]
    assert list(found)[-1] == "hr@30"
    assert found["hr@30"] >= found["recall@20"] > 0


def test_a_run_is_not_overwritten(run: Path, planted_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "metrics.json").read_bytes()
    assert train(planted_file, run, *FAST) == 2
    assert "holds a finished run already; choose another --out" in capsys.readouterr().err
    assert (run / "metrics.json").read_bytes() == before


def test_content_recommends_items_nobody_has_taken(planted: Planted, tmp_path: Path) -> None:
    data = planted.write_content(tmp_path / "content")
    options = [*QUICK, "--recipe", "content", "--set", "split.kind=cold_items", "--set", "evaluation.k=5"]
    assert train(data, tmp_path / "r", *options) == 0
    found = metrics(tmp_path / "r")
    assert (found["model"], found["loss"]) == ("two_tower", "sampled_softmax")
    cold = int(next(note for note in found["notes"] if "no pair in train" in note).split(" ")[0])
    assert cold > 30
    assert found["test"]["recall@5"] > 4 * 5 / cold
    trained = runner.load_run(tmp_path / "r")
    for table in trained.model.parameters():
        table.data.fill_(1.0)  # all words mean the same
    assert trained.evaluate("test").mean["recall@5"] < found["test"]["recall@5"] / 2


@pytest.mark.parametrize("model", ["mf", "history", "lightgcn"])
@pytest.mark.parametrize("sampler", ["dns", "softmax"])
def test_models_and_samplers_go_together(model: str, sampler: str, planted_file: Path, tmp_path: Path) -> None:
    options = [*SHORT, "--epochs", "1", "--model", model, "--sampler", sampler]
    if sampler == "softmax":
        options += ["--set", "sampler.pool=64"]
    assert train(planted_file, tmp_path / "r", *options) == 0
    assert metrics(tmp_path / "r")["model"] == model


def test_parameters_may_stand_without_their_names(planted_file: Path, tmp_path: Path) -> None:
    sets = ["--set", "model.dim=8", "--set", "loss.temperature=0.2", "--set", "sampler.pool=64"]
    assert train(planted_file, tmp_path / "r", *SHORT, "--epochs", "1", *sets) == 0
    config = tomllib.loads((tmp_path / "r" / "config.toml").read_text())
    assert (config["model"]["dim"], config["loss"]["temperature"], config["sampler"]["pool"]) == (8, 0.2, 64)


FILES = {
    "empty.csv": "",
    "header.csv": "user,item\n",
    "one.csv": "user\na\nb\n",
    "nan.csv": "user,item,rating\na,b,1\nc,d,nan\ne,f,x\n",
    "binary.csv": "\x00\x01\x02\n",
}


@pytest.mark.parametrize("name", [*FILES, "missing.csv"])
def test_wrong_data_is_one_line_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if name in FILES:
        path.write_text(FILES[name])
    before = sorted(tmp_path.iterdir())
    assert train(path, tmp_path / "r", *FAST) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("negatives: ")
    assert name in err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--sampler dns --loss sampled_softmax", "sampled_softmax needs log_q"),
        ("--sampler unifrom", "did you mean uniform?"),
        ("--loss bprr", "did you mean bpr?"),
        ("--model mff", "did you mean mf?"),
        (
            "--model two_tower",
            "does not fit this data: it needs item_features; choose one of: ease, history, item_knn",
        ),
        ("--recipe bets", "did you mean best?"),
        ("--set model.dims=8", "did you mean dim?"),
        ("--set model.dim=0", "dim is 0"),
        ("--set sampler.pool=0", "pool is 0"),
        ("--set sampler.poool=3", "did you mean pool?"),
        ("--set evaluation.metric=recal@20", "did you mean recall@20"),
        ("--set evaluation.metric=psp@20", "psp@20 needs ranked lists with propensities of the labels"),
        ("--set split.kind=cold_items", "no content"),
        ("--set split.kind=temporal", "no times"),
        ("--set split.user=uesr", "uesr"),
        ("--set split.test=1.0", "between 0 and 1"),
        ("--set split.test=0", "planted.csv: no test part is left; give more data, or a larger split.test"),
    ],
)
def test_wrong_options_are_one_line_and_leave_nothing(
    options: str, message: str, planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(planted_file, tmp_path / "r", *QUICK, *options.split()) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_an_out_that_is_a_file(planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert train(planted_file, tmp_path / "file" / "run", *FAST) == 2
    assert "is a file" in capsys.readouterr().err


def test_a_model_that_does_not_fit_other_data(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.csv"
    other.write_text("user,item\n" + "\n".join(f"u{n % 9},i{n % 7}" for n in range(60)))
    assert main(["evaluate", str(run), str(other)]) == 2
    assert "does not fit" in capsys.readouterr().err
