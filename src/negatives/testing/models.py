"""What every model promises: scores that agree in all forms, seeds, tables and a complete state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.models import Model
from negatives.randomness import Purpose, generator, integers, stream
from negatives.testing.promises import Check, global_randomness_untouched, hold, like, near, run, same, saved
from negatives.types import Context, Csr

ROWS, K = 9, 4


@dataclass(frozen=True, slots=True)
class ModelCase:
    """A model under test.

    Args:
        make: Gives it for a seed, always the same for the same seed.
        ranks_by_tables: Its scores are the inner products of its tables.
        drawn: Weights depend on the seed; False where they are read or computed.
        tables: It has tables of all queries and items.
        batch: A batch to train on; one of its own numbers when left out.
        learns: It has weights that gradients reach; False where it is computed from its facts.
    """

    make: Callable[[int], Model]
    ranks_by_tables: bool = True
    drawn: bool = True
    tables: bool = True
    batch: Context | None = None
    learns: bool = True

    def context(self, model: Model) -> Context:
        """A batch of training."""
        if self.batch is not None:
            return self.batch
        rows = torch.arange(ROWS)
        return Context(rows * 5 % model.n_queries, rows * 7 % model.n_items, rows, step=3)

    def asked(self, model: Model) -> tuple[Tensor, Tensor]:
        """Queries ``(rows,)``, some of them twice, and candidates ``(rows, k)``."""
        rows, key = torch.arange(ROWS), stream(1, Purpose.PROBES)
        queries = integers(key, rows, 0, model.n_queries)
        queries[4] = queries[0]
        return queries, integers(key, rows[:, None], 1 + torch.arange(K), model.n_items)


def woken(model: Model) -> Model:
    """The model with all weights moved a little, for some begin at zero."""
    noise = generator(stream(7, Purpose.NOISE))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=noise))
    return model


def encodings_have_their_shape(case: ModelCase) -> None:
    """Encodings are float32, one vector for each id, of one width for queries and items, finite, the same each time."""
    model = woken(case.make(0))
    queries, items = case.asked(model)
    with torch.no_grad():
        model.refresh()
        vectors, of_items = model.encode_queries(queries), model.encode_items(items)
    width = vectors.shape[-1]
    like(vectors, (ROWS, width), torch.float32, "encode_queries")
    like(of_items, (ROWS, K, width), torch.float32, "encode_items")
    hold(bool(vectors.isfinite().all()) and bool(of_items.isfinite().all()), "an encoding is not finite")
    with torch.no_grad():
        model.refresh(case.context(model))
        model.refresh()
        near(model.encode_queries(queries), vectors, "encode_queries after a training step's refresh and another one")
        order = torch.arange(ROWS).flip(0)
        near(model.encode_queries(queries[order]), vectors[order], "encode_queries of the rows in another order")
        near(model.encode_items(items[order, :2]), of_items[order, :2], "encode_items of some of the items")
    if model.similarity == "cosine":
        lengths = vectors.norm(dim=-1)
        lengths = lengths[lengths > 0]  # a query of which nothing is known may have no direction
        near(lengths, lengths[:1].expand(lengths.shape), "the length of a query's vector, by cosine,")


def parts_are_encoded_as_the_whole(case: ModelCase) -> None:
    """In a training step some of the rows have the vectors that they have among all of them."""
    model = woken(case.make(0))
    context = case.context(model)
    with torch.no_grad():
        model.refresh(context)
        whole = model.encode_queries(context.queries)
        for rows in (slice(0, context.rows // 2), slice(context.rows // 2, context.rows)):
            found = model.encode_part(context.queries, rows)
            near(found, whole[rows], f"encode_part of rows {rows.start} to {rows.stop}", atol=1e-5, rtol=1e-4)


def scores_agree_in_all_forms(case: ModelCase) -> None:
    """Pairs, candidates of each row and a shared pool have one score, with and without gradients."""
    model = woken(case.make(0))
    queries, items = case.asked(model)
    pool = items[0]
    for learning in (False, True):
        with torch.set_grad_enabled(learning):
            model.refresh()
            each, pairs = model.score(queries, items), model.score(queries, items[:, 1].contiguous())
            shared, written = model.score(queries, pool.expand(ROWS, -1)), model.score(queries, pool.repeat(ROWS, 1))
        like(each, (ROWS, K), torch.float32, "scores of candidates")
        like(pairs, (ROWS,), torch.float32, "scores of pairs")
        how = "with gradients" if learning else "without gradients"
        near(pairs, each[:, 1], f"scores of pairs {how}", atol=1e-5, rtol=1e-4)
        near(shared, written, f"scores of a shared pool {how}", atol=1e-5, rtol=1e-4)
        hold(each.requires_grad is (learning and case.learns), f"scores {how} have requires_grad {each.requires_grad}")
    hold(float(each.detach().std()) > 0, "all scores are equal")


def scores_are_inner_products_where_it_says_so(case: ModelCase) -> None:
    """Where ``inner_product``, a score is that of the encodings and nothing more."""
    model = woken(case.make(0))
    if not model.inner_product:
        return
    queries, items = case.asked(model)
    with torch.no_grad():
        model.refresh()
        wanted = (model.encode_queries(queries)[:, None] * model.encode_items(items)).sum(-1)
        near(model.score(queries, items), wanted, "score", atol=1e-5, rtol=1e-4)


def tables_are_what_it_ranks_by(case: ModelCase) -> None:
    """Tables hold all encodings, without gradient or memory of the weights; where promised, they give the scores."""
    model = woken(case.make(0))
    if not case.tables:
        return
    of_queries, of_items = model.tables()
    width = of_queries.shape[1]
    like(of_queries, (model.n_queries, width), torch.float32, "the table of queries")
    like(of_items, (model.n_items, width), torch.float32, "the table of items")
    hold(not of_queries.requires_grad and not of_items.requires_grad, "tables carry a gradient")
    queries, items = case.asked(model)
    if case.ranks_by_tables:
        with torch.no_grad():
            model.refresh()
            wanted = model.score(queries, items)
        found = (of_queries[queries][:, None] * of_items[items]).sum(-1)
        near(found, wanted, "the inner product of the tables", atol=1e-5, rtol=1e-4)
    kept = of_queries.clone(), of_items.clone()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    same(of_queries, kept[0], "the table of queries after the weights have moved")
    same(of_items, kept[1], "the table of items after the weights have moved")


def seeds_decide_the_weights(case: ModelCase) -> None:
    """The same seed gives the same weights and scores, another gives others; no global generator is used."""
    with global_randomness_untouched():
        one, other, third = case.make(3), case.make(3), case.make(4)
        for model in (one, other):
            context = case.context(model)
            model.refresh(context)
            model.penalty(context)
        queries, items = case.asked(one)
        scores = [model.score(queries, items) for model in (one, other)]
    for name, value in one.state_dict().items():
        same(other.state_dict()[name], value, f"{name} of the same seed")
    same(scores[1].detach(), scores[0].detach(), "scores in training of the same seed")
    differ = any(not torch.equal(value, one.state_dict()[name]) for name, value in third.state_dict().items())
    hold(differ is case.drawn, "another seed gives " + ("the same" if case.drawn else "other") + " weights")


def state_is_complete(case: ModelCase) -> None:
    """``state_dict`` through a checkpoint, into a model of another seed, gives the same scores bit by bit."""
    one, other = case.make(0), case.make(5)
    context = case.context(one)
    one.refresh(context)
    woken(one)
    other.load_state_dict(saved({name: value.clone() for name, value in one.state_dict().items()}))
    queries, items = case.asked(one)
    with torch.no_grad():
        for model in (one, other):
            model.refresh()
        same(other.score(queries, items), one.score(queries, items), "scores after loading")
        for found, wanted in zip(other.tables(), one.tables(), strict=True) if case.tables else ():
            same(found, wanted, "a table after loading")


def gradients_reach_the_weights(case: ModelCase) -> None:
    """Scores of a training batch and the penalty are differentiable, with finite gradients that are not all zero."""
    model = case.make(0)
    if not case.learns:
        hold(not list(model.parameters()), "it has weights, though it does not learn")
        return
    context = case.context(model)
    model.refresh(context)
    value = model.score(context.queries, context.positives).square().sum()
    value = value + model.score(context.queries, context.positives.flip(0)[:, None]).sum()
    penalty = model.penalty(context)
    if penalty is not None:
        hold(penalty.dim() == 0 and bool(penalty.isfinite()), f"the penalty is {penalty}")
        value = value + penalty
    value.backward()  # type: ignore[no-untyped-call]
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    dense = [grad.coalesce().values() if grad.is_sparse else grad for grad in found]
    hold(bool(dense), "no weight has a gradient")
    hold(all(bool(grad.isfinite().all()) for grad in dense), "a gradient is not finite")
    hold(any(bool((grad != 0).any()) for grad in dense), "all gradients are zero")


def extending_changes_no_weight(case: ModelCase) -> None:
    """``extend`` changes no weight and no size."""
    model = case.make(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    places = torch.arange(model.n_queries)
    model.extend(Csr.from_pairs(places, places * 3 % model.n_items, model.n_queries, model.n_items))
    for name, value in model.state_dict().items():
        same(value, before[name], f"{name} after extend")
    queries, items = case.asked(model)
    with torch.no_grad():
        model.refresh()
        like(model.score(queries, items), (ROWS, K), torch.float32, "scores after extend")


CHECKS: tuple[Check[ModelCase], ...] = (
    encodings_have_their_shape,
    parts_are_encoded_as_the_whole,
    scores_agree_in_all_forms,
    scores_are_inner_products_where_it_says_so,
    tables_are_what_it_ranks_by,
    seeds_decide_the_weights,
    state_is_complete,
    gradients_reach_the_weights,
    extending_changes_no_weight,
)


def check_model(
    make: Callable[[int], Model],
    *,
    ranks_by_tables: bool = True,
    drawn: bool = True,
    tables: bool = True,
    batch: Context | None = None,
    learns: bool = True,
) -> None:
    """Run the contract of a model.

    Args:
        make: Gives the model for a seed, always the same for the same seed.
        ranks_by_tables: Its scores are the inner products of its tables.
        drawn: Weights depend on the seed; False where they are read or computed.
        tables: It has tables of all queries and items.
        batch: A batch to train on; one of its own numbers when left out.
        learns: It has weights that gradients reach; False where it is computed from its facts.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make(0)).__name__, ModelCase(make, ranks_by_tables, drawn, tables, batch, learns), CHECKS)
