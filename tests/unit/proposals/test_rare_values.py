"""Numbers of the less common proposals, in data small enough to know them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from negatives.models.factorization import MatrixFactorization
from negatives.proposals import sets
from negatives.proposals.adversarial_tree import AdversarialTree
from negatives.proposals.base import Proposal
from negatives.proposals.bigram import Bigram
from negatives.proposals.cached import Cached
from negatives.proposals.cluster import Cluster
from negatives.proposals.decision_tree import DecisionTree
from negatives.proposals.matched import Matched
from negatives.proposals.neighbourhood import within
from negatives.proposals.retrieved import Retrieved
from negatives.proposals.shortlist import Shortlist
from negatives.proposals.typed import Typed
from negatives.types import Catalogue, Context, Csr

N = 32


def of(*queries: int, positives: Tensor | None = None, step: int = 0) -> Context:
    rows = torch.tensor(queries)
    return Context(rows, torch.zeros_like(rows) if positives is None else positives, rows, step=step)


def model(queries: Tensor, items: Tensor) -> MatrixFactorization:
    """A model with these vectors."""
    made = MatrixFactorization(len(queries), len(items), queries.shape[1])
    made.query_table.data.copy_(queries)
    made.item_table.data.copy_(items)
    return made


def corners() -> Tensor:
    """Eight groups of four items, each near a corner of a cube."""
    places = torch.arange(N)
    return torch.stack([(places // 4 >> bit & 1) * 2.0 - 1 + (places % 4) * 1e-3 for bit in range(3)], 1)


def chances(proposal: Proposal, context: Context, n: int = N) -> Tensor:
    return proposal.log_prob(torch.arange(n).expand(context.rows, n), context).exp()


def whole(n: int = N, n_queries: int = 2, known: Csr | None = None) -> Catalogue:
    return Catalogue(n_queries, n, torch.ones(n, dtype=torch.int64), known)


def test_without_known_positives_the_clusters_are_those_of_the_rows_positives_each_time() -> None:
    matched = Matched(best=1, uniform=0.0, clusters=8)
    matched.bind(whole())
    context = of(0, 1)
    for positive in (0, 31):
        now = replace(context, positives=torch.full((2,), positive))
        assert chances(matched, now).gt(0).nonzero()[:, 1].unique().tolist() == [
            item for item in range(N) if item // 4 == positive // 4
        ]


def test_another_look_at_the_model_gives_other_chances_to_the_same_batch() -> None:
    cluster, context = Cluster(clusters=8, balanced=True), of(0, 1, step=2)
    cluster.bind(whole())
    found = []
    for sign in (1.0, -1.0):
        cluster.refresh(context, model(sign * torch.ones(2, 3), corners()))
        found.append(chances(cluster, context)[0])
    assert int(found[0].argmax()) // 4 == 7
    assert int(found[1].argmax()) // 4 == 0


def test_an_item_that_was_never_a_positive_can_be_drawn_from_its_cluster() -> None:
    cluster = Cluster(clusters=4, within="counts")
    cluster.bind(Catalogue(1, 8, torch.tensor([0, 3, 0, 0, 1, 1, 1, 1])))
    torch.testing.assert_close(chances(cluster, of(0), 8)[0, :4], torch.tensor([1 / 5, 4 / 5, 1 / 2, 1 / 2]) / 4)


def test_at_most_a_quarter_of_the_clusters_is_matched_and_none_of_a_query_that_was_not_seen() -> None:
    matched = Matched(best=8, teacher_forced=False, uniform=0.0, clusters=8)
    matched.bind(whole())
    matched.refresh(of(0), model(torch.ones(2, 3), corners()))
    found = chances(matched, of(0, 1))
    assert found.gt(0).sum(1).tolist() == [N // 4, N]
    torch.testing.assert_close(found[1], torch.full((N,), 1 / N))


def test_a_second_bind_forgets_the_shares_of_the_first() -> None:
    exclude = Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 1, 4)
    typed = Typed()
    for known, share in (([1, 2], 0.5), ([1, 2, 3, 0], 0.75), ([2], 1.0)):
        items = torch.tensor(known)
        data = whole(4, 1, Csr.from_pairs(torch.zeros_like(items), items, 1, 4))
        typed.bind(replace(data, query_groups=torch.tensor([0])))
        assert float(typed.log_allowed(of(0), exclude).exp()) == pytest.approx(share)


def test_a_decision_keeps_a_chance_for_the_other_side() -> None:
    tree = DecisionTree.build(torch.arange(4), torch.ones(4, dtype=torch.float64), 1)
    steep = DecisionTree(tree.order, tree.place, tree.starts, tree.bias, torch.full_like(tree.weights, 1e4))
    found = steep.log_prob(torch.ones(1, 1), torch.arange(4)[None])[0]
    assert found.tolist() == pytest.approx([-30.0, -15.0, -15.0, 0.0], abs=1e-3)


@pytest.mark.parametrize(("pairs", "looks"), [(7, False), (8, True)])
def test_a_node_looks_at_the_query_once_eight_pairs_pass_it(pairs: int, looks: bool) -> None:
    tree = DecisionTree.build(torch.arange(2), torch.ones(2, dtype=torch.float64), 1)
    fitted = tree.fit(torch.linspace(-1, 1, pairs)[:, None], (torch.arange(pairs) > 3).long(), 0.1)
    assert bool(fitted.weights.any()) is looks


def test_the_penalty_draws_the_weights_of_a_decision_to_zero() -> None:
    tree = DecisionTree.build(torch.arange(2), torch.ones(2, dtype=torch.float64), 1)
    x, right = torch.linspace(-1, 1, 40)[:, None], torch.arange(40) % 20 // 10
    weight = float(tree.fit(x, right, 2.0).weights[1])
    slope = float((x[:, 0] * (right - torch.sigmoid(x[:, 0] * weight))).sum())
    assert slope == pytest.approx(2.0 * weight, abs=1e-3)
    assert abs(weight) > 0.01


def test_a_loaded_tree_knows_the_queries_of_the_batch() -> None:
    random = torch.Generator().manual_seed(3)
    vectors = torch.randn(20, 3, generator=random)
    items = torch.randn(8, 3, generator=random)
    trees = [AdversarialTree(dim=2, every=1, ridge=0.01) for _ in range(2)]
    data = whole(8, 20)
    for tree in trees:
        tree.bind(data)
    best = (vectors @ items.T).argmax(1)
    for step in range(3):
        context = of(*range(20), positives=best, step=step)
        trees[0].refresh(context, model(vectors, items))
        trees[0].observe(context)
    trees[1].load_state(trees[0].state())
    wanted = chances(trees[0], context, 8)
    assert float(wanted.std(0).max()) > 0.01
    assert torch.equal(chances(trees[1], context, 8), wanted)


def test_a_cache_holds_an_item_once_after_a_refresh() -> None:
    cached = Cached(size=3, fresh=60, temperature=1e-3)
    cached.bind(whole(6, 1))
    for step in range(1, 4):
        cached.refresh(of(0, step=step), model(torch.ones(1, 1), torch.arange(6.0)[:, None]))
    found = chances(cached, of(0), 6)[0]
    assert found.tolist() == pytest.approx([0, 0, 0, 1 / 3, 1 / 3, 1 / 3])


def test_a_shared_window_counts_each_query_as_often_as_it_has_pairs_and_follows_the_search() -> None:
    known = Csr.from_pairs(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 4]), 2, 5)
    shared = Retrieved(stop=1, every=2, shared=True)
    shared.bind(replace(whole(5, 2, known), counts=torch.tensor([9, 8, 7, 6, 5])))
    assert chances(shared, of(0), 5)[0].tolist() == pytest.approx([0.25, 0, 0, 0.75, 0])
    items = torch.tensor([[0.0], [0.0], [1.0], [0.0], [2.0]])
    shared.refresh(of(0, 1, step=0), model(torch.ones(2, 1), items))
    assert chances(shared, of(0), 5)[0].tolist() == pytest.approx([0, 0, 0.25, 0, 0.75])
    shared.refresh(of(0, 1, step=2), model(torch.ones(2, 1), -items - torch.tensor([[-1.0], [1], [0], [0], [9]])))
    assert chances(shared, of(0), 5)[0].tolist() == pytest.approx([0.25, 0, 0, 0.75, 0])


def test_large_neighbourhoods_are_cut_at_other_places_for_each_item() -> None:
    n, most = 60, 6
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n))
    kept = within(Csr.from_pairs(pairs[:, 0], pairs[:, 1], n, n), 1, most)
    first = torch.stack([kept.row(item)[0] for item in range(n)])
    assert first.unique().numel() > 4
    times = torch.bincount(kept.indices.long(), minlength=n)
    assert int(times.max()) < 0.5 * n


def test_what_is_left_of_a_set_is_drawn_evenly_where_nearly_all_is_excluded() -> None:
    """Bits that led to an excluded item fall on one part of their range; the list must be drawn by others."""
    n, rows = 64, 4000
    everything = Csr.from_pairs(torch.zeros(n), torch.arange(n), 1, n)
    gone = Csr.from_pairs(torch.zeros(n // 2), torch.arange(n // 2), 1, n)
    zeros, examples = torch.zeros(rows, dtype=torch.int64), torch.arange(rows)
    ids = sets.draw_members(everything, zeros, Context(zeros, zeros, examples), 4, 7, gone)
    times = torch.bincount(ids.flatten(), minlength=n)[n // 2 :]
    assert int(times.sum()) == 4 * rows
    spread = ((times - times.float().mean()) ** 2 / times.float().mean()).sum()
    assert float(spread) < 31 + 6 * (2 * 31) ** 0.5


def test_known_items_are_on_no_shortlist() -> None:
    known = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([7, 6]), 1, 8)
    short = Shortlist(size=3, probes=9, clusters=2)
    short.bind(whole(8, 1, known))
    short.refresh(of(0), model(torch.ones(1, 1), torch.arange(8.0)[:, None]))
    assert chances(short, of(0), 8)[0].tolist() == pytest.approx([0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_a_query_about_no_item_has_no_followers() -> None:
    """Not even those of the first item, where an anchor of -1 would lead."""
    known = Csr.from_pairs(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 1]), 3, 4)
    bigram = Bigram(weight=0.9)
    bigram.bind(replace(whole(4, 3, known), query_anchors=torch.tensor([0, 0, -1])))
    places = torch.arange(4000)
    ids, _ = bigram.draw(Context(torch.full_like(places, 2), places * 0, places), 2, 7)
    share = torch.bincount(ids.flatten(), minlength=4) / ids.numel()
    torch.testing.assert_close(share, torch.full((4,), 0.25), atol=0.03, rtol=0)


def test_items_of_other_groups_are_never_drawn() -> None:
    known = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([1, 2]), 2, 4)
    typed = Typed()
    typed.bind(replace(whole(4, 2, known), query_groups=torch.tensor([0, 1])))
    assert chances(typed, of(0, 1), 4).tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]
