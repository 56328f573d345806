"""Every loss against its formula written out in Python, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from negatives.losses import (
    BPR,
    BSL,
    GBCE,
    NCE,
    CosineContrastive,
    Hinge,
    InfoNCE,
    Logistic,
    Loss,
    SampledSoftmax,
    SLAtK,
    Squared,
    Talos,
)
from negatives.losses.ops import last_of_list
from negatives.types import Negatives

POSITIVE = [0.3, -0.7, 1.1, 0.4]
NEGATIVE = [[0.2, -0.4, 2.0], [0.9, 0.1, -1.0], [1.3, 1.1, 0.5], [3.0, 3.0, 3.0]]
OK = [[True, True, True], [True, False, True], [False, True, False], [False, False, False]]
LOG_Q = [[-1.0, -2.0, -0.5], [-1.5, -0.3, -2.5], [-1.0, -0.7, -0.2], [-1.0, -1.0, -1.0]]
POSITIVE_LOG_Q = [-1.2, -0.4, -2.0, -1.0]
WEIGHT = [[0.5, 2.0, 1.0], [1.5, 9.0, 0.25], [9.0, 3.0, 9.0], [9.0, 9.0, 9.0]]

Row = Callable[[float, list[tuple[float, float, float]], float], float]
"""From the positive's score, ``(score, log q, weight)`` of each allowed negative and the positive's log q to a loss."""


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def sampled_softmax(s: float, rest: list[tuple[float, float, float]], _: float) -> float:
    below = sum(w * math.exp(x / 0.5 - math.log(3) - q) for x, q, w in rest)
    return -math.log(math.exp(s / 0.5) / (math.exp(s / 0.5) + below))


def nce(s: float, rest: list[tuple[float, float, float]], own: float) -> float:
    pushed = sum(w * math.log(sigmoid(math.log(3) + q - x)) for x, q, w in rest)
    return -math.log(sigmoid(s - math.log(3) - own)) - pushed


def gbce(s: float, rest: list[tuple[float, float, float]], own: float) -> float:
    rate = min(1.0, 3 * math.exp(own))
    beta = rate * (0.6 * (1 - 1 / rate) + 1 / rate)  # as the paper writes it
    pulled = -math.log(sigmoid(s / 0.5) ** beta)
    return (pulled - sum(w * math.log(1 - sigmoid(x / 0.5)) for x, _, w in rest)) / (1 + len(rest))


CASES: dict[str, tuple[Loss, Row]] = {
    "gbce": (GBCE(0.6, 0.5), gbce),
    "bpr": (BPR(), lambda s, rest, _: sum(w * math.log(1 + math.exp(x - s)) for x, _, w in rest) / len(rest)),
    "hinge": (Hinge(0.75), lambda s, rest, _: sum(w * max(0.0, 0.75 - s + x) for x, _, w in rest) / len(rest)),
    "ccl": (
        CosineContrastive(0.15, 3.0),
        lambda s, rest, _: 1 - s + 3.0 * sum(w * max(0.0, x - 0.15) for x, _, w in rest) / len(rest),
    ),
    "logistic": (
        Logistic(0.5),
        lambda s, rest, _: -math.log(sigmoid(s + 0.5)) - sum(w * math.log(sigmoid(-x - 0.5)) for x, _, w in rest),
    ),
    "logistic mean": (
        Logistic(mean=True),
        lambda s, rest, _: -math.log(sigmoid(s)) - sum(w * math.log(sigmoid(-x)) for x, _, w in rest) / len(rest),
    ),
    "sampled softmax": (SampledSoftmax(0.5), sampled_softmax),
    "sampled softmax, not corrected": (
        SampledSoftmax(0.5, correction=False),
        lambda s, rest, _: -s / 0.5 + math.log(math.exp(s / 0.5) + sum(w * math.exp(x / 0.5) for x, _, w in rest)),
    ),
    "info nce": (
        InfoNCE(0.25),
        lambda s, rest, _: -s / 0.25 + math.log(math.exp(s / 0.25) + sum(w * math.exp(x / 0.25) for x, _, w in rest)),
    ),
    "bsl": (
        BSL(0.5, 0.25),
        lambda s, rest, _: -s / 0.25 + math.log(sum(w * math.exp(x / 0.5) for x, _, w in rest) / len(rest)),
    ),
    "nce": (NCE(), nce),
    "squared": (
        Squared(0.3),
        lambda s, rest, _: s * s / 2 + 0.3 * sum(w * max(0.0, x) ** 2 for x, _, w in rest) / 2,
    ),
}
each = pytest.mark.parametrize("name", CASES)


def negatives(weighted: bool, dtype: torch.dtype = torch.float64) -> Negatives:
    weight = torch.tensor(WEIGHT, dtype=dtype) if weighted else None
    ids, ok = torch.zeros(4, 3, dtype=torch.int64), torch.tensor(OK)
    logs = torch.tensor(LOG_Q, dtype=dtype), torch.tensor(POSITIVE_LOG_Q, dtype=dtype)
    return Negatives(ids, logs[0], ok, weight, positive_log_q=logs[1])


def expected(name: str, weighted: bool) -> list[float]:
    found = []
    for row in range(4):
        rest = [(NEGATIVE[row][j], LOG_Q[row][j], WEIGHT[row][j] if weighted else 1.0) for j in range(3) if OK[row][j]]
        found.append(CASES[name][1](POSITIVE[row], rest, POSITIVE_LOG_Q[row]) if rest else 0.0)
    return found


def scores() -> tuple[Tensor, Tensor]:
    return torch.tensor(POSITIVE, dtype=torch.float64), torch.tensor(NEGATIVE, dtype=torch.float64)


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_each_row_is_the_formula(name: str, weighted: bool) -> None:
    found = CASES[name][0].rows(*scores(), negatives(weighted))
    assert found.tolist() == pytest.approx(expected(name, weighted), rel=1e-7, abs=1e-12)
    mean = CASES[name][0](*scores(), negatives(weighted))
    assert float(mean) == pytest.approx(sum(expected(name, weighted)) / 4, rel=1e-7)


@each
def test_gradients_are_differences_and_none_reaches_weights_or_forbidden_slots(name: str) -> None:
    loss, given = CASES[name][0], negatives(True)
    assert given.weight is not None
    given.weight.requires_grad_()
    positive, negative = (part.requires_grad_() for part in scores())
    loss.rows(positive, negative, given).sum().backward()
    assert given.weight.grad is None
    assert positive.grad is not None
    assert negative.grad is not None
    assert negative.grad[~given.ok].abs().max() == 0
    assert negative.grad[3].abs().max() == 0
    assert positive.grad[3] == 0
    step = 1e-6
    for row, slot in ((0, 0), (0, 2), (1, 2), (2, 1)):
        sides = []
        for sign in (1, -1):
            moved = torch.tensor(NEGATIVE, dtype=torch.float64)
            moved[row, slot] += sign * step
            sides.append(float(loss.rows(scores()[0], moved, negatives(True)).sum()))
        assert float(negative.grad[row, slot]) == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4, abs=1e-8)


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_share_their_negatives_cost_the_same(name: str, weighted: bool) -> None:
    loss, owner = CASES[name][0], torch.tensor([0, 0, 1, 2, 3])
    positive = torch.tensor([0.3, -0.2, -0.7, 1.1, 0.4], dtype=torch.float64)
    own = torch.tensor([-1.2, -0.9, -0.4, -2.0, -1.0], dtype=torch.float64)
    whole = negatives(weighted)
    groups = Negatives(whole.ids, whole.log_q, whole.ok, whole.weight, positive_log_q=own)
    parts = (None if part is None else part[owner] for part in (whole.ids, whole.log_q, whole.ok, whole.weight))
    ids, log_q, ok, weight = parts
    assert ids is not None
    assert ok is not None
    each_row = Negatives(ids, log_q, ok, weight, positive_log_q=own)
    torch.testing.assert_close(
        loss.grouped(positive, scores()[1], groups, owner), loss.rows(positive, scores()[1][owner], each_row)
    )


def pool_of(*log_q: float) -> Negatives:
    """Negatives that one row shares with the batch, all allowed."""
    ids, ok = torch.zeros(1, len(log_q), dtype=torch.int64), torch.ones(1, len(log_q), dtype=torch.bool)
    return Negatives(ids, torch.tensor([log_q], dtype=torch.float64), ok)


@pytest.mark.parametrize(
    ("at", "last"),
    [(1, 3.0), (2, 3.0), (3, 1.0), (6, 1.0), (7, 0.5), (20, -1.0)],  # they stand for 2, 4, 1 and 1 items
)
def test_the_end_of_the_list_counts_the_items_that_each_negative_stands_for(at: int, last: float) -> None:
    log_q = [-math.log(4 * stands) for stands in (2, 4, 1, 1)]
    given, scores = pool_of(*log_q), torch.tensor([[3.0, 1.0, 0.5, -1.0]], dtype=torch.float64)
    assert given.log_q is not None
    assert last_of_list(scores, given, given.log_q, at).item() == last
    turned = torch.tensor([[-1.0, 0.5, 1.0, 3.0]], dtype=torch.float64)
    assert last_of_list(turned, pool_of(*log_q[::-1]), torch.tensor([log_q[::-1]]), at).item() == last


def test_forbidden_slots_and_empty_rows_make_no_list() -> None:
    given, log_q = negatives(False), torch.tensor(LOG_Q, dtype=torch.float64)
    ends = last_of_list(torch.tensor(NEGATIVE, dtype=torch.float64), given, log_q, 100)
    assert ends.tolist() == [-0.4, -1.0, 1.1, 0.0]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_of_sl_at_k_is_the_softmax_by_the_chance_to_be_on_the_list(weighted: bool) -> None:
    given, (positive, negative) = negatives(weighted), scores()
    assert given.log_q is not None
    weight = ((positive - last_of_list(negative, given, given.log_q, 2)) / 0.5).sigmoid()
    found, plain = [], []
    for loss, into in ((SLAtK(0.3, 0.5, 2), found), (SampledSoftmax(0.3), plain)):
        leaves = [one.clone().requires_grad_() for one in (positive, negative)]
        loss.rows(*leaves, given).sum().backward()
        into += [loss.rows(positive, negative, given), *(leaf.grad for leaf in leaves)]
    for one, two in zip(found, plain, strict=True):
        assert one is not None
        assert two is not None
        torch.testing.assert_close(one, two * (weight if two.dim() == 1 else weight[:, None]))


def test_talos_cares_least_for_what_is_far_on_the_list() -> None:
    given = pool_of(*[-math.log(100.0)] * 2)  # each stands for 50
    slopes = []
    for top in (0.1, 4.0):
        negative = torch.tensor([[top, 0.0]], dtype=torch.float64, requires_grad=True)
        Talos(1.0, at=60).rows(torch.tensor([0.2], dtype=torch.float64), negative, given).backward()
        assert negative.grad is not None
        slopes.append(negative.grad[0].tolist())
    assert slopes[0][0] == pytest.approx(0.24072, abs=1e-5)
    assert slopes[1][0] == pytest.approx(0.01183, abs=1e-5)


@pytest.mark.parametrize("name", ["sampled softmax", "sampled softmax, not corrected", "bsl"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_fused_pass_gives_the_same_losses_and_gradients(name: str, masked: bool) -> None:
    loss = CASES[name][0]
    ok = torch.tensor(OK) if masked else torch.ones(1, 1, dtype=torch.bool).expand(4, 3)
    log_q = torch.tensor(LOG_Q[0]).expand(4, 3)
    given = Negatives(torch.arange(3).expand(4, 3), log_q, ok)
    positive, negative = torch.tensor(POSITIVE, requires_grad=True), torch.tensor(NEGATIVE, requires_grad=True)
    rows = loss.rows(positive, negative, given)
    rows.sum().backward()
    table = torch.tensor(NEGATIVE)
    fused = loss.fused_(torch.tensor(POSITIVE), table, given)
    assert fused is not None
    torch.testing.assert_close(fused[0], rows.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fused[1].float(), positive.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(table, negative.grad, rtol=1e-4, atol=1e-5)
