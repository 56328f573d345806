"""Retrieval metrics with graded judgements, and TREC's files of runs and judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from negatives.data.repeats import once
from negatives.evaluation.ideal import highest
from negatives.evaluation.measure import Metrics, measure
from negatives.evaluation.values import Ranked


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


def evaluate_graded(
    top: Tensor, queries: Tensor, judged: tuple[Tensor, Tensor, Tensor], n_items: int, names: Sequence[str]
) -> Metrics:
    """Metrics of ranked lists such as ``ndcg@10``, ``recall@100`` and ``mrr@10``, with grades for gains.

    A grade above zero makes an item relevant; grades below zero count as 0. Of several grades of an item for a query
    the highest counts.

    Args:
        top: ``(n, k)`` ranked items, best first, -1 where there is none.
        queries: ``(n,)`` the queries, each with at least one grade above zero.
        judged: Queries, items and grades ``(m,)`` of the judgements.
        n_items: Number of items.
        names: Metrics to give.

    Raises:
        ConfigError: A metric is not known, needs other values, or is longer than what was ranked.
    """
    distinct = once(judged[0] * n_items + judged[1], judged[2])
    judged = judged[0][distinct.rows], judged[1][distinct.rows], distinct.values
    relevant = torch.bincount(judged[0][judged[2] > 0], minlength=int(queries.max()) + 1 if queries.numel() else 0)
    lists = Ranked(
        items=top,
        gains=grades_of(top, queries, judged, n_items).clamp(min=0),
        relevant=relevant[queries],
        n_candidates=n_items,
        ideal=highest(judged[0], judged[2].clamp(min=0), queries, top.shape[1]),
    )
    return replace(measure(lists, names), queries=queries)


def trec_run(queries: Sequence[str], top: Sequence[Sequence[tuple[str, float]]], tag: str) -> str:
    """Lines ``query Q0 document rank score tag``, as trec_eval reads them.

    trec_eval sorts by the score in single precision and equal ones by the documents' names, whatever the rank says.
    So each score is written with all its digits, and lowered to the next number below where it is not below the one
    before.
    """
    lines = []
    for query, found in zip(queries, top, strict=True):
        last = np.float32(np.inf)
        for rank, (item, score) in enumerate(found, 1):
            last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
            lines.append(f"{query} Q0 {item} {rank} {last:.9g} {tag}\n")
    return "".join(lines)


def trec_qrels(judged: Mapping[str, Mapping[str, int]]) -> str:
    """Lines ``query 0 document grade``."""
    return "".join(f"{query} 0 {item} {grade}\n" for query, row in judged.items() for item, grade in row.items())
