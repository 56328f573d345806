"""Which slots each selection takes, with what probability and weight, in cases small enough to see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from negatives.randomness import Purpose, integers, stream, uniforms
from negatives.selection import (
    All,
    HardContrastive,
    Hardest,
    HardShare,
    Margin,
    PositiveSimilarity,
    Random,
    RankWindow,
    Selection,
    SelfAdversarial,
    SemiHard,
    SimANS,
    Softmax,
    TopM,
)
from negatives.types import Candidates, Context, Negatives

KEY = stream(3, Purpose.SELECTION)
ROWS = 4000


def drawn(scores: Tensor, positive: Tensor, ok: Tensor | None = None, log_q: Tensor | None = None) -> Candidates:
    ids = torch.arange(10, 10 + scores.shape[1]).repeat(len(scores), 1)
    ok = torch.ones(scores.shape, dtype=torch.bool) if ok is None else ok
    return Candidates(ids, log_q, ok, scores, positive)


def picked(
    selection: Selection,
    scores: list[float],
    positive: float = 0.0,
    ok: list[bool] | None = None,
    log_q: list[float] | None = None,
    rows: int = ROWS,
) -> Negatives:
    """What a selection does with the same candidates in many rows."""
    table = torch.tensor([scores]).repeat(rows, 1)
    mask = None if ok is None else torch.tensor([ok]).repeat(rows, 1)
    logs = None if log_q is None else torch.tensor([log_q]).repeat(rows, 1)
    candidates = drawn(table, torch.full((rows,), positive), mask, logs)
    context = Context(torch.zeros(rows, dtype=torch.int64), torch.zeros(rows, dtype=torch.int64), torch.arange(rows))
    return selection.pick(context, candidates, table if selection.needs_difficulty else None, KEY)


def shares(negatives: Negatives, n: int) -> list[float]:
    """How often each candidate was taken."""
    found: list[float] = (torch.bincount(negatives.ids.reshape(-1) - 10, minlength=n) / negatives.ids.numel()).tolist()
    return found


def near(found: list[float], expected: list[float], rows: int = ROWS) -> bool:
    """Within five standard errors."""
    return all(abs(f - e) <= 5 * math.sqrt(e * (1 - e) / rows) + 1e-9 for f, e in zip(found, expected, strict=True))


def test_random_slots_are_uniform_distinct_and_keep_their_log_q() -> None:
    found = picked(Random(2), [0.0] * 4, log_q=[-1.0, -2.0, -3.0, -4.0])
    assert near(shares(found, 4), [0.25] * 4)
    slots = found.ids - 10
    assert bool((slots[:, 0] != slots[:, 1]).all())
    first = integers(KEY, torch.arange(ROWS)[:, None], 0, 4)
    assert torch.equal(slots, (first + torch.arange(2)) % 4)
    assert found.log_q is not None
    assert torch.equal(found.log_q, -1.0 - slots)


def test_the_hardest_allowed_come_first_and_ties_in_slot_order() -> None:
    found = picked(Hardest(1), [1.0, 4.0, 3.0], ok=[True, False, True], rows=2)
    assert found.ids.tolist() == [[12], [12]]
    many = [0.5] * 40
    many[7] = 2.0
    found = picked(Hardest(4), many, rows=3)
    assert found.ids.tolist() == [[17, 10, 11, 12]] * 3
    found = picked(Hardest(3), [1.0, 4.0, 3.0], ok=[True, False, True], rows=1)
    assert found.ids.tolist() == [[12, 10, 0]]
    assert found.ok.tolist() == [[True, True, False]]
    assert found.scores is not None
    assert found.scores.tolist() == [[3.0, 1.0, 0.0]]
    assert found.log_q is None


def test_semi_hard_takes_the_best_strictly_below_the_positive() -> None:
    found = picked(SemiHard(2), [1.0, 0.5, 2.0, 0.75], positive=1.0, rows=1)
    assert found.ids.tolist() == [[13, 11]]
    assert not bool(picked(SemiHard(1), [1.0, 2.0], positive=1.0, rows=1).ok.any())
    marked = picked(SemiHard(1), [0.5, 0.75, 0.25], positive=1.0, ok=[True, False, True], rows=1)
    assert (marked.ids.tolist(), marked.ok.tolist()) == ([[10]], [[True]])


def test_everything_keeps_its_log_q_and_its_scores() -> None:
    found = picked(All(), [1.0, 2.0], log_q=[-1.0, -2.0], rows=1)
    assert found.log_q is not None
    assert found.log_q.tolist() == [[-1.0, -2.0]]
    assert found.ids.tolist() == [[10, 11]]
    assert found.weight is None


def resampled_log_q(found: Negatives, log_q: list[float], chances: list[float]) -> Tensor:
    """``log q + log(m π)`` of the taken slots."""
    slots = found.ids - 10
    return (torch.tensor(log_q) + math.log(len(chances)) + torch.tensor(chances).log())[slots]


def test_softmax_resamples_by_difficulty_over_temperature_less_log_q() -> None:
    scores, log_q = [0.0, 1.0, 2.0, 9.0], [-1.0, -2.0, -1.5, -0.5]
    ok = [True, True, True, False]
    for correction in (True, False):
        logits = [s / 2.0 - (q if correction else 0.0) for s, q in zip(scores, log_q, strict=True)]
        whole = [math.exp(one) if good else 0.0 for one, good in zip(logits, ok, strict=True)]
        chances = [one / sum(whole) for one in whole]
        found = picked(Softmax(2, temperature=2.0, correction=correction), scores, ok=ok, log_q=log_q)
        assert near(shares(found, 4), chances)
        assert found.log_q is not None
        torch.testing.assert_close(found.log_q, resampled_log_q(found, log_q, chances))


def test_simans_prefers_scores_about_b_above_the_positive() -> None:
    scores, log_q = [0.0, 1.0, 2.0, 3.0], [-1.0] * 4
    logits = [-2.0 * (s - 1.0 - 0.5) ** 2 for s in scores]
    chances = [math.exp(one) / sum(map(math.exp, logits)) for one in logits]
    found = picked(SimANS(1, a=2.0, b=0.5), scores, positive=1.0, log_q=log_q)
    assert near(shares(found, 4), chances)
    assert found.log_q is not None
    torch.testing.assert_close(found.log_q, resampled_log_q(found, log_q, chances))


def test_nothing_is_taken_where_nothing_is_allowed() -> None:
    for selection in (Softmax(2), SimANS(2), Random(2), Hardest(2), TopM(2, k=2), SelfAdversarial()):
        found = picked(selection, [1.0, 2.0, 3.0], ok=[False] * 3, log_q=[-1.0] * 3, rows=2)
        assert not bool(found.ok.any())
        assert found.weight is None or not bool(found.weight.any())


@pytest.mark.parametrize("selection", [SelfAdversarial(2.0), HardContrastive(2.0)])
def test_weights_are_a_softmax_times_the_number_of_allowed(selection: Selection) -> None:
    found = picked(selection, [0.0, 1.0, 9.0], ok=[True, True, False], log_q=[-1.0, -2.0, -3.0], rows=1)
    e = math.exp(2.0)
    assert found.weight is not None
    assert found.weight.tolist()[0] == pytest.approx([2 / (1 + e), 2 * e / (1 + e), 0.0])
    assert found.log_q is not None


def test_ranks_are_drawn_uniformly_and_anew_for_each_negative() -> None:
    scores = [0.0, 5.0, 1.0, 4.0, 3.0, 2.0]
    found = picked(TopM(3, k=2), scores)
    assert near(shares(found, 6), [0.0, 1 / 3, 0.0, 1 / 3, 1 / 3, 0.0])
    same = (found.ids[:, 0] == found.ids[:, 1]).float().mean().item()
    assert near([same], [1 / 3])
    window = picked(RankWindow(1, 3), scores)
    assert near(shares(window, 6), [0.0, 0.0, 0.0, 0.5, 0.5, 0.0])
    marked = picked(RankWindow(1, 4), scores, ok=[True, False, True, True, False, False])
    assert near(shares(marked, 6), [0.5, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert not bool(picked(RankWindow(3, 6), scores, ok=[True, False, True, True, False, False], rows=1).ok.any())


def test_a_share_of_the_rows_takes_the_hardest_and_the_rest_any() -> None:
    scores = [0.0, 1.0, 2.0, 9.0]
    found = picked(HardShare(0.25), scores)
    assert near(shares(found, 4), [0.75 / 4] * 3 + [0.25 + 0.75 / 4])
    hard = uniforms(KEY, torch.arange(ROWS), 1) < 0.25
    assert bool((found.ids[hard] == 13).all())
    rest = found.ids[~hard][:, 0] - 10
    assert near((torch.bincount(rest, minlength=4) / len(rest)).tolist(), [0.25] * 4, len(rest))


class Items:
    """Two-dimensional vectors."""

    table = torch.tensor([[2.0, 0.0], [0.0, 5.0], [3.0, 4.0], [-1.0, 0.0]])

    def encode_items(self, items: Tensor) -> Tensor:
        return self.table[items]


def test_difficulties() -> None:
    context = Context(torch.tensor([0, 1]), torch.tensor([0, 2]), torch.arange(2))
    ids = torch.tensor([[1, 2, 3], [0, 1, 3]])
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    candidates = Candidates(ids, None, torch.ones(2, 3, dtype=torch.bool), scores, torch.tensor([1.0, 2.0]))
    assert Margin().of(context, candidates, Items()).tolist() == [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    cosines = PositiveSimilarity().of(context, candidates, Items())
    torch.testing.assert_close(cosines, torch.tensor([[0.0, 0.6, -1.0], [0.6, 0.8, -0.6]]))
    products = PositiveSimilarity("dot").of(context, candidates, Items())
    torch.testing.assert_close(products, torch.tensor([[0.0, 6.0, -2.0], [6.0, 20.0, -3.0]]))
    pool = Candidates(torch.tensor([1, 3]).expand(2, 2), None, torch.ones(2, 2, dtype=torch.bool))
    torch.testing.assert_close(
        PositiveSimilarity().of(context, pool, Items()), torch.tensor([[0.0, -1.0], [0.8, -0.6]])
    )
