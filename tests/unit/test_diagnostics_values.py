"""What the probes count, where the right number can be told from the wrong one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from negatives.diagnostics import Probes
from negatives.diagnostics.diversity import strata
from negatives.training.callbacks import Step
from negatives.types import Context, Negatives

N = 10


def told(at: int, ids: Tensor, ok: Tensor, parts: dict[str, float], seconds: float) -> Step:
    rows = torch.zeros(len(ids), dtype=torch.int64)
    scores = torch.zeros(ids.shape)
    context = Context(rows, rows, torch.arange(len(ids)), step=at)
    return Step(context, Negatives(ids, None, ok), scores[:, 0], scores, 0.0, {}, seconds, parts)


def test_a_slot_of_a_pool_counts_once_if_any_row_may_use_it() -> None:
    probes = Probes(torch.arange(N, 0, -1))  # items 0 and 1 are the head
    ok = torch.tensor([[False, True, False], [False, True, True], [False, True, True]])
    probes.on_step(told(0, torch.tensor([5, 0, 7]).expand(3, 3), ok, {}, 1.0))
    assert probes.take()["head_share"] == pytest.approx(1 / 2)


def test_shares_of_the_time_are_those_since_the_last_look() -> None:
    probes, ids = Probes(torch.ones(N, dtype=torch.int64)), torch.arange(3)[:, None]
    probes.on_step(told(0, ids, ids >= 0, {"draw": 1.0, "guard": 1.0, "select": 1.0, "score": 1.0}, 10.0))
    assert probes.take()["sampler_share"] == pytest.approx(0.3)
    probes.on_step(told(8, ids, ids >= 0, {"draw": 3.0, "guard": 1.5, "select": 1.5, "score": 1.0}, 14.0))
    found = probes.take()
    assert found["sampler_share"] == pytest.approx(3 / 4)
    assert found["score_share"] == 0.0


def test_strata_of_equal_items_go_by_their_number() -> None:
    head, tail = strata(torch.ones(N, dtype=torch.int64))
    assert head.nonzero()[:, 0].tolist() == [0, 1]
    assert tail.nonzero()[:, 0].tolist() == [5, 6, 7, 8, 9]
