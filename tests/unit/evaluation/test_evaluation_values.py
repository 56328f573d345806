"""Small cases of what the evaluators give to the metrics."""

from __future__ import annotations

import torch

from negatives.data.edges import symmetric
from negatives.evaluation.filtered import by_group
from negatives.evaluation.nearness import nearest
from negatives.evaluation.ranking import rank
from negatives.evaluation.significance import sign_flip
from negatives.evaluation.words import in_part
from negatives.types import Csr


def test_empty_places_are_no_item_0() -> None:
    truth = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 2]), 1, 3)
    known = Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 3)
    table = torch.tensor([[1.0]]), torch.tensor([[3.0], [2.0], [1.0]])
    found = rank(*table, queries=torch.tensor([0]), truth=truth, exclude=known, k=3)
    assert found.top.tolist() == [[1, 2, -1]]
    assert found.hits.tolist() == [[False, True, False]]


def test_every_question_is_in_one_part_and_a_third_is_for_validation() -> None:
    words = [f"w{i}" for i in range(3000)]
    valid, test = ([in_part(part, word, "b") for word in words] for part in ("valid", "test"))
    assert all(a != b for a, b in zip(valid, test, strict=True))
    assert abs(sum(valid) - 1000) < 150
    assert all(in_part("all", word) for word in words)


def test_each_group_has_its_own_mean() -> None:
    found = by_group(torch.tensor([1.0, 0.0, 0.5, 0.25]), torch.tensor([2, 2, 7, 1]))
    assert [(one.group, one.n, one.mean) for one in found] == [(1, 1, 0.25), (2, 2, 0.5), (7, 1, 0.5)]


def test_one_step_makes_no_node_near() -> None:
    # 0 has six neighbours; the leaf 1 is one of them, 7 and 8 are two steps away, 7 on three ways and 8 on two
    edges = [*((0, other) for other in range(1, 7)), (4, 7), (5, 7), (6, 7), (2, 8), (3, 8)]
    sources, targets = (torch.tensor(side) for side in zip(*edges, strict=True))
    graph = symmetric(Csr.from_pairs(sources, targets, 9, 9))
    exclude = Csr.from_pairs(torch.zeros(6).long(), torch.tensor([0, 2, 3, 4, 5, 6]), 9, 9)
    # two steps: 7 by 3/6 * 1/2, 8 by 2/6 * 1/2; three steps: back at 1 by a sixth of all that is at 0 after two
    assert nearest(graph, torch.tensor([0]), 4, exclude, 7).tolist() == [[7, 8, 1, -1]]


def test_sign_flips_count_the_observed_order() -> None:
    better = torch.linspace(1.0, 2.0, 40)
    assert sign_flip(better, torch.zeros(40), flips=99) == 1 / 100
    assert sign_flip(torch.zeros(5), torch.zeros(5), flips=99) == 1.0
