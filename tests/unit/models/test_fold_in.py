"""Queries that came after training: what a model makes of their histories, against the plain formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from negatives.data.histories import Histories
from negatives.models import factorization
from negatives.models.factorization import PRIOR, TARGET, UNKNOWN, MatrixFactorization
from negatives.models.lightgcn import LightGCN
from negatives.types import Csr

QUERIES, ITEMS, DIM = 7, 9, 4
HISTORIES = Histories.of_rows([[5, 1, 4], [], [8]], ITEMS)


@pytest.fixture(params=["dot", "cosine"])
def model(request: pytest.FixtureRequest) -> MatrixFactorization:
    return MatrixFactorization(QUERIES, ITEMS, DIM, request.param, init=0.5, seed=3)


def loss(model: MatrixFactorization, vector: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
    """What a folded query minimises, term by term in float64."""
    queries, items = (model.normalise(table.detach()).double() for table in (model.query_table, model.item_table))
    scores, mean = items @ vector, queries.mean(0)
    power, spread = (queries @ items.T).square().mean(), (queries - mean).square().mean()
    known = (TARGET * power.sqrt() - scores[history.long()]).square().sum()
    pull = PRIOR * power / spread * (vector - mean).square().sum()
    return known + UNKNOWN * scores.square().sum() + pull


def test_a_folded_query_is_where_the_loss_has_no_slope(
    model: MatrixFactorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "normalise", lambda vectors: vectors)  # the length that the cosine takes away
    found = model.fold_in(HISTORIES)
    for row in range(3):
        vector = found[row].double().requires_grad_()
        (slope,) = torch.autograd.grad(loss(model, vector, HISTORIES.row(row)), vector)
        assert slope.abs().max() < 1e-5
        (other,) = torch.autograd.grad(loss(model, vector + 0.1, HISTORIES.row(row)), vector)
        assert other.abs().max() > 1e-3


def test_one_of_whom_nothing_is_known_goes_with_what_goes_with_everyone(model: MatrixFactorization) -> None:
    found = model.fold_in(HISTORIES)[1]
    everyone = model.normalise(model.query_table.detach()).mean(0)
    assert float(normalize(found, dim=0) @ normalize(everyone, dim=0)) > 0.98


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_nothing_depends_on_the_scale_of_the_vectors(scale: float) -> None:
    models = [MatrixFactorization(QUERIES, ITEMS, DIM, init=init, seed=3) for init in (0.5, 0.5 * scale)]
    one, other = (model.fold_in(HISTORIES) for model in models)
    torch.testing.assert_close(other / scale, one, rtol=1e-4, atol=1e-5)


def test_blocks_change_nothing(model: MatrixFactorization, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.fold_in(HISTORIES)
    monkeypatch.setattr(factorization, "ROWS", 2)
    torch.testing.assert_close(model.fold_in(HISTORIES), whole)
    assert model.fold_in(Histories.of_rows([], ITEMS)).shape == (0, DIM)


def test_weights_that_move_are_read_again(model: MatrixFactorization) -> None:
    before = model.fold_in(HISTORIES)
    with torch.no_grad():
        model.item_table.add_(torch.linspace(-1, 1, DIM))
    assert not torch.allclose(model.fold_in(HISTORIES), before, atol=1e-3)


def test_an_item_that_training_never_showed_does_no_harm() -> None:
    known = Csr.from_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2, 3)
    model = LightGCN(known, dim=4)
    model.refresh()
    found = model.fold_in(Histories.of_rows([[1, 2]], 3))
    assert found is not None
    assert bool(found.isfinite().all())
