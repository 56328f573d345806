"""Every proposal of the table through the same checks; each class below them states one special promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Mixed, registry, rejection
from negatives.proposals.base import Proposal
from negatives.sampler import Sampler
from negatives.types import Catalogue, Context, Csr

N_ITEMS, N_QUERIES, ROWS, K, KEY = 23, 6, 40, 7, 0xC0FFEE

CASES = {
    "uniform": [{}],
    "popularity": [{}, {"alpha": 1.0}, {"alpha": -0.5, "smoothing": 1.0}],
    "log_uniform": [{}],
    "learned_unigram": [{"every": 2, "decay": 0.9}],
    "every": [{}],
    "bigram": [{}, {"weight": 0.9, "adapt": 0.3, "alpha": 0.5}],
    "in_batch": [{}],
    "mixed": [
        {"parts": ["uniform", {"name": "popularity", "alpha": 1.0}], "weights": [1, 3]},
        {"parts": ["in_batch", "uniform"]},
        {"parts": ["typed", "neighbourhood", "cached", "uniform"], "weights": [3, 2, 2, 1]},
    ],
    "typed": [{}],
    "neighbourhood": [{}, {"hops": 3, "most": 15}, {"hops": 1, "around": "positive"}],
    "cached": [{"size": 30}, {"size": 9, "fresh": 4}],
    "retrieved": [{"stop": 23}, {"start": 2, "stop": 15}, {"stop": 23, "shared": True}],
    "queue": [{"size": 300}, {"size": 50}],
    "nearest_items": [{}, {"around": "anchor", "n": 21}],
    "cluster": [{}, {"balanced": True, "clusters": 6, "within": "counts"}, {"by_size": False, "temperature": 3.0}],
    "matched": [{"best": 2}, {"best": 3, "teacher_forced": False, "balanced": False, "uniform": 0.5}],
    "adversarial_tree": [{}, {"dim": 3, "pairs": 50}],
    "shortlist": [{"size": 17}, {"size": 12, "probes": 2, "clusters": 8}],
}
LOOKS = ("cluster", "matched", "adversarial_tree", "shortlist")
"""Proposals that the tests let look at a model before they draw."""
FLAT = [pytest.param(name, values, id=f"{name}{i}") for name, cases in CASES.items() for i, values in enumerate(cases)]
every_proposal = pytest.mark.parametrize(("name", "values"), FLAT)


def catalogue() -> Catalogue:
    counts = torch.arange(N_ITEMS) ** 2 % 11  # some are zero
    rows = torch.arange(N_QUERIES).repeat_interleave(4)
    known = Csr.from_pairs(
        rows, (rows * 5 + torch.tensor([0, 3, 4, 9]).repeat(N_QUERIES)) % N_ITEMS, N_QUERIES, N_ITEMS
    )
    groups, anchors = torch.arange(N_QUERIES) // 3, torch.arange(N_QUERIES) * 2
    items = torch.arange(N_ITEMS).repeat_interleave(6)
    near = (items * 3 + torch.arange(6).repeat(N_ITEMS)) % N_ITEMS
    graph = Csr.from_pairs(items, near, N_ITEMS, N_ITEMS)
    return Catalogue(N_QUERIES, N_ITEMS, counts, known, groups, anchors, graph)


def batch(step: int = 3) -> Context:
    seen = catalogue().counts.nonzero()[:, 0]
    rows = torch.arange(ROWS)
    return Context(rows % N_QUERIES, seen[(rows * 7 + step) % len(seen)], rows * 13 + 1, step=step)


def make(name: str, values: dict) -> Proposal:
    proposal = registry.build({"name": name, **values})
    proposal.bind(catalogue())
    for step in range(5):
        context = batch(step)
        if name in LOOKS:
            proposal.refresh(context, MatrixFactorization(N_QUERIES, N_ITEMS, 8, init=0.5, seed=3))
        proposal.observe(context)
    return proposal


def all_items(rows: int = ROWS) -> torch.Tensor:
    return torch.arange(N_ITEMS).expand(rows, -1)


def conditional(proposal: Proposal, context: Context, known: Csr) -> torch.Tensor:
    """The distribution given that nothing known is drawn, by brute force: ``(rows, n_items)``."""
    q = proposal.log_prob(all_items(context.rows), context).double().exp().clone()
    for row, query in enumerate(context.queries.tolist()):
        q[row, known.row(query).long()] = 0
    return q / q.sum(1, keepdim=True)


def test_every_proposal_has_a_case() -> None:
    assert set(registry) == set(CASES)


@every_proposal
def test_shape_dtype_and_bounds(name: str, values: dict) -> None:
    ids, log_q = make(name, values).draw(batch(), K, KEY)
    assert ids.shape == log_q.shape == (ROWS, K)
    assert ids.dtype == torch.int64
    assert log_q.dtype == torch.float32
    assert 0 <= int(ids.min()) <= int(ids.max()) < N_ITEMS
    assert bool(torch.isfinite(log_q).all())
    assert len(ids.unique()) > 3


@every_proposal
def test_draws_are_determined_by_the_key(name: str, values: dict) -> None:
    first, again = make(name, values).draw(batch(), K, KEY), make(name, values).draw(batch(), K, KEY)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], make(name, values).draw(batch(), K, KEY + 1)[0])


@every_proposal
@pytest.mark.parametrize("excluding", [False, True])
def test_permuting_rows_permutes_draws(name: str, values: dict, excluding: bool) -> None:
    proposal, context = make(name, values), batch()
    exclude = catalogue().known if excluding else None
    order = torch.argsort((torch.arange(ROWS) * 17) % ROWS)
    ids, log_q = proposal.draw(context, K, KEY, exclude)
    moved, moved_log_q = proposal.draw(rejection.take(context, order), K, KEY, exclude)
    assert torch.equal(moved, ids[order])
    torch.testing.assert_close(moved_log_q, log_q[order])


@every_proposal
def test_state_round_trip(name: str, values: dict) -> None:
    proposal, fresh = make(name, values), registry.build({"name": name, **values})
    fresh.bind(catalogue())
    fresh.load_state(proposal.state())
    for step in range(4):
        for one in (proposal, fresh):
            one.observe(batch(step))
        ours, theirs = proposal.draw(batch(), K, KEY), fresh.draw(batch(), K, KEY)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@every_proposal
def test_log_prob_sums_to_one(name: str, values: dict) -> None:
    log_prob = make(name, values).log_prob(all_items(), batch())
    assert log_prob.shape == (ROWS, N_ITEMS)
    torch.testing.assert_close(log_prob.double().exp().sum(1), torch.ones(ROWS).double(), atol=1e-6, rtol=0)


@every_proposal
def test_log_q_is_log_prob(name: str, values: dict) -> None:
    proposal, context = make(name, values), batch()
    ids, log_q = proposal.draw(context, K, KEY)
    torch.testing.assert_close(log_q, proposal.log_prob(ids, context))


@every_proposal
def test_excluded_items_are_never_drawn_and_log_q_is_conditional(name: str, values: dict) -> None:
    proposal, context, known = make(name, values), batch(), catalogue().known
    assert known is not None
    ids, log_q = proposal.draw(context, 50, KEY, known)
    assert int(ids.min()) >= 0
    for row, query in enumerate(context.queries.tolist()):
        assert not set(ids[row].tolist()) & set(known.row(query).tolist())
    expected = conditional(proposal, context, known).gather(1, ids).log().float()
    torch.testing.assert_close(log_q, expected, atol=1e-5, rtol=1e-5)


@every_proposal
def test_log_allowed_is_the_mass_that_is_left(name: str, values: dict) -> None:
    proposal, context, known = make(name, values), batch(), catalogue().known
    assert known is not None
    torch.testing.assert_close(
        proposal.log_allowed(context, known), rejection.log_allowed(proposal, context, known), atol=1e-5, rtol=1e-5
    )


@every_proposal
def test_a_query_that_knows_every_item_draws_nothing(name: str, values: dict) -> None:
    everything = torch.cat([torch.arange(N_ITEMS), torch.full((1,), N_ITEMS)])
    known = Csr.from_pairs(everything // N_ITEMS, everything % N_ITEMS, N_QUERIES, N_ITEMS)
    ids, log_q = make(name, values).draw(batch(), K, KEY, known)
    full = batch().queries == 0
    assert bool((ids[full] == -1).all())
    assert bool((ids[~full] >= 0).all())
    assert bool(torch.isfinite(log_q).all())


@every_proposal
def test_a_query_with_one_item_left_draws_it(name: str, values: dict) -> None:
    left = 5  # has a positive count, and is a positive of the batch
    items = torch.tensor([item for item in range(N_ITEMS) if item != left])
    known = Csr.from_pairs(torch.ones_like(items), items, N_QUERIES, N_ITEMS)
    proposal = make(name, values)
    ids, log_q = proposal.draw(batch(), K, KEY, known)
    alone = batch().queries == 1
    reached = proposal.log_prob(torch.full((ROWS, 1), left), batch())[alone] > -torch.inf
    assert set(ids[alone].flatten().tolist()) <= {left, -1}
    assert not bool((ids[alone] == left)[~reached[:, 0]].any())
    assert bool((ids[alone] == left).any()) == bool(reached.any())
    torch.testing.assert_close(log_q[alone], torch.zeros_like(log_q[alone]), atol=1e-5, rtol=0)


@every_proposal
def test_one_pool_for_the_batch(name: str, values: dict) -> None:
    proposal, context = make(name, values), batch()
    if proposal.conditional:
        with pytest.raises(ConfigError, match="cannot share"):
            Sampler(proposal, pool=30)
        return
    ids, log_q = proposal.pool(context, 30, KEY)
    torch.testing.assert_close(log_q, proposal.log_prob(ids[None], context)[0])
    if name == "every":
        assert ids.tolist() == list(range(N_ITEMS))
        return
    assert ids.shape == log_q.shape == (30,)
    assert 0 <= int(ids.min()) <= int(ids.max()) < N_ITEMS
    assert torch.equal(ids, proposal.pool(context, 30, KEY)[0])
    other = replace(batch(4), examples=context.examples + ROWS)
    assert not torch.equal(ids, proposal.pool(other, 30, KEY)[0])


@every_proposal
@pytest.mark.parametrize("k", [9, ROWS, 3 * ROWS])
def test_a_pool_does_not_depend_on_the_order_of_the_rows(name: str, values: dict, k: int) -> None:
    one, other, order = make(name, values), make(name, values), torch.argsort((torch.arange(ROWS) * 17) % ROWS)
    if one.conditional:
        return
    for step in range(4):
        context = replace(batch(step), examples=torch.arange(ROWS) * 13 + step)
        pools = one.pool(context, k, KEY + step), other.pool(rejection.take(context, order), k, KEY + step)
        (ids, log_q), (moved, moved_log_q) = pools
        assert torch.equal(ids.sort().values, moved.sort().values)
        torch.testing.assert_close(log_q.sort().values, moved_log_q.sort().values)
        for proposal, seen in ((one, context), (other, rejection.take(context, order))):
            proposal.observe(seen)


@every_proposal
@pytest.mark.parametrize("excluding", [False, True])
def test_the_last_batch_of_one_row_is_a_row_and_no_pool(name: str, values: dict, excluding: bool) -> None:
    proposal, context = make(name, values), batch()
    exclude = catalogue().known if excluding else None
    whole, alone = (
        proposal.draw(rejection.take(context, torch.tensor(rows)), K, KEY, exclude) for rows in ([9, 4], [9])
    )
    assert alone[0].shape == alone[1].shape == (1, K)
    if name == "in_batch":  # there is no other row
        assert set(alone[0][0].tolist()) == {-1}
        assert not bool(alone[1].any())
    elif "in_batch" not in str(values):
        assert torch.equal(alone[0][0], whole[0][0])
        torch.testing.assert_close(alone[1][0], whole[1][0])


NEED_DATA = [
    "uniform",
    "every",
    "bigram",
    "popularity",
    "log_uniform",
    "learned_unigram",
    "in_batch",
    "typed",
    "neighbourhood",
    "cached",
    "retrieved",
    "queue",
    *LOOKS,
]


@pytest.mark.parametrize("name", NEED_DATA)
def test_drawing_before_the_data_is_known_says_what_to_do(name: str) -> None:
    with pytest.raises(ConfigError, match="bind the sampler"):
        registry.build(name).draw(batch(), K, KEY)


@pytest.mark.parametrize("name", ["uniform", "popularity"])
def test_known_positives_over_other_items_are_refused(name: str) -> None:
    other = Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), N_QUERIES, N_ITEMS + 1)
    with pytest.raises(ConfigError, match="do not fit"):
        make(name, {}).draw(batch(), K, KEY, other)


class TestPopularity:
    def test_weights(self) -> None:
        counts = torch.tensor([0, 1, 4])
        context = Context(torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))
        proposal = registry.build({"name": "popularity", "counts": counts, "alpha": -0.5})
        found = proposal.log_prob(torch.tensor([[0, 1, 2]]), context).exp()
        torch.testing.assert_close(found, torch.tensor([[0.0, 2 / 3, 1 / 3]]))

    @pytest.mark.parametrize("counts", [torch.zeros(3), torch.tensor([1.0, -1.0]), torch.tensor([torch.nan])])
    def test_counts_that_cannot_serve(self, counts: torch.Tensor) -> None:
        with pytest.raises(ConfigError, match="popularity"):
            registry.build({"name": "popularity", "counts": counts}).draw(batch(), K, KEY)

    def test_counts_of_another_length(self) -> None:
        with pytest.raises(ConfigError, match="2 counts"):
            registry.build({"name": "popularity", "counts": torch.ones(2)}).bind(catalogue())


class TestLearnedUnigram:
    def test_follows_the_decayed_counts(self) -> None:
        values = {"name": "learned_unigram", "decay": 0.5, "alpha": 1.0, "smoothing": 0.25, "every": 3, "n_items": 3}
        proposal = registry.build(values)
        positives = torch.tensor([[0, 0], [1, 2], [2, 2]])
        for step in range(3):
            before = proposal.log_prob(torch.tensor([[0, 1, 2]]), batch()).exp()
            torch.testing.assert_close(before, torch.full((1, 3), 1 / 3))
            proposal.observe(Context(torch.zeros(2).long(), positives[step], torch.arange(2), step=step))
        weights = torch.tensor([[0.5, 0.5, 2.5]]) + 0.25
        found = proposal.log_prob(torch.tensor([[0, 1, 2]]), batch()).exp()
        torch.testing.assert_close(found, weights / weights.sum())

    def test_strong_decay_over_many_steps_stays_finite(self) -> None:
        proposal = registry.build({"name": "learned_unigram", "decay": 0.01, "every": 500, "n_items": N_ITEMS})
        for step in range(500):
            proposal.observe(batch(step))
        assert bool(torch.isfinite(proposal.log_prob(all_items(), batch())).all())

    @pytest.mark.parametrize("values", [{"decay": 0.0}, {"decay": 1.5}, {"every": 0}, {"smoothing": -1.0}])
    def test_values_out_of_range(self, values: dict) -> None:
        with pytest.raises(ConfigError, match=next(iter(values))):
            registry.build({"name": "learned_unigram", **values})


class TestBigram:
    def test_what_followed_the_word_before(self) -> None:
        text = torch.tensor([0, 1, 0, 1, 0, 2, 2, 0])
        known = Csr(torch.arange(9).clamp(max=7), text[1:].int(), 3)
        data = Catalogue(8, 3, torch.bincount(text), known, query_anchors=text)
        proposal = registry.build({"name": "bigram", "weight": 0.8})
        proposal.bind(data)
        after_zero = Context(torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))
        found = proposal.log_prob(torch.tensor([[0, 1, 2]]), after_zero).exp()
        unigram = torch.tensor([4, 2, 2]) / 8
        torch.testing.assert_close(found[0], 0.8 * torch.tensor([0, 2 / 3, 1 / 3]) + 0.2 * unigram)

    def test_the_weight_grows_where_bigrams_help_and_falls_where_they_do_not(self) -> None:
        words = torch.arange(400)
        for text, rises in ((words % 20, True), ((words * words * 7 + words // 3) * 31 % 397 % 20, False)):
            known = Csr(torch.arange(401).clamp(max=399), text[1:].int(), 20)
            data = Catalogue(400, 20, torch.bincount(text, minlength=20), known, query_anchors=text)
            proposal = registry.build({"name": "bigram", "adapt": 0.2, "weight": 0.5})
            proposal.bind(data)
            rows = torch.arange(399)
            for step in range(30):
                proposal.observe(Context(rows, text[rows + 1], rows, step=step))
            weight = proposal.state()["weight"]
            assert (weight > 0.9) if rises else (weight < 0.4)

    def test_a_scheduled_weight_follows_the_progress_in_draws_and_in_log_q(self) -> None:
        schedule = {"schedule": "linear", "start": 0.0, "stop": 0.8}
        moving = build_part(registry, {"name": "bigram", "weight": schedule})
        moving.bind(catalogue())
        for progress in (0.0, 0.5, 1.0):
            still = registry.build({"name": "bigram", "weight": 0.8 * progress})
            still.bind(catalogue())
            now = replace(batch(), progress=progress)
            for found, expected in zip(moving.draw(now, 30, KEY), still.draw(now, 30, KEY), strict=True):
                assert torch.equal(found, expected)
        with pytest.raises(ConfigError, match="leave out adapt"):
            build_part(registry, {"name": "bigram", "weight": schedule, "adapt": 0.1})

    def test_data_without_anchors_is_refused(self) -> None:
        data = Catalogue(2, 3, torch.ones(3).long(), Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 3))
        with pytest.raises(ConfigError, match="word before"):
            registry.build("bigram").bind(data)
        with pytest.raises(ConfigError, match="between 0 and 1"):
            registry.build({"name": "bigram", "weight": 1.5})


class TestInBatch:
    def test_the_pool_is_the_batch_in_order(self) -> None:
        assert make("in_batch", {}).pool(batch(), ROWS + 5, KEY)[0].tolist() == batch().positives.tolist()

    def test_a_smaller_pool_is_part_of_the_batch(self) -> None:
        counts = torch.ones(ROWS, dtype=torch.int64)
        context = Context(torch.zeros(ROWS).long(), torch.arange(ROWS), torch.arange(ROWS))
        proposal = registry.build({"name": "in_batch", "counts": counts})
        ids = proposal.pool(context, 9, KEY)[0].tolist()
        assert ids == sorted(set(ids))
        assert len(ids) == 9

    def test_a_row_never_draws_itself(self) -> None:
        counts = torch.ones(ROWS, dtype=torch.int64)
        context = Context(torch.zeros(ROWS).long(), torch.arange(ROWS), torch.arange(ROWS))
        ids, _ = registry.build({"name": "in_batch", "counts": counts}).draw(context, 500, KEY)
        assert not bool((ids == context.positives[:, None]).any())
        assert all(len(row.unique()) == ROWS - 1 for row in ids)

    def test_a_positive_without_count_is_an_error(self) -> None:
        counts = torch.zeros(N_ITEMS)
        counts[0] = 1
        with pytest.raises(ConfigError, match="count 0"):
            registry.build({"name": "in_batch", "counts": counts}).draw(batch(), K, KEY)


class TestMixed:
    def test_parts_may_be_built_already(self) -> None:
        parts = [registry.build("uniform"), "popularity"]
        assert [type(part).__name__ for part in Mixed(parts).proposals] == ["Uniform", "Popularity"]

    def test_learned_parts_learn(self) -> None:
        mixed = make("mixed", {"parts": ["uniform", {"name": "learned_unigram", "every": 1, "smoothing": 0.01}]})
        log_prob = mixed.log_prob(all_items(1), batch())
        assert float(log_prob.max() - log_prob.min()) > 0.5

    @pytest.mark.parametrize(
        "values",
        [
            {"parts": []},
            {"parts": ["uniform"], "weights": [1, 2]},
            {"parts": ["uniform"], "weights": [0]},
            {"parts": ["uniform"], "weights": [float("nan")]},
            {"parts": ["unifrom"]},
        ],
    )
    def test_parts_and_weights_that_do_not_fit(self, values: dict) -> None:
        with pytest.raises(ConfigError):
            registry.build({"name": "mixed", **values})


def other_catalogue(n_items: int) -> Catalogue:
    """Other data over the same queries and, or not, as many items."""
    first, items = catalogue(), torch.arange(n_items)
    rows = torch.arange(N_QUERIES).repeat_interleave(3)
    known = Csr.from_pairs(rows, (rows * 7 + torch.tensor([1, 5, 8]).repeat(N_QUERIES)) % n_items, N_QUERIES, n_items)
    graph = Csr.from_pairs(items, (items * 5 + 2) % n_items, n_items, n_items)
    counts = 1 + (items * 3) % 7
    return replace(
        first,
        n_items=n_items,
        counts=counts,
        known=known,
        query_groups=torch.arange(N_QUERIES) % 2,
        query_anchors=torch.arange(N_QUERIES) + 3,
        item_graph=graph,
    )


def shown(proposal: Proposal, n_items: int, exclude: Csr | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws after a look at a model and at two batches."""
    for step in range(2):
        context = batch(step)
        if proposal.needs_scorer:
            proposal.refresh(context, MatrixFactorization(N_QUERIES, n_items, 8, init=0.5, seed=3))
        proposal.observe(context)
    return proposal.draw(batch(), K, KEY, exclude)


