"""Baselines beside a run: what is measured, within which time, and what is told."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.cli import main
from negatives.config import RunConfig
from negatives.errors import ConfigError
from negatives.evaluation import Metrics
from negatives.models.baselines.ease import Ease
from negatives.models.baselines.item_knn import ItemKnn
from negatives.models.baselines.tfidf import Tfidf
from negatives.runs import baselines, runner
from negatives.runs.baselines import Beside, Measured, beside, limit, measure
from negatives.runs.builder import fill, task_of
from negatives.tasks.base import AnyTask, Examples

LONG = 100.0


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture(scope="module")
def loaded(planted_file: Path) -> tuple[AnyTask, Examples[object], RunConfig]:
    config = RunConfig(task="recommend", data=str(planted_file))
    task = task_of(config)
    examples = task.load(planted_file, config)
    return task, examples, fill(config, task, examples)


Loaded = tuple[AnyTask, Examples[object], RunConfig]


def test_values_are_chosen_on_the_validation_part(loaded: Loaded) -> None:
    task, examples, config = loaded
    found = {one.name: one for one in measure(task, examples, config, "valid", LONG)}
    assert list(found) == ["popularity", "item_knn", "ease"]
    assert found["popularity"].params == {}
    watched = task.watched(config)
    for l2 in Ease.grid["l2"]:
        model = Ease(examples.catalogue.known, l2=l2)
        value = task.evaluate(model, examples, "valid", config).mean[watched]
        assert value <= found["ease"].metrics.mean[watched] + 1e-9
    assert set(found["item_knn"].params) <= set(ItemKnn.grid)


def test_a_worse_value_is_not_taken(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    task, examples, config = loaded
    monkeypatch.setattr(ItemKnn, "grid", {"neighbours": (100, 1)})
    (found,) = measure(task, examples, config.model_copy(update={"baselines": "item_knn"}), "valid", LONG)
    assert found.params == {}
    assert examples.catalogue.known is not None
    worse = task.evaluate(ItemKnn(examples.catalogue.known, 1), examples, "valid", config).mean
    assert worse[task.watched(config)] < found.metrics.mean[task.watched(config)]


def test_the_test_part_sees_grown_histories(loaded: Loaded) -> None:
    task, examples, config = loaded
    one = config.model_copy(update={"baselines": "ease"})
    (found,) = measure(task, examples, one, "test", LONG)
    assert examples.catalogue.known is not None
    model = Ease(examples.catalogue.known, **found.params)
    before = task.evaluate(model, examples, "test", config).mean
    task.complete(model, examples)
    assert found.metrics.mean == task.evaluate(model, examples, "test", config).mean != before
    assert found.metrics.per_query[task.watched(config)].numel() > 100


def test_what_takes_too_long_is_left_out_and_said(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task, examples, config = loaded
    monkeypatch.setattr(Ease, "seconds", classmethod(lambda cls, sizes: 101.0))
    with caplog.at_level(logging.INFO):
        found = measure(task, examples, config, "valid", LONG)
    assert [one.name for one in found] == ["popularity", "item_knn"]
    assert "baselines: ease is left out: it would take about 101 s" in caplog.text


def test_fewer_values_are_tried_where_time_is_short(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    task, examples, config = loaded
    one, clock, tried = config.model_copy(update={"baselines": "ease"}), iter(range(0, 10_000, 10)), []
    monkeypatch.setattr(baselines, "perf_counter", lambda: float(next(clock)))  # ten seconds for each trial
    real = Ease.__init__
    monkeypatch.setattr(Ease, "__init__", lambda self, known, l2=100.0: (tried.append(l2), real(self, known, l2))[1])
    measure(task, examples, one, "valid", 45.0)
    assert tried == list(Ease.grid["l2"][:3])  # a fourth would leave no time for the test part


def test_the_limit_is_a_tenth_or_twenty_seconds() -> None:
    assert (limit(5.0), limit(200.0), limit(1000.0)) == (20.0, 20.0, 100.0)


def test_a_missing_package_leaves_only_its_method_out(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task, examples, config = loaded
    for kind in (ItemKnn, Tfidf):
        monkeypatch.setattr(kind, "packages", ("no_such_package",))
        monkeypatch.setattr(kind, "extra", "baselines")
    with caplog.at_level(logging.INFO):
        found = measure(task, examples, config.model_copy(update={"baselines": "item_knn, popularity"}), "valid", LONG)
    assert [one.name for one in found] == ["popularity"]
    assert "item_knn is left out: it needs no_such_package; run: pip install 'negatives[baselines]'" in caplog.text
    with pytest.raises(ConfigError, match="no_such_package"):
        Tfidf(["a"], ["b"])


def told(mean: float, *values: float) -> Metrics:
    return Metrics({"mrr": mean}, {"mrr": torch.tensor(values, dtype=torch.float64)} if values else {})


def around(mine: Metrics, theirs: Metrics, model: Ease) -> str:
    found = Beside([], [Measured("ease", {"l2": 3.0}, theirs, 0.1, model)])
    return found.verdict("mf", mine, "mrr", "Try harder.")


def test_the_table_fits_a_terminal(loaded: Loaded) -> None:
    known = loaded[1].catalogue.known
    assert known is not None
    names = ("recall@20", "mrr", "popularity@20", "precision@20", "coverage@20", "ndcg@20", "realistic_mrr@20")
    mean = {name: place / 16 for place, name in enumerate(names)}
    found = Beside([], [Measured("ease", {}, Metrics({"mrr": 0.5}, {}), 0.1, Ease(known))])
    assert found.table("lightgcn", Metrics(mean, {}), "mrr").splitlines() == [
        "test part     mrr  recall@20  popularity@20  precision@20  coverage@20  ndcg@20",
        "lightgcn   0.0625     0.0000         0.1250        0.1875       0.2500   0.3125",
        "ease       0.5000",
    ]


def test_a_model_that_is_behind_says_so(loaded: Loaded) -> None:
    known = loaded[1].catalogue.known
    assert known is not None
    model = Ease(known)
    assert around(told(0.4), told(0.5), model) == (
        "mf is below a simple method: mrr 0.4000 against 0.5000 of ease. Try harder."
    )
    found = Beside([], [Measured("ease", {}, told(0.5), 0.1, model), Measured("knn", {}, told(0.4), 0.1, model)])
    assert found.verdict("ease", told(0.45), "mrr", "") == (
        "ease is a simple method itself, and no other is ahead of it: the best, knn, reaches mrr 0.4000."
    )
    assert found.table("ease", told(0.45), "mrr").splitlines() == [
        "test part     mrr",
        "ease       0.4500",
        "knn        0.4000",
    ]
    assert "; the difference is more than chance (p = " in around(
        told(0.0, 0.0, 0.1, 0.0, 0.1), told(1.0, 1.0, 0.9, 1.0, 0.9), model
    )
    ahead = around(told(0.6, 0.9, 0.3), told(0.5, 0.2, 0.8), model)
    assert ahead.startswith(
        "No simple method is ahead of mf: the best, ease, reaches mrr 0.5000; the difference is within"
    )
    assert "Try" not in ahead
    config = loaded[2].model_copy(update={"epochs": 7})
    one = Measured("ease", {"l2": 3.0}, told(0.5), 0.1, model)
    itself = "or take the simple method itself: --model ease --set model.l2=3"
    assert baselines.advice(loaded[0], config, one).endswith(f"more epochs (--epochs 14), {itself}")
    raced = config.model_copy(update={"recipe": "soft", "until": 3.5})
    other = "another recipe (--recipe best or pairwise or pairwise_lightgcn)"  # the others have raced
    assert baselines.advice(loaded[0], raced, one) == f"Try {other}, {itself}"


def test_nothing_is_measured_where_none_is_asked_for(loaded: Loaded) -> None:
    task, examples, config = loaded
    found = beside(task, examples, config.model_copy(update={"baselines": "none"}), 0.0)
    assert (found.valid, found.test, found.values(), found.best("recall@20")) == ([], [], {}, None)


def test_an_unknown_baseline_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "recommend", "no-file", "--baselines", "eese", "--out", str(tmp_path / "r")]) == 2
    assert "no baseline 'eese'; did you mean ease?" in capsys.readouterr().err


def people(path: Path, line: str) -> Path:
    """Each knows the next five of a group of twenty, a line for each two."""
    near = [
        (20 * group + a, 20 * group + (a + step) % 20) for group in range(8) for a in range(20) for step in range(1, 6)
    ]
    path.write_text("".join(line.format(a, b) for a, b in near))
    return path


@pytest.mark.parametrize(
    ("task", "line", "names"),
    [
        ("recommend", "", ["popularity", "item_knn", "ease"]),
        ("graph", "p{}\tp{}\n", ["common_neighbours", "adamic_adar", "personalised_pagerank"]),
        ("knowledge", "p{}\tknows\tp{}\n", ["relation_frequencies"]),
    ],
)
def test_runs_show_them(
    task: str, line: str, names: list[str], planted_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = people(tmp_path / "people.tsv", line) if line else planted_file
    options = ["--recipe", "default", "--epochs", "1", "--threads", "1", "--out", str(tmp_path / "r")]
    with caplog.at_level(logging.INFO):
        assert main(["train", task, str(data), *options]) == 0
    found = read(tmp_path / "r" / "metrics.json")
    assert list(found["baselines"]) == list(found["baselines_valid"]) == names
    watched = found["watched"]
    assert all(0 < one[watched] < 1 for one in found["baselines"].values())
    assert found["baselines_verdict"] in caplog.text
    assert any(line.startswith(names[-1]) and f"{found['baselines'][names[-1]][watched]:.4f}" in line
               for line in caplog.text.splitlines())  # fmt: skip
    report = (tmp_path / "r" / "report.html").read_text()
    assert "Simple methods" in report
    assert all(f"{one[watched]:.4f}" in report for one in found["baselines"].values())


def test_a_simple_method_may_be_the_model(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r"
    words = ["--model", "ease", "--set", "model.l2=30.0", "--baselines", "none", "--out", str(out)]
    assert main(["train", "recommend", str(planted_file), *words]) == 0
    found = read(out / "metrics.json")
    assert found["steps"] == 1
    assert "baselines" not in found
    assert found["test"]["recall@20"] > 0.5
    assert runner.evaluate(out) == found["test"]
    assert len(found["samples"]) == 5
    capsys.readouterr()
    assert main(["export", str(out), "--format", "word2vec"]) == 2
    assert "no vectors" in capsys.readouterr().err
    assert main(["report", str(out)]) == 0


def test_a_comparison_shows_them(planted_file: Path, tmp_path: Path) -> None:
    words = ["--samplers", "uniform", "--seeds", "1", "--epochs", "1", "--tune", "0"]
    words += ["--model", "mf", "--baselines", "popularity", "--out"]
    assert main(["compare", "recommend", str(planted_file), *words, str(tmp_path / "c")]) == 0
    found = read(tmp_path / "c" / "compare.json")
    assert list(found["baselines"]) == ["popularity"]
    assert "uniform" in found["baselines_verdict"]
    assert "Simple methods" in (tmp_path / "c" / "report.html").read_text()
