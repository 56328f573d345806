"""Labels of the nearest rows as features, by hand."""

from __future__ import annotations

import torch

from negatives.data import neighbours
from negatives.data.neighbours import with_votes
from negatives.data.pairs import SparseFeatures
from negatives.types import Csr


def problem() -> tuple[SparseFeatures, torch.Tensor, Csr]:
    random = torch.Generator().manual_seed(4)
    dense = torch.rand(30, 12, generator=random) * (torch.rand(30, 12, generator=random) < 0.4)
    rows, cols = dense.nonzero(as_tuple=True)
    indptr = torch.zeros(31, dtype=torch.int64)
    indptr[1:] = torch.bincount(rows, minlength=30).cumsum(0)
    given = (torch.rand(30, 5, generator=random) < 0.4) & (torch.arange(30) < 20)[:, None]
    pairs = given.nonzero(as_tuple=True)
    return SparseFeatures(indptr, cols.int(), dense[rows, cols], 12), dense, Csr.from_pairs(*pairs, 30, 5)


def test_votes_by_hand() -> None:
    features, dense, known = problem()
    neighbours.BLOCK, before = 7, neighbours.BLOCK
    found = with_votes(features, known, k=4, weight=0.5)
    neighbours.BLOCK = before
    assert found.n_cols == 17
    train = [row for row in range(30) if known.row(row).numel()]
    for row in range(30):
        close = sorted(((float(dense[row] @ dense[one]), one) for one in train if one != row), reverse=True)[:4]
        total = sum(c**3 for c, _ in close)
        expected = torch.zeros(17)
        expected[:12] = dense[row]
        for c, one in close:
            for label in known.row(one).tolist():
                expected[12 + label] += 0.5 * c**3 / max(total, 1e-12)
        index, values = found.row(row)
        made = torch.zeros(17).index_add_(0, index.long(), values)
        torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-4)


def test_other_rows_never_vote() -> None:
    features, _, known = problem()
    only = Csr.from_pairs(torch.tensor([3]), torch.tensor([2]), 30, 5)
    found = with_votes(features, only, k=9)
    votes = {int(one) - 12 for row in range(30) for one in found.row(row)[0] if one >= 12}
    assert votes == {2}
    index, _ = found.row(3)
    assert bool((index < 12).all())  # a row is no neighbour of its own
    assert known.n_cols == 5
