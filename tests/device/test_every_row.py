"""Every row of every table on the device: nothing is left on the CPU, and the answers are those of the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import rows
import test_engines
import torch
from kinds import KINDS, lived
from life import CPU, Life
from lives import engine
from places import device
from test_feed_contract import feeds
from test_tables import tables
from torch import Tensor

from negatives.errors import ConfigError
from negatives.registry import Registry

EVERY = [pytest.param(kind, name, id=f"{kind}-{name}") for kind, (_, cases) in KINDS.items() for name in cases]
OF_KEYS = "a bias of all keys moves no attention: its gradient is rounding, which the optimiser blows up"
FREE = {("engine", case, "blocks.0.inner.bias"): OF_KEYS for case in ("encoded", "encoded with a pool")}
"""Kind, case and what may differ from the CPU, and why."""


def differ(found: Tensor, wanted: Tensor) -> bool:
    """Whole numbers must be the same; others up to rounding."""
    if found.dtype.is_floating_point:
        return not torch.allclose(found.double(), wanted.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
    return not torch.equal(found, wanted)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Sentence Transformers, where its folders are written
@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_on_the_device_as_on_the_cpu(kind: str, name: str) -> None:
    live, cases = KINDS[kind]
    here, there = Life(CPU), lived(kind, name)
    live(cases[name], here)
    assert [what for what, _ in there.given] == [what for what, _ in here.given]
    pairs = zip(there.given, here.given, strict=True)
    wrong = {what for (what, one), (_, two) in pairs if differ(one, two) and (kind, name, what) not in FREE}
    assert not wrong, f"{wrong} differ from those of the CPU"


@pytest.mark.parametrize("table", list(tables()), ids=lambda table: table.kind)
def test_no_row_is_left_out(table: Registry[Any]) -> None:
    if table.kind in rows.NO_TENSORS:
        return
    lives = {rows.row_of(case) for case in KINDS[rows.TABLES[table.kind]][1]}
    stays = rows.ELSEWHERE.get(table.kind, {}).keys() & set(table)
    assert set(table) - lives == stays, "give the row a life in lives.py, or a reason in rows.py"


def test_no_feed_is_left_out() -> None:
    assert set(feeds()) - {rows.row_of(case) for case in KINDS["feed"][1]} == set(rows.ELSEWHERE["feeds"])


@pytest.mark.parametrize("name", ["asynchronous", "windows", "cells"])
def test_an_engine_of_the_cpu_says_so(name: str) -> None:
    with device() as (where, log), pytest.raises(ConfigError, match="on the CPU"):
        engine(test_engines.CASES[name], Life(where, log))
