"""Stale vectors: what is renewed and when, how old each is, and that a loop asks its tower for no more."""

import pytest
import torch
from torch import nn

import negatives
from negatives import Stale, Vectors, losses
from negatives.errors import ConfigError

N, DIM = 40, 3


class Tower(nn.Module):
    """Counts what it is asked; its vectors change with its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(N, DIM, generator=torch.Generator().manual_seed(1)))
        self.asked: list[int] = []

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.asked.append(ids.numel())
        return self.weight[ids]


def test_a_whole_renewal_comes_every_so_many_steps() -> None:
    tower = Tower()
    stale, ages = Stale(tower, N, every=3), []
    for _ in range(7):
        stale.step()
        ages.append(stale.age)
    assert tower.asked == [N, N, N]
    assert ages == [0, 1, 2, 0, 1, 2, 0]
    assert stale.asked == 3 * N


def test_a_share_at_each_step_keeps_the_greatest_age() -> None:
    tower = Tower()
    stale, ages = Stale(tower, N, share=0.1), []
    for _ in range(31):
        stale.step()
        ages.append(stale.age)
    assert tower.asked == [N] + [4] * 30
    assert max(ages) == 9 == ages[-1]
    assert stale.ages.bincount().tolist() == [4] * 10


def test_vectors_are_those_of_their_step() -> None:
    tower = Tower()
    stale = Stale(tower, N, share=0.25)
    stale.step()
    before = tower.weight.detach().clone()
    with torch.no_grad():
        tower.weight += 1.0
    stale.step()
    fresh = stale.ages == 0
    assert int(fresh.sum()) == 10
    assert torch.equal(stale.table[fresh], before[fresh] + 1.0)
    assert torch.equal(stale.table[~fresh], before[~fresh])
    assert not stale.table.requires_grad


def test_what_the_loss_has_encoded_is_taken_back() -> None:
    tower = Tower()
    stale = Stale(tower, N, share=0.1)
    stale.step()
    stale.step()
    ids = torch.tensor([[30, 31], [39, 30]])
    stale.put(ids, torch.ones(2, 2, DIM, requires_grad=True))
    assert stale.ages[[30, 31, 39, 29]].tolist() == [0, 0, 0, 1]
    assert bool((stale.table[ids] == 1.0).all())
    for _ in range(8):
        stale.step()
    assert stale.ages[[30, 31, 39]].tolist() == [8, 8, 8]  # the others were older
    assert int((stale.ages > 8).sum()) == 1
    assert tower.asked[2:] == [4] * 8


def test_a_loop_asks_its_tower_for_the_share_and_the_chosen_ones() -> None:
    tower, rows = Tower(), 4
    stale = Stale(tower, N, share=0.05)
    sampler = negatives.sampler("dns", (torch.arange(20), torch.arange(20)), n_items=N)
    users = torch.randn(20, DIM, generator=torch.Generator().manual_seed(2))
    for step in range(5):
        stale.step()
        queries = torch.arange(rows) + step
        found = sampler(queries, queries, Vectors(users[queries], stale))
        before = list(tower.asked)
        chosen = tower(found.ids)
        positive = tower(queries)
        losses.bpr((users[queries] * positive).sum(-1), torch.einsum("rd,rkd->rk", users[queries], chosen), found)
        stale.put(found.ids, chosen)
        assert before == [N, *([2, rows, rows] * step)] if step == 0 else sum(before) == N + step * (2 + 2 * rows)
    torch.testing.assert_close(found.scores, torch.einsum("rd,rkd->rk", users[queries], chosen.detach()))


def test_its_state_goes_on() -> None:
    one, two = Stale(Tower(), N, share=0.1), Stale(Tower(), N, share=0.1)
    two.load_state(one.state())
    assert two.state()["table"] is None
    for _ in range(5):
        one.step()
    two.load_state(one.state())
    for stale in (one, two):
        stale.step()
    assert torch.equal(one.ages, two.ages)
    assert torch.equal(one.table, two.table)
    assert two.encoder.asked == [4]


def test_a_method_of_a_module_is_asked_where_the_module_is() -> None:
    tower = Tower()
    assert Stale(tower.forward, N, every=1).device == tower.weight.device
    assert Stale(lambda ids: ids[:, None].float(), N, every=1).table.shape == (N, 1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "one of every=STEPS .* and share=S"),
        ({"every": 2, "share": 0.1}, "one of every=STEPS"),
        ({"every": 0}, "every is 0; it must be at least 1"),
        ({"share": 0.0}, "share is 0.0; it must be above 0 and at most 1"),
        ({"share": 1.5}, "share is 1.5; it must be above 0 and at most 1"),
        ({"n_items": 0, "every": 1}, "n_items is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_is_told(given, told) -> None:
    with pytest.raises(ConfigError, match=told):
        Stale(Tower(), **({"n_items": N} | given))
