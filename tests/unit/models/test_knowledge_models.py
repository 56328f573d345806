"""Models of knowledge graphs: their formulas, regulariser and dropout, and the engine against autograd."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.losses import Hinge, Logistic, SampledSoftmax
from negatives.losses.base import Loss
from negatives.models import registry
from negatives.models.knowledge import ComposedModel
from negatives.proposals import Uniform
from negatives.sampler import Sampler
from negatives.selection import SelfAdversarial
from negatives.training.engines import Update, engine_for
from negatives.training.engines.composed import ComposedEngine
from negatives.types import Context

ENTITIES, RELATIONS, DIM = 11, 3, 4
HEADS = torch.arange(20) % ENTITIES
DIRECTED = torch.arange(20) * 5 % (2 * RELATIONS)
NAMES = ("transe", "distmult", "complex", "rotate")
RELATING = ("distmult", "complex")
"""Models whose score is an inner product with the relation's row."""
every_model = pytest.mark.parametrize("name", NAMES)


def make(name: str, **values: object) -> ComposedModel:
    spec = {
        "name": name,
        "query_heads": HEADS,
        "query_relations": DIRECTED,
        "n_items": ENTITIES,
        "dim": DIM,
        "init": 0.5,
    }
    model = registry.build(spec | values)
    assert isinstance(model, ComposedModel)
    return model


def batch(step: int = 0, rows: int = 9) -> Context:
    examples = torch.arange(rows) + step * rows
    return Context(examples * 3 % 20, examples * 7 % ENTITIES, examples, step=step)


def by_hand(name: str, model: ComposedModel, query: int, item: int) -> float:
    """The formula of the paper on Python's own numbers."""
    h, t = (model.entities[one].tolist() for one in (int(HEADS[query]), item))
    r = model.relations[int(DIRECTED[query])].tolist()
    if name == "transe":
        return -sum(abs(a + b - c) for a, b, c in zip(h, r, t, strict=True))
    if name == "distmult":
        return sum(a * b * c for a, b, c in zip(h, r, t, strict=True))
    head, tail = ([complex(one[c], one[DIM + c]) for c in range(DIM)] for one in (h, t))
    if name == "complex":
        relation = [complex(r[c], r[DIM + c]) for c in range(DIM)]
        return sum((a * b * c.conjugate()).real for a, b, c in zip(head, relation, tail, strict=True))
    turned = [a * complex(math.cos(angle * 10), math.sin(angle * 10)) for a, angle in zip(head, r, strict=True)]
    return -sum(abs(a - c) for a, c in zip(turned, tail, strict=True))


