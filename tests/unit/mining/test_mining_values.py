"""Mined negatives of one query whose scores are written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from negatives.mining.mine import Mined, mine
from negatives.mining.options import Mining
from negatives.mining.report import report
from negatives.mining.vectors import embedded
from negatives.types import Csr


def mined(scores: list[float], positives: list[int], **options: Any) -> Mined:
    """One query of one number, so that an item's score is its own number."""
    known = Csr.from_pairs(torch.zeros(len(positives), dtype=torch.int64), torch.tensor(positives), 1, len(scores))
    return mine(np.ones((1, 1), np.float32), np.array([scores], np.float32).T.copy(), known, Mining(**options))


def test_the_best_that_are_no_positives() -> None:
    found = mined([0.9, 0.1, 0.7, 0.8, 0.3], [0, 2], num_negatives=2)
    assert found.ids.tolist() == [[3, 4]]
    assert mined([0.9, 0.1, 0.7, 0.8, 0.3], [0], num_negatives=2, range_min=1).ids.tolist() == [[2, 4]]
    assert mined([0.9, 0.1, 0.7, 0.8, 0.3], [0], num_negatives=1, range_min=1, range_max=2).ids.tolist() == [[2]]
    assert mined([0.9, 0.1], [0], num_negatives=2).ids.tolist() == [[1, -1]]
    assert mined([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0, 1, 2], num_negatives=3).ids.tolist() == [[3, 4, 5]]


def test_margins_are_to_the_lowest_positive_also_below_zero() -> None:
    scores = [-1.0, -0.5, -1.2, -1.6, -2.5]
    found = mined(scores, [0, 1], num_negatives=3, relative_margin=0.5)
    assert found.ids.tolist() == [[3, 4, -1]]
    assert found.skipped == {"relative_margin": 1}
    assert mined(scores, [0, 1], num_negatives=3, absolute_margin=0.25).ids.tolist() == [[3, 4, -1]]
    assert mined(scores, [0], num_negatives=2, max_score=-1.1, min_score=-2.0).ids.tolist() == [[2, 3]]


def test_more_ranks_are_searched_where_a_bound_rules_out_the_first() -> None:
    scores = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.3, 0.2, 0.1]
    assert mined(scores, [0], num_negatives=2, max_score=0.5).ids.tolist() == [[6, 7]]


def test_random_ranks_leave_out_what_is_ruled_out() -> None:
    scores = [1.0, *[0.1 * i for i in range(9)]]
    for seed in range(20):
        options: dict[str, Any] = {"num_negatives": 3, "range_max": 10, "sampling": "random", "max_score": 0.25}
        found = mined(scores, [0], seed=seed, **options)
        assert sorted(found.ids[0].tolist()) == [1, 2, 3]
    some = {
        tuple(mined(scores, [0], num_negatives=2, range_max=8, sampling="random", seed=s).ids[0].tolist())
        for s in range(20)
    }
    assert len(some) > 5


def test_positives_that_would_have_been_taken() -> None:
    scores = [0.9, 0.8, 0.7, 0.2, 0.1]
    assert mined(scores, [0, 3], num_negatives=2).mistaken == 0.5  # the second has rank 2 among the others
    assert mined(scores, [0, 3], num_negatives=2, max_score=0.85).mistaken == 0.0
    assert mined([0.9, 0.3, 0.2, 0.1], [0], num_negatives=2, max_score=0.5).mistaken == 0.0
    found = report(mined(scores, [0, 3], num_negatives=3))  # the lowest positive scores 0.2
    assert found["false_negatives"]["above_positive"] == pytest.approx(2 / 3)
    found = report(mined([0.3, 0.8, 0.7, 0.2, 0.1], [3, 1], num_negatives=3))
    assert found["false_negatives"]["above_positive"] == pytest.approx(2 / 3)
    assert (found["diversity"]["distinct"], found["diversity"]["most_frequent"]) == (3, 1)


def test_vectors_have_unit_length_and_a_file_for_each_list_of_texts(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def encode(texts: Any) -> torch.Tensor:
        calls.append(list(texts))
        return torch.tensor([[3.0, 4.0]]).repeat(len(texts), 1)

    for texts, key in ((["ab", "c"], "m"), (["a", "bc"], "m"), (["ab", "c"], "other"), (["ab", "c"], "m")):
        found = embedded(texts, encode, key, tmp_path)
        np.testing.assert_allclose(found, [[0.6, 0.8]] * len(texts), rtol=1e-6)
    assert calls == [["ab", "c"], ["a", "bc"], ["ab", "c"]]
