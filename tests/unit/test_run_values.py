"""What a comparison concludes and what a run is built of, with results that are made up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
import torch

from negatives.config import Part, RunConfig
from negatives.data.pairs import PairData, Pairs
from negatives.evaluation import Metrics, holm, paired
from negatives.runs import builder, steps
from negatives.runs.export import read_vectors
from negatives.runs.results import Result, summarise
from negatives.tasks.base import Examples
from negatives.tasks.recommend import Recommend
from negatives.training.run_folder import RunFolder

VALUES = torch.linspace(0.1, 0.9, 40)


def result(sampler: str, seed: int, curve: list[list[float]], shift: float) -> Result:
    values = VALUES + shift * (1 + torch.sin(torch.arange(40.0)))
    return Result(sampler, seed, 9.0, curve, {"m": float(values.mean())}, {"m": values})


BASE = [[0.0, 0.0, 0.1], [4.0, 1.0, 0.5], [8.0, 2.0, 0.4]]
FAST = [[0.0, 0.0, 0.1], [2.0, 1.0, 0.6]]
SLOW = [[0.0, 0.0, 0.1], [2.0, 1.0, 0.3]]


def test_gains_are_of_the_baseline_and_p_values_are_corrected() -> None:
    shifts = {"base": 0.0, "one": 0.02, "two": 0.01, "three": -0.004}
    results = [result(name, 0, BASE, shift) for name, shift in shifts.items()]
    rows = summarise(results, list(shifts), "m")
    tests = [paired(one.per_query["m"], VALUES) for one in results[1:]]
    assert [row.p_value for row in rows] == [None, *holm([one.p_value for one in tests])]
    assert rows[1].p_value != tests[0].p_value
    assert rows[1].gain == pytest.approx(float(results[1].per_query["m"].mean() / VALUES.mean()) - 1, rel=1e-4)


def test_times_are_to_the_baselines_best_value_and_of_all_runs_or_none() -> None:
    results = [
        *(result("base", seed, BASE, 0.0) for seed in (0, 1)),
        *(result("fast", seed, FAST, 0.1) for seed in (0, 1)),
        result("mixed", 0, FAST, 0.1),
        result("mixed", 1, SLOW, 0.1),
    ]
    assert results[0].best() == 0.5
    rows = summarise(results, ["base", "fast", "mixed"], "m")
    assert [row.seconds_to_baseline for row in rows] == [
        4.0,
        pytest.approx(1.6),
        None,
    ]  # between two evaluations the curve is a line


def pairs(*rows: tuple[int, int]) -> Pairs:
    return Pairs(*torch.tensor(rows).T.contiguous())


def data() -> PairData:
    train = pairs(*((user, (user + step) % 6) for user in range(6) for step in range(2)))
    held = [pairs(*((user, (user + step) % 6) for user in range(6))) for step in (2, 3, 4)]
    users, items = (pl.Series([f"{kind}{index}" for index in range(6)]) for kind in "ui")
    return PairData("d", train, held[0], held[1], held[2], users, items)


def filled(**asked: Any) -> RunConfig:
    config = RunConfig(task="recommend", **asked)
    task: Any = Recommend()
    return builder.fill(config, task, task.examples(data(), config, "pairs"))


def six_each() -> Examples[Any]:
    """Six queries and six items, whatever the task."""
    return Recommend().examples(data(), RunConfig(task="recommend"), "pairs")


def test_a_sampler_brings_its_loss_and_a_recipe_keeps_the_parameters_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = Recommend().recipes()[filled().recipe or ""]
    usual = Part.of(recipe["loss"])
    assert filled(sampler="nce").loss == Part("nce")
    assert filled(sampler="dns").loss == Part("bpr")
    assert filled(sampler="dns", loss="hinge").loss == Part("hinge")
    assert filled().loss == usual
    assert filled(sampler="auto").loss == usual  # it has a form for each kind of loss
    assert filled(sampler="auto", recipe="pairwise").loss == Part("bpr")
    for task in builder.registry:
        made: Any = builder.registry.get(task)()
        for name, one in made.recipes().items():
            loss = Part.of(one["loss"])
            sampler = next((preset for preset in builder.presets if builder.preset(preset).loss == loss.name), None)
            if sampler is None or not loss.params:
                continue
            monkeypatch.setattr(type(made), "recipe_name", lambda *_, name=name: name)
            own = builder.fill(RunConfig(task=task), made, six_each()).loss
            assert Part.of(own).params.keys() == loss.params.keys()
            assert builder.fill(RunConfig(task=task, sampler=sampler), made, six_each()).loss == own


@pytest.mark.parametrize(("own", "other"), [("pool", "candidates"), ("candidates", "pool")])
def test_a_size_of_ones_own_takes_the_place_of_the_recipes(
    own: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"sampler": {"name": "uniform", other: 7}, "loss": "bpr", "model": "mf"}
    monkeypatch.setattr(Recommend, "recipe_name", lambda *_: "r")
    monkeypatch.setattr(Recommend, "recipes", lambda self: {"r": recipe})
    rule = {"by": "pairs", "at": [[1, 5]]}
    for given in (5, rule):
        config = RunConfig(task="recommend", sampler={own: given})  # type: ignore[arg-type]
        found = builder.fill(config, cast("Any", Recommend()), six_each())
        assert found.sampler == Part("uniform", {own: 5})


def prepared(seed: int) -> builder.Trained:
    config = filled(seed=seed, model="mf", threads=1)
    task: Any = Recommend()
    return builder.prepare(config, task.examples(data(), config, "pairs"), task)


@pytest.mark.parametrize(("loss", "merges"), [("sampled_softmax", True), ("nce", False), ("bpr", False)])
def test_equal_draws_are_made_one_where_the_loss_only_estimates(loss: str, merges: bool) -> None:
    task: Any = Recommend()
    config = filled(model="mf", threads=1, loss=loss, sampler="softmax")
    trained = builder.prepare(config, task.examples(data(), config, "pairs"), task)
    assert trained.sampler.merges is merges


def test_the_sampler_draws_by_the_runs_seed_and_estimates_by_its_canaries() -> None:
    trained = prepared(5)
    assert trained.sampler.seed == 5
    assert trained.sampler.canaries is trained.examples.canaries
    assert trained.sampler.canaries is not None
    assert trained.sampler.canaries.nnz == 6
    assert trained.sampler.canary_share == trained.examples.canary_share > 0.2


def test_a_finished_model_is_given_what_was_hidden_before_it_is_tested() -> None:
    done: list[str] = []

    class Told:
        per_query: Mapping[str, torch.Tensor] = {}
        model = examples = None
        task = SimpleNamespace(complete=lambda model, examples: done.append("completed"))
        loop = SimpleNamespace(best_metrics={"m": 0.5})

        def evaluate(self, part: str) -> Metrics:
            done.append(part)
            return Metrics.of({"m": torch.ones(2)})

        def summary(self) -> dict[str, Any]:
            return {"task": "t"}

    scores, whole = steps.test(Told())  # type: ignore[arg-type]
    assert done == ["completed", "test"]
    assert whole == {"task": "t", "test": {"m": 1.0}, "valid": {"m": 0.5}}
    assert scores.mean == {"m": 1.0}


def test_vectors_are_named_by_their_index_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_tensors("model.safetensors", {"items": torch.arange(3.0)[:, None]})
    frame = pl.DataFrame({"kind": ["item"] * 3, "index": [2, 0, 1], "name": ["c", "a", "b"]})
    frame.write_parquet(folder.path / "ids.parquet")
    assert read_vectors(folder, "item").names.to_list() == ["a", "b", "c"]


def _tiny() -> list[float]:
    return [float(torch.tensor(1e-38) * 0.01), float(np.float32(1e-38) * np.float32(0.01))]


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor always computes with them")
def test_a_training_does_not_compute_with_denormals_on_any_thread(planted_file: Path) -> None:
    assert min(_tiny()) > 0.0
    steps.load(RunConfig(task="recommend", data=str(planted_file), threads=1))
    assert _tiny() == [0.0, 0.0]
    with ThreadPoolExecutor(1) as other:
        assert other.submit(_tiny).result() == [0.0, 0.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.finfo(np.float32)  # NumPy has measured it before