@every_model
def test_scores_are_those_of_the_formula(name: str) -> None:
    model = make(name)
    queries, items = torch.arange(20), torch.arange(20) % ENTITIES
    expected = torch.tensor([by_hand(name, model, q, i) for q, i in zip(range(20), items.tolist(), strict=True)])
    every = torch.arange(ENTITIES)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            torch.testing.assert_close(model.score(queries, items), expected, atol=1e-4, rtol=1e-4)
            each = model.score(queries, every.repeat(20, 1))
            pool = model.score(queries, every.expand(20, -1))
            torch.testing.assert_close(each, pool, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(each.gather(1, items[:, None])[:, 0], expected, atol=1e-4, rtol=1e-4)


def test_the_euclidean_translation() -> None:
    model = make("transe", norm=2)
    heads, relations = model.gather(torch.tensor([4]))
    expected = -(heads + relations - model.entities[5]).norm()
    torch.testing.assert_close(model.score(torch.tensor([4]), torch.tensor([5]))[0], expected)
    with pytest.raises(ConfigError, match="norm is 3"):
        make("transe", norm=3)


def test_rotations_have_length_one() -> None:
    model = make("rotate")
    heads, relations = model.gather(torch.arange(20))
    a, b = (one.reshape(20, 2, DIM).norm(dim=1) for one in (heads, model.compose(heads, relations)))
    torch.testing.assert_close(a, b)


@every_model
def test_n3_is_the_sum_of_cubed_moduli(name: str) -> None:
    model = make(name, n3=0.3)
    context = batch()
    total = 0.0
    for query, item in zip(context.queries.tolist(), context.positives.tolist(), strict=True):
        h, t = (model.entities[one].detach() for one in (int(HEADS[query]), item))
        r = model.relations[int(DIRECTED[query])].detach()
        parts = {"rotate": [h, t]}.get(name, [h, r, t])
        for one in parts:
            moduli = one.abs() if name in ("transe", "distmult") else torch.hypot(one[:DIM], one[DIM:])
            total += 0.3 * float((moduli**3).sum())
    penalty = model.penalty(context)
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(total / context.rows, rel=1e-4)
    assert make(name).penalty(context) is None


@pytest.mark.parametrize("name", RELATING)
def test_the_vector_that_relates_two_entities_scores_every_relation(name: str) -> None:
    model = make(name)
    heads, tails = model.entities[:3].detach(), model.entities[3:6].detach()
    scores = model.relate(heads, tails) @ model.relations.detach().T
    for relation, row in enumerate(model.relations.detach()):
        expected = (model.compose(heads, row.expand(3, -1)) * tails).sum(1)
        torch.testing.assert_close(scores[:, relation], expected)


@pytest.mark.parametrize("name", RELATING)
def test_telling_relations_is_a_weighted_cross_entropy_over_all_of_them(name: str) -> None:
    model, context = make(name, relation_weight=1.5), batch()
    total = 0.0
    for query, item in zip(context.queries.tolist(), context.positives.tolist(), strict=True):
        pair = model.entities[HEADS[query]].detach(), model.entities[item].detach()
        scores = (model.relate(*pair) * model.relations.detach()).sum(1)
        total -= 1.5 * float(torch.log_softmax(scores, 0)[DIRECTED[query]])
    penalty = model.penalty(context)
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(total / context.rows, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in RELATING])
def test_models_without_that_product_refuse_the_weight(name: str) -> None:
    with pytest.raises(ConfigError, match="relation_weight"):
        make(name, relation_weight=1.0)


@every_model
def test_dropout_depends_on_the_step_alone(name: str) -> None:
    model = make(name, dropout=0.4, entity_dropout=0.3, dim=64)
    rows = model.gather(batch().queries)
    first, again = model.composed(*rows, batch()), model.composed(*rows, batch())
    assert torch.equal(first, again)
    assert not torch.equal(first, model.composed(*rows, batch(1)))
    assert torch.equal(model.composed(*rows), model.compose(*rows))
    whole = make(name, dropout=0.4, dim=64)
    vectors, plain = whole.composed(*rows, batch()).detach(), whole.compose(*rows).detach()
    assert float((vectors == 0).float().mean()) == pytest.approx(0.4, abs=0.08)
    torch.testing.assert_close(vectors[vectors != 0], plain[vectors != 0] / 0.6)


