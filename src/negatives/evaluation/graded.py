"""Retrieval metrics with graded judgements, and TREC's files of runs and judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import ConfigError
from negatives.evaluation.metrics import Metrics
from negatives.registry import suggest

BLOCK = 512


def grades_of(top: Tensor, queries: Tensor, judged: tuple[Tensor, Tensor, Tensor], n_items: int) -> Tensor:
    """``(n, k)`` int64 grade of each ranked item, 0 where it is not judged.

    Args:
        top: ``(n, k)`` item ids, -1 where there is none.
        queries: ``(n,)`` query of each row.
        judged: Queries, items and grades ``(m,)``.
        n_items: Number of items.
    """
    codes, order = (judged[0] * n_items + judged[1]).sort()
    wanted = queries[:, None] * n_items + top
    if codes.numel() == 0:
        return torch.zeros_like(top)
    place = torch.searchsorted(codes, wanted).clamp(max=codes.numel() - 1)
    found = (codes[place] == wanted) & (top >= 0)
    return torch.where(found, judged[2][order][place], 0)


def graded_ndcg(grades: Tensor, ideal: Tensor, k: int) -> Tensor:
    """``sum_r g_r / log2(r + 1)`` over the same sum of the best possible order, ``(n,)`` float64; linear gains.

    Args:
        grades: ``(n, >= k)`` grades in the order of the ranking; negative ones count as 0.
        ideal: ``(n, >= k)`` all grades of the query, highest first, filled up with 0.
        k: Length.

    >>> graded_ndcg(torch.tensor([[0, 2]]), torch.tensor([[2, 1]]), 2).item().__round__(4)
    0.4796
    """
    gains = 1 / torch.log2(torch.arange(k, dtype=torch.float64) + 2)
    best = (ideal[:, :k].clamp(min=0) * gains).sum(1)
    return (grades[:, :k].clamp(min=0) * gains).sum(1) / best.clamp(min=1e-12)


def best_grades(queries: Tensor, judged: tuple[Tensor, Tensor, Tensor], k: int) -> Tensor:
    """``(n, k)`` highest grades of each query, highest first, filled up with 0."""
    order = torch.argsort(judged[2], descending=True, stable=True)
    order = order[torch.argsort(judged[0][order], stable=True)]
    owners, grades = judged[0][order].contiguous(), judged[2][order]
    start, stop = torch.searchsorted(owners, queries), torch.searchsorted(owners, queries, right=True)
    places = start[:, None] + torch.arange(k)
    if grades.numel() == 0:
        return torch.zeros(queries.numel(), k, dtype=torch.int64)
    return torch.where(places < stop[:, None], grades[places.clamp(max=grades.numel() - 1)], 0)


def evaluate_graded(
    top: Tensor, queries: Tensor, judged: tuple[Tensor, Tensor, Tensor], n_items: int, names: Sequence[str]
) -> Metrics:
    """``ndcg@k``, ``recall@k`` and ``mrr@k`` over queries with a relevant judgement.

    Args:
        top: ``(n, k)`` ranked items, best first, -1 where there is none.
        queries: ``(n,)`` the queries, each with at least one grade above zero.
        judged: Queries, items and grades ``(m,)`` of the judgements.
        n_items: Number of items.
        names: Metrics to give.

    Raises:
        ConfigError: A metric is not known.
    """
    grades = grades_of(top, queries, judged, n_items)
    relevant = torch.bincount(judged[0][judged[2] > 0], minlength=int(queries.max()) + 1 if queries.numel() else 0)
    per_query: dict[str, Tensor] = {}
    for name in names:
        kind, _, length = name.partition("@")
        k = int(length)
        hits = grades[:, :k] > 0
        if kind == "ndcg":
            per_query[name] = graded_ndcg(grades, best_grades(queries, judged, k), k)
        elif kind == "recall":
            per_query[name] = hits.sum(1) / relevant[queries].clamp(min=1).double()
        elif kind == "mrr":
            first = hits.double().argmax(1)
            per_query[name] = hits.any(1) / (first + 1).double()
        else:
            raise ConfigError(f"no metric is called {kind!r}; {suggest(kind, ('ndcg', 'recall', 'mrr'))}")
    mean = {name: float(values.mean()) if values.numel() else 0.0 for name, values in per_query.items()}
    return Metrics(mean, per_query)


def search(query_table: Tensor, item_table: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The best items ``(n, k)`` of some queries by the inner product and their scores, block by block.

    -1 and minus infinity stand where there are fewer than ``k`` items.
    """
    columns = item_table.T.contiguous()
    ids = torch.full((queries.numel(), k), -1, dtype=torch.int64)
    scores = torch.full((queries.numel(), k), -torch.inf)
    width = min(k, item_table.shape[0])
    for start in range(0, queries.numel(), BLOCK):
        product = query_table[queries[start : start + BLOCK]] @ columns
        found, values = kernels.top_k(product.clone(), width)
        ids[start : start + BLOCK, :width], scores[start : start + BLOCK, :width] = found, values
    return ids, scores


def trec_run(queries: Sequence[str], top: Sequence[Sequence[tuple[str, float]]], tag: str) -> str:
    """Lines ``query Q0 document rank score tag``, as trec_eval reads them."""
    lines = []
    for query, found in zip(queries, top, strict=True):
        lines += [f"{query} Q0 {item} {rank} {score:.6f} {tag}" for rank, (item, score) in enumerate(found, 1)]
    return "".join(line + "\n" for line in lines)


def trec_qrels(judged: Mapping[str, Mapping[str, int]]) -> str:
    """Lines ``query 0 document grade``."""
    return "".join(f"{query} 0 {item} {grade}\n" for query, row in judged.items() for item, grade in row.items())


__all__ = ["best_grades", "evaluate_graded", "graded_ndcg", "grades_of", "search", "trec_qrels", "trec_run"]
