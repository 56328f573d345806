"""A controller that another package adds is named in a configuration as the library's own are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from negatives.control import Controller, knob, registry
from negatives.errors import ConfigError
from negatives.sampler import build
from negatives.types import State


@dataclass(slots=True)
class Latest(Controller):
    """The newest value of a signal."""

    signal: str
    start: float = 1.0

    @property
    def value(self) -> float:
        return self.start

    def observe(self, signals: Mapping[str, float]) -> None:
        self.start = signals.get(self.signal, self.start)

    def state(self) -> State:
        return {"start": self.start}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.start = state["start"]


def test_its_name_goes_with_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="not a number that may change"):
        knob({"latest": "gap"})
    monkeypatch.setitem(registry._rows, "latest", f"{__name__}:Latest")
    made = knob({"latest": "gap", "start": 2.0})
    assert isinstance(made, Latest)
    made.observe({"gap": 5.0})
    assert made.value == 5.0
    assert build({"name": "dns", "candidates": {"latest": "gap"}}).candidates == Latest("gap")
    with pytest.raises(ConfigError, match="latest is not a schedule but a controller"):
        knob({"schedule": "latest", "signal": "gap"})
