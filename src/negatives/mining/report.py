"""What was mined: scores, likely false negatives, diversity."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from negatives.mining.mine import Mined

BINS = 20


def report(mined: Mined) -> dict[str, Any]:
    """A summary in plain numbers.

    ``false_negatives`` holds estimates from the known positives and the scores: ``mistaken``, the share of the known
    positives that would have been taken had they not been known; ``above_positive`` and ``within_5_percent``, the
    share of negatives that score above the query's lowest positive, or above 95 % of it.
    """
    owners = torch.repeat_interleave(torch.arange(mined.positives.n_rows), mined.positives.lengths())
    lowest = torch.full((len(mined.ids),), torch.inf).scatter_reduce(0, owners, mined.positive_scores, "amin")
    found = mined.ids >= 0
    negative = mined.scores[found]
    limit = lowest[:, None].expand(found.shape)[found]
    whole = found.sum(1)
    return {
        "queries": len(mined.ids),
        "items": mined.n_items,
        "positives": mined.positives.nnz,
        "negatives": int(found.sum()),
        "queries_without_negatives": int((whole == 0).sum()),
        "queries_with_fewer_negatives": int(((whole > 0) & (whole < mined.ids.shape[1])).sum()),
        "skipped": dict(mined.skipped),
        "scores": {"positive": _numbers(mined.positive_scores), "negative": _numbers(negative)},
        "histogram": _histogram(mined.positive_scores, negative),
        "false_negatives": {
            "mistaken": mined.mistaken,
            "above_positive": _share(negative > limit),
            "within_5_percent": _share(negative > limit - 0.05 * limit.abs()),
        },
        "diversity": _diversity(mined.ids[found], mined.n_items),
    }


def lines(summary: dict[str, Any]) -> list[str]:
    """The summary for a terminal."""
    wrong, kinds = summary["false_negatives"], summary["diversity"]
    positive, negative = summary["scores"]["positive"], summary["scores"]["negative"]
    short = summary["queries_without_negatives"] + summary["queries_with_fewer_negatives"]
    text = [
        f"{summary['negatives']:,} negatives for {summary['queries']:,} queries from {summary['items']:,} documents",
        f"scores: positives {_text(positive)}, negatives {_text(negative)}",
        f"likely false negatives: {wrong['mistaken']:.1%} of the known positives would have been taken, "
        f"{wrong['above_positive']:.1%} of the negatives score above the positive",
        f"diversity: {kinds['distinct']:,} different documents, the most frequent {kinds['most_frequent']:,} times",
    ]
    text += [f"ruled out by {name}: {count:,} candidates" for name, count in summary["skipped"].items()]
    text += [f"{short:,} queries have fewer negatives than asked for"] if short else []
    left = summary.get("queries_left_out", 0)
    return text + ([f"{left:,} queries are left out of the file"] if left else [])


def _text(numbers: dict[str, float]) -> str:
    return f"{numbers['mean']:.3f} on average ({numbers['min']:.3f} to {numbers['max']:.3f})" if numbers else "none"


def _numbers(values: Tensor) -> dict[str, float]:
    if values.numel() == 0:
        return {}
    ordered = values.double().sort().values
    at = {
        name: float(ordered[int(share * (len(ordered) - 1))])
        for name, share in (("25%", 0.25), ("50%", 0.5), ("75%", 0.75))
    }
    return {"mean": float(ordered.mean()), "min": float(ordered[0]), **at, "max": float(ordered[-1])}


def _histogram(positive: Tensor, negative: Tensor) -> dict[str, Any]:
    both = torch.cat([positive, negative])
    if both.numel() == 0:
        return {}
    low, high = float(both.min()), float(both.max())
    counts = {
        name: torch.histc(values, BINS, min=low, max=high).to(torch.int64).tolist()
        for name, values in (("positive", positive), ("negative", negative))
    }
    return {"low": low, "high": high, **counts}


def _share(where: Tensor) -> float:
    return float(where.double().mean()) if where.numel() else 0.0


def _diversity(ids: Tensor, n_items: int) -> dict[str, Any]:
    """Number of different items, share of all, the most frequent one's count, and the entropy over its maximum."""
    counts = torch.bincount(ids, minlength=1)
    counts = counts[counts > 0]
    if counts.numel() == 0:
        return {"distinct": 0, "coverage": 0.0, "most_frequent": 0, "entropy": 0.0}
    share = counts.double() / counts.sum()
    most = math.log(min(int(counts.sum()), n_items)) or 1.0
    return {
        "distinct": counts.numel(),
        "coverage": counts.numel() / n_items,
        "most_frequent": int(counts.max()),
        "entropy": float(-(share * share.log()).sum()) / most,
    }
