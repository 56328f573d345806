"""Every feed through the contract."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import numpy as np
import torch
from tables import Faults, pairs

import negatives.training
from negatives.data.cooccurrence import Cooccurrence
from negatives.data.corpus import Corpus, encode
from negatives.data.edges import symmetric
from negatives.data.histories import Histories
from negatives.testing.feeds import CHECKS, FeedCase
from negatives.testing.problems import problem
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.feeds import Feed, PairFeed
from negatives.training.grouped_feed import GroupedFeed
from negatives.training.sequence_feed import SequenceFeed
from negatives.training.text_feed import TextFeed
from negatives.training.triple_feed import SIDES, TripleFeed
from negatives.training.walk_feed import WalkFeed
from negatives.types import Csr

PROBLEM = problem(20)
PLACES = torch.arange(150)
HISTORIES = Histories.of_rows([[(7 * row + 3 * place) % 20 for place in range(row * 5 % 23)] for row in range(30)], 20)


def corpus() -> Corpus:
    random = np.random.default_rng(0)
    return encode([[f"w{i}" for i in random.integers(0, 30, 11)] for _ in range(90)], min_count=1)


def triples(sides: str) -> Feed:
    chance = (PLACES % 10).double() / 10
    return TripleFeed(PLACES % 12, PLACES % 20, PLACES % 7, PLACES % 11, sides, chance)


def walks() -> Feed:
    nodes = torch.arange(15)
    ring = Csr.from_pairs(torch.cat([nodes, nodes]), torch.cat([(nodes + 1) % 15, (nodes + 2) % 15]), 15, 15)
    return WalkFeed(symmetric(ring), length=6, walks=2, window=2)


def cells() -> Cooccurrence:
    """More cells than stay together in one run."""
    places = torch.arange(9000)
    return Cooccurrence((places % 95).int(), (places // 95).int(), torch.ones(9000), ())


CASES: dict[str, FeedCase] = {
    "PairFeed": FeedCase(lambda: PairFeed(PLACES % 12, PLACES % 20)),
    "GroupedFeed": FeedCase(lambda: GroupedFeed(PROBLEM.known)),
    **{
        f"TripleFeed {sides}": FeedCase(lambda sides=sides: triples(sides), stored=sides != "bernoulli")
        for sides in SIDES
    },
    "SequenceFeed": FeedCase(lambda: SequenceFeed(HISTORIES, 6), exact=False),
    "SequenceFeed with the first places": FeedCase(lambda: SequenceFeed(HISTORIES, 50, first=True), exact=False),
    "CellFeed": FeedCase(lambda: CellFeed(cells()), sizes=(3000, 5000)),
    "WalkFeed": FeedCase(walks, stored=False, exact=False, sizes=(50, 70)),
    "CorpusFeed": FeedCase(lambda: CorpusFeed(corpus()), stored=False, exact=False, sizes=(100, 150)),
    "CorpusFeed of all words": FeedCase(lambda: CorpusFeed(corpus(), 0.0), exact=False, sizes=(100, 150)),
    "TextFeed": FeedCase(lambda: TextFeed(PLACES * 7 % 11, 5), stored=False, exact=False, sizes=(10, 15)),
}
FAULTS: Faults = {}


def feeds(base: type[Feed] = Feed) -> Iterator[str]:
    """Names of all feeds of the package."""
    for module in pkgutil.walk_packages(negatives.training.__path__, "negatives.training."):
        importlib.import_module(module.name)
    for kind in base.__subclasses__():
        if kind.__module__.startswith("negatives."):
            yield kind.__name__
        yield from feeds(kind)


def test_every_feed_has_a_case() -> None:
    assert set(feeds()) == {name.split()[0] for name in CASES}


@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: FeedCase, check: Callable[[FeedCase], None]) -> None:
    check(case)
