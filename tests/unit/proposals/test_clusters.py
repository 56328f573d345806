"""Clusters that follow a model, and the proposals that draw from them."""

from __future__ import annotations

import pytest
import torch

from negatives.errors import ConfigError, NonFiniteScores
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Cluster, Matched, Shortlist
from negatives.proposals.base import Proposal
from negatives.proposals.clusters import bisect, k_means, principal
from negatives.proposals.seen_batch import SeenBatch
from negatives.types import Catalogue, Context, Csr

N_QUERIES, N_ITEMS, GROUPS = 8, 96, 8


def vectors() -> torch.Tensor:
    """Items of ``GROUPS`` tight groups; item ``i`` is of group ``i % GROUPS``."""
    random = torch.Generator().manual_seed(4)
    centres = 4 * torch.eye(GROUPS)
    return centres[torch.arange(N_ITEMS) % GROUPS] + 0.2 * torch.randn(N_ITEMS, GROUPS, generator=random)


def model() -> MatrixFactorization:
    """Query ``u`` likes the items of group ``u``."""
    made = MatrixFactorization(N_QUERIES, N_ITEMS, GROUPS)
    made.item_table.data.copy_(vectors())
    made.query_table.data.copy_(torch.eye(GROUPS)[:N_QUERIES])
    return made


def catalogue() -> Catalogue:
    """Query ``u`` knows two items of its own group and one of the next."""
    rows = torch.arange(N_QUERIES).repeat_interleave(3)
    items = rows + torch.tensor([0, 8, 17]).repeat(N_QUERIES)
    known = Csr.from_pairs(rows, items % N_ITEMS, N_QUERIES, N_ITEMS)
    return Catalogue(N_QUERIES, N_ITEMS, torch.bincount(known.indices.long(), minlength=N_ITEMS), known)


def batch(step: int = 0) -> Context:
    rows = torch.arange(24)
    return Context(rows % N_QUERIES, rows % N_QUERIES, rows + 100 * step, step=step)


def refreshed(proposal: Proposal) -> Proposal:
    proposal.bind(catalogue())
    proposal.refresh(batch(), model())
    return proposal


def chances(proposal: Proposal, queries: torch.Tensor) -> torch.Tensor:
    """``(rows, n_items)`` probability of every item."""
    context = Context(queries, queries, queries)
    return proposal.log_prob(torch.arange(N_ITEMS).expand(len(queries), -1), context).double().exp()


def test_k_means_finds_planted_groups() -> None:
    groups = torch.arange(N_ITEMS) % GROUPS
    of, centroids = k_means(vectors(), GROUPS, 3)
    same = of[:, None] == of
    assert float((same == (groups[:, None] == groups)).double().mean()) > 0.9
    for cluster in range(GROUPS):
        torch.testing.assert_close(centroids[cluster], vectors()[of == cluster].mean(0))
    assert all(torch.equal(a, b) for a, b in zip(k_means(vectors(), GROUPS, 3), (of, centroids), strict=True))
    assert torch.equal(k_means(vectors(), GROUPS, 5, start=centroids, rounds=1)[0], of)


def test_k_means_of_equal_vectors_ends() -> None:
    of, centroids = k_means(torch.ones(9, 2), 4, 1)
    assert bool((centroids == 1).all())
    assert of.unique().numel() == 1


@pytest.mark.parametrize("depth", [0, 1, 3, 6])
def test_halves_have_equal_sizes_and_keep_groups_together(depth: int) -> None:
    order, starts = bisect(vectors(), depth, 3)
    assert order.sort().values.tolist() == list(range(N_ITEMS))
    sizes = starts.diff()
    assert int(sizes.max() - sizes.min()) <= 1
    assert len(sizes) == 2**depth
    if depth == 3:
        groups = order.view(8, 12) % GROUPS
        assert float((groups == groups.mode(1).values[:, None]).double().mean()) > 0.9


