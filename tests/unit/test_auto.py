"""The command without a recipe: folds for few pairs, a race otherwise, a budget, and a step size that is mended."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from negatives.cli import main
from negatives.config import RunConfig, duration
from negatives.data import splits
from negatives.data.loading.pairs import load_pairs
from negatives.runs import auto, folds
from negatives.runs.budget import Clock, Cost, sparing, told_of_rest, within
from negatives.runs.race import Score
from negatives.tasks.recommend import Recommend
from negatives.training.files import read_tensors
from negatives.training.loop import Plan
from negatives.training.optimisers import StepSize

OPTIONS = ["--threads", "1", "--epochs", "6", "--set", "batch_size=512"]
Lines = list[dict[str, Any]]


def train(data: Path, out: Path, *options: str) -> int:
    return main(["train", "recommend", str(data), "--out", str(out), *options])


def config(run: Path) -> dict[str, Any]:
    return tomllib.loads((run / "config.toml").read_text())


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def lines(run: Path, kind: str) -> Lines:
    every = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [line for line in every if line["kind"] == kind]


def as_table(model: Any) -> dict[str, Any]:
    """Parameters of a model in a configuration, which may be a bare name."""
    return {} if isinstance(model, str) else {key: value for key, value in model.items() if key != "name"}


def same_model(left: Path, right: Path) -> bool:
    mine, theirs = (read_tensors(run / "model.safetensors")[0] for run in (left, right))
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A race of two recipes."""
    monkeypatch.setattr(Recommend, "racing", lambda self: ("default", "listwise"))


