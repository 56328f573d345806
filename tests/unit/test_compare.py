"""``compare``: its file, equal budgets, tuning, and a verdict that says when a difference is chance."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import polars
import pytest

from negatives.cli import main
from negatives.runs import runner
from negatives.runs.results import Row
from negatives.runs.verdict import numbers_told, table, verdict
from quick import ALONE

SETS = ["batch_size=256", "model.name=mf", "optimiser.name=adagrad", "optimiser.schedule=constant", "optimiser.lr=0.1"]
QUICK = [*ALONE, *(word for pair in SETS for word in ("--set", pair))]
METRICS = {"recall@20", "ndcg@20", "mrr@20", "precision@20"}


def run(data: Path, out: Path, *options: str) -> int:
    return main(["compare", "recommend", str(data), "--out", str(out), *QUICK, *options])


@pytest.fixture(scope="module")
def folder(planted_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samplers, two seeds."""
    out = tmp_path_factory.mktemp("runs") / "compare"
    options = ["--samplers", "uniform,dns", "--seeds", "2", "--epochs", "1", "--tune", "0"]
    assert run(planted_file, out, *options) == 0
    return out


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((folder / "compare.json").read_text())
    return whole


def test_what_cannot_be_trained_is_told_before_anything_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first sampler would train for its whole search before the second is refused."""
    text, out = tmp_path / "text.txt", tmp_path / "out"
    text.write_text("the cat sat on the mat and the dog sat on the log\n" * 200)
    words = ["compare", "language", str(text), "--samplers", "softmax,uniform", "--set", "model.name=lstm"]
    assert main([*words, "--epochs", "1", "--out", str(out)]) == 2
    assert "negatives: uniform: a language model is judged by the probabilities" in capsys.readouterr().err
    assert not out.exists()


def test_runs(found: dict[str, Any]) -> None:
    assert [(one["sampler"], one["seed"]) for one in found["runs"]] == [
        ("uniform", 0), ("uniform", 1), ("dns", 0), ("dns", 1),
    ]  # fmt: skip
    for one in found["runs"]:
        assert one["test"].keys() >= METRICS
        assert one["train_seconds"] > 0
        seconds, epochs, values = zip(*one["curve"], strict=True)
        assert list(seconds) == sorted(seconds)
        assert (seconds[0], epochs[0], epochs[-1]) == (0.0, 0.0, 1.0)
        assert seconds[-1] <= one["train_seconds"]
        assert len(values) > 6
        assert all(0 <= value <= 1 for value in values)
        assert max(values) > values[0]
    tests = [one["test"] for one in found["runs"]]
    assert tests[0] != tests[1] != tests[2]


def test_summary(found: dict[str, Any]) -> None:
    assert (found["task"], found["data"], found["metric"], found["baseline"]) == (
        "recommend", "planted", "recall@20", "uniform",
    )  # fmt: skip
    rows = {(row["sampler"], row["metric"]): row for row in found["summary"]}
    assert {metric for _, metric in rows} >= METRICS
    assert len(rows) == len(found["summary"])
    for (sampler, metric), row in rows.items():
        assert {"sampler", "metric", "mean", "interval", "p_value", "seconds_to_baseline"} <= row.keys()
        tests = [one["test"][metric] for one in found["runs"] if one["sampler"] == sampler]
        assert row["mean"] == pytest.approx(sum(tests) / 2)
        assert row["interval"][0] < row["mean"] < row["interval"][1]
        assert (row["p_value"] is None) == (sampler == "uniform")
        if sampler == "dns":
            base = rows["uniform", metric]["mean"]
            assert row["gain"] == pytest.approx(row["mean"] / base - 1)
            assert 0 <= row["p_value"] <= 1
            low, high = row["difference_interval"]
            assert low < row["mean"] - base < high
            assert (row["p_value"] < 0.05) == (low > 0 or high < 0)
    best = rows["uniform", "recall@20"]["seconds_to_baseline"]
    assert best is None or 0 < best <= rows["uniform", "recall@20"]["train_seconds"]


@pytest.mark.parametrize(("p_value", "said"), [(0.3, "within chance (p = 0.3"), (1e-5, "more than chance (p = 1e-05")])
def test_a_difference_is_called_what_it_is(p_value: float, said: str) -> None:
    told = verdict([row("uniform", 0.1, None, 4.0), row("dns", 0.12, p_value, 1.0)], "recall@20")
    assert "dns did best: recall@20 0.1200 against 0.1000 of uniform (-40.0%)" in told
    assert said in told
    assert "in 25% of its time" in told
    assert verdict([row("uniform", 0.2, None), row("dns", 0.12, p_value)], "recall@20").startswith("uniform did best")


def test_the_verdict_and_the_report_are_of_this_comparison(found: dict[str, Any], folder: Path) -> None:
    assert found["verdict"] == verdict([Row(**one) for one in found["summary"]], "recall@20")
    text = (folder / "report.html").read_text()
    assert "dns" in text
    assert "uniform" in text


def test_each_run_leaves_its_record(folder: Path) -> None:
    for name in ("uniform-0", "uniform-1", "dns-0", "dns-1"):
        assert {"config.toml", "metrics.json", "history.jsonl"} <= {path.name for path in (folder / name).iterdir()}


def test_a_sampler_is_compared_under_the_same_model_and_budget(folder: Path) -> None:
    texts = [(folder / name / "config.toml").read_text().splitlines() for name in ("uniform-0", "dns-0")]
    left, right = (set(text) - {'sampler = "uniform"', 'sampler = "dns"'} for text in texts)
    assert left == right


def test_a_validation_part_that_is_too_small_to_choose_by_is_enlarged(
    planted_file: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search is decided by it, so a few dozen pairs are not enough; what the user says stays."""
    config = tomllib.loads((folder / "uniform-0" / "config.toml").read_text())
    assert config["split"]["valid"] == 0.15
    options = ["--samplers", "uniform", "--seeds", "1", "--epochs", "1", "--tune", "0", "--set", "split.valid=0.03"]
    assert run(planted_file, tmp_path / "c", *options) == 0
    assert "too few to choose by" not in capsys.readouterr().out
    assert tomllib.loads((tmp_path / "c" / "uniform-0" / "config.toml").read_text())["split"]["valid"] == 0.03


