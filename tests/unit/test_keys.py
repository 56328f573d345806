"""No random number serves two purposes: each (key, example, slot) is asked for once, by one place, under one seed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import negatives
from negatives import kernels, randomness
from negatives.data.cooccurrence import Cooccurrence
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import registry as proposals
from negatives.proposals.base import Proposal
from negatives.sampler import Sampler
from negatives.selection import registry as selections
from negatives.training.cell_feed import CellFeed
from negatives.training.feeds import Feed, PairFeed
from negatives.training.grouped_feed import GroupedFeed
from negatives.training.text_feed import TextFeed
from negatives.training.triple_feed import TripleFeed
from negatives.training.walk_feed import WalkFeed
from negatives.types import Context
from planted import ITEMS, USERS, Planted

SOURCES = Path(negatives.__file__).parent
Cell = tuple[int, int, int]


class Ledger:
    """Notes who asks for which random number; a second question for one is a clash."""

    def __init__(self) -> None:
        self.cells: dict[Cell, str] = {}
        self.wholes: dict[int, str] = {}
        self.clashes: list[tuple[Cell | int, str, str]] = []

    def ask(self, key: int, examples: Tensor, slots: Tensor | int) -> None:
        who, slots = asker(), torch.as_tensor(slots)
        for pair in torch.stack(torch.broadcast_tensors(examples, slots)).reshape(2, -1).T.tolist():
            cell = (key, *pair)
            if cell in self.cells:
                self.clashes.append((cell, self.cells[cell], who))
            self.cells[cell] = who

    def ask_whole(self, key: int) -> None:
        if key in self.wholes:
            self.clashes.append((key, self.wholes[key], asker()))
        self.wholes[key] = asker()

    def keys(self) -> set[int]:
        return set(self.wholes) | {key for key, *_ in self.cells}

    def meets(self, other: Ledger) -> list[tuple[Cell | int, str, str]]:
        """What both ask for."""
        return [(cell, who, other.cells[cell]) for cell, who in self.cells.items() if cell in other.cells]


def asker() -> str:
    """The places in the library, outside its kernels, that a question comes from, the innermost first."""
    frame, places = sys._getframe(1), []
    while frame is not None and len(places) < 3:
        path = Path(frame.f_code.co_filename)
        if SOURCES in path.parents and path.name != "randomness.py" and "kernels" not in path.parts:
            places.append(f"{path.stem}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(places)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Ledger]]:
    """Opens a new ledger at each call; kernels run as tensor operations, whose every number passes through ``bits``."""
    kernels.shuffled(1, 2)
    import negatives.integrations.pyg  # noqa: F401 (loads what the parts may import later)

    now, true_bits, true_shuffled = [Ledger()], randomness.bits, kernels.shuffled

    def bits(key: int, examples: Tensor, slots: Tensor | int) -> Tensor:
        now[0].ask(key, examples, slots)
        return true_bits(key, examples, slots)

    def shuffled(key: int, n: int) -> Tensor:
        now[0].ask_whole(key)
        return true_shuffled(key, n)

    def fresh() -> Ledger:
        now[0] = Ledger()
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("negatives"):
                for name, true, noted in (("bits", true_bits, bits), ("shuffled", true_shuffled, shuffled)):
                    if vars(module).get(name) is true:
                        monkeypatch.setattr(module, name, noted)
        return now[0]

    with kernels.use("torch"):
        yield fresh


MIXED = ["cached", {"name": "cached", "size": 7}, "cluster", "matched", "typed", "in_batch", "bigram", "uniform"]
PROPOSALS = {name: {"name": name} for name in sorted(proposals)} | {
    "mixed": {"name": "mixed", "parts": MIXED},
    "small cached": {"name": "cached", "size": 5, "fresh": 4, "every": 3},
    "cut neighbourhood": {"name": "neighbourhood", "hops": 2, "most": 6},
    "learned bigram": {"name": "bigram", "adapt": 0.1},
    "nested": {"name": "mixed", "parts": [{"name": "mixed", "parts": MIXED}, {"name": "mixed", "parts": MIXED}]},
}


def batches(planted: Planted, seed: int) -> Iterator[Context]:
    """Two epochs of a few batches, each example once in an epoch."""
    for step in range(6):
        rows = torch.arange(step % 3 * 16, step % 3 * 16 + 16)
        yield Context(planted.users[rows], planted.items[rows], rows, seed=seed, epoch=step // 3, step=step)


def drawn(sampler: Sampler, planted: Planted, seed: int) -> None:
    model = MatrixFactorization(USERS, ITEMS, 8, init=0.7, seed=3)
    for context in batches(planted, seed):
        sampler.sample(context, model)


def proposal_of(name: str) -> Proposal:
    return proposals.build(PROPOSALS[name])


@pytest.mark.parametrize("name", PROPOSALS)
def test_draws_ask_for_each_number_once_and_under_the_seed(
    name: str, planted: Planted, ledger: Callable[[], Ledger]
) -> None:
    found = []
    for seed in (0, 1):
        sampler = Sampler(proposal_of(name), candidates=5, select=selections.build({"name": "softmax", "k": 2}))
        bound = ledger()
        sampler.bind(planted.catalogue())
        used = ledger()
        drawn(sampler, planted, seed)
        assert used.clashes + bound.clashes + used.meets(bound) == []
        assert used.cells
        found.append(used)
    assert not found[0].keys() & found[1].keys()


@pytest.mark.parametrize("name", [name for name in PROPOSALS if not proposal_of(name).conditional])
def test_pools_ask_for_each_number_once(name: str, planted: Planted, ledger: Callable[[], Ledger]) -> None:
    sampler = Sampler(proposal_of(name), pool=12, select=selections.build({"name": "softmax", "k": 2}))
    sampler.bind(planted.catalogue())
    used = ledger()
    drawn(sampler, planted, 0)
    assert used.clashes == []


@pytest.mark.parametrize("name", sorted(selections))
def test_selections_ask_for_numbers_of_their_own(name: str, planted: Planted, ledger: Callable[[], Ledger]) -> None:
    sampler = Sampler(proposals.build("uniform"), candidates=9, select=selections.build(name))
    sampler.bind(planted.catalogue())
    used = ledger()
    drawn(sampler, planted, 0)
    assert used.clashes == []
    assert used.cells


def feeds(planted: Planted) -> dict[str, Feed]:
    users, items, catalogue = planted.users, planted.items, planted.catalogue()
    assert catalogue.known is not None
    assert catalogue.item_graph is not None
    chance = torch.full(users.shape, 0.5, dtype=torch.float64)
    cells = Cooccurrence(items[:90].int(), items[1:91].int(), torch.ones(90), ())
    return {
        "pairs": PairFeed(users, items),
        "grouped": GroupedFeed(catalogue.known),
        "triples": TripleFeed(users, items, users, items),
        "bernoulli": TripleFeed(users, items, users, items, "bernoulli", chance),
        "text": TextFeed(items, 3),
        "walks": WalkFeed(catalogue.item_graph, 4, 1, 2),
        "cells": CellFeed(cells),
    }


FEEDS = ("pairs", "grouped", "triples", "bernoulli", "text", "walks", "cells")


@pytest.mark.parametrize("name", FEEDS)
def test_feeds_and_samplers_ask_for_other_numbers(name: str, planted: Planted, ledger: Callable[[], Ledger]) -> None:
    feed = feeds(planted)[name]
    fed = ledger()
    for epoch in range(2):
        for index in range(2):
            feed.batch(0, epoch, index, 64)
    assert fed.keys()
    assert [clash for clash in fed.clashes if clash[1] != clash[2]] == []  # a feed may ask again for what it forgot
    for one in ("nested", "adversarial_tree", "shortlist", "small cached"):
        sampler = Sampler(proposal_of(one), candidates=5, select=selections.build("hard_share"))
        sampler.bind(planted.catalogue())
        used = ledger()
        drawn(sampler, planted, 0)
        assert not fed.keys() & used.keys()


def test_a_shared_key_would_be_seen(planted: Planted, ledger: Callable[[], Ledger]) -> None:
    sampler = Sampler(proposals.build("uniform"), candidates=9, select=selections.build("random"))
    sampler.bind(planted.catalogue())
    used, context = ledger(), next(batches(planted, 0))
    key = context.key(randomness.Purpose.CANDIDATES)
    neg = sampler.sample(context)
    candidates = sampler._propose(replace(context, epoch=1))
    assert used.clashes == []
    sampler.select.pick(context, candidates, None, key)
    assert any("random" in two and "uniform" in one for _, one, two in used.clashes)
    assert neg.k == 1
