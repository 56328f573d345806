"""Which rows of the tables live on a device, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from string import digits
from typing import Any, TypeVar

import test_control

from negatives import models
from negatives.models.baselines.base import CountedModel

T = TypeVar("T")
COUNTED = {name: "computed once, and asked, on the CPU" for name in models.registry
           if issubclass(models.registry.get(name), CountedModel)}  # fmt: skip
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "engines": {
        "asynchronous": "threads of the CPU write to one table without waiting for each other",
        "windows": "reads a text word by word, in compiled loops",
        "cells": "moves rows of tables cell by cell, in compiled loops",
        "counted": "takes no step",
    },
    "models": COUNTED,
    "feeds": {"CorpusFeed": "feeds windows, which train on the CPU", "CellFeed": "feeds cells, which train on the CPU"},
    "guards": {"seen": "an example of the contract, no row"},
}
"""Rows that stay on the CPU, by table, and why."""
NO_TENSORS: Mapping[str, str] = {
    "readers": "files become tables on the CPU",
    "loggers": "numbers of a history",
    "tasks": "what they are made of; runs of each stand in test_runs_on_device.py",
    "metrics": "scores are brought to the CPU before they are counted; runs of each task compute them",
}
"""Tables whose rows never see a batch, and why."""
TABLES: Mapping[str, str] = {
    "proposals": "proposal",
    "guards": "guard",
    "selection": "selection",
    "difficulties": "difficulty",
    "losses": "loss",
    "presets": "sampler",
    "engines": "engine",
    "models": "model",
    "control": "control",
}
"""Kind of life by table."""
KNOBS: Mapping[str, Mapping[str, Any]] = {
    name: {"schedule": name, **values} for name, (values, _) in test_control.SCHEDULES.items()
} | {
    name: {name: values["signal"], **{key: value for key, value in values.items() if key != "signal"}}
    for name, values in test_control.CONTROLLERS.items()
}
"""Every schedule and controller, as a number of a part."""


def row_of(case: str) -> str:
    """Row of a table that a case is of.

    >>> row_of("two_tower by dot"), row_of("uniform0"), row_of("bm25")
    ('two_tower', 'uniform', 'bm25')
    """
    name = case.split()[0]
    return name if name in models.registry else name.rstrip(digits)


def here(table: str, cases: Mapping[str, T]) -> dict[str, T]:
    """The cases of rows that live on the device."""
    return {name: one for name, one in cases.items() if row_of(name) not in ELSEWHERE[table]}
