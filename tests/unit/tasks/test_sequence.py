"""The task of sequences: what is held back, what a model is given, and training from the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from negatives.cli import main
from negatives.config import build
from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models import Model, registry
from negatives.runs.builder import task_of
from negatives.tasks.base import Examples
from negatives.types import Context
from quick import ALONE


class Previous(Model):
    """A model of sequences: a row is answered by the items before its place, each weighted half of the one after."""

    feed = "sequences"
    inner_product = True

    def __init__(self, histories: Histories, window: int, dim: int = 8, seed: int = 0) -> None:
        super().__init__(histories.n_queries, histories.n_items, dim)
        self.histories, self.window = histories, window
        random = torch.Generator().manual_seed(seed)
        self.item_table = nn.Parameter(0.1 * torch.randn(histories.n_items, dim, generator=random))
        self.before = nn.Parameter(0.1 * torch.randn(histories.n_items, dim, generator=random))
        self.context: Context | None = None

    def refresh(self, context: Context | None = None) -> None:
        self.context = context

    def extend_histories(self, histories: Histories) -> None:
        self.histories = histories

    def encode_queries(self, queries: Tensor) -> Tensor:
        context = self.context
        if context is not None and queries is context.queries:
            assert torch.equal(self.histories.items[context.examples], context.positives)
            items, there = self.histories.before(context.examples, queries, 3)
            assert bool(there[:, -1].all())
        else:
            items, there = self.histories.last(queries, 3)
        weights = there * torch.tensor([0.25, 0.5, 1.0])
        return torch.einsum("rp,rpd->rd", weights, self.before[items])

    def encode_items(self, items: Tensor) -> Tensor:
        return self.item_table[items]

    def fold_in(self, histories: Histories) -> Tensor:
        before, self.histories = self.histories, histories
        try:
            return self.encode_queries(torch.arange(histories.n_queries))
        finally:
            self.histories = before


@pytest.fixture
def previous(monkeypatch: pytest.MonkeyPatch) -> str:
    """Registered as an entry point would register it."""
    monkeypatch.setitem(registry._rows, "previous", f"{__name__}:Previous")
    return "previous"


def rows(users: int = 60) -> list[list[str]]:
    """Each user goes round a circle of items from somewhere, one step at a time."""
    return [[f"i{(user * 7 + step) % 20:02}" for step in range(5 + user % 6)] for user in range(users)]


def lists(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"user": f"u{n}", "items": row}) + "\n" for n, row in enumerate(rows())))
    return path


def examples(path: Path, **values: object) -> Examples[object]:
    config = build([("the test", {"task": "sequence", "data": str(path), **values})])
    return task_of(config).load(path, config)


def test_a_model_of_sequences_learns_what_follows(previous: str, tmp_path: Path) -> None:
    words = ["--model", previous, "--set", "epochs=15", "batch_size=32", "optimiser.lr=0.1", "sampler.pool=16"]
    out = tmp_path / "run"
    assert main(["train", "sequence", str(lists(tmp_path)), "--out", str(out), *words, *ALONE]) == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["watched"] == "ndcg@10"
    assert found["test"]["hr@10"] > 0.95  # what follows the last item is always the next of the circle
    assert found["test"]["ndcg@10"] > 0.8


def test_weights_are_refused_in_words(previous: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("user,item,time,stars\n" + "".join(f"u{n % 5},i{n % 7},{n},{1 + n % 4}\n" for n in range(60)))
    with pytest.raises(ConfigError, match=r"a model of sequences takes each place of a history once; leave out"):
        examples(path, model=previous, reading={"weight": "stars"})
    examples(path, model="history", reading={"weight": "stars"})