def test_halves_learnt_from_a_sample_keep_groups_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("negatives.proposals.clusters.SAMPLE", 1)
    monkeypatch.setattr("negatives.proposals.clusters.PER_CLUSTER", 6)
    order, _ = bisect(vectors(), 3, 3)
    assert order.sort().values.tolist() == list(range(N_ITEMS))
    assert not torch.equal(order, bisect(vectors(), 3, 4)[0])
    groups = order.view(8, 12) % GROUPS
    assert float((groups == groups.mode(1).values[:, None]).double().mean()) > 0.8


def test_principal_directions_are_the_widest() -> None:
    random = torch.Generator().manual_seed(1)
    wide = torch.randn(500, 3, generator=random) * torch.tensor([0.1, 5.0, 1.0])
    spread, axes = principal(wide, 2)
    torch.testing.assert_close(spread, torch.tensor([1.0, 5.0]), rtol=0.15, atol=0)
    assert axes.abs().argmax(0).tolist() == [2, 1]


def test_a_cluster_is_drawn_by_the_score_of_its_centre() -> None:
    proposal = refreshed(Cluster(clusters=5, temperature=0.7, within="counts"))
    now, queries = proposal._index.now(), torch.tensor([3, 0])  # type: ignore[attr-defined]
    scores = model().query_table[queries].detach() @ now.centroids.T / 0.7
    weight = 1.0 + catalogue().counts
    expected = torch.zeros(2, N_ITEMS, dtype=torch.float64)
    for cluster in range(5):
        inside = now.of == cluster
        torch.testing.assert_close(now.centroids[cluster], vectors()[inside].mean(0))
        share = inside * weight / (inside * weight).sum()
        expected += (inside.sum() * scores[:, cluster].double().exp())[:, None] * share
    torch.testing.assert_close(chances(proposal, queries), expected / expected.sum(1, keepdim=True), rtol=1e-5, atol=0)


def test_a_query_that_was_not_seen_draws_by_size() -> None:
    proposal = Cluster(clusters=5)
    proposal.bind(catalogue())
    proposal.refresh(Context(torch.tensor([2]), torch.tensor([2]), torch.tensor([0])), model())
    found = chances(proposal, torch.tensor([1, 2]))
    torch.testing.assert_close(found[0], torch.full_like(found[0], 1 / N_ITEMS), rtol=1e-5, atol=0)
    assert float(found[1].max()) > 5 / N_ITEMS


@pytest.mark.parametrize("forced", [False, True])
def test_matched_clusters_are_the_best_and_those_of_positives(forced: bool) -> None:
    proposal = refreshed(Matched(best=1, clusters=8, uniform=0.2, teacher_forced=forced))
    now, known = proposal._index.now(), catalogue().known  # type: ignore[attr-defined]
    assert known is not None
    found = chances(proposal, torch.arange(N_QUERIES))
    scores = model().query_table.detach() @ now.centroids.T
    for query in range(N_QUERIES):
        inside = now.of == scores[query].argmax()
        for item in known.row(query).tolist() if forced else []:
            inside |= now.of == now.of[item]
        expected = 0.8 * inside / inside.sum() + 0.2 / N_ITEMS
        torch.testing.assert_close(found[query], expected.double(), rtol=1e-5, atol=0)


def test_without_known_positives_the_rows_own_is_matched() -> None:
    proposal = Matched(best=1, clusters=8, uniform=0.0)
    full = catalogue()
    proposal.bind(Catalogue(N_QUERIES, N_ITEMS, full.counts))
    unseen = Context(torch.tensor([1]), torch.tensor([40]), torch.tensor([0]))
    of = proposal._index.now().of
    drawn = proposal.draw(unseen, 200, 3)[0]
    assert set(drawn[0].tolist()) == set((of == of[40]).nonzero()[:, 0].tolist())