def test_tuning_and_a_difference_beyond_chance(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In clusters this small the hardest candidates are false negatives, so that uniform wins in the end."""
    options = ["--samplers", "dns,uniform", "--seeds", "1", "--tune", "3", "--epochs", "8", "--set", "split.valid=0.15"]
    assert run(planted_file, tmp_path / "c", *options) == 0
    whole = json.loads((tmp_path / "c" / "compare.json").read_text())
    for name in ("uniform", "dns"):
        chosen = whole["chosen"][name]
        trials = chosen["trials"]
        assert [one["share"] for one in trials].count(1.0) == 2
        assert [one["share"] for one in trials].count(0.5) == 1
        best = max(trials, key=lambda one: one["valid"])
        assert (chosen["trial"], chosen["values"], chosen["lr"]) == (best["number"], best["values"], best["lr"])
        own = {"optimiser.weight_decay": 0.2, "sampler.candidates": 32 if name == "dns" else 1}
        assert trials[0]["values"] == own
        run_config = tomllib.loads((tmp_path / "c" / f"{name}-0" / "config.toml").read_text())
        assert run_config["optimiser"]["weight_decay"] == chosen["values"]["optimiser.weight_decay"]
        assert run_config["optimiser"]["lr"] == 0.1, "what was set stays"
    assert whole["verdict"].startswith("uniform did best: recall@20 ")
    assert "more than chance (p " in whole["verdict"]
    said = capsys.readouterr().out
    assert whole["verdict"] in said
    assert numbers_told(whole["chosen"]) in said
    assert "2 samplers, each with 1 seed and 3 trials, which are worth 2.5 runs" in said
    assert "in all 5 runs' worth of training, a run 8 epochs" in said


def test_models_and_values_of_each_query_are_kept(folder: Path, found: dict[str, Any]) -> None:
    frame = polars.read_parquet(folder / "per_query.parquet")
    means = frame.group_by(["sampler", "seed", "metric"]).agg(polars.col("value").mean())
    told = {(one["sampler"], one["seed"], name): value for one in found["runs"] for name, value in one["test"].items()}
    read = {(row["sampler"], row["seed"], row["metric"]): row["value"] for row in means.to_dicts()}
    assert read == pytest.approx({key: told[key] for key in read})
    assert {name for _, _, name in read} >= METRICS
    again = runner.evaluate(folder / "dns-1")
    assert again == pytest.approx(next(one["test"] for one in found["runs"][3:]))


def test_seeds_have_an_interval(found: dict[str, Any]) -> None:
    for row in found["summary"]:
        low, high = row["seeds_interval"]
        assert low + high == pytest.approx(2 * row["mean"])
        assert high - low == pytest.approx(12.7062 * abs(row["seeds"][0] - row["seeds"][1]), rel=1e-4)


def row(sampler: str, mean: float, p_value: float | None, to: float | None = None) -> Row:
    """A row whose gain is over 0.2."""
    between = (mean - 0.01, mean + 0.01)
    return Row(sampler, "recall@20", mean, between, [mean], mean / 0.2 - 1, None, p_value, 9.0, to)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("a", 0.2, None), row("b", 0.1, 0.5)], "a did best: no other sampler had a higher recall@20 than 0.2000."),
        (
            [row("a", 0.2, None), row("b", 0.21, 0.3)],
            "b did best: recall@20 0.2100 against 0.2000 of a (+5.0%), which is within chance (p = 0.3).",
        ),
        (
            [row("a", 0.2, None, 8.0), row("b", 0.21, 0.3), row("c", 0.3, 1e-4, 2.0)],
            "c did best: recall@20 0.3000 against 0.2000 of a (+50.0%), which is more than chance "
            "(p = 0.0001, paired over queries, Holm-corrected). "
            "It reached a's best validation recall@20 in 25% of its time.",
        ),
    ],
)
def test_verdicts(rows: list[Row], said: str) -> None:
    assert verdict(rows, "recall@20") == said
    assert len(table(rows).splitlines()) == 1 + len(rows)


def test_chosen_numbers_are_told_as_set_takes_them() -> None:
    tuned = {"trial": 2, "trials": [{}] * 4, "values": {"optimiser.lr": 0.0123, "sampler.candidates": 8}}
    own = {"trial": 0, "trials": [{}] * 4, "values": {"optimiser.lr": 0.1}}
    none = {"trial": None, "trials": [], "values": {"optimiser.lr": 0.1}}
    forms = tuned | {"loss": "bpr", "trials": [{"loss": "bpr"}, {"loss": "sampled_softmax"}]}
    assert numbers_told({"d": forms}) == "d: trial 2 of 2: loss=bpr optimiser.lr=0.0123 sampler.candidates=8"
    assert numbers_told({"a": tuned, "b": own, "c": none}).splitlines() == [
        "a: trial 2 of 4: optimiser.lr=0.0123 sampler.candidates=8",
        "b: trial 0 of 4, the recipe's own: optimiser.lr=0.1",
    ]


def test_one_loss_that_does_not_fit_leaves_nothing(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(planted_file, tmp_path / "c", "--samplers", "dns,uniform", "--loss", "sampled_softmax") == 2
    assert "log_q" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
