"""Every signal and probe on batches small enough to compute by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from negatives.control.signals import false_negative_signals, signals
from negatives.diagnostics import Probes
from negatives.guards import OwnPositive
from negatives.proposals import Uniform
from negatives.sampler import Sampler
from negatives.selection import All, Hardest
from negatives.training.callbacks import Step
from negatives.types import Context, Csr, Negatives

POSITIVE = torch.tensor([1.0, 0.0])
NEGATIVE = torch.tensor([[1.0, 0.5, 3.0], [-1.0, 0.0, 2.0]])
OK = torch.tensor([[True, True, False], [True, True, True]])
IDS = torch.tensor([[4, 4, 5], [1, 2, 1]])
WEIGHT = torch.tensor([[1.0, 3.0, 9.0], [1.0, 1.0, 2.0]])
CANDIDATES = torch.tensor([[0.0, 2.0], [1.0, 3.0]])
"""Their mean is 1 and 2, their standard deviation the root of 2."""


def context(step: int = 0, rows: int = 2) -> Context:
    return Context(torch.arange(rows), torch.zeros(rows, dtype=torch.int64), torch.arange(rows), step=step)


def test_signals_without_weights() -> None:
    assert signals(POSITIVE, NEGATIVE, Negatives(IDS, None, OK), CANDIDATES) == pytest.approx(
        {
            "violation_rate": 3 / 5,  # two of the three score exactly as the positive
            "gap": -(0.0 + 2.0) / 2,
            "gradient_share": (0.5 + 0.37754067 + 0.26894142 + 0.5 + 0.88079708) / 5,
            "effective_sample_size": 1.0,
            "ok_share": 5 / 6,
            "duplicate_share": 2 / 6,
            "lead": 0.5 - 1.5,
            "hardness": (0.0 - 0.5 - 3.0 - 2.0 + 0.0) / 2**0.5 / 5,
        }
    )


def test_signals_with_weights() -> None:
    found = signals(POSITIVE, NEGATIVE, Negatives(IDS, None, OK, WEIGHT), CANDIDATES)
    assert found == pytest.approx(
        {
            "violation_rate": (1 + 1 + 2) / 8,
            "gap": -1.0,
            "gradient_share": (0.5 + 3 * 0.37754067 + 0.26894142 + 0.5 + 2 * 0.88079708) / 8,
            "effective_sample_size": (16 / (2 * 10) + 16 / (3 * 6)) / 2,
            "ok_share": 5 / 6,
            "duplicate_share": 2 / 6,
            "lead": 0.5 - 1.5,
            "hardness": (0.0 - 3 * 0.5 - 3.0 - 2.0 + 2 * 0.0) / 2**0.5 / 8,
        }
    )


def test_without_candidates_the_lead_is_over_the_allowed_negatives() -> None:
    found = signals(POSITIVE, NEGATIVE, Negatives(IDS, None, OK, WEIGHT))
    assert found["lead"] == pytest.approx(0.5 - (1.0 + 3 * 0.5 - 1.0 + 0.0 + 2 * 2.0) / 8)


def test_a_shared_pool_repeats_an_item_once() -> None:
    pool = torch.tensor([7, 7, 8]).expand(2, -1)
    assert signals(POSITIVE, NEGATIVE, Negatives(pool, None, OK))["duplicate_share"] == pytest.approx(1 / 3)


def test_what_no_negative_tells_is_no_number() -> None:
    found = signals(POSITIVE, NEGATIVE, Negatives(IDS, None, torch.zeros_like(OK)), CANDIDATES)
    assert found.pop("ok_share") == 0.0
    assert found.pop("duplicate_share") == pytest.approx(2 / 6)
    assert found.pop("lead") == -1.0  # the candidates tell it
    assert len(found) == 5
    assert all(math.isnan(value) for value in found.values())


CANARIES = Csr.from_pairs(torch.tensor([0, 1, 1]), torch.tensor([5, 2, 9]), 2, 10)
DRAWN = torch.tensor([[5, 1, 5], [2, 2, 3]])


@pytest.mark.parametrize(("weight", "share", "expected"), [(None, 3 / 5, 8 / 50), (WEIGHT, 3 / 8, 12 / 80)])
def test_canaries_among_the_negatives(weight: Tensor | None, share: float, expected: float) -> None:
    """Three allowed slots hold a canary; drawn evenly, a tenth of the row's slots would hold each canary."""
    negatives = Negatives(DRAWN, None, OK, weight)
    found = false_negative_signals(negatives, context(), CANARIES, 10, canary_share=0.1)
    assert found == pytest.approx(
        {"false_negative_lift": share / expected, "canary_hits": 3.0, "false_negative_rate": share / 0.1}
    )
    assert "false_negative_rate" not in false_negative_signals(negatives, context(), CANARIES, 10)


