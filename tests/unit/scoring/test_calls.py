"""How often a preset asks an item tower: no item twice in a step, and none but candidates and positives."""

import pytest
import torch
from torch import nn

from negatives import Catalogue, Csr, Vectors
from negatives.sampler import Sampler, build, presets
from negatives.types import Negatives

QUERIES, N, ROWS, DIM = 60, 1500, 8, 4
REFRESHED = {"adversarial_tree", "ance", "cluster", "matched", "near_positive", "nv_retriever", "shortlist", "simans"}
"""They look at the whole catalogue at some steps, early ones among them, which is counted by itself."""
CACHED = {"nscaching": 100}
"""Items of the cache and fresh ones, scored for each row beside the candidates."""
SEARCHED = {"shortlist": N}
"""Found by a search, at most the whole catalogue."""


class Towers(nn.Module):
    """Counts the items that it encodes, call by call."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.users = nn.Parameter(torch.randn(QUERIES, DIM, generator=random))
        self.items = nn.Parameter(torch.randn(N, DIM, generator=random))
        self.asked: list[torch.Tensor] = []

    def encode_queries(self, queries: torch.Tensor) -> torch.Tensor:
        return self.users[queries]

    def encode_items(self, items: torch.Tensor) -> torch.Tensor:
        assert items.dim() == 1
        self.asked.append(items)
        return self.items[items]


def catalogue() -> Catalogue:
    pairs = torch.arange(QUERIES * 5)
    users, items = pairs % QUERIES, pairs * 7 % N
    known = Csr.from_pairs(users, items, QUERIES, N)
    near = torch.arange(N)
    graph = Csr.from_pairs(near.repeat(2), torch.cat([(near + 1) % N, (near - 1) % N]), N, N)
    counts = torch.bincount(items, minlength=N)
    shown = Csr.from_pairs(users, (items + 3) % N, QUERIES, N)
    groups, anchors = torch.arange(QUERIES) % 3, torch.arange(QUERIES) * 3
    return Catalogue(QUERIES, N, counts, known, groups, anchors, graph, given=shown)


def most(name: str, sampler: Sampler) -> int:
    """Distinct items that a step may encode: the pool or each row's candidates, and the positives."""
    size = (
        sampler.pool if sampler.pool is not None else ROWS * 32 if name == "curriculum" else sampler.candidates * ROWS
    )
    return int(size) + ROWS * CACHED.get(name, 0) + SEARCHED.get(name, 0) + ROWS


def step(sampler: Sampler, towers: Towers, number: int, by_vectors: bool) -> tuple[Negatives, torch.Tensor]:
    """A step, and all items that it encoded."""
    towers.asked.clear()
    users = (torch.arange(ROWS) * 3 + number) % QUERIES
    items = users * 7 % N
    scorer = Vectors(towers.encode_queries(users), towers.encode_items) if by_vectors else towers
    found = sampler(users, items, scorer, progress=0.2)
    return found, torch.cat([torch.empty(0, dtype=torch.int64), *towers.asked])


@pytest.mark.parametrize("by_vectors", [False, True], ids=["module", "vectors"])
@pytest.mark.parametrize("name", sorted(presets))
def test_each_item_is_encoded_once_and_only_where_it_is_looked_at(name: str, by_vectors: bool) -> None:
    if by_vectors and name in {"ance", "nv_retriever", "simans"}:
        pytest.skip("they search for queries outside the batch, whose vectors a loop has not")
    sampler, towers = build(name), Towers()
    sampler.bind(catalogue())
    refreshes = 0
    for number in range(8):
        _, asked = step(sampler, towers, number, by_vectors)
        assert len(asked.unique()) == len(asked), "an item was encoded twice in a step"
        if len(asked) == N:
            refreshes += 1
            continue
        assert len(asked) <= most(name, sampler)
        if not sampler.needs_scorer:
            assert not len(asked)
    assert (refreshes > 0) == (name in REFRESHED)
    assert refreshes < 8


def test_what_is_chosen_is_among_what_was_encoded() -> None:
    sampler, towers = build("dns"), Towers()
    sampler.bind(catalogue())
    found, asked = step(sampler, towers, 0, True)
    assert bool(torch.isin(found.ids, asked).all())
    assert ROWS < len(asked) <= 32 * ROWS + ROWS
