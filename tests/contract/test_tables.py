"""Every row of every table has a case, rows of other packages too; parts come back from a file as they were."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import models
import pytest
import test_control
import test_engines
import test_guards
import test_losses
import test_metric_contract
import test_proposals
import test_readers
import test_samplers
import test_selection
import test_tasks
import tomli_w
import torch

import negatives
from negatives import control, guards, losses, proposals, selection, testing
from negatives.control import build_part
from negatives.registry import Registry
from negatives.sampler import Preset
from negatives.testing.losses import batch
from negatives.testing.problems import candidates, problem
from negatives.types import Part

SOURCES = Path(negatives.__file__).parent
CASES: Mapping[str, set[str]] = {
    "proposals": set(test_proposals.SPECS),
    "guards": set(test_guards.SPECS),
    "selection": set(test_selection.ROWS),
    "difficulties": set(test_selection.DIFFICULTIES),
    "control": {*test_control.SCHEDULES, *test_control.CONTROLLERS},
    "losses": set(test_losses.ROWS),
    "models": {name.split()[0] for name in models.CASES},
    "engines": {name.split()[0] for name in test_engines.CASES},
    "presets": set(test_samplers.CASES_OF),
    "metrics": test_metric_contract.ROWS_OF,
    "readers": test_readers.NAMES,
    "tasks": set(test_tasks.OFFERED),
    "loggers": {"tensorboard", "wandb", "mlflow", "trackio"},  # each with its library in test_loggers.py
}
"""Names that have a case, by table."""
PROBLEM = problem(20)


def tables() -> Iterator[Registry[Any]]:
    """Every table of the package, wherever it stands."""
    seen: set[int] = set()
    for path in sorted(SOURCES.rglob("*.py")):
        if "Registry(" not in path.read_text():
            continue
        parts = path.relative_to(SOURCES).with_suffix("").parts
        module = importlib.import_module(".".join(("negatives", *parts)).removesuffix(".__init__"))
        for value in vars(module).values():
            if isinstance(value, Registry) and id(value) not in seen:
                seen.add(id(value))
                yield value


def test_every_table_has_cases() -> None:
    assert {table.kind for table in tables()} == set(CASES)


@pytest.mark.parametrize("table", list(tables()), ids=lambda table: table.kind)
def test_every_row_has_a_case(table: Registry[Any]) -> None:
    """A row that another package adds by an entry point is a row."""
    without = set(table) - CASES[table.kind]
    assert not without, f"{table.kind}: no case for {sorted(without)}; add one, or the row is not under contract"
    assert CASES[table.kind] <= set(table)


@pytest.mark.parametrize("table", list(tables()), ids=lambda table: table.kind)
def test_every_row_leads_to_a_part_that_says_what_it_is(table: Registry[Any]) -> None:
    for name in table:
        row = table.get(name)
        says = row.summary if isinstance(row, Preset) else table.summary(name)
        assert says.endswith((".", ":")), f"{table.kind}, {name}: {says!r}"


def specs() -> Iterator[Any]:
    """Name and values of every case of a part, with its table."""
    rows: list[tuple[Registry[Any], str, Mapping[str, Any]]] = [
        *((proposals.registry, name, values) for name, cases in test_proposals.SPECS.items() for values in cases),
        *((guards.registry, name, values) for name, cases in test_guards.SPECS.items() for values, _ in cases),
        *((selection.registry, name, values) for name, values in test_selection.ROWS.items()),
        *((selection.difficulties, name, each) for name, all_ in test_selection.DIFFICULTIES.items() for each in all_),
        *((losses.registry, name, values) for name, (values, _) in test_losses.ROWS.items()),
        *((control.registry, name, values) for name, (values, _) in test_control.SCHEDULES.items()),
        *((control.registry, name, values) for name, values in test_control.CONTROLLERS.items()),
    ]
    for number, (table, name, values) in enumerate(rows):
        if not any(callable(value) for value in values.values()):
            yield pytest.param(table, name, values, id=f"{table.kind}-{name}-{number}")


@pytest.mark.parametrize(("table", "name", "values"), list(specs()))
def test_a_part_comes_back_from_a_configuration_file(table: Registry[Any], name: str, values: dict[str, Any]) -> None:
    spec = {"name": name, **values}
    read = tomllib.loads(tomli_w.dumps({"part": spec}))["part"]
    one, other = build_part(table, spec), build_part(table, read)
    assert type(one) is type(other)
    assert repr(one) == repr(other)
    assert [repr(part) for part in results(table, one)] == [repr(part) for part in results(table, other)]


def results(table: Registry[Any], part: Any) -> list[Any]:
    """What a part gives for a small batch."""
    context, model = PROBLEM.batch(), PROBLEM.model()
    drawn = candidates(PROBLEM, context)
    if isinstance(part, Part):
        part.bind(PROBLEM.catalogue)
    answers: dict[str, Callable[[], Any]] = {
        "proposals": lambda: part.draw(context, 5, 7),
        "guards": lambda: part.allow(context, drawn),
        "selection": lambda: part.pick(context, drawn, drawn.scores, 7),
        "difficulties": lambda: part.of(context, drawn, model),
        "losses": lambda: part(*batch()),
        "control": lambda: getattr(part, "value", None) or part.at(0.3),
    }
    if table.kind == "proposals" and part.needs_scorer:
        part.refresh(context, model)
    with torch.no_grad():
        return [answers[table.kind]()]


def test_the_contracts_are_public_and_need_no_test_runner() -> None:
    assert all(callable(getattr(testing, name)) for name in testing.__all__)
    code = (
        "import sys, negatives.testing as t; [getattr(t, name) for name in t.__all__]; "
        "sys.exit(any(name.split('.')[0] in ('pytest', '_pytest', 'hypothesis') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
