"""What tasks hide, tell, rank and show, in data small enough to see."""

from __future__ import annotations

import math

import polars as pl
import pytest
import torch

from negatives.config import RunConfig
from negatives.data.pairs import PairData, Pairs
from negatives.models.factorization import MatrixFactorization
from negatives.models.history import HistoryTower
from negatives.tasks.recommend import Recommend
from negatives.tasks.samples import answers
from negatives.tasks.shares import chosen, share

NAMES = pl.Series(["a", "b", "c", "d"])


def part(*pairs: tuple[int, int]) -> Pairs:
    return Pairs(torch.tensor([q for q, _ in pairs]), torch.tensor([i for _, i in pairs]))


def data() -> PairData:
    """One user who took item 0 in training, 1 and 2 later, and 3 in the test part; another who took 3."""
    users = pl.Series(["u", "v"])
    return PairData("d", part((0, 0), (1, 3)), part((0, 1)), part((0, 3)), part((0, 2)), users, NAMES)


def test_answers_are_neither_known_nor_forbidden() -> None:
    scores = torch.tensor([0.5, 3.0, 1.0, -math.inf])
    found = answers("q", scores, torch.tensor([1]), NAMES)
    assert [one["item"] for one in found["recommended"]] == ["c", "a"]
    assert found["known"] == ["b"]


def test_queries_are_chosen_by_the_seed() -> None:
    found = [chosen(1000, 20, seed).tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert found[0] == sorted(set(found[0]))
    assert max(found[0]) > 500
    assert chosen(5, 20, 0).tolist() == [0, 1, 2, 3, 4]
    assert share(1, 3) == 0.25


def test_only_validation_looks_at_some_queries() -> None:
    known = data().known(("train",))
    config = RunConfig(task="recommend", evaluation={"queries": 1})  # type: ignore[arg-type]
    assert Recommend().queries(known, "valid", config).numel() == 1
    assert Recommend().queries(known, "test", config).tolist() == [0, 1]


def test_each_part_is_ranked_without_what_is_known_by_then() -> None:
    task, config = Recommend(), RunConfig(task="recommend", evaluation={"k": 1})  # type: ignore[arg-type]
    examples = task.examples(data(), config, "pairs")
    model = MatrixFactorization(2, 4, 1)
    model.query_table.data.fill_(1.0)
    model.item_table.data.copy_(torch.tensor([[4.0], [3.0], [2.0], [1.0]]))
    assert task.evaluate(model, examples, "valid", config).mean["recall@1"] == 1.0  # 1 comes first without 0
    assert task.evaluate(model, examples, "test", config).mean["recall@1"] == 1.0  # 3 comes first without the others


def test_canaries_are_hidden_from_the_sampler_and_given_to_the_finished_model() -> None:
    task = Recommend()
    examples = task.examples(data(), RunConfig(task="recommend"), "pairs")
    assert examples.catalogue.known is not None
    assert examples.catalogue.known.row(0).tolist() == [0]
    assert examples.canaries.row(0).tolist() == [2]
    assert examples.canary_share == pytest.approx(1 / 4)
    model = HistoryTower(examples.catalogue.known, 2, power=0.0)
    task.complete(model, examples)
    model.refresh()
    expected = model.item_table[:3].sum(0)
    torch.testing.assert_close(model.encode_queries(torch.tensor([0]))[0], expected)
