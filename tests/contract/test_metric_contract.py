"""Every metric of the table through the contract, on answers of every kind that it is computed of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import pytest
import torch
from tables import pairs
from torch import Tensor

from negatives.evaluation import metric, registry
from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import (
    Decided,
    Likelihood,
    Ranked,
    RankedByCounts,
    RankedByWeights,
    Ranks,
    Rated,
    Scored,
    Value,
)
from negatives.randomness import Purpose, integers, stream, uniforms
from negatives.testing import check_metric
from negatives.testing.metrics import CHECKS, MetricCase

ROWS, K, ITEMS = 6, 8, 20


def numbers(seed: int, *shape: int) -> Tensor:
    """float64 in ``[0, 1)``."""
    n = math.prod(shape)
    return uniforms(stream(seed, Purpose.PROBES), torch.arange(n), 0).view(*shape)


def lists(seed: int, perfect: bool = False, graded: bool = False) -> dict[str, Any]:
    """Ranked lists, some of them short; a perfect one shows its right answers first."""
    top = numbers(seed, ROWS, ITEMS).argsort(1)[:, :K]
    right = integers(stream(seed, Purpose.SPLIT), torch.arange(ROWS), 0, K) + 1
    grades = 1 + integers(stream(seed, Purpose.SPLIT), torch.arange(ROWS)[:, None], torch.arange(1, K + 1), 3)
    ideal = grades.sort(1, descending=True).values.masked_fill(torch.arange(K) >= right[:, None], 0)
    gains = ideal if perfect else ideal.gather(1, numbers(seed + 50, ROWS, K).argsort(1))
    short = torch.zeros(ROWS, K, dtype=torch.bool)
    short[0, 5:] = not perfect
    gains = gains.masked_fill(short, 0)
    found = {"items": top.masked_fill(short, -1), "relevant": right, "n_candidates": ITEMS}
    return found | ({"gains": gains, "ideal": ideal} if graded else {"gains": gains > 0, "ideal": None})


def by_counts(seed: int) -> Value:
    counts = integers(stream(seed, Purpose.NOISE), torch.arange(ITEMS), 0, 9)
    return RankedByCounts(**lists(seed), counts=counts, wanted=torch.arange(ITEMS - seed))


def by_weights(seed: int, perfect: bool = False) -> Value:
    found = lists(seed, perfect)
    weights = 1.0 + numbers(seed + 7, ITEMS)
    gained = weights[found["items"].clamp(min=0)] * found["gains"]
    if not perfect:  # right answers that are not shown weigh the most
        best = torch.where(torch.arange(K) < found["relevant"][:, None], 2.0, 0.0).double()
    else:
        best = gained.sort(1, descending=True).values
    return RankedByWeights(**found, weights=weights, best=best)


def scored(seed: int, perfect: bool = False) -> Value:
    right, wrong = (numbers(seed + at, n).mul(9).round().float() for at, n in ((0, 7), (1, 5)))
    return Scored(right + 20 * perfect, wrong)


def decided(seed: int, perfect: bool = False) -> Value:
    true = numbers(seed, ROWS, 2) < 0.5
    return Decided(true if perfect else numbers(seed + 1, ROWS, 2) < 0.5, true)


def rated(seed: int, perfect: bool = False) -> Value:
    ratings = numbers(seed, 9).mul(5).round()
    return Rated(ratings.exp() if perfect else numbers(seed + 1, 9).mul(4).round(), ratings)


def likely(seed: int, perfect: bool = False) -> Value:
    log_p = torch.zeros(6).double() if perfect else -3 * numbers(seed, 6) - 0.1
    return Likelihood(log_p, numbers(seed + 1, 6) / 8)


def turn(value: Any, order: Tensor) -> Any:
    """The questions in another order: every field with a row for each."""
    per_question = {
        "items",
        "gains",
        "relevant",
        "ideal",
        "best",
        "ranks",
        "right",
        "said",
        "true",
        "scores",
        "ratings",
    }
    per_question |= {"log_p", "log_z"}
    turned = {}
    for one in fields(value):
        held = getattr(value, one.name)
        turned[one.name] = held[order] if one.name in per_question and held is not None else held
    return replace(value, **turned)


Make = Callable[[int], Value]


def case(
    name: str, make: Make, best: Make | None = None, *, low: float = 0.0, high: float = 1.0, larger: bool = True
) -> MetricCase[Any]:
    perfect = [] if best is None else [best(seed) for seed in range(3)]
    made = partial(metric, name)
    return MetricCase(made, [make(seed) for seed in range(6)], low, high, perfect, larger, turn)


def of_lists(name: str, **more: Any) -> MetricCase[Any]:
    """A metric of ranked lists, binary and graded ones."""

    def sample(seed: int) -> Value:
        return Ranked(**lists(seed, graded=seed % 2 == 1))

    return case(name, sample, **more)


def perfect_list(seed: int) -> Value:
    return Ranked(**lists(seed, perfect=True, graded=seed % 2 == 1))


def one_answer(seed: int) -> Value:
    """Lists that show their only right answer first."""
    found = lists(seed, perfect=True)
    return Ranked(**(found | {"gains": torch.arange(K).expand(ROWS, K) == 0, "relevant": torch.ones(ROWS).long()}))


def ranks(seed: int) -> Value:
    return Ranks(1 + integers(stream(seed, Purpose.PROBES), torch.arange(9), 0, 30).double() / 2)


INF = math.inf
CASES: dict[str, MetricCase[Any]] = {
    f"recall@{K}": of_lists(f"recall@{K}", best=perfect_list),
    "precision@3": of_lists("precision@3"),
    "ndcg@5": of_lists("ndcg@5", best=perfect_list),
    f"ndcg@{K}": of_lists(f"ndcg@{K}", best=perfect_list),
    "mrr": of_lists("mrr", best=one_answer),
    "mrr of ranks": case("mrr", ranks, lambda seed: Ranks(torch.ones(4))),
    "mrr@4": of_lists("mrr@4", best=one_answer),
    "hits@2": of_lists("hits@2", best=one_answer),
    "hr@2": case("hr@2", ranks, lambda seed: Ranks(torch.ones(4))),
    "coverage@4": of_lists("coverage@4"),
    "popularity@4": case("popularity@4", by_counts, low=-1.0),
    "psp@4": case("psp@4", by_weights, lambda seed: by_weights(seed, perfect=True)),
    "auc": case("auc", scored, lambda seed: scored(seed, perfect=True)),
    "ap": case("ap", scored, lambda seed: scored(seed, perfect=True)),
    "accuracy": case("accuracy", decided, lambda seed: decided(seed, perfect=True)),
    "spearman": case("spearman", rated, lambda seed: rated(seed, perfect=True), low=-1.0),
    "log_likelihood": case("log_likelihood", likely, lambda seed: likely(seed, perfect=True), low=-INF, high=0.0),
    "perplexity": case("perplexity", likely, lambda seed: likely(seed, perfect=True), low=1.0, high=INF, larger=False),
    "log_z": case("log_z", likely, low=-INF, high=INF),
    "log_z_sd": case("log_z_sd", likely, high=INF),
}
ROWS_OF = {name.split()[0].partition("@")[0] for name in CASES}


def test_every_metric_has_a_case() -> None:
    assert set(registry) == ROWS_OF


@pairs(CASES, CHECKS, {})
def test_promise(case: MetricCase[Any], check: Callable[[MetricCase[Any]], None]) -> None:
    check(case)


@dataclass(frozen=True, slots=True)
class Careless(Metric[Ranked]):
    """Precision that divides by the hits that there are, and forgets them where there are none."""

    needs = Ranked
    cut = "needed"

    def of(self, value: Ranked) -> Tensor:
        hits = value.hits[:, : self.at].sum(1).double()
        return hits / hits


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([Ranked(**lists(0)), Ranked(**(lists(0) | {"gains": torch.zeros(ROWS, K, dtype=torch.bool)}))], "a term is"),
        ([perfect_list(0), perfect_list(2)], "it is 1 for every sample"),
    ],
)
def test_a_careless_metric_is_found(samples: Sequence[Ranked], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_metric(lambda: Careless(2), samples)