def test_canaries_in_a_shared_pool() -> None:
    pool = torch.tensor([5, 2, 9]).expand(2, -1)
    found = false_negative_signals(Negatives(pool, None, OK), context(), CANARIES, 10)
    assert found == pytest.approx({"false_negative_lift": (3 / 5) / (8 / 50), "canary_hits": 3.0})


def step(at: int, ids: Tensor, positive: Tensor, negative: Tensor, ok: Tensor, seconds: float = 0.0) -> Step:
    parts = {"draw": 0.1 * seconds, "guard": 0.02 * seconds, "select": 0.03 * seconds, "score": 0.25 * seconds}
    negatives = Negatives(ids, None, ok)
    return Step(context(at, len(ids)), negatives, positive, negative, 0.25 + at, {}, seconds, parts)


def test_probes_by_hand() -> None:
    probes = Probes(torch.tensor([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]))
    probes.on_step(step(0, IDS, POSITIVE, NEGATIVE, OK, seconds=1.0))
    probes.on_step(step(8, IDS, POSITIVE + 1, NEGATIVE + 3, OK, seconds=5.0))
    found = probes.take()
    assert {name: found[name] for name in ("loss", "positive_score", "negative_score", "hardest_score")} == (
        pytest.approx({"loss": 4.25, "positive_score": 1.0, "negative_score": 0.5 + 1.5, "hardest_score": 1.5 + 1.5})
    )
    assert found["head_share"] == pytest.approx(2 / 5)  # of 4, 4, 1, 2, 1 only 1 is among the first two items
    assert found["tail_share"] == 0.0
    assert found["coverage"] == pytest.approx(3 / 10)
    assert found["sampler_share"] == pytest.approx(0.15)
    assert found["score_share"] == pytest.approx(0.25)
    assert found["violation_rate"] == pytest.approx((3 / 5 + 1.0) / 2)
    assert found["gap"] == pytest.approx((-1.0 - 3.0) / 2)


def test_entropy_is_of_all_that_a_window_drew() -> None:
    """Each step repeats one item, both together spread over two of four."""
    probes = Probes(torch.ones(4))
    scores, ok = torch.zeros(500, 2), torch.ones(500, 2, dtype=torch.bool)
    for at, item in ((0, 0), (8, 3)):
        probes.on_step(step(at, torch.full((500, 2), item), torch.zeros(500), scores, ok))
    assert probes.take()["entropy"] == pytest.approx(0.5)
    probes.on_step(step(16, torch.full((500, 2), 3), torch.zeros(500), scores, ok))
    assert probes.take()["entropy"] == 0.0


@dataclass
class Told:
    """A scorer whose scores grow with the item; it remembers what it gave last."""

    slope: float = 1.0
    last: dict[int, Tensor] = field(default_factory=dict)

    def score(self, queries: Tensor, ids: Tensor) -> Tensor:
        self.last[ids.dim()] = (ids.double() * self.slope).sin().float()
        return self.last[ids.dim()]


def hardness(scores: Tensor, chosen: Tensor) -> float:
    """Mean of the chosen scores in standard deviations above their row's mean."""
    mean, std = scores.mean(1, keepdim=True), scores.std(1, keepdim=True)
    return float(((chosen - mean) / std).mean())


def test_hardness_is_of_the_scores_of_this_step() -> None:
    made, scorer = Sampler(Uniform(50), Hardest(), guards=[OwnPositive()], candidates=6, observe_every=1), Told()
    found = []
    for at, slope in enumerate((1.0, 0.37, 2.9)):
        scorer.slope = slope
        negatives = made.sample(context(at, 8), scorer)  # type: ignore[arg-type]
        candidates, positive = scorer.last[2], scorer.last[1]
        assert negatives.scores is not None
        measured = made.observe(context(at, 8), negatives, positive, negatives.scores)
        assert measured["hardness"] == pytest.approx(hardness(candidates, negatives.scores), rel=1e-5)
        found.append(measured["hardness"])
    assert len({round(value, 3) for value in found}) == 3


def test_a_step_that_scores_nothing_has_no_hardness() -> None:
    made, scorer = Sampler(Uniform(50), Hardest(), candidates=6, observe_every=1), Told()
    made.sample(context(0, 8), scorer)  # type: ignore[arg-type]
    made.select = All()
    negatives = made.sample(context(1, 8))
    assert "hardness" not in made.observe(context(1, 8), negatives, torch.zeros(8), torch.zeros(8, 6))


def test_signals_are_measured_at_every_so_many_steps() -> None:
    made = Sampler(Uniform(50), candidates=3, observe_every=3)
    seen = [
        at
        for at in range(10)
        if made.observe(context(at, 4), made.sample(context(at, 4)), torch.zeros(4), torch.zeros(4, 3))
    ]
    assert seen == [0, 3, 6, 9]
