"""What is shown of a model's answers."""

from __future__ import annotations

import math

import polars as pl
import torch

from negatives.tasks.samples import answers

NAMES = pl.Series(["a", "b", "c", "d"])
SCORES = torch.tensor([0.5, 3.0, 1.0, -math.inf])


def items(**options: bool) -> list[str]:
    return [one["item"] for one in answers("q", SCORES, torch.tensor([1]), NAMES, **options)["recommended"]]


def test_known_items_are_answers_only_where_they_were_asked_for() -> None:
    assert items() == ["c", "a"]
    assert items(again=True) == ["b", "c", "a"]