@pytest.fixture
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every validation part is large enough, and no training is cheap."""
    monkeypatch.setattr(folds, "FEW", 0)
    monkeypatch.setattr(auto, "CHEAP", 0)


@pytest.mark.usefixtures("two")
def test_few_pairs_are_judged_by_folds_and_all_of_them_are_learnt(planted_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(planted_file, run, *OPTIONS, "--baselines", "none") == 0
    found, rows = config(run), metrics(run)["race"]
    assert found["split"]["valid"] == 0.0
    assert "fold" not in found["split"]
    assert {row["kind"] for row in rows} == {"race"}
    assert [row["kept"] for row in rows] == [True] + [False] * (len(rows) - 1)
    kept = rows[0]
    assert kept["arm"] == found["recipe"]
    assert 3 <= kept["folds"] <= 5
    assert kept["epochs"] == found.get("until", 6.0)
    chosen = lines(run, "decision")[-1]
    assert chosen["seen"][found["recipe"]] == pytest.approx(kept["value"])
    assert metrics(run)["valid"]["recall@20"] == pytest.approx(kept["value"])
    assert not lines(run, "evaluation")
    again = tmp_path / "again"
    assert main(["train", "--config", str(run / "config.toml"), "--out", str(again)]) == 0
    assert same_model(run, again)
    assert metrics(again)["test"] == metrics(run)["test"]
    assert "race" not in metrics(again)


def test_a_simple_method_that_is_ahead_is_kept(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, again = tmp_path / "run", tmp_path / "again"
    few = ["--threads", "1", "--epochs", "1", "--set", "batch_size=4096"]  # a recipe learns nothing in one step
    assert train(planted_file, run, *few, "--baselines", "popularity,item_knn") == 0
    rows = metrics(run)["race"]
    assert metrics(run)["model"] == rows[0]["arm"] == "item_knn"
    assert rows[0]["kept"]
    assert rows[0]["epochs"] is None
    assert "item_knn is kept and learns from all pairs, a simple method that is ahead" in capsys.readouterr().out
    assert metrics(run)["test"] == metrics(run)["baselines"]["item_knn"]  # with the numbers that the folds chose
    assert metrics(run)["baselines_chosen"]["item_knn"]["params"] == as_table(config(run)["model"])
    assert main(["train", "--config", str(run / "config.toml"), "--out", str(again)]) == 0
    assert metrics(again)["test"] == metrics(run)["test"]


def test_a_single_high_look_does_not_say_when_to_stop() -> None:
    def judged(*values: float) -> folds.Judged:
        curve = folds.Curve(epochs=[1.0, 2.0, 3.0, 4.0], scores=[Score(value) for value in values])
        return folds.Judged(RunConfig(task="recommend", recipe="default"), [curve])

    assert judged(0.5, 0.1, 0.4, 0.41).until() == 4.0
    assert judged(0.3, 0.4, 0.3, 0.1).until() == 1.0
    one = judged(0.1, 0.4, 0.6, 0.4)
    assert one.until() == 3.0
    assert one.score().mean == 0.6


@pytest.mark.usefixtures("enough")
@pytest.mark.parametrize("named", [(), ("--recipe", "default")])
def test_a_simple_method_that_is_ahead_of_a_finished_training_is_kept(
    planted_file: Path, tmp_path: Path, named: tuple[str, ...]
) -> None:
    run, again = tmp_path / "run", tmp_path / "again"
    few = ["--threads", "1", "--epochs", "1", "--set", "batch_size=4096", "--set", "split.valid=0.2"]
    assert train(planted_file, run, *few, "--baselines", "popularity,item_knn", *named) == 0
    if named:  # what the user names stays
        assert metrics(run)["model"] == "lightgcn"
        return
    told = lines(run, "decision")[-1]
    assert (told["decision"], told["changed"]) == ("simple methods", "item_knn is kept")
    assert told["gain"] == pytest.approx(told["seen"]["item_knn"] - metrics_of_model(told))
    assert metrics(run)["model"] == "item_knn"
    assert metrics(run)["test"] == metrics(run)["baselines"]["item_knn"]
    assert metrics(run)["valid"] == metrics(run)["baselines_valid"]["item_knn"]
    assert main(["train", "--config", str(run / "config.toml"), "--out", str(again)]) == 0
    assert metrics(again)["test"] == metrics(run)["test"]


def metrics_of_model(told: dict[str, Any]) -> float:
    """What the recipe that was trained reached, by a decision on simple methods."""
    (value,) = (value for name, value in told["seen"].items() if name in ("lightgcn", "history"))
    return float(value)


@pytest.mark.usefixtures("two")
def test_the_worse_half_is_given_up_early(planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recommend, "racing", lambda self: ("listwise", "default", "pairwise"))
    monkeypatch.setattr(folds, "MOST", 1)
    run = tmp_path / "run"
    assert train(planted_file, run, *OPTIONS, "--baselines", "none") == 0
    first, last = lines(run, "decision")
    assert set(first["seen"]) == {"listwise", "default", "pairwise"}
    left = set(first["changed"].removeprefix("goes on with ").split(", "))
    assert len(left) == 2
    assert left == {name for name in last["seen"] if name in first["seen"]}
    worst = min(first["seen"], key=first["seen"].__getitem__)
    assert worst not in left


@dataclass
class Half:
    """A recipe after the first part; questions differ by a pattern of its own."""

    name: str
    mean: float
    noise: float

    def score(self) -> Score:
        pattern = torch.randn(100, generator=torch.Generator().manual_seed(len(self.name)))
        return Score(self.mean, self.mean + self.noise * (pattern - pattern.mean()))


@pytest.mark.parametrize(
    ("noise", "ties", "left"),
    [(0.5, True, "a bb ccc"), (0.5, False, "a bb"), (0.01, True, "a bb"), (0.0, True, "a bb")],
)
def test_whoever_is_level_with_the_better_half_goes_on_where_there_is_time(noise: float, ties: bool, left: str) -> None:
    running = [Half("a", 0.60, noise), Half("bb", 0.50, noise), Half("ccc", 0.48, noise), Half("dddd", 0.1, noise)]
    told: list[str] = []
    kept = folds._better_half(cast("Any", running), lambda *line: told.append(line[2]), ties=ties)
    assert [one.name for one in kept] == left.split()
    assert told == [f"goes on with {', '.join(left.split())}"]


@pytest.mark.usefixtures("two")
def test_queries_and_items_that_do_not_belong_together_are_told(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing can then be ahead of what knows no query, and the folds see it."""
    monkeypatch.setattr(folds, "MOST", 2)
    _, *rows = planted_file.read_text().splitlines()
    drawn = torch.rand(len(rows), generator=torch.Generator().manual_seed(0)).pow(3).mul(200).long().tolist()
    even = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1)).remainder(200).tolist()
    names = {"shuffled": drawn, "even": even}  # in the second all items are equally popular: counting is below chance
    for name, items in names.items():
        text = "\n".join([f"{row.split(',')[0]},i{item}" for row, item in zip(rows, items, strict=True)])
        (tmp_path / f"{name}.csv").write_text(text)
    for data, told in ((tmp_path / "shuffled.csv", 1), (tmp_path / "even.csv", 1), (planted_file, 0)):
        run = tmp_path / data.stem
        assert train(data, run, *OPTIONS, "--baselines", "none") == 0
        found = [line for line in lines(run, "decision") if line["decision"].startswith("nothing is ahead of ")]
        assert len(found) == told
        assert capsys.readouterr().out.count("check that queries and items of the data belong together") == told
        for line in found:
            best, floor = (line["seen"][name] for name in list(line["seen"])[:2])
            assert f"nothing is ahead of {list(line['seen'])[1]} by" in line["decision"]
            assert line["gain"] == pytest.approx(best - floor)
            assert line["gain"] <= folds.SURE * line["seen"]["error of the difference"]


