"""Filtered ranks against the plainest loop; thresholds of triple classification against trying all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError, NonFiniteScores
from negatives.evaluation.filtered import by_group, filtered_ranks, rank_metrics
from negatives.evaluation.triple_classification import Labelled, best_threshold, classify
from negatives.randomness import generator
from negatives.types import Csr

QUERIES, ITEMS = 30, 25


def problem(seed: int, levels: int = 6) -> tuple[Tensor, Csr, Tensor, Tensor]:
    """Scores with many ties, known answers, and the pairs to rank, each query several times and in no order."""
    random = generator(seed)
    scores = torch.randint(0, levels, (QUERIES, ITEMS), generator=random).float()
    pairs = (torch.rand(QUERIES, ITEMS, generator=random) < 0.2).nonzero()
    known = Csr.from_pairs(pairs[:, 0], pairs[:, 1], QUERIES, ITEMS)
    chosen = pairs[torch.randperm(len(pairs), generator=random)[: len(pairs) // 2]]
    return scores, known, chosen[:, 0], chosen[:, 1]


def naive(scores: Tensor, known: Csr, queries: Tensor, answers: Tensor) -> list[float]:
    found = []
    for query, answer in zip(queries.tolist(), answers.tolist(), strict=True):
        others = set(known.row(query).tolist()) - {answer}
        rivals = [float(scores[query, item]) for item in range(ITEMS) if item not in others and item != answer]
        own = float(scores[query, answer])
        best = 1 + sum(score > own for score in rivals)
        worst = best + sum(score == own for score in rivals)
        found.append((best + worst) / 2)
    return found


@pytest.mark.parametrize("cells", [1, 100, 1 << 20])
@pytest.mark.parametrize("seed", range(4))
def test_ranks_are_those_of_the_definition(seed: int, cells: int) -> None:
    scores, known, queries, answers = problem(seed)
    found = filtered_ranks(lambda some: scores[some].clone(), queries, answers, known, cells=cells)
    assert found.tolist() == naive(scores, known, queries, answers)


def test_one_score_for_all_ends_in_the_middle() -> None:
    known = Csr.from_pairs(torch.tensor([0]), torch.tensor([3]), 1, 101)
    rank = filtered_ranks(lambda some: torch.zeros(1, 101), torch.tensor([0]), torch.tensor([3]), known)
    assert rank.tolist() == [51.0]


def test_scores_that_are_not_finite_are_refused() -> None:
    known = Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 3)
    with pytest.raises(NonFiniteScores):
        filtered_ranks(lambda some: torch.full((1, 3), torch.nan), torch.tensor([0]), torch.tensor([0]), known)


def test_metrics_of_ranks() -> None:
    found = rank_metrics(torch.tensor([1.0, 2.5, 10.0, 11.0]), ["mrr", "hits@1", "hits@3", "hits@10"])
    assert found["mrr"].tolist() == pytest.approx([1, 0.4, 0.1, 1 / 11])
    assert [float(found[f"hits@{k}"].mean()) for k in (1, 3, 10)] == [0.25, 0.5, 0.75]
    with pytest.raises(ConfigError, match="hits@10"):
        rank_metrics(torch.ones(1), ["hits"])


def test_means_by_group() -> None:
    values, groups = torch.tensor([1.0, 3.0, 5.0]), torch.tensor([4, 0, 4])
    assert [(one.group, one.n, one.mean) for one in by_group(values, groups)] == [(0, 1, 3.0), (4, 2, 3.0)]


@pytest.mark.parametrize("seed", range(6))
def test_a_threshold_is_as_good_as_any(seed: int) -> None:
    random = generator(seed)
    scores = torch.randint(0, 7, (20,), generator=random).double()
    true = torch.rand(20, generator=random) < 0.5
    cut = best_threshold(scores, true)
    right = int(((scores >= cut) == true).sum())
    assert right == max(int(((scores >= other / 2) == true).sum()) for other in range(-2, 17))


def test_each_relation_has_its_threshold_and_strangers_share_one() -> None:
    valid = Labelled(
        torch.tensor([1.0, 2.0, 11.0, 12.0]), torch.tensor([0, 0, 1, 1]), torch.tensor([False, True, False, True])
    )
    test = Labelled(
        torch.tensor([1.4, 1.6, 11.4, 11.6, 20.0]),
        torch.tensor([0, 0, 1, 1, 2]),
        torch.tensor([False, True, False, True, True]),
    )
    assert classify(valid, test).tolist() == [1.0] * 5
    flipped = Labelled(test.scores, test.relations, ~test.true)
    assert classify(valid, flipped).tolist() == [0.0] * 5
