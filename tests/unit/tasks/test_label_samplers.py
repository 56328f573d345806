"""Label samplers of ``classify``: each trains through the command, and its negatives are harder than uniform ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.cli import main
from negatives.randomness import Purpose, integers, stream
from negatives.runs import runner
from negatives.sampler import build
from negatives.types import Context
from quick import ALONE

GROUPS, EACH, ROWS = 20, 8, 900
LABELS, WORDS = GROUPS * EACH, 6
OPTIONS = [*ALONE, "--recipe", "pairwise", "--epochs", "8"]
SET = ["model.dim=24", "model.drop=0", "model.drop_features=0", "optimiser.lr=0.03", "batch_size=64", "split.valid=0.1"]
SAMPLERS = ("cluster", "matched", "adversarial_tree", "shortlist")
NARROW: dict[str, Any] = {
    "matched": {"name": "matched", "best": 2, "clusters": 32},
    "shortlist": {"name": "shortlist", "size": EACH},
}
"""Proposals of the same kind that reach fewer labels than those for many."""


def write_rows(path: Path, n: int, first: int) -> None:
    """One label each: words that its group shares, and one of its own."""
    lines = []
    for row in range(first, first + n):
        label = row * 7 % LABELS
        drawn = integers(stream(2, Purpose.SPLIT), torch.tensor(row), torch.arange(4), WORDS).tolist()
        words = sorted({label // EACH * WORDS + word for word in drawn} | {GROUPS * WORDS + label})
        lines.append(f"{label} " + " ".join(f"{word}:1" for word in words))
    path.write_text(f"{n} {GROUPS * WORDS + LABELS} {LABELS}\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "labels"
    folder.mkdir()
    write_rows(folder / "train.txt", ROWS, 0)
    write_rows(folder / "test.txt", 150, ROWS)
    return folder


def train(data: Path, out: Path, *options: str) -> dict[str, Any]:
    given = [word for one in SET for word in ("--set", one)]
    assert main(["train", "classify", str(data), "--out", str(out), *OPTIONS, *given, *options]) == 0
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def trained(labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("runs") / "uniform"
    train(labels, out, "--sampler", "softmax")
    return runner.load_run(out)


def looked_at(spec: Any, trained: Any) -> tuple[float, float]:
    """Mean score of the negatives after a few steps, and the share of them in the group of the row's label."""
    model, catalogue = trained.model, trained.examples.catalogue
    groups = torch.tensor([int(label) // EACH for label in trained.examples.item_names])
    rows = catalogue.known.lengths().nonzero()[:, 0][:256]
    positives = catalogue.known.indices[catalogue.known.indptr[rows]].long()
    sampler = build(spec, seed=1)
    sampler.bind(catalogue)
    for step in range(3):
        negatives = sampler.sample(Context(rows, positives, rows, step=step), model)
    assert bool(negatives.ok.all())
    assert not bool((negatives.ids == positives[:, None]).any())
    same = groups[negatives.ids] == groups[positives][:, None]
    with torch.no_grad():
        return float(model.score(rows, negatives.ids).mean()), float(same.float().mean())


@pytest.mark.parametrize("name", SAMPLERS)
def test_negatives_are_harder_than_uniform_ones(name: str, trained: Any) -> None:
    score, share = looked_at(name, trained)
    uniform, by_chance = looked_at("uniform", trained)
    assert score > uniform + 1.0
    if name in NARROW:
        score, share = looked_at({"name": name, "proposal": NARROW[name]}, trained)
    assert score > uniform + 4.0
    assert share > 5 * by_chance


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_trains(name: str, labels: Path, tmp_path: Path) -> None:
    found = train(labels, tmp_path / "run", "--sampler", name)
    assert found["sampler"] == name
    assert found["test"]["precision@1"] > 0.85
