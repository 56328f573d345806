"""Every selection and difficulty of the tables through the contract; oracles below."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from tables import Faults, pairs
from torch import Tensor

from negatives.errors import ConfigError, LogQUnknown
from negatives.randomness import Purpose
from negatives.selection import Hardest, Selection, difficulties, registry
from negatives.selection.picking import hardest_slots
from negatives.testing import selections as contract
from negatives.testing.problems import problem
from negatives.testing.selections import CHECKS, DIFFICULTY_CHECKS, DifficultyCase, SelectionCase
from negatives.testing.statistics import frequencies_fit
from negatives.types import Candidates, Context, Negatives, shared_pool

PROBLEM = problem(20)
ROWS: dict[str, dict[str, Any]] = {
    "all": {},
    "random": {"k": 3},
    "hardest": {"k": 3},
    "hard_share": {"share": 0.5, "k": 3},
    "top_m": {"m": 4, "k": 3},
    "rank_window": {"start": 1, "stop": 3, "k": 2},
    "semi_hard": {"k": 2},
    "softmax": {"k": 5, "temperature": 0.7},
    "defensive": {"k": 4, "any": 0.2, "at": 6, "lists": 1, "n_items": 20},
    "simans": {"k": 4, "a": 0.5, "b": 0.1},
    "self_adversarial": {"alpha": 2.0},
    "hard_contrastive": {"beta": 0.5},
}
MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "random of all": ("random", {"k": 99}),
    "one hardest": ("hardest", {"k": 1}),
    "softmax as drawn": ("softmax", {"k": 2, "temperature": 0.5, "correction": False}),
    "defensive at half its hardness": ("defensive", {"k": 2, "hardness": 0.5, "any": 0.1, "at": 1, "lists": 2}),
    "sharp simans": ("simans", {"k": 3, "a": 2.0, "b": -0.5}),
}
KEEPS_LOG_Q = {"all", "random", "softmax", "defensive", "simans", "self_adversarial", "hard_contrastive"}
KEEPS_PROPOSAL = {"all", "random", "self_adversarial", "hard_contrastive"}
DIFFICULTIES: dict[str, list[dict[str, Any]]] = {
    "score": [{}],
    "margin": [{}],
    "positive_similarity": [{}, {"similarity": "dot"}],
}


def build(name: str, values: Mapping[str, Any]) -> Selection:
    return registry.build({"name": name, **values})


CASES = {
    called: SelectionCase(partial(build, name, values), PROBLEM, fills=name != "semi_hard")
    for called, (name, values) in ({name: (name, values) for name, values in ROWS.items()} | MORE).items()
}
FAULTS: Faults = {}
OF_DIFFICULTY = {
    f"{name}{number}": DifficultyCase(partial(difficulties.build, {"name": name, **values}), PROBLEM)
    for name, specs in DIFFICULTIES.items()
    for number, values in enumerate(specs)
}
N, M = 12, 7


def _context(rows: int = N) -> Context:
    return Context(torch.arange(rows), torch.arange(rows), torch.arange(rows) + 40, seed=3, epoch=1, step=9)


def _candidates(rows: int = N, m: int = M, shared: bool = False) -> Candidates:
    made = torch.Generator().manual_seed(7)
    ok = torch.rand(rows, m, generator=made) < 0.7
    ok[0], ok[1] = False, True
    ids = torch.randint(1, 50, (1 if shared else rows, m), generator=made).expand(rows, m)
    log_q = torch.log(torch.rand(ids[:1].shape if shared else ids.shape, generator=made)).expand(rows, m)
    return Candidates(ids, log_q, ok, torch.randn(rows, m, generator=made), torch.randn(rows, generator=made))


def _pick(name: str, candidates: Candidates, **more: object) -> Negatives:
    part = registry.build({"name": name} | ROWS[name] | more)
    context = _context(candidates.ids.shape[0])
    difficulty = candidates.scores if part.needs_difficulty else None
    return part.pick(context, candidates, difficulty, context.key(Purpose.SELECTION))


def test_every_entry_has_a_row() -> None:
    assert set(registry) == set(ROWS)
    assert set(difficulties) == set(DIFFICULTIES)


@pairs(CASES, CHECKS, FAULTS)
def test_promise(case: SelectionCase, check: Callable[[SelectionCase], None]) -> None:
    check(case)


@pairs(OF_DIFFICULTY, DIFFICULTY_CHECKS, {})
def test_promise_of_a_difficulty(case: DifficultyCase, check: Callable[[DifficultyCase], None]) -> None:
    check(case)


@pytest.mark.parametrize("name", ROWS)
def test_what_becomes_of_the_probability(name: str) -> None:
    found = _pick(name, _candidates())
    assert (found.log_q is not None) == (name in KEEPS_LOG_Q)
    assert build(name, ROWS[name]).keeps_proposal == (name in KEEPS_PROPOSAL)


@dataclass(slots=True)
class Boast(Hardest):
    """Takes the hardest, but says that its slots follow the proposal."""

    @property
    def keeps_proposal(self) -> bool:
        return True


def test_a_selection_that_only_says_it_keeps_the_proposal_is_found() -> None:
    with pytest.raises(AssertionError, match="do not fit"):
        contract.chosen_slots_follow_the_proposal_where_it_says_so(SelectionCase(Boast, PROBLEM))


@dataclass(slots=True)
class Careless(Hardest):
    """Says that every slot is filled."""

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        return replace(Hardest.pick(self, context, candidates, difficulty, key), ok=torch.ones(context.rows, 1) > 0)


def test_a_selection_that_is_not_honest_is_found() -> None:
    with pytest.raises(AssertionError, match="ok that no allowed candidate fills"):
        contract.ok_is_honest(SelectionCase(Careless, PROBLEM))


@pytest.mark.parametrize(("k", "m"), [(1, 7), (3, 7), (6, 7)])
def test_random_takes_every_slot_equally_often(k: int, m: int) -> None:
    rows = 20_000
    ids = torch.arange(m).expand(rows, m).clone()
    drawn = Candidates(ids, torch.zeros(rows, m), torch.ones(rows, m, dtype=torch.bool))
    found = _pick("random", drawn, k=k).ids
    assert bool((found.sort(1).values.diff(dim=1) > 0).all())
    for slot in range(k):
        frequencies_fit(torch.bincount(found[:, slot], minlength=m), torch.full((m,), 1 / m).double(), "a slot")


@pytest.mark.parametrize("name", ["all", "self_adversarial", "hard_contrastive"])
def test_a_shared_pool_stays_shared(name: str) -> None:
    assert shared_pool(_pick(name, _candidates(shared=True)).ids) is not None


@pytest.mark.parametrize(("m", "k"), [(6, 1), (6, 3), (6, 9), (64, 3)])
def test_hardest_against_a_sort_with_ties(m: int, k: int) -> None:
    made = torch.Generator().manual_seed(m + k)
    values = torch.randint(0, 12, (30, m), generator=made).float()
    values[torch.rand(30, m, generator=made) < 0.4] = -math.inf
    values[0] = -math.inf
    found = hardest_slots(values, k)
    assert found.shape == (30, min(k, m))
    for row in range(30):
        order = sorted(range(m), key=lambda j: (-values[row, j].item(), j))
        expected = [j for j in order if values[row, j] > -math.inf][:k]
        assert found[row, : len(expected)].tolist() == expected


@pytest.mark.parametrize(
    ("name", "parameters", "ranks"), [("top_m", {"m": 3}, {0, 1, 2}), ("rank_window", {"start": 2, "stop": 4}, {2, 3})]
)
def test_window_is_uniform_over_its_ranks(name: str, parameters: dict[str, object], ranks: set[int]) -> None:
    rows = 4000
    candidates = Candidates(
        torch.arange(10).expand(rows, 10),
        None,
        torch.ones(rows, 10, dtype=torch.bool).index_fill(1, torch.tensor([9]), False),
        -torch.arange(10.0).expand(rows, 10),
    )
    counts = torch.bincount(_pick(name, candidates, k=2, **parameters).ids.flatten(), minlength=10)
    assert set(counts.nonzero().flatten().tolist()) == ranks
    assert torch.allclose(counts[sorted(ranks)] / (2 * rows), torch.tensor(1.0 / len(ranks)), atol=0.03)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_hard_share_takes_the_hardest_so_often(share: float) -> None:
    rows = 4000
    ok = torch.ones(rows, 10, dtype=torch.bool)
    candidates = Candidates(torch.arange(10).expand(rows, 10), None, ok, torch.arange(10.0).expand(rows, 10))
    counts = torch.bincount(_pick("hard_share", candidates, share=share, k=1).ids[:, 0], minlength=10) / rows
    expected = torch.full((10,), (1 - share) / 10)
    expected[9] += share
    assert torch.allclose(counts, expected, atol=0.02)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        registry.build({"name": "hard_share", "share": 1.5})


def test_semi_hard_is_the_closest_below() -> None:
    candidates = Candidates(
        torch.tensor([[1, 2, 3], [4, 5, 6]]),
        None,
        torch.tensor([[True, True, True], [True, True, False]]),
        torch.tensor([[0.1, 0.9, 0.4], [0.8, 0.9, 0.1]]),
        torch.tensor([0.5, 0.5]),
    )
    found = _pick("semi_hard", candidates, k=1)
    assert found.ids[0].tolist() == [3]
    assert found.ok.tolist() == [[True], [False]]


@pytest.mark.parametrize(("name", "knob"), [("self_adversarial", "alpha"), ("hard_contrastive", "beta")])
def test_weights_by_hand(name: str, knob: str) -> None:
    candidates = _candidates()
    assert candidates.scores is not None
    found = _pick(name, replace(candidates, scores=candidates.scores.requires_grad_()), **{knob: 1.5})
    assert found.weight is not None
    assert not found.weight.requires_grad
    for row in range(1, N):
        ok = candidates.ok[row]
        raw = torch.exp(1.5 * candidates.scores[row].detach()) * ok
        assert torch.allclose(found.weight[row], raw / raw.sum() * ok.sum(), atol=1e-5)


class _Table:
    def __init__(self, vectors: Tensor) -> None:
        self.vectors, self.calls = vectors, 0

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.vectors[queries]

    def encode_items(self, items: Tensor) -> Tensor:
        self.calls += items.numel()
        return self.vectors[items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        raise AssertionError("a difficulty must not score again")


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_positive_similarity(shared: bool, similarity: str) -> None:
    table = _Table(torch.randn(50, 4, generator=torch.Generator().manual_seed(1)))
    candidates, context = _candidates(shared=shared), _context()
    part = difficulties.build({"name": "positive_similarity", "similarity": similarity})
    found = part.of(context, candidates, table)
    assert not part.needs_scores
    distinct = torch.cat([candidates.ids.reshape(-1), context.positives]).unique().numel()
    assert table.calls == (N + M if shared else distinct)
    vectors = table.vectors if similarity == "dot" else table.vectors / table.vectors.norm(dim=1, keepdim=True)
    expected = (vectors[candidates.ids] * vectors[context.positives][:, None]).sum(-1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_score_and_margin() -> None:
    candidates, table = _candidates(), _Table(torch.zeros(1, 1))
    score, margin = (difficulties.build(name).of(_context(), candidates, table) for name in ("score", "margin"))
    assert candidates.positive_scores is not None
    assert score is candidates.scores
    assert torch.equal(margin, score - candidates.positive_scores[:, None])
    with pytest.raises(ConfigError, match="needs candidate scores"):
        difficulties.build("score").of(_context(), replace(candidates, scores=None), table)


def test_softmax_refuses_what_it_cannot_correct() -> None:
    unknown = replace(_candidates(), log_q=None)
    with pytest.raises(LogQUnknown, match="correction=False"):
        _pick("softmax", unknown)
    assert _pick("softmax", unknown, correction=False).log_q is None
    with pytest.raises(ConfigError, match="temperature"):
        _pick("softmax", _candidates(), temperature=0.0)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "hardest", "k": 0}, "k is 0"),
        ({"name": "random", "k": 1.5}, "k is 1.5"),
        ({"name": "softmax", "k": -1}, "k is -1"),
    ],
)
def test_wrong_counts_are_named(spec: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.build(spec)
    with pytest.raises(ConfigError, match="cosine or dot"):
        difficulties.build({"name": "positive_similarity", "similarity": "cos"})


def test_an_empty_window_and_missing_difficulty_are_named() -> None:
    with pytest.raises(ConfigError, match="start < stop"):
        _pick("rank_window", _candidates(), start=3, stop=3)
    with pytest.raises(ConfigError, match="needs a difficulty"):
        registry.build("hardest").pick(_context(), _candidates(), None, 0)


def test_similarity_to_the_positive_among_far_ids() -> None:
    """Ids far larger than their number take the other way to the distinct ones; the answer is the same."""
    vectors = torch.randn(3001, 4, generator=torch.Generator().manual_seed(2))
    near, context = _candidates(), _context()
    far = replace(near, ids=near.ids * 50)
    wide = _Table(vectors)
    part = difficulties.build("positive_similarity")
    found = part.of(replace(context, positives=context.positives * 50), far, wide)
    assert int(far.ids.max()) > 16 * far.ids.numel()
    assert torch.allclose(found, part.of(context, near, _Table(vectors[::50])), atol=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.0), (2.0, 0.7), (1.0, -0.7)])
def test_simans_draws_from_the_band_of_its_formula(a: float, b: float) -> None:
    """Chances follow ``exp(-a (s - s⁺ - b)²)``: a band around ``b`` above the positive."""
    rows, k = 20_000, 4
    scores, positive = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]), 0.3
    ok = torch.tensor([True, True, True, False, True])
    shape = (rows, 5)
    drawn = Candidates(
        torch.arange(5).expand(shape),
        torch.zeros(shape),
        ok.expand(shape),
        scores.expand(shape),
        torch.full((rows,), positive),
    )
    chances = torch.exp(-a * (scores.double() - positive - b) ** 2) * ok
    counts = torch.bincount(_pick("simans", drawn, k=k, a=a, b=b).ids.flatten(), minlength=5)
    frequencies_fit(counts, chances / chances.sum(), "draws of simans")


def test_semi_hard_takes_none_that_scores_as_high_as_the_positive() -> None:
    ids, ok = torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.bool)
    drawn = Candidates(ids, None, ok, torch.tensor([[0.5, 0.2, 0.5]]), torch.tensor([0.5]))
    found = _pick("semi_hard", drawn, k=2)
    assert found.ok.tolist() == [[True, False]]
    assert found.ids[0, 0] == 2


BY_DIFFICULTY = ("hardest", "hard_share", "top_m", "rank_window", "softmax", "self_adversarial", "hard_contrastive")


@pytest.mark.parametrize("name", BY_DIFFICULTY)
@pytest.mark.parametrize("lost", [0.6, 1.0])
def test_a_difficulty_of_minus_infinity_is_no_mark(name: str, lost: float) -> None:
    candidates, context = _candidates(), _context()
    gone = torch.rand(N, M, generator=torch.Generator().manual_seed(4)) < lost
    assert candidates.scores is not None
    assert bool((gone & candidates.ok).any())
    part = registry.build({"name": name} | ROWS[name])
    found = part.pick(context, candidates, candidates.scores.masked_fill(gone, -math.inf), 7)
    finite = part.pick(context, candidates, candidates.scores.masked_fill(gone, -99.0), 7)
    assert torch.equal(found.ok, finite.ok)
    for row in range(N):
        allowed = set(candidates.ids[row][candidates.ok[row]].tolist())
        assert set(found.ids[row][found.ok[row]].tolist()) <= allowed
    for values in (found.log_q, found.weight):
        assert values is None or bool(values.isfinite().all())
    if found.weight is not None:
        torch.testing.assert_close(found.weight.sum(1), candidates.ok.sum(1).float())
