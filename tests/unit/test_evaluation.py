"""Metrics against torchmetrics and by hand; rankings against sorting."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchmetrics.functional import retrieval

from negatives.errors import ConfigError, NonFiniteScores
from negatives.evaluation import evaluate, rank, ranking
from negatives.types import Csr

N_QUERIES, N_ITEMS = 40, 70


def tables() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    return torch.randn(N_QUERIES, 6, generator=source), torch.randn(N_ITEMS, 6, generator=source)


def sets(n: int, seed: int) -> Csr:
    source = torch.Generator().manual_seed(seed)
    rows = torch.randint(N_QUERIES, (n,), generator=source)
    return Csr.from_pairs(rows, torch.randint(N_ITEMS, (n,), generator=source), N_QUERIES, N_ITEMS)


ORACLES = {
    "recall@10": lambda s, t: retrieval.retrieval_recall(s, t, top_k=10),
    "recall@3": lambda s, t: retrieval.retrieval_recall(s, t, top_k=3),
    "ndcg@10": lambda s, t: retrieval.retrieval_normalized_dcg(s, t, top_k=10),
    "ndcg@3": lambda s, t: retrieval.retrieval_normalized_dcg(s, t, top_k=3),
    "precision@5": lambda s, t: retrieval.retrieval_precision(s, t, top_k=5),
    "hits@4": lambda s, t: retrieval.retrieval_hit_rate(s, t, top_k=4),
    "mrr@10": lambda s, t: retrieval.retrieval_reciprocal_rank(s, t, top_k=10),
}


def test_metrics_agree_with_torchmetrics() -> None:
    users, items = tables()
    truth = sets(200, 1)
    found = rank(users, items, queries=torch.arange(N_QUERIES), truth=truth, k=10)
    measured = evaluate(found, list(ORACLES))
    assert set(measured.mean) == set(ORACLES)
    for name, oracle in ORACLES.items():
        for row, query in enumerate(found.queries.tolist()):
            target = torch.zeros(N_ITEMS, dtype=torch.bool)
            target[truth.row(query).long()] = True
            expected = oracle(users[query] @ items.T, target).item()
            assert measured.per_query[name][row].item() == pytest.approx(expected, abs=1e-6), (name, query)
        assert measured.mean[name] == pytest.approx(measured.per_query[name].mean().item())


def test_coverage_and_popularity_by_hand() -> None:
    truth = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([1, 3]), 2, 4)
    users = torch.ones(2, 1)
    items = torch.tensor([[4.0], [3.0], [2.0], [1.0]])
    found = rank(users, items, queries=torch.arange(2), truth=truth, k=2)
    measured = evaluate(found, ["coverage@1", "coverage@2", "popularity@2"], torch.tensor([40, 30, 20, 10]))
    assert (measured.mean["coverage@1"], measured.mean["coverage@2"]) == (0.25, 0.5)
    assert measured.mean["popularity@2"] == pytest.approx((1.0 + 0.75) / 2 - (0.75 + 0.25) / 2)


def test_excluded_items_never_appear_and_order_is_right() -> None:
    users, items = tables()
    truth, seen = sets(400, 1), sets(600, 2)
    found = rank(users, items, queries=torch.arange(N_QUERIES), truth=truth, exclude=seen, k=20)
    scores = users @ items.T
    for row, query in enumerate(found.queries.tolist()):
        scores[query, seen.row(query).long()] = -math.inf
        assert found.top[row].tolist() == scores[query].argsort(descending=True)[:20].tolist()
        right = set(truth.row(query).tolist())
        assert found.hits[row].tolist() == [one in right for one in found.top[row].tolist()]


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = tables()
    truth, queries = sets(200, 1), torch.arange(N_QUERIES - 1, -1, -1)
    whole = rank(users, items, queries=queries, truth=truth, exclude=sets(600, 2))
    monkeypatch.setattr(ranking, "BLOCK", 7)
    parts = rank(users, items, queries=queries, truth=truth, exclude=sets(600, 2))
    assert torch.equal(whole.top, parts.top)
    assert torch.equal(whole.hits, parts.hits)


@pytest.mark.parametrize("wanted", [0, 999])
def test_a_model_that_scores_all_alike_finds_k_of_n(wanted: int) -> None:
    n, k, queries = 1000, 20, torch.arange(3000)
    truth = Csr.from_pairs(queries, torch.full((3000,), wanted), 3000, n)
    same = torch.zeros(3000, 4), torch.zeros(n, 4)
    found = evaluate(rank(*same, queries=queries, truth=truth, k=k), [f"recall@{k}", "mrr"], None).mean
    assert found[f"recall@{k}"] == pytest.approx(k / n, abs=4 * (k / n / 3000) ** 0.5)
    assert found["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, k + 1)) / n, abs=0.003)


def test_ties_are_the_same_in_every_call_and_for_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = Csr.from_pairs(torch.arange(40), torch.arange(40), 40, 50)
    options = {"queries": torch.arange(3, 40), "truth": truth, "k": 9}
    whole = rank(torch.ones(40, 1), torch.ones(50, 1), **options).top
    monkeypatch.setattr(ranking, "BLOCK", 7)
    assert torch.equal(rank(torch.ones(40, 1), torch.ones(50, 1), **options).top, whole)
    assert len({tuple(row) for row in whole.tolist()}) == 37


def test_only_given_items_are_ranked_and_short_lists_are_padded() -> None:
    users, items = tables()
    truth, seen, cold = sets(300, 1), sets(600, 2), torch.tensor([3, 17, 44, 51, 60])
    found = rank(users, items, queries=torch.arange(N_QUERIES), truth=truth, exclude=seen, k=6, items=cold)
    assert found.n_candidates == 5
    assert found.top[:, 5].eq(-1).all()
    for row, query in enumerate(found.queries.tolist()):
        left = [item for item in cold.tolist() if item not in seen.row(query).tolist()]
        ordered = sorted(left, key=lambda item: -float(users[query] @ items[item]))
        assert [item for item in found.top[row].tolist() if item >= 0] == ordered
        assert not found.hits[row][found.top[row] < 0].any()


def test_queries_without_truth_are_skipped_and_counted() -> None:
    users, items = tables()
    truth = Csr.from_pairs(torch.tensor([1, 3]), torch.tensor([2, 5]), N_QUERIES, N_ITEMS)
    found = rank(users, items, queries=torch.arange(4), truth=truth, k=N_ITEMS)
    assert found.skipped == 2
    assert found.queries.tolist() == [1, 3]
    assert evaluate(found, [f"recall@{N_ITEMS}"]).mean[f"recall@{N_ITEMS}"] == 1.0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_tables_that_are_not_finite_are_refused(broken: float) -> None:
    users, items = tables()
    items[33, 2] = broken
    with pytest.raises(NonFiniteScores, match="item embeddings"):
        rank(users, items, queries=torch.arange(3), truth=sets(50, 1))


@pytest.mark.parametrize(
    ("name", "message"),
    [("recal@5", "recall"), ("recall", "recall@10"), ("recall@21", "1 to 20"), ("recall@0", "at least 1")],
)
def test_wrong_names_are_refused(name: str, message: str) -> None:
    users, items = tables()
    found = rank(users, items, queries=torch.arange(N_QUERIES), truth=sets(200, 1))
    with pytest.raises(ConfigError, match=message):
        evaluate(found, [name])


def test_popularity_without_counts_is_refused() -> None:
    users, items = tables()
    found = rank(users, items, queries=torch.arange(N_QUERIES), truth=sets(200, 1))
    with pytest.raises(ConfigError, match="popularity@5 needs ranked lists with training counts of the items"):
        evaluate(found, ["recall@5", "popularity@5"])
