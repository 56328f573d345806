"""The order of a sampler's steps, its keys and its counters, with parts that write down what they see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from negatives.control import Hold, Knob, Linear
from negatives.errors import LogQUnknown, NonFiniteScores
from negatives.guards import Duplicates, Guard, KnownPositives, OwnPositive, RankSkip
from negatives.losses import NCE
from negatives.proposals import Mixed, Popularity, Proposal, Uniform
from negatives.proposals.cached import Cached
from negatives.proposals.neighbourhood import Neighbourhood
from negatives.proposals.queue import Queue
from negatives.randomness import Purpose, stream
from negatives.sampler import Sampler
from negatives.selection import All, Hardest, Random, Selection, Softmax
from negatives.types import Candidates, Catalogue, Context, Csr, Negatives

N = 10
QUERIES, POSITIVES = torch.tensor([0, 1, 0]), torch.tensor([1, 4, 2])


def known() -> Csr:
    """Query 0 knows 1 and 2, query 1 knows 4 alone."""
    return Csr.from_pairs(torch.tensor([0, 0, 1]), torch.tensor([1, 2, 4]), 2, N)


def context(**changed: Any) -> Context:
    return replace(Context(QUERIES, POSITIVES, torch.arange(3), seed=3, epoch=2, step=8), **changed)


class Scorer:
    """``s(u, i) = i / 10``, and how often it was asked."""

    def __init__(self, scale: float = 0.1) -> None:
        self.scale, self.asked = scale, 0

    def encode_queries(self, queries: Tensor) -> Tensor:
        return torch.ones(queries.shape[0], 1)

    def encode_items(self, items: Tensor) -> Tensor:
        return items[..., None] * self.scale

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        self.asked += 1
        return items * self.scale


@dataclass(slots=True)
class Given(Proposal):
    """Draws what it was told to, and remembers the keys."""

    ids: list[list[int]] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    seen: int = 0

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        self.keys.append(key)
        self.sizes.append(k)
        ids = torch.tensor(self.ids) if self.ids else torch.zeros(context.rows, k, dtype=torch.int64)
        return ids, torch.full(ids.shape, -1.0)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        return torch.full(ids.shape, -1.0)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        return torch.zeros(context.rows)

    def observe(self, context: Context) -> None:
        self.seen += 1

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


@dataclass(slots=True)
class First(Selection):
    """Takes all, and remembers its key and what was allowed."""

    keys: list[int] = field(default_factory=list)
    allowed: list[list[list[bool]]] = field(default_factory=list)
    knob: Knob = 1.0

    @property
    def needs_difficulty(self) -> bool:
        return False

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        self.keys.append(key)
        self.allowed.append(candidates.ok.tolist())
        return All().pick(context, candidates, difficulty, key)


def test_candidates_and_selection_have_keys_of_their_own() -> None:
    proposal, select = Given(), First()
    Sampler(proposal, select, candidates=2).sample(context())
    assert proposal.keys == [stream(3, Purpose.CANDIDATES, 2)]
    assert select.keys == [stream(3, Purpose.SELECTION, 2)]


def test_parts_of_a_mixture_have_keys_of_their_own() -> None:
    parts = Given(), Given()
    Mixed(list(parts)).draw(context(), 2, 77)
    keys = [*parts[0].keys, *parts[1].keys, 77]
    assert len(set(keys)) == 3


def test_positives_are_as_likely_as_negatives_where_the_known_are_left_out() -> None:
    counts = torch.tensor([5, 1, 2, 3, 4, 6, 7, 8, 9, 5])
    sampler = Sampler(Popularity(counts, alpha=1.0), guards=[KnownPositives(known())], candidates=6, seed=1)
    found = sampler(QUERIES, POSITIVES)
    rest = [50 - 3, 50 - 4, 50 - 3]
    expected = [math.log(one / left) for one, left in zip((1, 4, 2), rest, strict=True)]
    assert found.positive_log_q is not None
    assert found.positive_log_q.tolist() == pytest.approx(expected, rel=1e-5)
    assert found.log_q is not None
    chances = counts[found.ids] / torch.tensor(rest)[:, None]
    torch.testing.assert_close(found.log_q.exp(), chances)
    # in a pool nothing is left out, for the rows share it
    pooled = Sampler(Popularity(counts, alpha=1.0), guards=[KnownPositives(known())], pool=6, seed=1)
    found = pooled(QUERIES, POSITIVES)
    assert found.positive_log_q is not None
    assert found.positive_log_q.exp().tolist() == pytest.approx([1 / 50, 4 / 50, 2 / 50], rel=1e-5)


def test_nce_of_a_guarded_draw_by_hand() -> None:
    sampler = Sampler(Uniform(n_items=N), guards=[KnownPositives(known())], candidates=2, seed=1)
    found = sampler(QUERIES[:1], POSITIVES[:1])
    loss = NCE().rows(torch.tensor([0.5]), torch.tensor([[0.1, -0.2]]), found)
    noise = math.log(2 / 8)
    expected = math.log(1 + math.exp(noise - 0.5)) + sum(math.log(1 + math.exp(s - noise)) for s in (0.1, -0.2))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_selections_that_do_not_follow_the_proposal_give_no_probability_of_the_positive() -> None:
    for select in (Softmax(2), Hardest(2)):
        sampler = Sampler(Uniform(n_items=N), select, candidates=4)
        assert sampler.sample(context(), Scorer()).positive_log_q is None
    assert Sampler(Uniform(n_items=N), Random(2), candidates=4).sample(context()).positive_log_q is not None


def test_rows_have_numbers_by_step_also_after_a_resume() -> None:
    def made() -> Sampler:
        return Sampler(Uniform(n_items=1000), candidates=8, seed=4)

    whole, first, second = made(), made(), made()
    ids = [whole(QUERIES, POSITIVES).ids for _ in range(3)]
    assert not torch.equal(ids[0], ids[1])
    asked = [whole(QUERIES, POSITIVES, examples=torch.arange(at, at + 3)).ids for at in (0, 1 << 20, 2 << 20)]
    assert all(torch.equal(*pair) for pair in zip(ids, asked, strict=True))
    assert torch.equal(first(QUERIES, POSITIVES).ids, ids[0])
    assert torch.equal(first(QUERIES, POSITIVES).ids, ids[1])
    second.load_state(first.state())
    assert torch.equal(second(QUERIES, POSITIVES).ids, ids[2])
    pools = [Sampler(Uniform(n_items=1000), pool=8, seed=4) for _ in range(2)]
    drawn = [pools[0](QUERIES, POSITIVES).ids[0] for _ in range(2)]
    assert not torch.equal(*drawn)
    pools[1].load_state({**pools[0].state(), "step": 1})
    assert torch.equal(pools[1](QUERIES, POSITIVES).ids[0], drawn[1])
    assert pools[0].state()["step"] == 2


def test_slots_that_could_not_be_filled_are_marked_and_counted() -> None:
    sampler = Sampler(Given([[3, -1], [-1, -1], [0, 5]]), candidates=2, guards=[])
    found = sampler.sample(context())
    assert found.ids.tolist() == [[3, 0], [0, 0], [0, 5]]
    assert found.ok.tolist() == [[True, False], [False, False], [True, True]]
    assert sampler.unfilled == 3
    sampler.sample(context())
    again = Sampler(Given([[3, -1], [-1, -1], [0, 5]]), candidates=2, guards=[])
    again.load_state(sampler.state())
    assert again.unfilled == sampler.unfilled == 6


def test_every_guard_must_allow_and_those_by_score_run_after_the_scores() -> None:
    select = First()
    sampler = Sampler(Given([[1, 9, 3], [4, 8, 4], [2, 2, 7]]), select, candidates=3)
    sampler.guards = [RankSkip(1), OwnPositive(), Duplicates()]
    scorer = Scorer()
    found = sampler.sample(context(), scorer)
    assert select.allowed == [[[False, False, True], [False, False, False], [False, False, False]]]
    assert scorer.asked == 2
    assert found.log_q is None
    with pytest.raises(LogQUnknown):
        NCE().rows(torch.zeros(3), torch.zeros(3, 3), found)


@dataclass(slots=True)
class Counting(Guard):
    """Allows everything, and counts how often it was asked."""

    by_score: bool = False
    asked: int = 0

    @property
    def needs_scores(self) -> bool:
        return self.by_score

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        self.asked += 1
        assert (candidates.scores is not None) is self.by_score
        return candidates.ids >= 0


def test_each_guard_is_asked_once_and_with_what_it_needs() -> None:
    guards = [Counting(), Counting(True), Counting()]
    Sampler(Given([[1, 9], [4, 8], [2, 7]]), Hardest(1), candidates=2, guards=guards).sample(context(), Scorer())
    assert [guard.asked for guard in guards] == [1, 1, 1]


def test_log_q_is_lost_with_any_guard_that_loses_it() -> None:
    for guards, lost in (([OwnPositive()], False), ([Duplicates()], True), ([Duplicates(), OwnPositive()], True)):
        found = Sampler(Given([[1, 9], [4, 8], [2, 7]]), candidates=2, guards=guards).sample(context())
        assert (found.log_q is None) is lost


def test_sizes_follow_their_schedules() -> None:
    for name in ("candidates", "pool"):
        proposal = Given()
        sampler = Sampler(proposal, guards=[], **{name: Linear(2.0, 10.0)})  # type: ignore[arg-type]
        for progress in (0.0, 0.5, 1.0):
            sampler.sample(context(progress=progress))
        assert proposal.sizes == [2, 6, 10]


def test_controllers_are_fed_when_due_and_restored() -> None:
    def made() -> Sampler:
        hold = Hold("violation_rate", target=0.5, start=1.0, low=0.1, high=9.0, smoothing=0.0)
        return Sampler(Given(), First(knob=hold), candidates=2, observe_every=4)

    sampler, again = made(), made()
    negatives = sampler.sample(context())
    seen = []
    for step in range(9):
        found = sampler.observe(context(step=step), negatives, torch.zeros(3), torch.ones(3, 2))
        seen.append(found.get("control.select.knob", 0.0))
    assert [value > 0 for value in seen] == [step % 4 == 0 for step in range(9)]
    assert seen[0] > seen[4] > seen[8]
    again.load_state(sampler.state())
    found = again.observe(context(step=12), negatives, torch.zeros(3), torch.ones(3, 2))
    assert found["control.select.knob"] == pytest.approx(seen[8] * math.exp(-0.1))
    assert found["control.candidates"] == 2.0


def test_the_proposal_sees_every_batch_and_its_state_goes_on() -> None:
    sampler, again = (Sampler(Given(), candidates=2) for _ in range(2))
    for _ in range(3):
        sampler.sample(context())
    again.load_state(sampler.state())
    again.sample(context())
    assert isinstance(again.proposal, Given)
    assert again.proposal.seen == 4
    queue = Sampler(Queue(size=3, n_items=N), candidates=2)
    queue.sample(context())
    assert sorted(queue.state()["parts"]["0"]["held"].tolist()) == sorted(POSITIVES.tolist())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_no_numbers_stop_the_training(value: float) -> None:
    sampler = Sampler(Uniform(n_items=N), Hardest(1), candidates=4)
    with pytest.raises(NonFiniteScores, match=r"step 8 \(epoch 2\)"):
        sampler.sample(context(), Scorer(value))


def test_hardness_is_that_of_the_batch_it_is_told_with() -> None:
    sampler = Sampler(Given([[1, 9], [4, 8], [2, 7]]), Hardest(1), candidates=2, guards=[])
    scorer = Scorer()
    for step, ids in ((0, [[1, 9], [4, 8], [2, 7]]), (8, [[0, 1], [0, 2], [0, 3]])):
        assert isinstance(sampler.proposal, Given)
        sampler.proposal.ids = ids
        found = sampler.sample(context(step=step), scorer)
        measured = sampler.observe(context(step=step), found, torch.zeros(3), found.ids * 0.1)
        assert measured["hardness"] == pytest.approx(1 / math.sqrt(2), rel=1e-4)


def test_shares_of_what_is_excluded_belong_to_their_table() -> None:
    other = Csr.from_pairs(torch.tensor([0, 1, 1, 1]), torch.tensor([9, 0, 5, 6]), 2, N)
    counts = torch.arange(1, N + 1)
    for proposal, weight in ((Uniform(n_items=N), torch.ones(N)), (Popularity(counts, alpha=1.0), counts)):
        for table in (known(), other, known()):
            gone = [float(weight[table.row(query).long()].sum() / weight.sum()) for query in QUERIES.tolist()]
            found = proposal.log_allowed(context(), table).exp().tolist()
            assert found == pytest.approx([1 - one for one in gone], rel=1e-5)
            ids, log_q = proposal.draw(context(), 5, 1, exclude=table)
            expected = weight[ids] / weight.sum() / torch.tensor([1 - one for one in gone])[:, None]
            torch.testing.assert_close(log_q.exp(), expected.float(), rtol=1e-4, atol=1e-6)


def test_members_of_a_set_share_what_an_excluded_one_leaves() -> None:
    graph = Csr.from_pairs(torch.tensor([7, 7, 7, 7]), torch.tensor([1, 2, 3, 5]), N, N)
    near = Neighbourhood(hops=1)
    near.bind(Catalogue(2, N, torch.ones(N), known(), query_anchors=torch.tensor([7, 7]), item_graph=graph))
    found = near.log_allowed(context(), known()).exp()
    assert found.tolist() == pytest.approx([0.5, 1.0, 0.5])
    ids, log_q = near.draw(context(), 6, 5, exclude=known())
    assert set(ids[0].tolist()) == {3, 5}
    assert log_q.exp()[:2].tolist() == [pytest.approx([0.5] * 6), pytest.approx([0.25] * 6)]


def test_copies_in_a_cache_count_each() -> None:
    cached = Cached(size=4, fresh=1)
    cached.bind(Catalogue(2, N, torch.ones(N)))
    cached.load_state({"cache": torch.tensor([[3, 3, 3, 5], [1, 2, 3, 4]], dtype=torch.int32)})
    found = cached.log_prob(torch.tensor([[3, 5, 1]] * 3), context()).exp()
    assert found[:2].tolist() == [pytest.approx([0.75, 0.25, 0.0]), pytest.approx([0.25, 0.0, 0.25])]
