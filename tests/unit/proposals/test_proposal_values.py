"""Draws and probabilities of proposals over a few items, where both can be counted."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from negatives.guards import OwnPositive
from negatives.proposals import InBatch, LearnedUnigram, Mixed, Popularity, Proposal, Uniform
from negatives.proposals.adversarial_tree import AdversarialTree
from negatives.proposals.bigram import Bigram
from negatives.proposals.cached import Cached
from negatives.proposals.nearest_items import NearestItems
from negatives.proposals.neighbourhood import Neighbourhood
from negatives.proposals.queue import Queue
from negatives.proposals.retrieved import Retrieved
from negatives.randomness import Purpose, stream
from negatives.sampler import Sampler
from negatives.types import Catalogue, Context, Csr

N, QUERIES, ROWS = 8, 3, 4000
KEY = stream(5, Purpose.CANDIDATES)


def catalogue() -> Catalogue:
    """Query 0 knows items 0 and 1, query 1 items 2 and 3, query 2 nothing; queries are about items 4, 5 and none."""
    known = Csr.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 3]), QUERIES, N)
    graph = Csr.from_pairs(torch.tensor([4, 4, 5, 0, 6]), torch.tensor([5, 6, 4, 7, 7]), N, N)
    counts = torch.tensor([1, 2, 3, 4, 0, 0, 5, 1])
    return Catalogue(QUERIES, N, counts, known, query_anchors=torch.tensor([4, 5, -1]), item_graph=graph)


class Scorer:
    """``s(u, i) = <u, i>`` over vectors that a test writes down."""

    def __init__(self, items: Tensor | None = None, queries: Tensor | None = None) -> None:
        self.items = torch.arange(N).float()[:, None] if items is None else items
        self.queries = torch.ones(QUERIES, self.items.shape[1]) if queries is None else queries

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.queries[queries]

    def encode_items(self, items: Tensor) -> Tensor:
        return self.items[items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        vectors = self.items[items]
        return (
            (self.queries[queries] * vectors).sum(-1)
            if items.dim() == 1
            else torch.einsum("rd,rkd->rk", self.queries[queries], vectors)
        )


def batch(query: int = 0, positive: int = 0, rows: int = ROWS, step: int = 0) -> Context:
    return Context(torch.full((rows,), query), torch.full((rows,), positive), torch.arange(rows), seed=5, step=step)


def shares(ids: Tensor) -> list[float]:
    found: list[float] = (torch.bincount(ids[ids >= 0].reshape(-1), minlength=N) / ids.numel()).tolist()
    return found


def agrees(proposal: Proposal, context: Context, exclude: Csr | None = None) -> list[float]:
    """Draws follow the probabilities that go with them; gives these, one for each item."""
    ids, log_q = proposal.draw(context, 4, KEY, exclude=exclude)
    chances = proposal.log_prob(torch.arange(N).repeat(context.rows, 1), context)[0].double().exp()
    if exclude is not None:
        gone = exclude.row(int(context.queries[0])).long()
        chances[gone] = 0.0
        rest = float(proposal.log_allowed(context, exclude)[0].double().exp())
        assert rest == pytest.approx(float(chances.sum()), rel=1e-5)
        chances = chances / rest
    for found, chance in zip(shares(ids), chances.tolist(), strict=True):
        assert abs(found - chance) <= 5.5 * math.sqrt(chance * (1 - chance) / ids.numel()) + 1e-9
    there = ids >= 0
    torch.testing.assert_close(log_q[there], chances.log().float()[ids[there]], atol=1e-5, rtol=1e-5)
    found_chances: list[float] = chances.tolist()
    return found_chances


def test_uniform_and_popularity_with_and_without_exclusion() -> None:
    data = catalogue()
    assert data.known is not None
    assert agrees(Uniform(n_items=N), batch()) == pytest.approx([1 / 8] * N)
    assert agrees(Uniform(n_items=N), batch(), data.known) == pytest.approx([0, 0, *[1 / 6] * 6])
    power = Popularity(data.counts, alpha=0.5, smoothing=1.0)
    base = [math.sqrt(count + 1) for count in data.counts.tolist()]
    assert agrees(power, batch()) == pytest.approx([one / sum(base) for one in base], rel=1e-5)
    left = sum(base[2:])
    assert agrees(power, batch(), data.known) == pytest.approx([0, 0, *[one / left for one in base[2:]]], rel=1e-5)
    plain = Popularity(data.counts, alpha=-1.0)
    base = [1 / count if count else 0.0 for count in data.counts.tolist()]
    assert agrees(plain, batch()) == pytest.approx([one / sum(base) for one in base], rel=1e-5)


def test_a_mixture_is_the_weighted_sum_also_under_exclusion() -> None:
    data = catalogue()
    assert data.known is not None
    mixed = Mixed([Uniform(n_items=N), Popularity(data.counts, alpha=1.0)], [3.0, 1.0])
    chances = [0.75 / 8 + 0.25 * count / 16 for count in data.counts.tolist()]
    assert agrees(mixed, batch()) == pytest.approx(chances, rel=1e-5)
    left = sum(chances[2:])
    assert agrees(mixed, batch(), data.known) == pytest.approx([0, 0, *[one / left for one in chances[2:]]], rel=1e-5)


def test_a_queue_holds_the_last_positives_and_no_more() -> None:
    queue = Queue(size=4, n_items=N)
    assert agrees(queue, batch()) == pytest.approx([1 / 8] * N)
    for items in ([7, 7, 7], [1, 2], [2]):
        queue.observe(Context(torch.zeros(len(items)).long(), torch.tensor(items), torch.arange(len(items))))
    assert agrees(queue, batch()) == pytest.approx([0, 0.25, 0.5, 0, 0, 0, 0, 0.25])
    again = Queue(size=4, n_items=N)
    again.load_state(queue.state())
    assert agrees(again, batch()) == pytest.approx([0, 0.25, 0.5, 0, 0, 0, 0, 0.25])


def test_frequencies_are_learnt_with_decay_and_rebuilt_when_due() -> None:
    learned = LearnedUnigram(decay=0.5, alpha=1.0, smoothing=1.0, every=2, n_items=N)
    for items in ([0, 0, 0, 0], [1]):
        assert agrees(learned, batch()) == pytest.approx([1 / 8] * N)
        learned.observe(Context(torch.zeros(len(items)).long(), torch.tensor(items), torch.arange(len(items))))
    expected = [3 / 11, 2 / 11, *[1 / 11] * 6]
    assert agrees(learned, batch()) == pytest.approx(expected, rel=1e-5)
    again, row = LearnedUnigram(decay=0.5, alpha=1.0, smoothing=1.0, every=2), torch.zeros(1, dtype=torch.int64)
    learned.observe(Context(row, row + 2, row))
    again.load_state(learned.state())  # one batch before the next table is due
    for one in (learned, again):
        one.observe(Context(row, row + 2, row))
    assert agrees(again, batch()) == agrees(learned, batch()) != pytest.approx(expected)


def test_a_cache_keeps_what_scores_high_at_its_temperature() -> None:
    for temperature, share in ((0.02, 1.0), (100.0, 0.6)):
        cached = Cached(size=2, fresh=6, temperature=temperature)
        cached.bind(catalogue())
        kept = torch.zeros(N)
        for step in range(60):
            context = batch(query=2, rows=1, step=step)
            cached.refresh(context, Scorer())
            kept += cached.log_prob(torch.arange(N)[None], context)[0].exp() / 60
        assert float(kept.sum()) == pytest.approx(1.0)
        assert (float(kept[6:].sum()) > 0.85) is (share == 1.0)
    context = batch(query=2)
    chances = agrees(cached, context)
    assert sorted(chances)[-2:] == pytest.approx([0.5, 0.5])


def test_a_cache_changes_only_when_a_refresh_is_due_and_never_holds_known_items() -> None:
    cached = Cached(size=3, fresh=3, every=2, temperature=0.01)
    cached.bind(catalogue())
    rows = [batch(query=0, rows=1, step=step) for step in range(3)]
    everything = torch.arange(N)[None]
    seen = []
    for context in rows:
        before = cached.log_prob(everything, context)
        cached.refresh(context, Scorer(-torch.arange(N).float()[:, None] if context.step else None))
        seen.append(not torch.equal(before, cached.log_prob(everything, context)))
        assert bool((cached.log_prob(everything, context)[0, :2] == -torch.inf).all())
    assert seen[1:] == [False, True]


def test_windows_of_the_nearest_items() -> None:
    retrieved = Retrieved(start=1, stop=4, every=2)
    retrieved.bind(catalogue())
    context = batch(query=0)
    assert agrees(retrieved, context) == pytest.approx(
        [0, 0, 1 / 3, 1 / 3, 0, 0, 0, 1 / 3]
    )  # the most frequent: 3, 2, 7
    retrieved.refresh(context, Scorer())
    expected = [0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0]  # item 7 is the nearest
    assert agrees(retrieved, context) == pytest.approx(expected)
    retrieved.refresh(batch(step=1), Scorer(-torch.arange(N).float()[:, None]))
    assert agrees(retrieved, context) == pytest.approx(expected)
    retrieved.refresh(batch(step=2), Scorer(-torch.arange(N).float()[:, None]))
    assert agrees(retrieved, context) == pytest.approx([0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_an_item_is_never_its_own_neighbour() -> None:
    angles = torch.tensor([0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.1, 2.8])
    scorer = Scorer(torch.stack([angles.cos(), angles.sin()], 1) * torch.arange(1, N + 1)[:, None])
    near = NearestItems(n=2, every=2)
    near.bind(catalogue())
    near.refresh(batch(), scorer)
    assert agrees(near, batch(positive=0)) == pytest.approx([0, 0.5, 0.5, 0, 0, 0, 0, 0])
    assert agrees(near, batch(positive=3)) == pytest.approx([0, 0, 0.5, 0, 0.5, 0, 0, 0])
    turned = Scorer(scorer.items.roll(1, 0))  # item 0 is where item 7 was
    near.refresh(batch(step=1), turned)
    assert agrees(near, batch(positive=0)) == pytest.approx([0, 0.5, 0.5, 0, 0, 0, 0, 0])
    near.refresh(batch(step=2), turned)
    assert agrees(near, batch(positive=0)) == pytest.approx([0, 0, 0, 0, 0, 0, 0.5, 0.5])
    skipping = NearestItems(n=2, every=1, skip=1)
    skipping.bind(catalogue())
    skipping.refresh(batch(), scorer)
    assert agrees(skipping, batch(positive=0)) == pytest.approx([0, 0, 0.5, 0.5, 0, 0, 0, 0])
    about = NearestItems(n=2, every=1, around="anchor")
    about.bind(catalogue())
    about.refresh(batch(), scorer)
    assert agrees(about, batch(query=0)) == pytest.approx([0, 0, 0, 0.5, 0, 0.5, 0, 0])


def test_what_follows_an_anchor_and_what_is_drawn_without_one() -> None:
    bigram = Bigram(weight=0.6)
    bigram.bind(catalogue())
    unigram = [count / 16 for count in catalogue().counts.tolist()]
    follows = [0.5, 0.5, 0, 0, 0, 0, 0, 0]  # queries about item 4 have the positives 0 and 1
    expected = [0.6 * a + 0.4 * b for a, b in zip(follows, unigram, strict=True)]
    assert agrees(bigram, batch(query=0)) == pytest.approx(expected, rel=1e-5)
    assert agrees(bigram, batch(query=2)) == pytest.approx(unigram, rel=1e-5)


def test_the_weight_of_the_bigrams_is_learnt_without_the_pair_itself() -> None:
    known = Csr.from_pairs(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 1]), 3, 4)
    bigram = Bigram(weight=0.5, adapt=0.1, alpha=1.0)
    bigram.bind(Catalogue(3, 4, torch.tensor([1, 3, 0, 0]), known, query_anchors=torch.tensor([2, 2, 3])))
    # anchor 2 is followed by 0, 0 and 1; without the pair itself, by 0 once among two
    bigram.observe(Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0])))
    share = 0.5 * 0.5 / (0.5 * 0.5 + 0.5 * 0.25)
    assert bigram.state()["weight"] == pytest.approx(0.9 * 0.5 + 0.1 * share)
    # anchor 3 is followed by 1 alone, which is the pair itself: nothing is learnt
    before = bigram.state()
    bigram.observe(Context(torch.tensor([2]), torch.tensor([1]), torch.tensor([0])))
    assert bigram.state() == before


def test_neighbours_in_the_graph() -> None:
    near = Neighbourhood(hops=1)
    near.bind(catalogue())
    assert agrees(near, batch(query=0)) == pytest.approx([0, 0, 0, 0, 0, 0.5, 0.5, 0])
    assert bool((near.draw(batch(query=2), 3, KEY)[0] == -1).all())
    rows = torch.arange(ROWS) % 2  # the second query is about item 5, which has one neighbour
    mixed = near.draw(Context(rows, rows, torch.arange(ROWS)), 3, KEY)[0]
    assert shares(mixed[rows == 0])[5:7] == pytest.approx([0.5, 0.5], abs=0.03)
    assert bool((mixed[rows == 1] == 4).all())
    far = Neighbourhood(hops=2, around="positive")
    far.bind(catalogue())
    assert agrees(far, batch(positive=5)) == pytest.approx(
        [0, 0, 0, 0, 0.5, 0, 0.5, 0]
    )  # back to itself does not count


def test_a_tree_forgets_what_was_excluded_when_it_is_fitted_anew() -> None:
    made = torch.Generator().manual_seed(1)
    scorer = Scorer(torch.randn(N, 3, generator=made), torch.randn(QUERIES, 3, generator=made))
    tree, data = AdversarialTree(dim=2, every=4, pairs=200), catalogue()
    tree.bind(data)
    assert data.known is not None
    rows = torch.arange(300) % 2
    for step in range(6):
        context = Context(rows, 3 - 3 * rows, torch.arange(300), seed=5, step=step)
        tree.refresh(context, scorer)
        rest = tree.log_allowed(context, data.known)[:2].double().exp()
        mass = tree.log_prob(torch.arange(N).repeat(300, 1), context)[:2].double().exp()
        left = [mass[0, 2:].sum(), mass[1].sum() - mass[1, 2:4].sum()]
        assert rest.tolist() == pytest.approx([float(one) for one in left], rel=1e-4)
        zeros = torch.zeros(ROWS, dtype=torch.int64)
        agrees(tree, Context(zeros, zeros, torch.arange(ROWS), seed=5, step=step), data.known)
        tree.log_allowed(context, data.known)
        tree.observe(context)


def test_a_small_pool_of_the_batch_does_not_take_its_first_rows() -> None:
    taken: set[int] = set()
    for step in range(40):
        sampler = Sampler(InBatch(torch.ones(100)), pool=3, guards=[OwnPositive()], seed=step)
        pool = sampler(torch.arange(20), torch.arange(20) * 2).ids[0]
        assert pool.numel() == 3 == pool.unique().numel()
        taken |= set((pool // 2).tolist())
    assert taken == set(range(20))
    whole = Sampler(InBatch(torch.ones(100)), pool=50, guards=[OwnPositive()])(torch.arange(20), torch.arange(20) * 2)
    assert sorted(whole.ids[0].tolist()) == list(range(0, 40, 2))


def test_other_rows_positives_never_the_rows_own() -> None:
    positives = torch.tensor([1, 2, 3, 4])
    context = Context(torch.arange(4), positives, torch.tensor([7, 3, 9, 1]))
    found = []
    for key in range(300):
        ids, log_q = InBatch(torch.tensor([0, 1, 2, 3, 4])).draw(context, 2, stream(key, Purpose.CANDIDATES))
        assert bool((ids != positives[:, None]).all())
        torch.testing.assert_close(log_q.exp(), ids / 10)
        found.append(ids)
    drawn = torch.stack(found)
    for row in range(4):
        others = torch.bincount(drawn[:, row].reshape(-1), minlength=5) / 600
        assert float(others[positives[row]]) == 0.0
        assert others[others > 0].tolist() == pytest.approx([1 / 3] * 3, abs=0.1)