@every_proposal
@pytest.mark.parametrize("n_items", [N_ITEMS, N_ITEMS + 8])
def test_a_part_bound_to_other_data_forgets_the_old(name: str, values: dict, n_items: int) -> None:
    used, fresh = make(name, values), registry.build({"name": name, **values})
    exclude = catalogue().known if n_items == N_ITEMS else other_catalogue(n_items).known
    assert exclude is not None
    if n_items == N_ITEMS:
        used.draw(batch(), K, KEY, exclude)  # shares of this table are remembered
    for one in (used, fresh):
        one.bind(other_catalogue(n_items))
    for ours, theirs in zip(shown(used, n_items, exclude), shown(fresh, n_items, exclude), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["uniform", "every", "queue", "learned_unigram"])
def test_another_number_of_items_than_that_of_the_data_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"n_items=5 but the data has 23 items; leave n_items out"):
        registry.build({"name": name, "n_items": 5}).bind(catalogue())
    registry.build({"name": name, "n_items": N_ITEMS}).bind(catalogue())


class TestQueriesAboutNoItem:
    """Anchors of -1, which are no index."""

    data = replace(catalogue(), query_anchors=torch.tensor([-1, 2, 4, -1, 8, 10]))

    def test_nearest_items_draws_nothing_and_a_mixture_goes_to_its_other_parts(self) -> None:
        proposal = registry.build({"name": "nearest_items", "around": "anchor", "n": 5})
        mixed = Mixed([proposal, "uniform"])
        mixed.bind(self.data)
        mixed.refresh(batch(0), MatrixFactorization(N_QUERIES, N_ITEMS, 8, init=0.5, seed=3))
        nowhere = torch.isin(batch().queries, torch.tensor([0, 3]))
        for exclude in (None, catalogue().known):
            ids, log_q = proposal.draw(batch(), K, KEY, exclude)
            assert torch.equal((ids < 0).all(1), nowhere)
            assert torch.equal((ids >= 0).all(1), ~nowhere)
            assert not bool(log_q[nowhere].any())
            ids, log_q = mixed.draw(batch(), K, KEY, exclude)
            assert int(ids.min()) >= 0
            expected = conditional(mixed, batch(), exclude or Csr.from_pairs(*[torch.empty(0)] * 2, N_QUERIES, N_ITEMS))
            torch.testing.assert_close(log_q, expected.gather(1, ids).log().float(), atol=1e-5, rtol=1e-5)
        assert bool((proposal.log_prob(all_items(), batch())[nowhere] == -torch.inf).all())

    def test_bigram_draws_from_its_unigram(self) -> None:
        proposal = registry.build({"name": "bigram", "weight": 0.9})
        proposal.bind(self.data)
        probability = proposal.log_prob(all_items(), batch()).exp()
        unigram = self.data.counts / self.data.counts.sum()
        nowhere = torch.isin(batch().queries, torch.tensor([0, 3]))
        torch.testing.assert_close(probability[nowhere], unigram.expand(ROWS, -1)[nowhere].float())
        ids, _ = proposal.draw(batch(), 5000, KEY)
        found = torch.bincount(ids[nowhere].flatten(), minlength=N_ITEMS) / ids[nowhere].numel()
        torch.testing.assert_close(found, unigram.float(), atol=0.01, rtol=0)

    def test_no_pair_with_an_anchor_is_told(self) -> None:
        with pytest.raises(ConfigError, match="no query of this data is about an item"):
            registry.build("bigram").bind(replace(catalogue(), query_anchors=torch.full((N_QUERIES,), -1)))


class TestNearestItems:
    def test_no_item_is_its_own_neighbour(self) -> None:
        proposal = registry.build({"name": "nearest_items", "n": 22})
        for look in (False, True):
            proposal.bind(catalogue())
            if look:
                proposal.refresh(batch(0), MatrixFactorization(N_QUERIES, N_ITEMS, 8, init=0.5, seed=3))
            own = proposal.log_prob(batch().positives[:, None], batch())
            assert bool((own == -torch.inf).all())

    @pytest.mark.parametrize("values", [{"skip": 22}, {"skip": 4, "among": 5}])
    def test_too_large_a_skip_is_told(self, values: dict) -> None:
        with pytest.raises(ConfigError, match=r"skip is \d+ but an item has only \d+ neighbours; lower skip"):
            registry.build({"name": "nearest_items", **values}).bind(catalogue())
        values["skip"] -= 1
        proposal = registry.build({"name": "nearest_items", **values})
        proposal.bind(catalogue())
        proposal.refresh(batch(0), MatrixFactorization(N_QUERIES, N_ITEMS, 8, init=0.5, seed=3))
        assert len(proposal.draw(batch(), K, KEY)[0].unique()) > 1
