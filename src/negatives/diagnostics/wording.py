"""Decisions in words, the same at the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def seen_text(seen: Any) -> str:
    """What a decision was made by: text as it is, values by their name.

    >>> seen_text({"default": 0.61239, "soft": 0.62, "folds": 3, "best": "it does not move"})
    'default 0.6124, soft 0.6200, folds 3, best: it does not move'
    """
    if not isinstance(seen, Mapping):
        return "" if seen is None else str(seen)
    return ", ".join(_shown(str(name), value) for name, value in seen.items())


def _shown(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{name} {value:.4f}"
    return f"{name}: {value}" if isinstance(value, str) else f"{name} {value}"