@pytest.mark.usefixtures("two", "enough")
def test_the_winner_of_a_race_is_what_it_would_be_alone(planted_file: Path, tmp_path: Path) -> None:
    run, alone, again = tmp_path / "run", tmp_path / "alone", tmp_path / "again"
    assert train(planted_file, run, *OPTIONS) == 0
    rows = metrics(run)["race"]
    kept = [row["arm"] for row in rows if row["kept"]]
    assert kept == [config(run)["recipe"]]
    assert {row["arm"] for row in rows} == {"default", "listwise"}
    spent = {row["arm"]: row["epochs"] / 6 for row in rows}
    lost = next(name for name in spent if name not in kept)
    assert spent[lost] <= auto.RACE_SHARE / 2 + 0.1  # a step of so few is much
    assert (run / "race" / lost / "history.jsonl").exists()
    assert not (run / "race" / kept[0]).exists()
    assert lines(run, "decision")[0]["changed"] == f"goes on with {kept[0]}"
    assert train(planted_file, alone, *OPTIONS, "--recipe", kept[0]) == 0
    assert same_model(run, alone)
    assert main(["train", "--config", str(run / "config.toml"), "--out", str(again)]) == 0
    assert same_model(run, again)


@pytest.mark.usefixtures("enough")
def test_a_step_size_that_is_far_too_large_is_mended(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    monkeypatch.setattr(Recommend, "racing", lambda self: ("pairwise",))
    monkeypatch.setattr(Recommend, "preferred", lambda self, config, data: "pairwise")
    many = ["--threads", "1", "--epochs", "6", "--set", "batch_size=64", "--set", "optimiser.lr=20.0"]
    assert train(planted_file, run, *many, "--baselines", "none") == 0
    told = [line for line in lines(run, "decision") if line["decision"] == "does not learn"]
    assert told
    assert config(run)["optimiser"]["lr"] == pytest.approx(20.0 * 0.1 ** len(told))
    assert "the step size 20 is likely too large; try --set optimiser.lr=2" in capsys.readouterr().out


@pytest.mark.usefixtures("two", "enough")
def test_an_interrupted_race_begins_anew(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    halve = auto.halve

    def interrupted(arms: Any, share: float, tell: Any) -> Any:
        arms[0].run(0.02)
        arms[0].stop.__self__.caught.append(2)
        return halve(arms, share, tell)

    monkeypatch.setattr(auto, "halve", interrupted)
    assert train(planted_file, run, *OPTIONS) == 130
    told = f"nothing is saved; begin anew with: negatives train --resume --out {run}"
    assert told in capsys.readouterr().err
    assert "recipe" not in config(run)
    monkeypatch.setattr(auto, "halve", halve)
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert train(planted_file, whole, *OPTIONS) == 0
    assert same_model(run, whole)
    assert [row["arm"] for row in metrics(run)["race"]] == [row["arm"] for row in metrics(whole)["race"]]


@pytest.mark.parametrize("parts", [(), ("--recipe", "default"), ("--model", "mf"), ("--set", "loss.temperature=0.2")])
def test_what_the_user_names_does_not_race(parts: tuple[str, ...]) -> None:
    asked: dict[str, Any] = {"recipe": None, "model": None, "loss": None}
    if parts:
        asked[{"--recipe": "recipe", "--model": "model", "--set": "loss"}[parts[0]]] = (
            {"temperature": 0.2} if parts[0] == "--set" else parts[1]
        )
    names = auto.racing(RunConfig(task="recommend", **asked), Recommend(), _some())  # type: ignore[arg-type]
    assert names == ([] if parts else list(Recommend().racing()))


def test_data_that_wants_features_has_a_race_of_its_own() -> None:
    rows = {"user": [user for user in "abcdefgh" for _ in range(6)], "item": [f"i{at % 11}" for at in range(48)]}
    items = {"item": [f"i{at}" for at in range(11)], "colour": ["red", "blue", *["red"] * 9]}
    cold = SimpleNamespace(data=load_pairs({"train": rows, "items": items}, split="cold_items", test=0.3))
    asked = RunConfig(task="recommend")
    assert auto.racing(asked, Recommend(), cold) == ["content", "soft_content"]  # type: ignore[arg-type]
    named = asked.model_copy(update={"recipe": "content"})
    assert auto.racing(named, Recommend(), cold) == []  # type: ignore[arg-type]
    assert Recommend().rivals("soft_content") == ("content", "soft_content")
    assert Recommend().rivals("soft") == Recommend().racing()
    assert Recommend().rivals("pairwise") == ()


def _some() -> Any:
    rows = {"user": [user for user in "abcdefgh" for _ in range(6)], "item": [f"i{at % 11}" for at in range(48)]}
    return SimpleNamespace(data=load_pairs(rows))


@pytest.mark.usefixtures("enough")
def test_a_budget_is_a_time_by_the_clock(planted_file: Path, tmp_path: Path) -> None:
    run, start = tmp_path / "run", perf_counter()
    assert train(planted_file, run, "--threads", "1", "--budget", "12s") == 0
    waited = perf_counter() - start
    found = config(run)
    assert "budget" not in found
    assert 0 < found["max_seconds"] < 12
    assert metrics(run)["train_seconds"] < 12
    assert waited < 40  # a machine may be busy; what is promised is said in the docs


def test_a_budget_holds_for_folds(planted_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(planted_file, run, "--threads", "1", "--budget", "8s", "--baselines", "none") == 0
    rows = metrics(run)["race"]
    assert rows[0]["kept"]
    assert all(0 < row["value"] <= 1 for row in rows)
    assert 0 < config(run)["max_seconds"] < 8


def test_folds_that_cost_more_than_was_planned_are_fewer(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock decides, whatever evaluations cost: two dozen seconds of them do not fit into ten."""
    evaluate = Recommend.evaluate

    def slow(*given: Any) -> Any:
        sleep(0.2)
        return evaluate(*given)

    monkeypatch.setattr(Recommend, "evaluate", slow)
    run, start = tmp_path / "run", perf_counter()
    assert train(planted_file, run, "--threads", "1", "--budget", "10s", "--baselines", "none") == 0
    assert perf_counter() - start < 20  # a machine may be busy
    assert 1 <= metrics(run)["race"][0]["folds"] < folds.MOST


def test_what_is_left_of_a_budget_is_shared_by_what_is_still_to_be_trained() -> None:
    of = folds.Folds(Recommend(), RunConfig(task="recommend"), None, bool, bool, 50.0, 4.0, lambda: 30.0)  # type: ignore[arg-type]
    of._planned = of._limit = 10.0
    of._begun, of._trained, of._counting, of._test = perf_counter() - 20.0, 10.0, 4.0, 2.0
    assert of._within(2.0) == pytest.approx((30 - 2 - 4) / (2 * 2 + 1), rel=1e-3)  # each second has cost two
    assert not of._affords(2.0)
    assert of._affords(0.5)
    loop = SimpleNamespace(plan=Plan(epochs=1, batch_size=1, step_size=StepSize(0.1), seed=0, max_seconds=10.0))
    running: Any = [folds._Running(folds.Judged(of.config), folds.Curve(SimpleNamespace(loop=loop)))]  # type: ignore[arg-type]
    of._shorten(running, 1)
    assert of._limit == loop.plan.max_seconds == pytest.approx(24 / (2 * 0.75 + 1), rel=1e-3)
    of._shorten(running, 5)
    assert of._limit == loop.plan.max_seconds == 5.0  # never less than half of what was planned


@pytest.mark.parametrize("judged", [True, False])
def test_a_budget_that_is_not_used_up_is_told(judged: bool) -> None:
    task = SimpleNamespace(can_evaluate=lambda part, examples: judged)
    loop = SimpleNamespace(plan=SimpleNamespace(watch="recall@20"))
    trained: Any = SimpleNamespace(task=task, examples=None, loop=loop)

    def told(used: float, seconds: float | None = 60.0) -> str | None:
        return told_of_rest(trained, Clock(seconds, perf_counter() - used))

    found = told(25.0) or ""
    assert found.startswith("done after 25 of 60 s: ")
    assert ("validation recall@20 had stopped rising" in found) == judged
    assert ("the folds are done" in found) == (not judged)
    assert told(53.9)
    assert [told(54.1), told(70.0), told(25.0, None)] == [None, None, None]


def test_seconds_of_training_are_those_of_all_recipes_together(planted_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    alone = ["--threads", "1", "--baselines", "none", "--max-seconds", "23"]
    assert train(planted_file, run, *alone) == 0
    each = 23 / (folds.EVALUATED * folds.trainings(len(Recommend().racing()), folds.MOST))
    assert config(run)["max_seconds"] == pytest.approx(each)
    assert metrics(run)["train_seconds"] < each + 1


def test_folds_share_the_test_part_and_nothing_else(planted_file: Path) -> None:
    first, other, again = (load_pairs(planted_file, seed=splits.folded(3, fold), valid=0.2) for fold in (0, 1, 0))

    def codes(pairs: Any) -> set[tuple[int, int]]:
        return set(zip(pairs.queries.tolist(), pairs.items.tolist(), strict=True))

    assert codes(first.test) == codes(other.test)
    assert codes(first.valid) == codes(again.valid) != codes(other.valid)
    for one in (first, other):
        assert not codes(one.valid) & (codes(one.test) | codes(one.train) | codes(one.canaries))
    overlap = len(codes(first.valid) & codes(other.valid)) / len(codes(first.valid))
    assert 0.02 < overlap < 0.5  # by chance a fifth


FILLED = RunConfig(task="recommend", epochs=10, baselines="none", evaluation={"every": 1.0, "queries": 4_000})  # type: ignore[arg-type]


def test_evaluation_takes_a_tenth_of_the_time() -> None:
    assert sparing(FILLED, 0.4, 1.0, 4_000) == FILLED  # five seconds are nothing
    rare = sparing(FILLED, 1.0, 80.0, 4_000).evaluation
    assert rare.every == pytest.approx(10 / 8)
    assert rare.queries == 4_000
    dear = sparing(FILLED, 20.0, 100.0, 4_000).evaluation
    assert dear.every == pytest.approx(2.0)
    assert dear.queries == 500  # five of them take ten seconds
    timed = sparing(FILLED.model_copy(update={"max_seconds": 100.0}), 2.0, 100.0, 4_000).evaluation
    assert (timed.every, timed.seconds) == (None, 20.0)


def test_a_training_fills_the_time_that_is_left() -> None:
    cost = Cost(step=0.01, evaluation=0.1, test=7.0, steps_per_epoch=100)
    found = within(FILLED, cost, left=120.0, runs=2.0)
    assert found.max_seconds == pytest.approx((120 - 7 - 3) / 1.1 / 2)
    assert 50 <= (found.epochs or 0) <= 51  # of a second each
    assert within(FILLED, cost, left=11.0, runs=1.0).epochs == 10
    beside = within(FILLED.model_copy(update={"baselines": "all"}), cost, left=120.0, runs=2.0)
    assert found.max_seconds is not None
    assert beside.max_seconds == pytest.approx(found.max_seconds - 12 / 1.1 / 2, abs=1e-3)  # a tenth for simple methods
    assert Clock(None, 0.0).left == float("inf")


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("90s", 90), ("1.5h", 5400), ("45", 45)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds
    assert RunConfig.model_validate({"task": "recommend", "budget": text}).budget == seconds


def test_a_duration_that_is_none_is_told(planted_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "recommend", str(planted_file), "--budget", "soon"]) == 2
    assert "budget = 'soon': give a duration such as 90s, 10m or 1h" in capsys.readouterr().err


def test_a_healthy_run_is_not_warned_of(planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(planted_file, tmp_path / "run", *OPTIONS, "--recipe", "default") == 0
    assert "of the training the validation" not in capsys.readouterr().out


def test_a_longer_recipe_has_the_first_place_in_its_race(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of recipes that are as good the first is kept."""
    seen: list[list[str]] = []

    def halve(arms: list[str], share: float, tell: object) -> None:
        seen.append(arms)
        raise LookupError

    monkeypatch.setattr(auto, "halve", halve)
    monkeypatch.setattr(auto.Auto, "_share", lambda self, config: 0.1)
    monkeypatch.setattr(auto.Auto, "_arms", lambda self, configs, share: [str(one.recipe) for one in configs])
    race = object.__new__(auto.Auto)
    race.decisions = SimpleNamespace(tell=None)
    names = [RunConfig(task="recommend", recipe=name) for name in ("default", "soft", "best")]
    for longer in ([], names[2:]):
        with pytest.raises(LookupError):
            race._by_race(names[:2], longer)
    assert seen == [["default", "soft"], ["best", "default", "soft"]]
