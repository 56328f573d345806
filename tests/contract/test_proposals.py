"""Every proposal of the table through the contract; each class below states one special promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from tables import Faults, pairs

from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.proposals import Mixed, registry
from negatives.proposals.base import Proposal
from negatives.sampler import Sampler
from negatives.testing.problems import problem
from negatives.testing.proposals import CHECKS, ProposalCase, probabilities
from negatives.types import Catalogue, Context, Csr

PROBLEM = problem(23)
N_ITEMS, N_QUERIES, ROWS, K, KEY = 23, PROBLEM.catalogue.n_queries, 48, 7, 0xC0FFEE
SPECS: dict[str, list[dict[str, Any]]] = {
    "uniform": [{}],
    "seen": [{}],
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
        {"parts": [{"name": "mixed", "parts": ["typed", "neighbourhood"]}, "nearest_items"]},
        {"parts": ["typed", "neighbourhood"]},
        {"parts": ["given", "uniform"], "weights": [2, 1]},
        {"parts": ["uniform", {"name": "popularity", "alpha": 1.0}], "follow": 0.5},
    ],
    "typed": [{}],
    "given": [{}],
    "neighbourhood": [{}, {"hops": 3, "most": 15}, {"hops": 1, "around": "positive"}],
    "cached": [{"size": 30}, {"size": 9, "fresh": 4}],
    "retrieved": [{"stop": 23}, {"start": 2, "stop": 15, "every": 2}, {"stop": 23, "shared": True}],
    "queue": [{"size": 300}, {"size": 50}],
    "nearest_items": [{}, {"around": "anchor", "n": 12, "every": 2}],
    "cluster": [{}, {"balanced": True, "clusters": 6, "within": "counts"}, {"by_size": False, "temperature": 3.0}],
    "matched": [{"best": 2}, {"best": 3, "teacher_forced": False, "balanced": False, "uniform": 0.5}],
    "adversarial_tree": [{}, {"dim": 3, "pairs": 50}],
    "buckets": [{"count": 3, "size": 6}, {"count": 1, "size": 100}],
    "shortlist": [{"size": 17}, {"size": 12, "probes": 2, "clusters": 8}],
}
OF_BATCH = {"in_batch0", "mixed1", "buckets0", "buckets1"}
"""Cases whose draws depend on the other rows of the batch."""


def build(name: str, values: dict[str, Any]) -> Proposal:
    return registry.build({"name": name, **values})


def case_of(name: str, values: dict[str, Any], number: int) -> ProposalCase:
    make: Callable[[], Proposal] = partial(build, name, values)
    return ProposalCase(make, PROBLEM, f"{name}{number}" in OF_BATCH, not make().conditional)


CASES = {
    f"{name}{number}": case_of(name, values, number)
    for name, specs in SPECS.items()
    for number, values in enumerate(specs)
}
FAULTS: Faults = {}


def make(name: str, values: dict[str, Any]) -> Proposal:
    return case_of(name, values, 0).trained()


def batch(step: int = 3) -> Context:
    return PROBLEM.batch(ROWS, step)


def catalogue() -> Catalogue:
    return PROBLEM.catalogue


def all_items(rows: int = ROWS) -> torch.Tensor:
    return torch.arange(N_ITEMS).expand(rows, -1)


def test_every_proposal_has_a_case() -> None:
    assert set(registry) == set(SPECS)


@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: ProposalCase, check: Callable[[ProposalCase], None]) -> None:
    check(case)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.pools])
def test_a_proposal_that_depends_on_the_query_gives_no_pool(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot share"):
        Sampler(CASES[name].make(), pool=30)


NEED_DATA = [
    "uniform",
    "seen",
    "every",
    "bigram",
    "popularity",
    "log_uniform",
    "learned_unigram",
    "in_batch",
    "typed",
    "given",
    "neighbourhood",
    "cached",
    "retrieved",
    "queue",
    "cluster",
    "matched",
    "adversarial_tree",
    "shortlist",
    "buckets",
]


@pytest.mark.parametrize("name", NEED_DATA)
def test_drawing_before_the_data_is_known_says_what_to_do(name: str) -> None:
    with pytest.raises(ConfigError, match="bind the sampler"):
        registry.build(name).draw(batch(), K, KEY)


@pytest.mark.parametrize("name", ["uniform", "seen", "popularity"])
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

    @pytest.mark.parametrize("exclude", [None, PROBLEM.known])
    def test_a_row_that_is_alone_draws_nothing(self, exclude: Csr | None) -> None:
        ids, log_q = make("in_batch", {}).draw(PROBLEM.batch(1), K, KEY, exclude)
        assert ids.tolist() == [[-1] * K]
        assert not bool(log_q.any())

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


class TestQueue:
    def test_it_holds_as_many_places_as_it_says_and_the_newest(self) -> None:
        queue = registry.build({"name": "queue", "size": 3, "n_items": 9})
        for positives in ([1, 2], [3, 4], [5]):
            rows = torch.arange(len(positives))
            queue.observe(Context(rows, torch.tensor(positives), rows))
        found = queue.log_prob(torch.arange(9)[None], batch()).exp()[0]
        torch.testing.assert_close(found, torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 0]) / 3)


class TestNeighbours:
    @pytest.mark.parametrize(
        "values",
        [{"name": "neighbourhood", "around": "positive", "hops": 2}, {"name": "nearest_items", "n": 5, "skip": 0}],
    )
    def test_no_item_is_its_own_neighbour(self, values: dict[str, Any]) -> None:
        proposal = registry.build(values)
        proposal.bind(catalogue())
        items = torch.arange(N_ITEMS)
        context = Context(items % N_QUERIES, items, items)
        if proposal.needs_scorer:
            proposal.refresh(context, PROBLEM.model())
        assert bool((proposal.log_prob(items[:, None], context) == -torch.inf).all())
        assert float(proposal.log_prob(all_items(N_ITEMS), context).exp().sum()) > N_ITEMS - 3


class TestCached:
    """One query over and over: what its cache holds once it has been refreshed often."""

    def share_of_the_best(self, temperature: float, every: int = 1) -> float:
        """Chance that a draw is among the ten items that the model scores highest for query 4."""
        cached = registry.build({"name": "cached", "size": 10, "fresh": 10, "temperature": temperature, "every": every})
        cached.bind(replace(catalogue(), known=None))
        model = PROBLEM.model()
        query = torch.tensor([4])
        for step in range(1, 60):
            cached.refresh(Context(query, query, query, step=step), model)
        scores = model.score(query, torch.arange(N_ITEMS)[None])[0]
        best = scores.topk(10).indices[None]
        return float(cached.log_prob(best, Context(query, query, query)).exp().sum())

    def test_a_small_temperature_keeps_the_hardest(self) -> None:
        assert self.share_of_the_best(1e-3) == pytest.approx(1.0)

    def test_a_large_temperature_keeps_anything(self) -> None:
        assert 0.2 < self.share_of_the_best(1e3) < 0.8

    def test_what_is_never_refreshed_stays_as_it_was_drawn(self) -> None:
        assert self.share_of_the_best(1e-3, every=1000) < 0.8


@pytest.mark.parametrize("name", ["uniform", "every", "queue", "learned_unigram"])
def test_another_number_of_items_than_that_of_the_data_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"n_items=5 but the data has 23 items; leave n_items out"):
        registry.build({"name": name, "n_items": 5}).bind(catalogue())
    registry.build({"name": name, "n_items": N_ITEMS}).bind(catalogue())


SOME = Csr.from_pairs(torch.arange(N_QUERIES), torch.arange(N_QUERIES), N_QUERIES, N_ITEMS)


class TestQueriesAboutNoItem:
    """Anchors of -1, which are no index."""

    data = replace(
        catalogue(), query_anchors=torch.where(torch.arange(N_QUERIES) % 3 == 0, -1, torch.arange(N_QUERIES) * 2 % 21)
    )

    def test_nearest_items_draws_nothing_and_a_mixture_goes_to_its_other_parts(self) -> None:
        proposal = registry.build({"name": "nearest_items", "around": "anchor", "n": 5})
        mixed = Mixed([proposal, "uniform"])
        mixed.bind(self.data)
        mixed.refresh(batch(0), PROBLEM.model())
        nowhere = batch().queries % 3 == 0
        for exclude in (None, SOME):
            ids, log_q = proposal.draw(batch(), K, KEY, exclude)
            assert torch.equal((ids < 0).all(1), nowhere)
            assert torch.equal((ids >= 0).all(1), ~nowhere)
            assert not bool(log_q[nowhere].any())
            ids, log_q = mixed.draw(batch(), K, KEY, exclude)
            assert int(ids.min()) >= 0
            left = probabilities(mixed, batch(), N_ITEMS, exclude)
            expected = (left / left.sum(1, keepdim=True)).gather(1, ids).log().float()
            torch.testing.assert_close(log_q, expected, atol=1e-5, rtol=1e-5)
        assert bool((proposal.log_prob(all_items(), batch())[nowhere] == -torch.inf).all())

    def test_bigram_draws_from_its_unigram(self) -> None:
        proposal = registry.build({"name": "bigram", "weight": 0.9})
        proposal.bind(self.data)
        probability = proposal.log_prob(all_items(), batch()).exp()
        unigram = self.data.counts / self.data.counts.sum()
        nowhere = batch().queries % 3 == 0
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
                proposal.refresh(batch(0), PROBLEM.model())
            own = proposal.log_prob(batch().positives[:, None], batch())
            assert bool((own == -torch.inf).all())

    @pytest.mark.parametrize("values", [{"skip": 22}, {"skip": 4, "among": 5}])
    def test_too_large_a_skip_is_told(self, values: dict) -> None:
        with pytest.raises(ConfigError, match=r"skip is \d+ but an item has only \d+ neighbours; lower skip"):
            registry.build({"name": "nearest_items", **values}).bind(catalogue())
        values["skip"] -= 1
        proposal = registry.build({"name": "nearest_items", **values})
        proposal.bind(catalogue())
        proposal.refresh(batch(0), PROBLEM.model())
        assert len(proposal.draw(batch(), K, KEY)[0].unique()) > 1
