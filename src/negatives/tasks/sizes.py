"""How large the data is, and the numbers of a recipe that follow from it."""

from __future__ import annotations

from negatives.config import RunConfig
from negatives.training.feeds import Feed
from negatives.types import Catalogue

TOP = 10
"""The most frequent items are the first of so many equal groups of them."""
LARGEST_BATCH = 8192
"""Rows of a batch where neither recipe nor user says so."""


def batch_size(config: RunConfig, feed: Feed) -> int:
    """Rows of a batch: what was asked for, but no more than an epoch has."""
    return min(config.batch_size or LARGEST_BATCH, max(1, feed.rows))


def sizes(catalogue: Catalogue, feed: Feed) -> dict[str, float]:
    """The sizes of :data:`negatives.sizing.SIZES`, but for the batches of an epoch, which follow from some of them.

    Args:
        catalogue: What samplers may know.
        feed: What the model is trained on.
    """
    counts = catalogue.counts.sort(descending=True).values
    asked = catalogue.n_queries if catalogue.known is None else int((catalogue.known.lengths() > 0).sum())
    top = int(counts[: -(-catalogue.n_items // TOP)].sum())
    return {
        "pairs": feed.rows,
        "queries": asked,
        "items": catalogue.n_items,
        "per_query": feed.rows / max(1, asked),
        "per_item": feed.rows / max(1, catalogue.n_items),
        "skew": top / max(1, int(counts.sum())),
    }


def sized(config: RunConfig, catalogue: Catalogue, feed: Feed) -> RunConfig:
    """The configuration with a number in the place of every rule.

    Args:
        config: Filled from a recipe.
        catalogue: What samplers may know.
        feed: What the model is trained on.

    Raises:
        ConfigError: A rule gives a value that its key does not take.
    """
    if not config.sizing:
        return config
    return config.sized(_whole(config, catalogue, feed))


def derived(config: RunConfig, catalogue: Catalogue, feed: Feed) -> list[str]:
    """``batch_size 512 (31,875 pairs)`` for every rule of a configuration: which number, and from what.

    Args:
        config: Filled from a recipe; :func:`sized` puts the numbers in.
        catalogue: What samplers may know.
        feed: What the model is trained on.
    """
    if not config.sizing:
        return []
    found = _whole(config, catalogue, feed)
    lines = []
    for key, rule in sorted(config.sizing.items()):
        size = found[rule.by]
        shown = f"{size:,.0f}" if size >= TOP else f"{size:.2g}"
        lines.append(f"{key} {rule.value(size):g} ({shown} {rule.by})")
    return lines


def _whole(config: RunConfig, catalogue: Catalogue, feed: Feed) -> dict[str, float]:
    """All sizes, the batches of an epoch too."""
    found = sizes(catalogue, feed)
    return found | {"batches": feed.steps(batch_size(config.sized(found), feed))}