@pytest.mark.parametrize("rows", [8, 24])
def test_a_shortlist_with_all_clusters_is_the_exact_ranking(rows: int) -> None:
    proposal, known = Shortlist(size=7, probes=64, clusters=8), catalogue().known
    assert known is not None
    proposal.bind(catalogue())
    at = torch.arange(rows)
    proposal.refresh(Context(at % N_QUERIES, at % N_QUERIES, at), model())
    scores = model().query_table.detach() @ vectors().T
    for query, found in enumerate(chances(proposal, torch.arange(N_QUERIES))):
        order = [one for one in scores[query].argsort(descending=True).tolist() if one not in known.row(query).tolist()]
        assert set(found.nonzero()[:, 0].tolist()) == set(order[:7])
        torch.testing.assert_close(found.max(), torch.tensor(1 / 7, dtype=torch.float64), rtol=1e-6, atol=0)


def test_a_shortlist_searches_the_nearest_clusters_with_the_model_of_the_step() -> None:
    proposal, changed = Shortlist(size=5, probes=1, clusters=8), model()
    refreshed(proposal)
    groups = chances(proposal, torch.arange(N_QUERIES)).nonzero()
    assert float((groups[:, 0] == groups[:, 1] % GROUPS).double().mean()) > 0.8
    proposal.refresh(batch(2), changed)  # not due: the clusters stay
    before = chances(proposal, torch.arange(N_QUERIES)) > 0
    with torch.no_grad():
        changed.item_table[before.any(0)] -= 3.0
    proposal.refresh(batch(3), changed)
    assert not bool((before & (chances(proposal, torch.arange(N_QUERIES)) > 0)).all())


def test_lists_are_the_same_when_searched_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = chances(refreshed(Shortlist(size=9, probes=2)), torch.arange(N_QUERIES))
    monkeypatch.setattr("negatives.proposals.shortlist.CELLS", 60)
    assert torch.equal(whole, chances(refreshed(Shortlist(size=9, probes=2)), torch.arange(N_QUERIES)))


def test_clusters_are_found_anew_when_due() -> None:
    proposal, moved = Cluster(clusters=8, every=10), model()
    refreshed(proposal)
    moved.item_table.data = moved.item_table.data.flip(0)
    looks = []
    for step in range(1, 30):
        before = proposal._index.now()
        proposal.refresh(batch(step), moved)
        looks += [step] if proposal._index.now() is not before else []
    assert looks == [1, 4, 14, 24]


def test_a_resumed_proposal_goes_on_as_it_would_have() -> None:
    for make in (lambda: Cluster(every=3), lambda: Matched(every=3), lambda: Shortlist(every=3, size=9)):
        whole, resumed = refreshed(make()), make()
        resumed.bind(catalogue())
        resumed.load_state(whole.state())
        for step in range(1, 6):
            for one in (whole, resumed):
                one.refresh(batch(step), model())
            ours, theirs = whole.draw(batch(step), 9, step), resumed.draw(batch(step), 9, step)
            assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_seen_vectors_of_another_width_are_none() -> None:
    seen = SeenBatch()
    seen.keep(torch.tensor([1]), torch.ones(1, 3))
    vectors, there = seen.vectors_of(torch.tensor([1]), 4)
    assert vectors.shape == (1, 4)
    assert not bool(there.any())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Cluster, {"temperature": 0.0}),
        (Cluster, {"within": "rank"}),
        (Cluster, {"clusters": 0}),
        (Cluster, {"every": 0}),
        (Matched, {"best": 0}),
        (Matched, {"uniform": 1.5}),
        (Shortlist, {"size": 0}),
        (Shortlist, {"probes": 0}),
    ],
)
def test_values_out_of_range_are_refused(kind: type[Proposal], values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        kind(**values)


def test_vectors_that_are_no_numbers_are_refused() -> None:
    broken = model()
    broken.item_table.data[3] = torch.nan
    proposal = Cluster()
    proposal.bind(catalogue())
    with pytest.raises(NonFiniteScores, match="items"):
        proposal.refresh(batch(), broken)
