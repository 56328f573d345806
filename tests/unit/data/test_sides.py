"""Which graphs are bipartite, and that two colours by chance are not taken for two kinds of nodes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from negatives.data.sides import columns_of, two_sides
from negatives.randomness import integers


def shop(users: int = 40, items: int = 25, each: int = 4) -> tuple[Tensor, Tensor]:
    """Every user is linked to some items, which are numbered behind the users."""
    rows = torch.arange(users).repeat_interleave(each)
    return rows, users + integers(3, rows, torch.arange(each).repeat(users), items)


def sides_of(sources: Tensor, targets: Tensor, n: int, directed: bool = False) -> Tensor | None:
    return two_sides(sources, targets, columns_of(sources, targets, n), directed)


def test_columns() -> None:
    assert columns_of(torch.tensor([0, 1, 1]), torch.tensor([2, 1, 2]), 4).tolist() == [0, 2, 1, -1]


@pytest.mark.parametrize("directed", [False, True])
def test_users_and_items_are_two_sides(directed: bool) -> None:
    rows, cols = shop()
    sides = sides_of(rows, cols, 70, directed)
    assert sides is not None
    assert sides[:40].tolist() == [0] * 40
    assert set(sides[torch.unique(cols)].tolist()) == {1}
    assert set(sides[65:].tolist()) == {-1}


def test_columns_tell_the_sides_of_every_part_of_the_graph() -> None:
    """Even users take even items, so that two parts do not hang together, and nodes are numbered in any order."""
    rows = torch.arange(60).repeat_interleave(8)
    cols = 60 + integers(3, rows, torch.arange(8).repeat(60), 20) * 2 + rows % 2
    mixed = integers(5, torch.arange(100), 0, 1 << 30).argsort()
    sides = sides_of(mixed[rows], mixed[cols], 100)
    assert sides is not None
    assert set(sides[mixed[rows]].tolist()) == {0}
    assert set(sides[mixed[cols]].tolist()) == {1}
    turned = torch.arange(rows.numel()) % 2 == 0
    ends = mixed[torch.where(turned, rows, cols)], mixed[torch.where(turned, cols, rows)]
    assert sides_of(*ends, 100) is None  # nothing tells which colour is which


def test_colours_tell_the_sides_where_the_columns_do_not() -> None:
    rows, cols = shop(each=9)
    turned = torch.arange(rows.numel()) % 2 == 0
    ends = torch.where(turned, rows, cols), torch.where(turned, cols, rows)
    sides, first = sides_of(*ends, 65), sides_of(rows, cols, 65)
    assert sides is not None
    assert first is not None
    assert torch.equal(sides, first)
    assert sides_of(*ends, 65, True) is None  # a node is both a source and a target
    mixed = integers(5, torch.arange(65), 0, 1 << 30).argsort()
    sides = sides_of(mixed[ends[0]], mixed[ends[1]], 65)
    assert sides is not None
    assert bool((sides[mixed[rows]] != sides[mixed[cols]]).all())


def test_one_edge_within_a_side_is_enough_to_say_no() -> None:
    rows, cols = shop()
    assert sides_of(torch.cat([rows, torch.tensor([3])]), torch.cat([cols, torch.tensor([8])]), 65) is None


def test_trees_paths_and_small_sides_are_not_bipartite() -> None:
    nodes = torch.arange(1, 200)
    assert sides_of(nodes, (nodes - 1) // 2, 200) is None  # a tree
    assert sides_of(nodes, nodes - 1, 200) is None  # a path
    rows = torch.arange(2, 100).repeat_interleave(2)
    assert sides_of(rows, torch.arange(2).repeat(98), 100) is None  # two that everyone is linked to
    assert sides_of(rows, torch.arange(2).repeat(98), 100, True) is None
