"""Graded retrieval metrics against an independent form written from their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from negatives.errors import ConfigError
from negatives.evaluation.graded import evaluate_graded, trec_qrels, trec_run
from negatives.evaluation.ranking import search
from negatives.randomness import integers

N_QUERIES, N_ITEMS, WIDTH = 12, 40, 25


def judged() -> dict[int, dict[int, int]]:
    """Grades from -1 to 3 of some items for every second query, at least one above zero."""
    found: dict[int, dict[int, int]] = {}
    for query in range(0, N_QUERIES, 2):
        items = integers(5, torch.tensor(query), torch.arange(1 + query), N_ITEMS).tolist()
        found[query] = {item: (item * 7 + query) % 5 - 1 for item in items} | {query: 3}
    return found


def tensors(table: dict[int, dict[int, int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = torch.tensor([(q, i, g) for q, row in table.items() for i, g in row.items()])
    return rows[:, 0], rows[:, 1], rows[:, 2]


def ranked() -> torch.Tensor:
    keys = integers(9, torch.arange(0, N_QUERIES, 2)[:, None], torch.arange(N_ITEMS), 1 << 20)
    return keys.argsort(1)[:, :WIDTH]


def naive(ranking: list[int], row: dict[int, int], name: str) -> float:
    """trec_eval's definitions, one query at a time."""
    kind, _, length = name.partition("@")
    first = ranking[: int(length)]
    relevant = [item for item, grade in row.items() if grade > 0]
    if kind == "recall":
        return sum(item in relevant for item in first) / len(relevant)
    if kind == "mrr":
        return next((1 / rank for rank, item in enumerate(first, 1) if item in relevant), 0.0)
    gain = sum(max(row.get(item, 0), 0) / math.log2(rank + 1) for rank, item in enumerate(first, 1))
    best = sorted((max(grade, 0) for grade in row.values()), reverse=True)[: int(length)]
    return gain / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1))


@pytest.mark.parametrize("name", ["ndcg@10", "ndcg@3", "recall@20", "recall@5", "mrr@10", "mrr@1"])
def test_metrics_agree_with_their_definitions(name: str) -> None:
    table, top = judged(), ranked()
    found = evaluate_graded(top, torch.tensor(list(table)), tensors(table), N_ITEMS, [name])
    expected = [naive(row, table[query], name) for query, row in zip(table, top.tolist(), strict=True)]
    torch.testing.assert_close(found.per_query[name], torch.tensor(expected, dtype=torch.float64))
    assert found.mean[name] == pytest.approx(sum(expected) / len(expected))


@pytest.mark.parametrize("name", ["ndgc@10", "map@10", "prec@1"])
def test_an_unknown_metric_is_refused(name: str) -> None:
    table, top = judged(), ranked()
    with pytest.raises(ConfigError, match=f"no metric is called '{name.partition('@')[0]}'"):
        evaluate_graded(top, torch.tensor(list(table)), tensors(table), N_ITEMS, [name])


def test_a_short_ranking_is_filled_up() -> None:
    vectors = torch.tensor([[1.0, 0.0, 0.0], [0.5, 1.0, 0.2], [0.0, 0.0, 1.0]])
    ids, scores = search(lambda queries: vectors[queries], torch.tensor([1]), 5)
    assert ids.tolist() == [[1, 0, 2, -1, -1]]
    assert scores[0, 3] == -torch.inf
    none = torch.tensor([1]), torch.tensor([2]), torch.tensor([1])
    assert evaluate_graded(ids, torch.tensor([1]), none, 3, ["recall@5"]).mean["recall@5"] == 1.0


def test_trec_lines() -> None:
    assert trec_run(["q"], [[("d1", 2.0), ("d2", 1.5)]], "t") == "q Q0 d1 1 2 t\nq Q0 d2 2 1.5 t\n"
    assert trec_qrels({"q": {"d1": 2}}) == "q 0 d1 2\n"


def test_metrics_agree_with_trec_eval() -> None:
    import pytrec_eval as trec

    table, top = judged(), ranked()
    qrels = {f"q{query}": {f"d{item}": grade for item, grade in row.items()} for query, row in table.items()}
    runs = {
        f"q{query}": {f"d{item}": float(WIDTH - rank) for rank, item in enumerate(row)}
        for query, row in zip(table, top.tolist(), strict=True)
    }
    theirs = trec.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.20", "recip_rank"}).evaluate(runs)
    names = {"ndcg@10": "ndcg_cut_10", "recall@20": "recall_20", f"mrr@{WIDTH}": "recip_rank"}
    ours = evaluate_graded(top, torch.tensor(list(table)), tensors(table), N_ITEMS, list(names))
    for name, other in names.items():
        expected = [theirs[f"q{query}"][other] for query in table]
        torch.testing.assert_close(ours.per_query[name], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("same", [0.0, 1.0, -3e7, 1e-30])
def test_trec_eval_reads_equal_scores_in_our_order(same: float) -> None:
    """It sorts equal ones by their names, and near ones in single precision."""
    import pytrec_eval as trec

    names = [f"d{index}" for index in (3, 9, 1, 7, 5)]
    scores = [same, same, same, same - abs(same) * 1e-9, same - abs(same) * 1e-9]
    lines = [line.split() for line in trec_run(["q"], [list(zip(names, scores, strict=True))], "t").splitlines()]
    run = {"q": {line[2]: float(line[4]) for line in lines}}
    for rank, name in enumerate(names, 1):
        found = trec.RelevanceEvaluator({"q": {name: 1}}, {"recip_rank"}).evaluate(run)
        assert found["q"]["recip_rank"] == pytest.approx(1 / rank)


def test_a_judgement_that_stands_again_counts_once_with_its_highest_grade() -> None:
    top, query, names = torch.tensor([[0, 1, 2]]), torch.tensor([0]), ["ndcg@3", "recall@3", "mrr@3"]
    items, grades = torch.tensor([0, 2, 4]), torch.tensor([3, 1, 1])
    once = evaluate_graded(top, query, (torch.zeros(3, dtype=torch.int64), items, grades), 5, names).mean
    again = torch.tensor([0, 2, 4, 0, 2, 0, 2]), torch.tensor([1, 1, 1, 3, 1, -1, 0])
    assert evaluate_graded(top, query, (torch.zeros(7, dtype=torch.int64), *again), 5, names).mean == once
    assert once["recall@3"] == pytest.approx(2 / 3)
