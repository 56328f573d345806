"""The examples of trainers run on tiny data, each arm for a few steps, and the benchmark makes a table of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

import negatives

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parents[3]
BENCHMARK = runpy.run_path(str(ROOT / "benchmarks" / "trainers.py"))


def pairs() -> Any:
    found = [(f"u{user}", f"i{(user * 7 + step) % 90}") for user in range(30) for step in range(30) if step % 3]
    return negatives.load("recommend", found, split={"kind": "random", "valid": 0.1})


def texts(folder: Path) -> Any:
    things = [f"{one}{other}" for one in "abcdefgh" for other in "lmnopqrs"]
    lines = [f"ask {thing} {way},told of {thing} {way}" for thing in things for way in ("here", "there")]
    (folder / "pairs.csv").write_text("\n".join(["anchor,positive", *lines]) + "\n")
    return negatives.load("search", folder / "pairs.csv")


def check(name: str, data: Any, steps: int, monkeypatch: pytest.MonkeyPatch, batch: int = 8) -> None:
    module = BENCHMARK["example"](name)
    monkeypatch.setattr(module, "BATCH", batch, raising=False)
    arms = [arm for arm in module.ARMS if arm not in ("uniform", "softmax", "mixed", "hardest")]  # much like others
    with torch.random.fork_rng():
        found = {arm: module.run(data, arm, steps, 1) for arm in arms}
    assert all(0.0 <= value <= 1.0 for value in found.values()), found
    assert len(set(found.values())) > 1, found


def test_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    check("lightning_towers", pairs(), 3, monkeypatch)


@pytest.mark.nightly
def test_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check("text_negatives", texts(tmp_path), 6, monkeypatch)


def test_metric_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    check("metric_miner", BENCHMARK["example"]("metric_miner").digits(), 4, monkeypatch)


def test_the_table() -> None:
    lines = BENCHMARK["table"]({"own": [0.5, 0.6], "ours": [0.6, 0.7]}, "recall").splitlines()
    assert lines[0] == "| negatives | recall | less the first |"
    assert lines[2].startswith("| own | 0.550 (")
    assert lines[3].endswith("| +0.100 (+0.100 to +0.100) |")
