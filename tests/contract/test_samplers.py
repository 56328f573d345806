"""Every preset through the contract of samplers; what its configuration file says builds the same sampler."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tables import Faults, pairs

from negatives.cli.samplers import samplers as show
from negatives.losses import BPR, Logistic, SampledSoftmax
from negatives.losses import registry as losses
from negatives.sampler import Sampler, build, preset, presets, resolve
from negatives.testing.problems import problem
from negatives.testing.promises import alike
from negatives.testing.samplers import CHECKS, FIELDS, SamplerCase, sample
from preset_cases import CASES_OF, OF_BATCH

PROBLEM = problem(20)


def make(name: str, seed: int) -> Sampler:
    return build({"name": name, **CASES_OF[name]}, seed)


CUSTOM: dict[str, dict[str, Any]] = {
    "random of eight": {"candidates": 8, "select": {"name": "random", "k": 1}},
    "softmax of a pool": {"pool": 40, "select": {"name": "softmax", "k": 3}},
    "several guards": {
        "candidates": 12,
        "guards": ["known_positives", "own_positive", "same_answer", {"name": "relative_margin", "share": 0.9}],
    },
}
"""Samplers that have no name, for what presets do not combine."""
LISTWISE = {name: resolve({"name": name, "pool": 40}, SampledSoftmax()) for name in presets if preset(name).listwise}
POINTWISE = {name: resolve({"name": name, "candidates": 9}, Logistic()) for name in presets if preset(name).pointwise}
"""What presets are under losses of other kinds, where that is something else."""
CASES = {name: SamplerCase(partial(make, name), PROBLEM, name in OF_BATCH) for name in CASES_OF} | {
    name: SamplerCase(partial(build, spec), PROBLEM) for name, spec in CUSTOM.items()
}
CASES |= {f"listwise {name}": SamplerCase(partial(build, spec), PROBLEM, True) for name, spec in LISTWISE.items()}
CASES |= {f"pointwise {name}": SamplerCase(partial(build, spec), PROBLEM, True) for name, spec in POINTWISE.items()}
FAULTS: Faults = {}


def test_every_preset_has_a_case() -> None:
    assert set(presets) == set(CASES_OF)


def test_the_form_of_a_preset_follows_the_loss() -> None:
    assert list(LISTWISE) == list(POINTWISE) == ["auto"]
    assert build("auto", loss=Logistic()).candidates == 32
    assert build("auto").candidates == build("auto", loss=BPR()).candidates == 32
    assert build("auto", loss=SampledSoftmax()).pool == 2048
    assert build("dns", loss=SampledSoftmax()).candidates == 32
    assert build({"name": "auto", "pool": 9}, loss=SampledSoftmax()).pool == 9


@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: SamplerCase, check: Callable[[SamplerCase], None]) -> None:
    check(case)


@pytest.mark.parametrize("name", CASES_OF)
def test_its_configuration_builds_the_same_sampler(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(name)
    read = tomllib.loads(capsys.readouterr().out)
    assert read["loss"] == preset(name).loss
    assert read["loss"] in losses
    one, other = build(name, 3), build(read["sampler"], 3)
    for sampler in (one, other):
        sampler.bind(PROBLEM.catalogue)
    for step in range(3):
        wanted, found = sample(one, PROBLEM, step), sample(other, PROBLEM, step)
        assert all(alike(getattr(found, field), getattr(wanted, field)) for field in FIELDS)
