"""Parts move to another device with all that they hold; the meta device stands for any other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from negatives.guards import KnownPositives, SameAnswer
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Uniform, registry
from negatives.proposals.base import Proposal
from negatives.sampler import Sampler, build, presets
from negatives.testing.promises import held_tensors
from negatives.types import Catalogue, Context, Csr, Part, moved
from planted import ITEMS, USERS, Planted

META = torch.device("meta")


def catalogue(planted: Planted) -> Catalogue:
    return replace(planted.catalogue(), item_groups=planted.item_cluster)


def batch(planted: Planted, step: int = 0) -> Context:
    rows = torch.arange(step * 32, step * 32 + 32)
    return Context(planted.users[rows], planted.items[rows], rows, step=step)


def used(sampler: Sampler, planted: Planted) -> Sampler:
    """A sampler that has drawn, so that all it makes on its way is there."""
    sampler.bind(catalogue(planted))
    model = MatrixFactorization(USERS, ITEMS, 8, init=0.7, seed=3)
    for step in range(3):
        sampler.sample(batch(planted, step), model)
    return sampler


PARTS = {"mixed": {"parts": ["learned_unigram", "typed", "uniform"]}}


@pytest.mark.parametrize("name", sorted(registry))
def test_a_proposal_leaves_nothing_behind(name: str, planted: Planted) -> None:
    proposal = registry.build({"name": name} | PARTS.get(name, {}))
    sampler = used(Sampler(proposal, candidates=5, guards=[KnownPositives()]), planted)
    assert {one.device.type for one in held_tensors(proposal)} <= {"cpu"}
    sampler.to(META)
    assert {one.device.type for one in held_tensors(sampler)} == {"meta"}


@pytest.mark.parametrize("name", sorted(presets))
def test_a_sampler_moves_whole_and_stays_as_it_is_where_it_is(name: str, planted: Planted) -> None:
    sampler = used(build(name), planted)
    before = [id(one) for one in held_tensors(sampler)]
    sampler.to(torch.device("cpu"))
    assert [id(one) for one in held_tensors(sampler)] == before
    sampler.to(META)
    assert {one.device.type for one in held_tensors(sampler)} == {"meta"}


def test_guards_move() -> None:
    table = Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 3)
    for guard in (KnownPositives(table), SameAnswer(torch.arange(3))):
        guard.to(META)
        assert {one.device.type for one in held_tensors(guard)} == {"meta"}


@dataclass(slots=True)
class Following(Uniform):
    """Notes where it is sent."""

    sent: list[str] = field(default_factory=list)

    def to(self, device: torch.device) -> None:
        self.sent.append(device.type)


def test_the_sampler_moves_its_parts_when_bound_and_when_the_batch_comes_from_elsewhere(planted: Planted) -> None:
    proposal = Following()
    sampler = Sampler(proposal, candidates=2)
    sampler.bind(planted.catalogue())
    assert proposal.sent == ["cpu"]
    for step in range(3):
        sampler.sample(batch(planted, step))
    assert proposal.sent == ["cpu"]
    sampler.to(META)
    sampler.sample(batch(planted))
    assert proposal.sent == ["cpu", "meta", "cpu"]
    sampler.load_state(sampler.state())  # a file's tensors lie on the CPU
    sampler.sample(batch(planted))
    assert proposal.sent == ["cpu", "meta", "cpu", "cpu"]


@dataclass(slots=True)
class Holder(Part):
    """Tables in a dictionary, parts in a list."""

    tables: dict[str, tuple[Tensor, ...]]
    inner: list[Proposal]
    number: float = 1.0


def test_values_that_hold_tensors() -> None:
    holder = Holder({"a": (torch.zeros(2),)}, [registry.build("queue")])
    holder.to(META)
    assert {one.device.type for one in held_tensors(holder)} == {"meta"}
    same = (torch.zeros(1), "text", None)
    assert moved(same, torch.device("cpu")) is same
