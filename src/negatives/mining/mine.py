"""Mined hard negatives: search, rule out, rank, choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import contains
from negatives.mining.options import Mining
from negatives.mining.search import Vectors, nearest, pair_scores
from negatives.randomness import Purpose, bits, stream
from negatives.types import Csr, union

Teacher = Callable[[Tensor, Tensor], Tensor]
"""Takes query and item ids ``(n,)``, gives scores ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Mined:
    """The negatives of each query.

    Args:
        ids: ``(n_queries, k)`` int64 items, best first; -1 where there are fewer.
        scores: ``(n_queries, k)``; minus infinity there.
        positives: Known positives of each query.
        positive_scores: ``(positives.nnz,)`` score of each.
        skipped: How many candidates each rule ruled out.
        mistaken: Share of the known positives that would have been taken, had they not been known.
        n_items: Number of items.
    """

    ids: Tensor
    scores: Tensor
    positives: Csr
    positive_scores: Tensor
    skipped: dict[str, int]
    mistaken: float
    n_items: int


def mine(
    queries: Vectors,
    items: Vectors,
    positives: Csr,
    mining: Mining | None = None,
    teacher: Teacher | None = None,
    identical: Csr | None = None,
) -> Mined:
    """Mine hard negatives from vectors.

    Args:
        queries: ``(n_queries, d)`` float32; of unit length for cosines.
        items: ``(n_items, d)`` float32, may be mapped from a file.
        positives: Known positives of each query; they never become negatives.
        mining: What to mine.
        teacher: Scores candidates and positives anew where bounds or margins are set.
        identical: Items that are the query itself; they never become negatives either.

    Raises:
        ConfigError: The numbers of vectors do not fit the positives, or a query has no positive but a margin is set.
    """
    mining = mining or Mining()
    if (len(queries), len(items)) != (positives.n_rows, positives.n_cols):
        raise ConfigError(
            f"{len(queries)} queries and {len(items)} items have vectors, but the positives speak of "
            f"{positives.n_rows} and {positives.n_cols}"
        )
    most = int(positives.lengths().max()) if positives.n_rows else 0
    last = mining.last(most, teacher is not None)
    out = positives if identical is None else union([positives, identical])
    ids, scores = nearest(queries, items, last + (int(out.lengths().max()) if out.n_rows else 0))
    owners = torch.repeat_interleave(torch.arange(positives.n_rows), positives.lengths())
    own = pair_scores(queries, items, owners, positives.indices.long())
    known = contains(out, torch.arange(len(ids)), ids.clamp(min=0)) & (ids >= 0)
    if teacher is not None and mining.bounded:
        rows = torch.arange(len(ids)).repeat_interleave(ids.shape[1])
        scores = teacher(rows, ids.clamp(min=0).flatten()).float().reshape(ids.shape)
        own = teacher(owners, positives.indices.long()).float()
    scores = scores.masked_fill(known | (ids < 0), -torch.inf)
    lowest = torch.full((positives.n_rows,), torch.inf).scatter_reduce(0, owners, own, "amin")
    scores, skipped = ruled_out(scores, lowest, mining)
    ranked, order = scores.sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, order)[:, mining.range_min : last]
    chosen, values = _chosen(ids, ranked[:, mining.range_min : last], mining)
    ids = chosen.masked_fill(values == -torch.inf, -1)
    mistaken = _mistaken(ranked, own, owners, lowest, mining, last)
    return Mined(ids, values, positives, own, skipped, mistaken, positives.n_cols)


def ruled_out(scores: Tensor, lowest: Tensor, mining: Mining) -> tuple[Tensor, dict[str, int]]:
    """Scores with minus infinity for what a rule rules out, and how many each did.

    Args:
        scores: ``(n, m)``.
        lowest: ``(n,)`` lowest score of the query's positives.
        mining: The rules.
    """
    skipped: dict[str, int] = {}
    rules: list[tuple[str, float | None, Callable[[float], Tensor]]] = [
        ("absolute_margin", mining.absolute_margin, lambda by: scores + by > lowest[:, None]),
        ("relative_margin", mining.relative_margin, lambda by: scores > (lowest - lowest.abs() * by)[:, None]),
        ("max_score", mining.max_score, lambda by: scores > by),
        ("min_score", mining.min_score, lambda by: scores < by),
    ]
    for name, bound, out in rules:
        if bound is None:
            continue
        gone = out(bound) & (scores > -torch.inf)
        skipped[name] = int(gone.sum())
        scores = scores.masked_fill(gone, -torch.inf)
    return scores, skipped


def _chosen(ids: Tensor, scores: Tensor, mining: Mining) -> tuple[Tensor, Tensor]:
    """``num_negatives`` columns of each row, best first."""
    k = min(mining.num_negatives, ids.shape[1])
    if mining.sampling == "top":
        return ids[:, :k], scores[:, :k]
    rows, slots = torch.arange(len(ids))[:, None], torch.arange(ids.shape[1])
    hashed = (bits(stream(mining.seed, Purpose.SELECTION), rows, slots) >> 1) & (2**62 - 1)
    hashed = hashed.masked_fill(scores == -torch.inf, 2**62)
    places = hashed.argsort(1)[:, :k].sort(1).values
    return ids.gather(1, places), scores.gather(1, places)


def _mistaken(ranked: Tensor, own: Tensor, owners: Tensor, lowest: Tensor, mining: Mining, last: int) -> float:
    """Share of the known positives that would have been negatives, had they not been known.

    Each is put among its query's candidates; with a margin, the query's lowest positive stands for the known one.
    """
    if own.numel() == 0:
        return 0.0
    allowed, _ = ruled_out(own[:, None], lowest[owners], mining)
    width = last - mining.range_min if mining.sampling == "random" else mining.num_negatives
    share = min(1.0, mining.num_negatives / width) if mining.sampling == "random" else 1.0
    rank = (ranked[owners] > own[:, None]).sum(1)
    inside = (rank >= mining.range_min) & (rank < mining.range_min + width) & (allowed[:, 0] > -torch.inf)
    return float(inside.double().mean()) * share
