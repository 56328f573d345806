"""A mixture whose weights follow the model: to the nearest mixture of a planted softmax, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals import Mixed
from negatives.types import Catalogue, Context

N = 40
COUNTS = torch.arange(1, N + 1) ** 2


@dataclass
class Planted:
    """Every query scores items as ``scores`` says."""

    scores: Tensor

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        return self.scores[items].expand(items.shape)


def followed(scores: Tensor, follow: float = 0.5, steps: int = 400, at: int = 0) -> Mixed:
    mix = Mixed(["uniform", {"name": "popularity", "alpha": 1.0}], [1.0, 1.0], follow=follow)
    mix.bind(Catalogue(64, N, COUNTS))
    go_on(mix, scores, range(at, steps))
    return mix


def go_on(mix: Mixed, scores: Tensor, steps: range) -> None:
    for step in steps:
        rows = torch.arange(64)
        mix.refresh(Context(rows, rows % N, rows + 64 * step, seed=5, step=step), Planted(scores))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_weights_become_those_of_a_softmax_that_is_a_mixture(share: float) -> None:
    target = (1 - share) / N + share * COUNTS / COUNTS.sum()
    mix = followed(target.log() + 3.0, follow=0.2, steps=6000)
    assert mix.shares == pytest.approx((1 - share, share), abs=0.09)


def test_no_weight_vanishes_and_log_q_is_that_of_the_new_weights() -> None:
    mix = followed((COUNTS / COUNTS.sum()).log() * 2.0, follow=1.0)
    assert mix.shares[0] == pytest.approx(0.05, abs=0.01)
    rows = torch.arange(2)
    context = Context(rows, rows, rows)
    found = mix.log_prob(torch.arange(N).expand(2, N), context).exp()
    assert found[0].tolist() == pytest.approx((mix.shares[0] / N + mix.shares[1] * COUNTS / COUNTS.sum()).tolist())


def test_without_follow_nothing_moves_and_no_model_is_needed() -> None:
    assert not Mixed(["uniform"]).needs_scorer
    assert Mixed(["uniform"], follow=0.1).needs_scorer
    assert followed(torch.zeros(N), follow=0.0).shares == (0.5, 0.5)
    with pytest.raises(ConfigError, match=r"follow is 1\.5"):
        Mixed(["uniform"], follow=1.5)


def test_a_saved_mixture_goes_on_where_it_was() -> None:
    scores = COUNTS.log()
    one, other = followed(scores, steps=100), followed(scores, steps=0)
    other.load_state(one.state())
    for mix in (one, other):
        go_on(mix, scores, range(100, 400))
    assert one.shares == other.shares
    assert one.shares != followed(scores, steps=100).shares
