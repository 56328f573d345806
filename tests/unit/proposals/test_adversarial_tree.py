"""A tree of decisions that learns which items go with a query."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from negatives.errors import ConfigError
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import AdversarialTree
from negatives.proposals.decision_tree import DecisionTree
from negatives.randomness import integers
from negatives.types import Catalogue, Context, Csr

N_QUERIES, N_ITEMS, GROUPS, PAIRS = 60, 45, 5, 1500


def model() -> MatrixFactorization:
    """Query ``u`` and item ``i`` belong to the groups ``u % 5`` and ``i % 5``."""
    made, random = MatrixFactorization(N_QUERIES, N_ITEMS, 8), torch.Generator().manual_seed(2)
    centres = torch.randn(GROUPS, 8, generator=random)
    for table in (made.query_table, made.item_table):
        noise = 0.1 * torch.randn(table.shape, generator=random)
        table.data.copy_(centres[torch.arange(len(table)) % GROUPS] + noise)
    return made


def pairs(step: int = 0) -> Context:
    """Queries with items of their own group."""
    rows = torch.arange(PAIRS)
    queries, nth = integers(1, rows, 0, N_QUERIES), integers(2, rows, 0, N_ITEMS // GROUPS)
    return Context(queries, queries % GROUPS + GROUPS * nth, rows, step=step)


def catalogue() -> Catalogue:
    known = Csr.from_pairs(pairs().queries, pairs().positives, N_QUERIES, N_ITEMS)
    return Catalogue(N_QUERIES, N_ITEMS, torch.bincount(pairs().positives, minlength=N_ITEMS), known)


def fitted(**values: float) -> AdversarialTree:
    proposal = AdversarialTree(**values)  # type: ignore[arg-type]
    proposal.bind(catalogue())
    context = pairs()
    proposal.refresh(context, model())
    proposal.observe(context)
    proposal.refresh(pairs(1), model())
    return proposal


def every_item(queries: torch.Tensor) -> tuple[torch.Tensor, Context]:
    return torch.arange(N_ITEMS).expand(len(queries), -1), Context(queries, queries, queries)


def test_before_a_fit_it_draws_by_count() -> None:
    proposal = AdversarialTree(smoothing=0.5)
    proposal.bind(catalogue())
    proposal.refresh(pairs(0), model())
    found = proposal.log_prob(*every_item(torch.arange(3))).double().exp()
    weights = catalogue().counts + 0.5
    torch.testing.assert_close(found, (weights / weights.sum()).double().expand(3, -1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("n_items", [1, 2, 3, 5, 8, 45])
def test_a_tree_of_any_size_has_every_item_once(n_items: int) -> None:
    order, mass = torch.arange(n_items).flip(0), torch.arange(1, n_items + 1).double()
    tree = DecisionTree.build(order, mass, 2)
    found = tree.log_prob(torch.zeros(1, 2), torch.arange(n_items)[None]).exp()[0]
    torch.testing.assert_close(found, mass / mass.sum(), rtol=1e-5, atol=0)
    context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    ids, log_prob = tree.draw(torch.zeros(1, 2), context, 500, 3)
    assert set(ids[0].tolist()) <= set(range(n_items))
    torch.testing.assert_close(log_prob, found.log()[ids])


def test_the_probability_is_that_of_the_branches_on_the_way() -> None:
    proposal = fitted(dim=4)
    tree, queries = proposal._tree, torch.tensor([7, 30])
    assert tree is not None
    assert float(tree.weights.abs().max()) > 0.5
    x = proposal._vectors(every_item(queries)[1])
    found = proposal.log_prob(*every_item(queries)).double()
    for item in range(0, N_ITEMS, 7):
        node, total = (1 << tree.depth) + int(tree.place[item]), torch.zeros(2, dtype=torch.float64)
        while node > 1:
            right = torch.sigmoid((x @ tree.weights[node >> 1] + tree.bias[node >> 1]).double())
            total += (right if node & 1 else 1 - right).log()
            node >>= 1
        torch.testing.assert_close(found[:, item], total, rtol=1e-5, atol=1e-5)


def test_it_learns_which_items_go_with_a_query() -> None:
    proposal, queries = fitted(), torch.arange(N_QUERIES)
    found = proposal.log_prob(*every_item(queries)).exp()
    own = torch.arange(N_ITEMS) % GROUPS == queries[:, None] % GROUPS
    assert float((found * own).sum(1).mean()) > 0.85  # 0.2 by count
    likely = proposal.log_prob(pairs().positives[:, None], pairs()).mean()
    by_count = (catalogue().counts[pairs().positives] / PAIRS).log().mean()
    assert float(likely) > float(by_count) + 1.0


def test_a_stronger_penalty_looks_less_at_the_query() -> None:
    weak, strong = (fitted(ridge=ridge)._tree for ridge in (0.1, 1e4))
    assert weak is not None
    assert strong is not None
    assert float(strong.weights.abs().max()) < 0.1 < float(weak.weights.abs().max())


def test_what_is_left_is_drawn_right_where_nearly_all_chance_is_excluded() -> None:
    """The tree favours a row's own group; all of it is excluded but one item of another group is common."""
    proposal, queries = fitted(), torch.zeros(4000, dtype=torch.int64)
    own = torch.arange(0, N_ITEMS, GROUPS)
    exclude = Csr.from_pairs(torch.zeros_like(own), own, N_QUERIES, N_ITEMS)
    context = Context(queries, queries, torch.arange(4000))
    assert float(proposal.log_allowed(context, exclude).exp().max()) < 0.15
    ids, log_q = proposal.draw(context, 5, 9, exclude)
    assert not bool((ids % GROUPS == 0).any())
    expected = proposal.log_prob(*every_item(queries[:1]))[0].double().exp()
    expected[own] = 0.0
    expected /= expected.sum()
    torch.testing.assert_close(log_q.double().exp(), expected[ids], rtol=1e-4, atol=0)
    shares = torch.bincount(ids.flatten(), minlength=N_ITEMS) / ids.numel()
    torch.testing.assert_close(shares.double(), expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("kept", [(7,), (7, 40, 41)])
def test_what_is_left_is_drawn_right_where_next_to_nothing_is_left(kept: tuple[int, ...]) -> None:
    """Some items have a chance of 1e-19 and less: one minus the sum of the others holds no digit of it."""
    proposal = AdversarialTree(smoothing=1e-15)
    items = torch.arange(N_ITEMS)
    counts = torch.where(torch.isin(items, torch.tensor(kept)), 0, 10**6)
    proposal.bind(replace(catalogue(), counts=counts))
    gone = items[~torch.isin(items, torch.tensor(kept))]
    exclude = Csr.from_pairs(torch.zeros_like(gone), gone, N_QUERIES, N_ITEMS)
    context = Context(torch.tensor([0, 1]).repeat(3000), torch.zeros(6000).long(), torch.arange(6000))
    expected = proposal.log_prob(*every_item(torch.tensor([0])))[0].double()
    expected[gone] = -torch.inf
    rest = expected.logsumexp(0)
    assert float(rest) < -40
    torch.testing.assert_close(proposal.log_allowed(context, exclude)[0].double(), rest, rtol=1e-6, atol=0)
    ids, log_q = proposal.draw(context, 5, 9, exclude)
    ids, log_q = ids[::2], log_q[::2]
    torch.testing.assert_close(log_q.double(), (expected - rest)[ids], rtol=0, atol=1e-5)
    shares = torch.bincount(ids.flatten(), minlength=N_ITEMS) / ids.numel()
    torch.testing.assert_close(shares.double(), (expected - rest).exp(), rtol=0, atol=0.02)


def test_it_keeps_the_last_pairs_and_fits_when_due() -> None:
    proposal = AdversarialTree(pairs=2000, every=5)
    proposal.bind(catalogue())
    proposal.refresh(pairs(3), model())  # due, but nothing was trained on
    assert not proposal._frame.numel()
    proposal.observe(pairs())  # not the batch whose vectors were seen
    assert not proposal._recent
    looks = []
    for step in range(4, 20):
        before, context = proposal._tree, pairs(step)
        proposal.refresh(context, model())
        proposal.observe(context)
        looks += [step] if proposal._tree is not before else []
    assert looks == [5, 10, 15]
    vectors, positives = proposal._pairs()
    assert len(positives) == 2000
    last = torch.cat([vectors, positives[:, None]], 1)[500:].unique(dim=0, return_counts=True)
    table = model().query_table.detach()[pairs().queries]
    wanted = torch.cat([table, pairs().positives[:, None]], 1).unique(dim=0, return_counts=True)
    assert all(torch.equal(*both) for both in zip(last, wanted, strict=True))  # in whatever order
    assert len(proposal._recent) == 2


def test_a_resumed_tree_goes_on_as_it_would_have() -> None:
    whole, resumed = fitted(every=2), AdversarialTree(every=2)
    resumed.bind(catalogue())
    resumed.load_state(whole.state())
    for step in range(2, 6):
        context = replace(pairs(step), examples=torch.arange(PAIRS) + step * PAIRS)
        for one in (whole, resumed):
            one.refresh(context, model())
            one.observe(context)
        ours, theirs = whole.draw(context, 3, step), resumed.draw(context, 3, step)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("values", [{"dim": 0}, {"every": 0}, {"pairs": 0}, {"ridge": 0.0}, {"smoothing": 0.0}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        AdversarialTree(**values)  # type: ignore[arg-type]
