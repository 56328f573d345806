"""Whatever models, samplers and losses go together in a task: with nothing else said, they learn planted data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import torch
from test_classify import write_rows
from test_language import write_text
from test_sentences import write_text as write_sentences
from test_similarity import write as write_similarity

from negatives.config import RunConfig, build
from negatives.errors import ConfigError
from negatives.randomness import Purpose, integers, stream
from negatives.runs.builder import fill, prepare, task_of
from negatives.tasks.base import Examples

STEPS = 160
"""Steps of a run at most."""


def groups(path: Path, head: str, nodes: int, of: int, others: int) -> Path:
    """Seven pairs of every node, each with one of the others of its group."""
    rows, draws = torch.arange(nodes).repeat_interleave(7), torch.arange(7).repeat(nodes)
    ends = integers(stream(1, Purpose.SPLIT), rows, draws, others // of) * of + rows % of
    lines = [f"{row} {end}\n" for row, end in zip(rows.tolist(), ends.tolist(), strict=True) if row != end]
    path.mkdir()
    (path / "pairs.txt").write_text(head + "".join(dict.fromkeys(lines)))
    return path / "pairs.txt"


def chain(path: Path) -> Path:
    """Groups in a row: relation ``r`` leads from an entity to three of the group ``r + 1`` places further on."""
    path.mkdir()
    key, steps = stream(2, Purpose.SPLIT), [(i, r, j) for r in (0, 1) for i in range(80) for j in range(4)]
    place = torch.tensor([i * 8 + r * 4 + j for i, r, j in steps])
    within = integers(key, place, 0, 10).tolist()
    lines = [f"e{i}\tr{r}\te{(i // 10 + r + 1) * 10 + to}\n" for (i, r, _), to in zip(steps, within, strict=True)]
    (path / "triples.tsv").write_text("".join(dict.fromkeys(line for line in lines if int(line.rsplit("e")[-1]) < 80)))
    return path / "triples.tsv"


def topics(path: Path) -> Path:
    path.mkdir()
    write_rows(path / "train.txt", 300, 0)
    write_rows(path / "test.txt", 60, 300)
    return path


@dataclass(frozen=True)
class Case:
    """A task on planted data.

    Args:
        write: Writes the data.
        gain: By how much the validation metric must rise.
        models: Models that it offers.
        samplers: One of every kind.
    """

    write: Callable[[Path], Path]
    gain: float
    models: tuple[str, ...]
    samplers: tuple[str, ...] = ("uniform", "dns", "softmax")


OPTIONS: dict[str, dict[str, object]] = {
    "static": {},
    "lightgcn": {"dim": 32, "spectral": False},
    "propagation": {"dim": 32, "spectral": False},
}
"""Small models, without a start that knows the answer before they learn."""
CASES = {
    "recommend": Case(lambda path: groups(path, "user item\n", 200, 8, 80), 0.2, ("mf", "lightgcn", "history")),
    "knowledge": Case(chain, 0.03, ("complex", "distmult", "rotate", "transe")),
    "graph": Case(lambda path: groups(path, "", 160, 8, 160), 0.04, ("propagation", "line")),
    "classify": Case(topics, 0.3, ("sparse",), ("uniform", "dns", "softmax", "nce", "full")),
    "similarity": Case(lambda path: write_similarity(path), 0.1, ("static",)),
    "language": Case(write_text, 0.5, ("lstm", "transformer"), ("softmax", "nce", "full")),
    "sentences": Case(lambda path: write_sentences(path, {"train": 640, "valid": 80, "test": 80}), 0.1, ("sentence",)),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}
    base = tmp_path_factory.mktemp("planted")

    def of(task: str) -> Path:
        if task not in made:
            made[task] = CASES[task].write(base / task)
        return made[task]

    return of


def asked(task: str, model: str, sampler: str, data: Path) -> RunConfig:
    part = {"name": model, **OPTIONS.get(model, {"dim": 32})}
    values = {"task": task, "data": str(data), "model": part, "sampler": sampler, "threads": 1}
    values |= {"split": {"valid": 0.15}, "evaluation": {"k": 5}} if task in ("recommend", "graph", "knowledge") else {}
    return build([("the test", values)])


def combinations() -> Iterator[tuple[str, str, str]]:
    for task, case in CASES.items():
        yield from ((task, model, sampler) for model, sampler in product(case.models, case.samplers))


@pytest.mark.parametrize(("task", "model", "sampler"), list(combinations()))
def test_what_is_accepted_learns(task: str, model: str, sampler: str, folders: Callable[[str], Path]) -> None:
    config = asked(task, model, sampler, folders(task))
    made = task_of(config)
    examples: Examples[object] = made.load(folders(task), config)
    filled = fill(config, made, examples)
    batches = examples.feed.steps(min(filled.batch_size or 1, examples.feed.rows))
    epochs = max(1, min(filled.epochs or 1, STEPS // batches))
    try:
        trained = prepare(filled.model_copy(update={"epochs": epochs}), examples, made)
    except ConfigError:
        return
    watched = trained.loop.plan.watch
    before = trained.evaluate("valid").mean[watched]
    trained.loop.run()
    assert trained.loop.best > before + CASES[task].gain
