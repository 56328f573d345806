"""Numbers that follow from the sizes of the data: the rules' values, their errors, and a configuration with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch

from negatives.config import RunConfig, apply_sets, build, load_config
from negatives.errors import ConfigError
from negatives.runs import steps
from negatives.runs.builder import fill, task_of
from negatives.sizing import Rule
from negatives.tasks.base import Examples
from negatives.tasks.sizes import sizes
from negatives.training.feeds import PairFeed
from negatives.types import Catalogue, Csr

BATCH = {"by": "pairs", "at": [[1_000, 64], [100_000, 4096]]}
EPOCHS = {"by": "batches", "at": [[1, 200], [100, 20]]}
DIM = {"by": "items", "at": [[10, 8], [1_000, 128]]}
RECIPE = {
    "model": {"name": "mf", "dim": DIM, "similarity": "cosine"},
    "sampler": "softmax",
    "loss": {"name": "sampled_softmax", "temperature": {"by": "items", "at": [[10, 0.4], [1_000, 0.1]]}},
    "optimiser": {"name": "adam", "lr": 0.1},
    "batch_size": BATCH,
    "epochs": EPOCHS,
}


@pytest.mark.parametrize(
    ("at", "size", "value"),
    [
        (((1_000, 64), (100_000, 4096)), 1, 64),
        (((1_000, 64), (100_000, 4096)), 1_000, 64),
        (((1_000, 64), (100_000, 4096)), 10_000, 512),
        (((1_000, 64), (100_000, 4096)), 11_000, 512),
        (((1_000, 64), (100_000, 4096)), 100_000, 4096),
        (((1_000, 64), (100_000, 4096)), 1e12, 4096),
        (((1, 200), (100, 20)), 10, 63),
        (((1, 200), (100, 20), (10_000, 20)), 5_000, 20),
        (((1, 1200), (100, 300)), 3, 860),
        (((10, 0.4), (1_000, 0.1)), 100, 0.2),
        (((10, 0.4), (1_000, 0.1)), 31.7, 0.28),
        (((10, 0.0), (1_000, 0.5)), 100, 0.25),
        (((10, 0.5), (1_000, -0.5)), 100, 0.0),
        (((10, 3),), 1, 3),
        (((10, 3),), 99, 3),
    ],
)
def test_a_value_lies_on_the_line_between_its_neighbours(at: Any, size: float, value: float) -> None:
    found = Rule("pairs", at).value(size)
    assert found == pytest.approx(value)
    assert isinstance(found, int) == all(isinstance(one, int) for _, one in at)


@pytest.mark.parametrize(
    ("key", "rule", "message"),
    [
        ("batch_size", {"by": "pair", "at": [[1, 2]]}, "mine.toml: batch_size: no size is called 'pair'; did you mean"),
        ("batch_size", {"by": "pairs"}, "mine.toml: batch_size: a number that follows the data has the keys by and at"),
        ("epochs", {"by": "pairs", "at": [[1, 2]], "least": 3}, "mine.toml: epochs: a number that follows the data"),
        ("epochs", {"by": "pairs", "at": 5}, "mine.toml: epochs: at must be a list of points"),
        ("epochs", {"by": "pairs", "at": [[1, True]]}, "mine.toml: epochs: at must be a list of points"),
        ("epochs", {"by": "pairs", "at": [[1, 2, 3]]}, "mine.toml: epochs: at must be a list of points"),
        ("epochs", {"by": "pairs", "at": [[1, float("inf")]]}, "mine.toml: epochs: at must be a list of points"),
        ("epochs", {"by": "pairs", "at": []}, "mine.toml: epochs: at is empty"),
        ("epochs", {"by": "pairs", "at": [[0, 2]]}, "mine.toml: epochs: the sizes under at must be above zero"),
        ("epochs", {"by": "pairs", "at": [[5, 2], [5, 3]]}, "mine.toml: epochs: the sizes under at must be"),
        ("batch_size", {"by": "batches", "at": [[1, 2]]}, "mine.toml: batch_size cannot follow batches; give a number"),
        ("reading", {"window": BATCH}, "mine.toml: reading.window cannot follow pairs; give a number"),
        ("split", {"test": BATCH}, "mine.toml: split.test cannot follow pairs; give a number"),
    ],
)
def test_a_faulty_rule_is_told_with_its_place(key: str, rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build([("mine.toml", {"task": "recommend", key: rule})])
    assert str(caught.value).startswith(message)


def test_a_value_that_its_key_does_not_take_is_told() -> None:
    config = RunConfig(task="recommend", batch_size={"by": "pairs", "at": [[1, 0.5]]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"batch_size = 0.5: should be a whole number"):
        config.sized({"pairs": 10})


def test_a_rule_is_replaced_by_what_is_given_and_goes_with_its_part() -> None:
    asked = build([("the options", {"task": "recommend", "batch_size": 7}), ("--set", apply_sets({}, ["model.dim=5"]))])
    filled = asked.filled(RECIPE)
    assert (filled.batch_size, filled.part("model").params["dim"]) == (7, 5)
    assert set(filled.sizing) == {"epochs", "loss.temperature"}
    other = build([("the options", {"task": "recommend", "model": "lightgcn", "loss": "bpr"})]).filled(RECIPE)
    assert set(other.sizing) == {"batch_size", "epochs"}
    assert other.part("model").params == {}
    own = build([("mine.toml", {"task": "recommend", "epochs": BATCH, "model": {"dim": BATCH}})]).filled(RECIPE)
    assert own.sizing["epochs"] == own.sizing["model.dim"] == Rule.of(BATCH)
    assert own.part("model").params == {"similarity": "cosine"}


def test_rules_in_lists_and_in_sections_are_found() -> None:
    weights = {"proposal": {"name": "mixed", "parts": ["in_batch", "uniform"], "weights": [BATCH, 2.0]}, "pool": 64}
    config = build([("f", {"task": "recommend", "sampler": weights, "evaluation": {"queries": BATCH}})])
    sized = config.sized({"pairs": 1_000})
    assert sized.part("sampler").params["proposal"]["weights"] == [64, 2.0]
    assert sized.evaluation.queries == 64
    assert not sized.sizing


def examples(pairs: int, items: int) -> Examples[Any]:
    task: Any = task_of(RunConfig(task="recommend"))
    found = task.load(None, RunConfig(task="recommend"))
    counts = torch.bincount(torch.arange(pairs) % items, minlength=items)
    queries, each = torch.arange(pairs) // 4, torch.arange(pairs) % items
    known = Csr.from_pairs(queries, each, pairs, items)
    return Examples(
        **{name: getattr(found, name) for name in ("name", "canaries", "canary_share", "query_names", "item_names")},
        feed=PairFeed(queries, each),
        catalogue=Catalogue(pairs, items, counts, known),
        notes=(),
        data=found.data,
    )


def test_the_sizes_of_the_data() -> None:
    counts = torch.tensor([6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    queries, items = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 4, 4]), torch.tensor([0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
    catalogue = Catalogue(6, 11, counts, Csr.from_pairs(queries, items, 6, 11))
    assert sizes(catalogue, PairFeed(queries, items)) == {
        "pairs": 10,
        "queries": 4,
        "items": 11,
        "per_query": 2.5,
        "per_item": 10 / 11,
        "skew": 0.7,
    }
    unknown = sizes(Catalogue(6, 11, counts), PairFeed(queries, items))
    assert unknown["queries"] == 6


@pytest.mark.parametrize(
    ("pairs", "items", "expected"),
    [(40, 10, (64, 200, 8, 0.4)), (10_000, 100, (512, 45, 32, 0.2)), (400_000, 5_000, (4096, 20, 128, 0.1))],
)
def test_a_recipe_is_filled_by_the_sizes(
    pairs: int, items: int, expected: tuple[float, ...], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    task = task_of(RunConfig(task="recommend"))
    monkeypatch.setattr(type(task), "recipes", lambda self: {"default": RECIPE})
    asked, data = RunConfig(task="recommend"), examples(pairs, items)
    with caplog.at_level("INFO", logger="negatives"):
        found = fill(asked, task, data)
        assert not caplog.records  # a race fills many times
        steps.tell_sizes([asked, asked.model_copy(update={"seed": 1}), found], task, data)
    values = (found.part("model").params["dim"], found.part("loss").params["temperature"])
    assert (found.batch_size, found.epochs, *values) == expected
    assert not found.sizing
    told = [record.message for record in caplog.records if record.message.startswith("from the data: ")]
    assert len(told) == 1
    assert f"batch_size {expected[0]:g} ({pairs:,} pairs), epochs {expected[1]:g} (" in told[0]
    assert told[0].count("epochs") == 1


def test_a_filled_configuration_repeats_the_run_whatever_the_recipe_says_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(RunConfig(task="recommend"))
    monkeypatch.setattr(type(task), "recipes", lambda self: {"default": RECIPE})
    found = fill(RunConfig(task="recommend"), task, examples(10_000, 100))
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(found.given()))
    again = build([(str(path), load_config(path))])
    assert fill(again, task, examples(400_000, 5_000)) == found


@pytest.mark.parametrize(
    ("asked", "recipe", "optimiser"),
    [
        ({}, "default", ("adam", 0.02)),
        ({"sampler": "dns"}, "pairwise", ("adagrad", 0.1)),
        ({"model": "mf"}, "pairwise", ("adagrad", 0.1)),
        ({"model": "mf", "sampler": "softmax"}, "listwise", ("adam", 0.02)),
        ({"model": "mf", "loss": "info_nce"}, "listwise", ("adam", 0.02)),
        ({"model": "lightgcn"}, "default", ("adam", 0.02)),
        ({"model": "lightgcn", "sampler": "dns"}, "pairwise_lightgcn", ("adam", 0.01)),
        ({"model": "lightgcn", "loss": "hinge"}, "pairwise_lightgcn", ("adam", 0.01)),
        ({"model": "history", "sampler": "softmax"}, "history", ("adam", 0.02)),
        ({"recipe": "pairwise", "model": "lightgcn"}, "pairwise", ("adam", 0.01)),
        ({"recipe": "pairwise", "sampler": "softmax"}, "pairwise", ("adam", 0.02)),
        ({"recipe": "default", "loss": "bpr"}, "default", ("adam", 0.01)),
        ({"recipe": "best", "loss": "info_nce"}, "best", ("adam", 0.013)),
        (
            {"recipe": "pairwise", "model": "lightgcn", "optimiser": {"name": "sgd", "lr": 3.0}},
            "pairwise",
            ("sgd", 3.0),
        ),
    ],
)
def test_recipe_and_step_size_fit_the_model_and_the_kind_of_loss(
    asked: dict[str, Any], recipe: str, optimiser: tuple[str, float]
) -> None:
    found = fill(
        RunConfig(task="recommend", **asked), task_of(RunConfig(task="recommend")), examples(1_000_000, 50_000)
    )
    assert found.recipe == recipe
    assert (found.optimiser.name, found.optimiser.lr) == optimiser
    if found.optimiser.name == "adam":
        assert not found.optimiser.weight_decay
