"""Metrics of labels against slow and obvious code."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError, NonFiniteScores
from negatives.evaluation.labels import label_metrics, propensities
from negatives.evaluation.ranking import search
from negatives.types import Csr

ROWS, LABELS = 40, 25


def problem() -> tuple[Tensor, Csr, Tensor]:
    random = torch.Generator().manual_seed(2)
    scores = torch.randn(ROWS, LABELS, generator=random)
    truth = torch.rand(ROWS, LABELS, generator=random) < 0.12
    truth[:, 3] |= ~truth.any(1)
    rows, labels = truth.nonzero(as_tuple=True)
    chance = torch.rand(LABELS, generator=random).double().clamp(min=0.05)
    return scores, Csr.from_pairs(rows, labels, ROWS, LABELS), chance


def naive(scores: list[list[float]], truth: list[set[int]], chance: list[float], k: int) -> dict[str, float]:
    found = {"precision": 0.0, "ndcg": 0.0, "recall": 0.0}
    gained = possible = 0.0
    for row, right in zip(scores, truth, strict=True):
        order = sorted(range(len(row)), key=lambda label: -row[label])[:k]
        hits = [label in right for label in order]
        found["precision"] += sum(hits) / k
        found["recall"] += sum(hits) / len(right)
        ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(right))))
        found["ndcg"] += sum(hit / math.log2(place + 2) for place, hit in enumerate(hits)) / ideal
        gained += sum(hit / chance[label] for hit, label in zip(hits, order, strict=True))
        possible += sum(sorted((1 / chance[label] for label in right), reverse=True)[:k])
    return {name: value / len(scores) for name, value in found.items()} | {"psp": gained / possible}


@pytest.mark.parametrize("k", [1, 3, 5])
def test_metrics_are_those_of_their_definitions(k: int) -> None:
    scores, truth, chance = problem()
    queries = torch.arange(5, ROWS)
    top, _ = search(lambda rows: scores[rows], queries, k)
    names = [f"{kind}@{k}" for kind in ("precision", "ndcg", "recall", "psp")]
    found = label_metrics(top, queries, truth, names, chance)
    sets = [set(truth.row(row).tolist()) for row in queries.tolist()]
    expected = naive(scores[queries].tolist(), sets, chance.tolist(), k)
    assert found.mean == pytest.approx({f"{kind}@{k}": value for kind, value in expected.items()})
    for name in names:
        assert float(found.per_query[name].mean()) == pytest.approx(found.mean[name])


def test_a_perfect_order_is_worth_one() -> None:
    _, truth, chance = problem()
    ideal = torch.full((ROWS, LABELS), -1.0)
    for row in range(ROWS):
        ideal[row, truth.row(row).long()] = (1 / chance[truth.row(row).long()]).float()
    queries = torch.arange(ROWS)
    top, _ = search(lambda rows: ideal[rows], queries, 5)
    mean = label_metrics(top, queries, truth, ["psp@1", "psp@3", "psp@5", "ndcg@5", "precision@1"], chance).mean
    assert all(value == pytest.approx(1.0) for value in mean.values())


def test_fewer_labels_than_places() -> None:
    truth = Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 1, 2)
    top, _ = search(lambda rows: torch.tensor([[1.0, 0.5]]), torch.tensor([0]), 5)
    assert top.tolist() == [[0, 1, -1, -1, -1]]
    assert label_metrics(top, torch.tensor([0]), truth, ["precision@5"], torch.ones(2)).mean == {"precision@5": 0.2}


def test_propensities_as_published() -> None:
    c = (math.log(1000) - 1) * 2.5**0.55
    expected = [1 / (1 + c * math.exp(-0.55 * math.log(n + 1.5))) for n in (0, 7, 400)]
    assert propensities(torch.tensor([0, 7, 400]), 1000).tolist() == pytest.approx(expected)


def test_faults() -> None:
    _, truth, chance = problem()
    top = torch.zeros(1, 5, dtype=torch.int64)
    for name in ("precision@6", "precision", "precison@1"):
        with pytest.raises(ConfigError, match="precision"):
            label_metrics(top, torch.tensor([0]), truth, [name], chance)
    with pytest.raises(NonFiniteScores):
        search(lambda rows: torch.full((1, LABELS), torch.nan), torch.tensor([0]), 5)
