"""What models of rows with features keep of them to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def kept_rows(facts: Mapping[str, Any], votes: bool) -> dict[str, Any]:
    """The facts of a classifier that is asked about new rows alone.

    Args:
        facts: ``features`` of all rows, ``known`` labels of the training rows, and others.
        votes: Whether training rows vote for new ones, and are kept.
    """
    features, found = facts["features"], dict(facts)
    known = facts.get("known")
    rows = torch.empty(0, dtype=torch.int64)
    if votes and known is not None:
        rows = (known.lengths() > 0).nonzero()[:, 0]
    found["features"] = features.pick(rows)
    if known is not None:
        found["known"] = known.pick(rows)
    return found
