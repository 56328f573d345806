"""Rules against false negatives. One rule, one file, one row of the table; guards stack with every sampler."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from negatives.registry import Registry

if TYPE_CHECKING:
    from negatives.guards.absolute_margin import AbsoluteMargin as AbsoluteMargin
    from negatives.guards.base import Guard as Guard
    from negatives.guards.duplicates import Duplicates as Duplicates
    from negatives.guards.known_positives import KnownPositives as KnownPositives
    from negatives.guards.own_positive import OwnPositive as OwnPositive
    from negatives.guards.rank_skip import RankSkip as RankSkip
    from negatives.guards.relative_margin import RelativeMargin as RelativeMargin
    from negatives.guards.same_answer import SameAnswer as SameAnswer
    from negatives.guards.score_bounds import ScoreBounds as ScoreBounds
    from negatives.guards.teacher import Teacher as Teacher

ROWS = [
    ("known_positives", "negatives.guards.known_positives:KnownPositives"),
    ("own_positive", "negatives.guards.own_positive:OwnPositive"),
    ("duplicates", "negatives.guards.duplicates:Duplicates"),
    ("absolute_margin", "negatives.guards.absolute_margin:AbsoluteMargin"),
    ("relative_margin", "negatives.guards.relative_margin:RelativeMargin"),
    ("score_bounds", "negatives.guards.score_bounds:ScoreBounds"),
    ("rank_skip", "negatives.guards.rank_skip:RankSkip"),
    ("teacher", "negatives.guards.teacher:Teacher"),
    ("same_answer", "negatives.guards.same_answer:SameAnswer"),
]

registry: Registry[Guard] = Registry("guards", ROWS)

_CLASSES = {target.partition(":")[2]: target.partition(":")[0] for _, target in ROWS} | {
    "Guard": "negatives.guards.base"
}


def __getattr__(name: str) -> Any:
    """Import a guard's class when it is first asked for."""
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_CLASSES[name]), name)


__all__ = [
    "AbsoluteMargin",
    "Duplicates",
    "Guard",
    "KnownPositives",
    "OwnPositive",
    "RankSkip",
    "RelativeMargin",
    "SameAnswer",
    "ScoreBounds",
    "Teacher",
    "registry",
]
