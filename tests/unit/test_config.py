"""The configuration: merging, --set, errors that name file and key, and the way back to TOML."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from pydantic import BaseModel

from negatives.config import (
    SECTIONS,
    EvaluationConfig,
    OptimiserConfig,
    Part,
    RunConfig,
    SplitConfig,
    apply_sets,
    build,
    load_config,
    merge,
)
from negatives.errors import ConfigError, InputError


def test_layers_win_in_their_order() -> None:
    recipe = {"epochs": 5, "batch_size": 64, "model": {"name": "mf", "dim": 32}, "optimiser": {"lr": 0.1}}
    file = {"task": "recommend", "batch_size": 128, "optimiser": {"name": "adam"}}
    config = build([("f", file), ("o", {"seed": 3}), ("--set", apply_sets({}, ["model.dim=8"]))]).filled(recipe)
    assert (config.epochs, config.batch_size, config.seed) == (5, 128, 3)
    assert config.model == Part("mf", {"dim": 8})
    assert (config.optimiser.name, config.optimiser.lr) == ("adam", 0.1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("mf", {"dim": 2}, {"name": "mf", "dim": 2}),
        ({"name": "mf", "dim": 2}, "mf", {"name": "mf", "dim": 2}),
        ({"name": "mf", "dim": 2}, {"name": "history"}, {"name": "history"}),
        ({"name": "dns", "m": 8}, {"proposal": "uniform"}, {"proposal": "uniform"}),
        ({"proposal": "uniform", "m": 8}, {"name": "dns"}, {"name": "dns"}),
        (None, {"dim": 2}, {"dim": 2}),
        ({"dim": 2}, "mf", {"name": "mf", "dim": 2}),
        ({"proposal": "uniform"}, "dns", "dns"),
    ],
)
def test_parts_merge_only_under_the_same_name(low: object, high: object, expected: object) -> None:
    assert merge({"part": low}, {"part": high})["part"] == expected


def test_merging_leaves_its_inputs_alone() -> None:
    low, high = {"a": {"b": [1]}}, {"a": {"c": [2]}}
    merge(low, high)["a"]["b"].append(9)
    assert low == {"a": {"b": [1]}}
    assert high == {"a": {"c": [2]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128", 128),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("-2.", -2.0),
        (".5e-3", 5e-4),
        (".txt", ".txt"),
        ("1.2.3", "1.2.3"),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("{name = 'x', a = 1}", {"name": "x", "a": 1}),
        ("'5'", "5"),
        ("plain text", "plain text"),
        ("a=b", "a=b"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_set_reads_toml_and_falls_back_to_text(text: str, value: object) -> None:
    assert apply_sets({}, [f"key={text}"]) == {"key": value}


def test_set_enters_lists() -> None:
    values = {"sampler": {"guards": ["a", {"name": "b", "x": 1}]}}
    changed = apply_sets(values, ["sampler.guards.1.x=2", "sampler.guards.0.y=3"])
    assert changed == {"sampler": {"guards": [{"name": "a", "y": 3}, {"name": "b", "x": 2}]}}
    with pytest.raises(ConfigError, match="list of 2"):
        apply_sets(values, ["sampler.guards.2=c"])


@pytest.mark.parametrize("pair", ["model.dim", "=3", "model..dim=3", ".=1"])
def test_a_malformed_set_is_an_error(pair: str) -> None:
    with pytest.raises(ConfigError, match="key=value"):
        apply_sets({}, [pair])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_sise": 3}, "f.toml: no key is called 'batch_sise'; did you mean batch_size"),
        ({"optimiser": {"lrr": 3}}, "f.toml: no key is called 'optimiser.lrr'; did you mean lr"),
        ({"optimiser": {"name": "adm"}}, "f.toml: optimiser.name = 'adm': choose one of: sgd, adagrad, adam,"),
        ({"precision": "float16"}, "f.toml: precision = 'float16': choose one of: auto, float32, bfloat16"),
        ({"epochs": 0}, "f.toml: epochs = 0: should be greater than or equal to 1"),
        ({"epochs": "many"}, "f.toml: epochs = 'many': should be a whole number"),
        ({"epochs": True}, "f.toml: epochs = True: should be a whole number"),
        ({"sampler": ["dns"]}, "f.toml: sampler = ['dns']: should be"),
        ({"optimiser": {"lr": float("nan")}}, "f.toml: optimiser.lr = nan: should be"),
        ({"split": {"test": 1.5}}, "f.toml: split.test = 1.5: should be less than or equal to 1"),
        ({"split": 3}, "f.toml: split = 3"),
        ({"model": 3}, "f.toml: model = 3: should be a name"),
        ({"model": {"name": 3}}, "f.toml: model = {'name': 3}: should be a name"),
        ({"split": {"user": 3}}, "f.toml: columns.user = 3: should be a text"),
        ({"default": {"epochs": 3}, "best": {"epochs": 5}}, "f.toml: several recipes (default, best); keep the lines"),
        ({"optimizer": {"lr": 3}}, "f.toml: no key is called 'optimizer'; did you mean optimiser"),
    ],
)
def test_errors_name_source_and_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build([("lower.toml", {"task": "recommend"}), ("f.toml", values), ("--set", {"seed": 1})])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_proposal_without_a_name_changes_the_one_below() -> None:
    below = {"sampler": {"proposal": {"name": "bigram", "adapt": 0.05}, "candidates": 32}}
    changed = merge(below, {"sampler": {"proposal": {"weight": 0.7}}})["sampler"]
    assert changed == {"proposal": {"name": "bigram", "adapt": 0.05, "weight": 0.7}, "candidates": 32}
    for whole in ("uniform", {"name": "popularity"}):
        assert merge(below, {"sampler": {"proposal": whole}}) == {"sampler": {"proposal": whole}}


def test_a_missing_task_is_named() -> None:
    with pytest.raises(ConfigError, match="task is missing"):
        build([("f.toml", {})])


def test_a_resolved_configuration_repeats_itself(tmp_path: Path) -> None:
    recipe = {"loss": {"name": "bpr", "scale": 0.1}, "epochs": 3, "optimiser": {"lr": 0.3, "schedule": "cosine"}}
    config = RunConfig(task="recommend", sampler=Part("dns", {"m": 32}), recipe="quick").filled(recipe)
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(config.given()), encoding="utf-8")
    again = build([("file", load_config(path))])
    assert again == config
    assert again.filled(recipe) == config
    assert tomllib.loads(path.read_text())["optimiser"] == {"lr": 0.3, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("spec", "part", "plain", "label"),
    [
        ("mf", Part("mf"), "mf", "mf"),
        ({"name": "mf"}, Part("mf"), "mf", "mf"),
        ({"name": "mf", "dim": 2}, Part("mf", {"dim": 2}), {"name": "mf", "dim": 2}, "mf"),
        ({"dim": 2}, Part(None, {"dim": 2}), {"dim": 2}, "custom"),
    ],
)
def test_a_part_is_one_value_and_stays_plain_in_files(spec: Any, part: Part, plain: Any, label: str) -> None:
    config = RunConfig(task="recommend", model=spec)
    assert config.model == part == Part.of(part)
    assert config.asked("model") == part.name
    assert str(config.part("model")) == label
    assert config.given()["model"] == plain
    with pytest.raises(ConfigError, match="has no loss"):
        config.part("loss")


def test_faults_of_a_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with pytest.raises(InputError, match=r"c\.toml: No such file"):
        load_config(path)
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(InputError, match=r"c\.toml, line 2: not TOML"):
        load_config(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load_config(path)


@pytest.mark.parametrize("section", [RunConfig, OptimiserConfig, SplitConfig, EvaluationConfig])
def test_every_field_has_a_docstring(section: type[RunConfig]) -> None:
    assert [name for name, field in section.model_fields.items() if not field.description] == []


def test_the_sections_are_known_to_the_merge() -> None:
    nested = {
        name
        for name, field in RunConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    assert nested | {"reading", "columns"} == SECTIONS  # the task checks what is inside these
    assert merge({"optimiser": {"name": "adam", "lr": 1}}, {"optimiser": {"name": "sgd"}}) == {
        "optimiser": {"name": "sgd", "lr": 1}
    }


def test_the_import_is_light() -> None:
    code = (
        "import sys, negatives.config; print(*[m for m in ('torch', 'numba', 'numpy', 'polars') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