@pytest.mark.parametrize(
    "values", [{"dropout": 1.0}, {"entity_dropout": -0.1}, {"n3": -1.0}, {"relation_weight": -1.0}, {"dim": 0}]
)
def test_values_out_of_range(values: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        make("complex", **values)


def sampler(pool: bool) -> Sampler:
    chosen = Sampler(Uniform(ENTITIES), pool=6) if pool else Sampler(Uniform(ENTITIES), SelfAdversarial(), candidates=5)
    return chosen


LOSSES: dict[bool, Loss] = {True: SampledSoftmax(), False: Logistic(margin=2.0, mean=True)}


@pytest.mark.parametrize(
    ("name", "relation_weight"), [*((name, 0.0) for name in (*NAMES, "euclid")), *((name, 2.0) for name in RELATING)]
)
@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("optimiser", ["sgd", "adagrad"])
def test_the_engine_does_what_autograd_does(name: str, relation_weight: float, pool: bool, optimiser: str) -> None:
    """One step of each: autograd's loss is a mean, the engine's a sum, so the step size makes up for it."""
    values = {"n3": 0.05} | ({"norm": 2} if name == "euclid" else {})
    values |= {"relation_weight": relation_weight} if relation_weight else {}
    ours, theirs = (make("transe" if name == "euclid" else name, **values) for _ in range(2))
    theirs.engine = "autograd"  # type: ignore[misc]
    context = batch()
    lr = 0.05
    scale = {"sgd": context.rows, "adagrad": 1}[optimiser]
    mine = engine_for(ours, sampler(pool), LOSSES[pool], Update(optimiser))
    assert isinstance(mine, ComposedEngine)
    other = engine_for(theirs, sampler(pool), LOSSES[pool], Update(optimiser))
    one, two = mine.step(context, lr / scale), other.step(context, lr)
    assert one.loss == pytest.approx(two.loss, rel=1e-5)
    torch.testing.assert_close(one.negative, two.negative, atol=1e-5, rtol=1e-4)
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("norm", [1, 2])
def test_a_pool_scored_by_the_sampler_is_not_scored_again(norm: int) -> None:
    """The weights come from scores that the engine takes over; the step is that of autograd."""
    ours, theirs = make("transe", norm=norm), make("transe", norm=norm)
    theirs.engine = "autograd"  # type: ignore[misc]
    context = batch()
    for model, scale in ((ours, context.rows), (theirs, 1)):
        chosen = Sampler(Uniform(ENTITIES), SelfAdversarial(), pool=7)
        engine_for(model, chosen, Logistic(1.0, mean=True), Update("sgd")).step(context, 0.3 / scale)
    torch.testing.assert_close(ours.entities, theirs.entities, atol=1e-5, rtol=1e-4)


@every_model
def test_scores_of_the_sampler_are_not_used_where_dropout_changes_them(name: str) -> None:
    model = make(name, dropout=0.5)
    engine = engine_for(model, sampler(False), Hinge(), Update("sgd"))
    outcome = engine.step(batch(), 1e-6)
    assert outcome.negatives.scores is not None
    assert not torch.allclose(outcome.negative, outcome.negatives.scores)


@every_model
@pytest.mark.parametrize("pool", [True, False])
def test_a_restored_engine_goes_on(name: str, pool: bool) -> None:
    def engine(model: ComposedModel) -> ComposedEngine:
        made = engine_for(model, sampler(pool), LOSSES[pool], Update("adam"))
        assert isinstance(made, ComposedEngine)
        return made

    whole, fresh = make(name, dropout=0.2), make(name, dropout=0.2, seed=5)
    first = engine(whole)
    first.step(batch(0), 0.01)
    second = engine(fresh)
    fresh.load_state_dict(whole.state_dict())
    second.load_state(first.state())
    for one in (first, second):
        one.step(batch(1), 0.01)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), fresh.parameters(), strict=True))


@every_model
def test_bfloat16_products_are_near(name: str) -> None:
    found: list[Tensor] = []
    for half in (False, True):
        model = make(name, dim=32)
        engine_for(model, sampler(True), SampledSoftmax(), Update("sgd", half=half)).step(batch(), 0.1)
        found.append(model.entities.detach() - make(name, dim=32).entities.detach())
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 0.05


def test_only_composed_models_are_taken() -> None:
    model = registry.build({"name": "mf", "n_queries": 3, "n_items": 4})
    with pytest.raises(ConfigError, match="not composed of rows"):
        ComposedEngine(model, sampler(False), Hinge(), Update("adagrad"))


def test_initial_values_depend_on_the_seed() -> None:
    assert torch.equal(make("rotate").entities, make("rotate").entities)
    assert not torch.equal(make("rotate").relations, make("rotate", seed=1).relations)
    assert float(make("rotate").relations.detach().abs().max()) * 10 <= math.pi
