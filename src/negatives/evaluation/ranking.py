"""Full ranking: every query against every item, known items left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import NonFiniteScores
from negatives.evaluation.filtered import ScoreAll
from negatives.evaluation.measure import Metrics, measure
from negatives.evaluation.values import Ranked, RankedByCounts
from negatives.types import Csr, finite

BLOCK = 512


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best items of each evaluated query.

    Args:
        queries: ``(n,)`` int64, those with at least one right answer.
        top: ``(n, k)`` int64 item ids, best first; -1 where fewer items could be ranked.
        hits: ``(n, k)`` bool, whether each is a right answer.
        n_truth: ``(n,)`` int64, number of right answers.
        n_candidates: Number of items that were ranked.
        skipped: Queries left out because they have no right answer.
        relevant: All right answers of the evaluated queries, ``(m,)`` int64.
    """

    queries: Tensor
    top: Tensor
    hits: Tensor
    n_truth: Tensor
    n_candidates: int
    skipped: int
    relevant: Tensor

    def lists(self, counts: Tensor | None = None) -> Ranked:
        """What metrics are computed of; with training counts ``(n_items,)`` also those that need them."""
        if counts is None:
            return Ranked(items=self.top, gains=self.hits, relevant=self.n_truth, n_candidates=self.n_candidates)
        return RankedByCounts(
            items=self.top,
            gains=self.hits,
            relevant=self.n_truth,
            n_candidates=self.n_candidates,
            counts=counts,
            wanted=self.relevant,
        )


def evaluate(ranking: Ranking, names: Sequence[str], counts: Tensor | None = None) -> Metrics:
    """Named metrics such as ``recall@20``, ``ndcg@10``, ``coverage@20`` and ``popularity@20``.

    Args:
        ranking: From :func:`rank`.
        names: Metrics, each with the length of the list.
        counts: ``(n_items,)`` training counts, without which ``popularity`` cannot be given.

    Raises:
        ConfigError: A metric is not known, needs other values, or is longer than what was ranked.
    """
    return replace(measure(ranking.lists(counts), names), queries=ranking.queries)


def rank(
    query_table: Tensor,
    item_table: Tensor,
    *,
    queries: Tensor,
    truth: Csr,
    exclude: Csr | None = None,
    k: int = 20,
    items: Tensor | None = None,
) -> Ranking:
    """Rank all items by the inner product.

    Args:
        query_table: ``(n_queries, d)`` float32.
        item_table: ``(n_items, d)`` float32.
        queries: ``(n,)`` int64 queries to evaluate.
        truth: Right answers per query.
        exclude: Items that must not be ranked, per query: those known from training.
        k: Length of the ranked list.
        items: ``(m,)`` int64 items to rank; all when left out.

    Raises:
        NonFiniteScores: An embedding holds NaN or infinity.
    """
    for name, table in (("query", query_table), ("item", item_table)):
        if not bool(torch.isfinite(table.sum())):
            raise NonFiniteScores(f"the {name} embeddings hold NaN or infinity; lower the learning rate")
    columns = (item_table if items is None else item_table[items]).T.contiguous()
    return _ranked(lambda some: query_table[some] @ columns, queries, truth, exclude, k, items)


def rank_by(
    score_all: ScoreAll,
    *,
    queries: Tensor,
    truth: Csr,
    exclude: Csr | None = None,
    k: int = 20,
    items: Tensor | None = None,
) -> Ranking:
    """Rank all items by any score, block by block; the other arguments are those of :func:`rank`.

    Args:
        score_all: Scores ``(rows, n_items)`` of queries ``(rows,)`` with every item.
        queries: ``(n,)`` int64 queries to evaluate.
        truth: Right answers per query.
        exclude: Items that must not be ranked, per query.
        k: Length of the ranked list.
        items: ``(m,)`` int64 items to rank; all when left out.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    if items is None:
        return _ranked(score_all, queries, truth, exclude, k, None)
    return _ranked(lambda some: score_all(some)[:, items], queries, truth, exclude, k, items)


def _ranked(score: ScoreAll, queries: Tensor, truth: Csr, exclude: Csr | None, k: int, items: Tensor | None) -> Ranking:
    """The ranking by scores ``(rows, m)`` of queries with the items that are ranked."""
    lengths = truth.lengths()[queries]
    kept = queries[lengths > 0]
    if items is not None and exclude is not None:
        exclude = renumbered(exclude, items)
    top, _ = search(score, kept, k, exclude)
    if items is not None:
        top = torch.where(top >= 0, items[top.clamp(min=0)], -1)
    hits = kernels.contains(truth, kept, top.clamp(min=0)) & (top >= 0)
    known = torch.isin(torch.arange(truth.n_rows), kept).repeat_interleave(truth.lengths())
    return Ranking(
        queries=kept,
        top=top,
        hits=hits,
        n_truth=lengths[lengths > 0],
        n_candidates=truth.n_cols if items is None else items.numel(),
        skipped=int((lengths == 0).sum()),
        relevant=truth.indices[known].to(torch.int64),
    )


def search(score: ScoreAll, queries: Tensor, k: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
    """The best items ``(n, k)`` of some queries and their scores, block by block.

    -1 and minus infinity stand where fewer than ``k`` items are left.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    ids = torch.full((queries.numel(), k), -1, dtype=torch.int64)
    scores = torch.full((queries.numel(), k), -torch.inf)
    for start in range(0, queries.numel(), BLOCK):
        some, rows = queries[start : start + BLOCK], slice(start, start + BLOCK)
        ids[rows], scores[rows] = kernels.top_k(finite(score(some), "scores"), k, exclude=exclude, queries=some)
    return ids, scores


def renumbered(exclude: Csr, items: Tensor) -> Csr:
    """The same sets over the positions of ``items`` ``(m,)``."""
    place = torch.full((exclude.n_cols,), -1, dtype=torch.int64)
    place[items] = torch.arange(items.numel())
    rows = torch.arange(exclude.n_rows).repeat_interleave(exclude.lengths())
    cols = place[exclude.indices.to(torch.int64)]
    return Csr.from_pairs(rows[cols >= 0], cols[cols >= 0], exclude.n_rows, items.numel())
