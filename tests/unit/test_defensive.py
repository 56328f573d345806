"""The defensive selection by hand: who is drawn how often, what it says of it, and how hard it is for K of N."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from negatives.config import RunConfig
from negatives.control import Linear
from negatives.errors import ConfigError
from negatives.runs.builder import fill, prepare, task_of
from negatives.selection import Defensive
from negatives.types import Candidates, Catalogue, Context

ROWS, M = 4000, 10


def picked(part: Defensive, progress: float = 0.0, ok: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Shares ``(m,)`` of the slots by rank, the hardest first, and ``m π`` of what was drawn ``(rows, k)``."""
    context = Context(*[torch.arange(ROWS)] * 3, progress=progress)
    scores = torch.arange(M).flip(0).float().expand(ROWS, M).contiguous()  # slot is rank
    allowed = torch.ones(ROWS, M, dtype=torch.bool) if ok is None else ok.expand(ROWS, M)
    ids = torch.arange(M).expand(ROWS, M)
    log_q = torch.full((ROWS, M), math.log(0.01))
    negatives = part.pick(context, Candidates(ids, log_q, allowed, scores, scores[:, 0]), scores, 7)
    assert negatives.log_q is not None
    assert bool(negatives.ok.all())
    shares = torch.bincount(negatives.ids.flatten(), minlength=M) / negatives.ids.numel()
    return shares, (negatives.log_q - math.log(0.01)).exp()


def test_the_top_and_the_rest_have_the_shares_that_are_claimed() -> None:
    shares, claimed = picked(Defensive(k=2, any=0.2, at=1, lists=3, n_items=10))
    top, rest = 0.2 / 10 + 0.8 / 3, 0.2 / 10
    assert shares.tolist() == pytest.approx([top] * 3 + [rest] * 7, abs=0.015)
    assert sorted({round(one, 4) for one in claimed.flatten().tolist()}) == pytest.approx([M * rest, M * top], abs=1e-3)


@pytest.mark.parametrize(
    ("hardness", "at", "n_items", "tops"),
    [
        (1.0, 20, 10_000, 1),
        (1.0, 2, 10, 2),
        (0.5, 4, 100, 2),
        (0.0, 2, 10, 10),
        (1.0, 20, 10, 10),
        (0.25, 1, 10_000, 1),
    ],
)
def test_the_top_is_the_share_of_the_list_to_the_power_of_the_hardness(
    hardness: float, at: int, n_items: int, tops: int
) -> None:
    for lists in (1.0, 4.0):  # so many lists of their part of the items are as wide
        part = Defensive(hardness=hardness, any=1e-6, at=at, lists=lists, n_items=round(n_items * lists))
        assert int((picked(part)[0] > 0).sum()) == tops


def test_knobs_move_it_and_what_is_forbidden_is_never_drawn() -> None:
    part = Defensive(hardness=Linear(0.0, 1.0), any=1e-6, at=1, lists=1, n_items=1000)
    assert [int((picked(part, at)[0] > 0).sum()) for at in (0.0, 0.1, 1.0)] == [10, 5, 1]
    ok = torch.arange(M) >= 4
    shares, claimed = picked(Defensive(any=0.5, at=2, lists=1, n_items=10), ok=ok)
    assert shares[:4].sum() == 0
    top, rest = 0.05 + 0.25, 0.05
    total = 2 * top + 4 * rest
    assert shares[4:].tolist() == pytest.approx([top / total] * 2 + [rest / total] * 4, abs=0.02)
    assert claimed.max().item() == pytest.approx(M * top / total, rel=1e-4)


def test_the_number_of_items_comes_from_the_data_unless_it_was_given() -> None:
    catalogue = Catalogue(1, 77, torch.ones(77, dtype=torch.int64))
    asked, given = Defensive(), Defensive(n_items=5)
    for part in (asked, given):
        part.bind(catalogue)
    assert (asked.n_items, given.n_items) == (77, 5)
    with pytest.raises(ConfigError, match="how many items there are"):
        picked(Defensive())


@pytest.mark.parametrize(
    ("top", "at", "tops"), [(None, None, 2), (10, None, 1), (40, None, 4), (1, None, 1), (10, 40, 4)]
)
def test_the_list_is_the_one_that_is_judged_unless_it_was_given(top: int | None, at: int | None, tops: int) -> None:
    part = Defensive(any=1e-6, at=at, lists=1)
    part.bind(Catalogue(1, 100, torch.ones(100, dtype=torch.int64), top=top))
    assert int((picked(part)[0] > 0).sum()) == tops
    few = Defensive(any=1e-6, at=at, lists=1)
    few.bind(Catalogue(1, 10, torch.ones(10, dtype=torch.int64), top=1))
    assert int((picked(few)[0] > 0).sum()) == (5 if at is None else M)  # of one place are made five


@pytest.mark.parametrize("values", [{"hardness": 1.5}, {"hardness": -0.1}, {"any": 0.0}, {"any": 1.1}])
def test_a_knob_out_of_its_range_is_told(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="0 <= hardness <= 1, 0 < any <= 1"):
        picked(Defensive(n_items=10, **values))


@pytest.mark.parametrize(("metric", "top"), [("recall@10", 10), ("ndcg@40", 40), ("mrr@20", 5), (None, 20)])
def test_a_run_draws_for_the_metric_that_it_watches(metric: str | None, top: int, planted_file: Path) -> None:
    evaluation = {} if metric is None else {"metric": metric}
    config = RunConfig.model_validate(
        {"task": "recommend", "data": str(planted_file), "sampler": "auto", "loss": "bpr", "evaluation": evaluation}
    )
    task = task_of(config)
    examples = task.load(planted_file, config)
    select = prepare(fill(config, task, examples), examples, task).sampler.select
    assert isinstance(select, Defensive)
    assert select._top == top
