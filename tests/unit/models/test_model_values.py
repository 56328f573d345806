"""Scores, regularisers and targets of models with vectors written down by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.models import registry
from negatives.models.classify.sparse import SparseClassifier
from negatives.models.factorization import MatrixFactorization
from negatives.models.knowledge.distmult import DistMult
from negatives.models.lightgcn import LightGCN
from negatives.models.propagation import bipartite, smooth
from negatives.models.settings import Smoothing, Start
from negatives.models.words.glove import Glove
from negatives.types import Context, Csr

QUERIES = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
ITEMS = torch.tensor([[1.0, 0.0], [0.0, 3.0], [-2.0, 2.0]])
PRODUCTS = torch.tensor([[3.0, 12.0, 2.0], [0.0, 6.0, 4.0]])
LENGTHS = torch.tensor([[5.0], [2.0]]), torch.tensor([1.0, 3.0, math.sqrt(8.0)])


def factors(similarity: str) -> MatrixFactorization:
    model = MatrixFactorization(2, 3, 2, similarity)
    model.query_table.data.copy_(QUERIES)
    model.item_table.data.copy_(ITEMS)
    return model


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_scores_of_pairs_of_candidates_and_of_a_pool(similarity: str, learning: bool) -> None:
    model, rows = factors(similarity), torch.arange(2)
    expected = PRODUCTS if similarity == "dot" else PRODUCTS / LENGTHS[0] / LENGTHS[1]
    with torch.set_grad_enabled(learning):
        each = torch.tensor([[0, 1, 2], [2, 0, 1]])
        torch.testing.assert_close(model.score(rows, each), expected.gather(1, each))
        torch.testing.assert_close(model.score(rows, torch.tensor([1, 2])), expected[rows, torch.tensor([1, 2])])
        torch.testing.assert_close(model.score(rows, torch.arange(3).expand(2, 3)), expected)


@pytest.mark.parametrize("power", [0.0, 0.25, 1.0])
def test_an_items_length_counts_to_its_power(power: float) -> None:
    model = factors("cosine")
    found = model.scaled_items(ITEMS, power)
    torch.testing.assert_close(found.norm(dim=1), LENGTHS[1] ** power)
    torch.testing.assert_close(model.normalise(found), model.normalise(ITEMS))


def test_initial_values_differ_between_tables_and_seeds() -> None:
    first, again, other = (MatrixFactorization(50, 50, 4, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.item_table, again.item_table)
    assert not torch.equal(first.item_table, first.query_table)
    assert not torch.equal(first.item_table, other.item_table)
    assert float(first.query_table.detach().std()) == pytest.approx(0.1, rel=0.2)


def test_layers_have_weights_of_their_own() -> None:
    # one query and one item: each layer hands the other side's vector on unchanged
    known = Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 1)
    model = LightGCN(known, 1, smoothing=Smoothing(layers=2, own_share=0.5), start=Start(spectral=False))
    model.query_table.data.fill_(8.0)
    model.item_table.data.fill_(80.0)
    model.refresh()
    assert model.encode_queries(torch.tensor([0])).item() == pytest.approx(0.5 * 8 + 0.25 * 80 + 0.25 * 8)
    assert model.encode_items(torch.tensor([0])).item() == pytest.approx(0.5 * 80 + 0.25 * 8 + 0.25 * 80)


def test_a_sum_over_hops_weighs_each_by_its_own() -> None:
    once = bipartite(Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 1))
    queries, items = torch.tensor([[8.0]], requires_grad=True), torch.tensor([[80.0]], requires_grad=True)
    of_queries, of_items = smooth(once, once.transposed(), (0.5, 0.25, 0.125), queries, items)
    assert of_queries.item() == pytest.approx(0.5 * 8 + 0.25 * 80 + 0.125 * 8)
    assert of_items.item() == pytest.approx(0.5 * 80 + 0.25 * 8 + 0.125 * 80)
    of_queries.backward()
    assert queries.grad is not None
    assert items.grad is not None
    assert (queries.grad.item(), items.grad.item()) == pytest.approx((0.5 + 0.125, 0.25))


def knowledge(**options: float) -> DistMult:
    facts = {"query_heads": torch.tensor([0, 1]), "query_relations": torch.tensor([0, 1]), "n_items": 3}
    model = registry.build({"name": "distmult", "dim": 2} | options, facts)
    assert isinstance(model, DistMult)
    model.entities.data.copy_(torch.tensor([[1.0, -2.0], [0.5, 1.0], [3.0, 0.0]]))
    model.relations.data.copy_(torch.tensor([[2.0, 1.0], [-1.0, 1.0]]))
    return model


def test_a_penalty_is_a_mean_over_the_batch() -> None:
    context = Context(torch.tensor([0, 1]), torch.tensor([1, 2]), torch.arange(2))
    cubes = [1 + 8 + 8 + 1 + 0.125 + 1, 0.125 + 1 + 1 + 1 + 27]
    found = knowledge(n3=0.1).penalty(context)
    assert found is not None
    assert found.item() == pytest.approx(0.1 * sum(cubes) / 2)
    assert knowledge().penalty(context) is None


def test_the_penaltys_gradient_is_three_times_the_square() -> None:
    model = knowledge(n3=0.1)
    found = model.penalty(Context(torch.tensor([0]), torch.tensor([2]), torch.arange(1)))
    assert found is not None
    found.backward()
    assert model.entities.grad is not None
    assert model.entities.grad.flatten().tolist() == pytest.approx([0.3, -1.2, 0.0, 0.0, 2.7, 0.0])


def test_composed_vectors_keep_their_mean_under_dropout() -> None:
    heads, relations = torch.ones(20_000, 2), torch.full((20_000, 2), 3.0)
    context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    for name in ("dropout", "entity_dropout"):
        found = knowledge(**{name: 0.25}).composed(heads, relations, context)
        assert found.mean().item() == pytest.approx(3.0, rel=0.02)
        assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(knowledge(dropout=0.25).composed(heads, relations), heads * relations)


def test_targets_weights_and_vectors_of_glove() -> None:
    model = Glove(3, torch.tensor([1.0, 4.0, 100.0]), dim=2, x_max=16.0, power=0.5)
    target, weight = model.targets(torch.tensor([0, 1, 2, 4]))  # cell 4 is cell 1, turned
    assert target.tolist() == pytest.approx([0.0, math.log(4), math.log(100), math.log(4)])
    assert weight.tolist() == pytest.approx([0.25, 0.5, 1.0, 0.5])
    assert [table.shape for table in model.vectors().values()] == [(3, 2), (3, 2)]
    assert model.item_table[:, -2].tolist() == [1.0] * 3 == model.query_table[:, -1].tolist()


def classifier(**options: float) -> tuple[SparseClassifier, Tensor]:
    n = 4000
    features = SparseFeatures(torch.arange(n + 1), torch.zeros(n, dtype=torch.int32), torch.ones(n), 1)
    model = registry.build({"name": "sparse", "dim": 3} | options, {"features": features, "n_items": 2})
    assert isinstance(model, SparseClassifier)
    model.feature_table.data.fill_(2.0)
    return model, torch.arange(n)


@pytest.mark.parametrize("name", ["drop", "drop_features"])
def test_a_tower_drops_in_training_alone_and_keeps_its_mean(name: str) -> None:
    model, rows = classifier(**{name: 0.5})
    model.refresh()
    assert bool((model.encode_queries(rows)[:, :3] == 2.0).all())
    model.refresh(Context(rows, rows, rows))
    found = model.encode_queries(rows)[:, :3].detach()
    assert set(found.unique().tolist()) == {0.0, 4.0}
    assert found.mean().item() == pytest.approx(2.0, rel=0.1)
