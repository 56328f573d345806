"""Rules against false negatives. One rule, one file, one row of the table; guards stack with every sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from negatives.registry import Lazy, Registry

if TYPE_CHECKING:
    from negatives.guards.absolute_margin import AbsoluteMargin as AbsoluteMargin
    from negatives.guards.base import Guard as Guard
    from negatives.guards.duplicates import Duplicates as Duplicates
    from negatives.guards.fitting_kind import FittingKind as FittingKind
    from negatives.guards.known_positives import KnownPositives as KnownPositives
    from negatives.guards.own_positive import OwnPositive as OwnPositive
    from negatives.guards.rank_skip import RankSkip as RankSkip
    from negatives.guards.relative_margin import RelativeMargin as RelativeMargin
    from negatives.guards.same_answer import SameAnswer as SameAnswer
    from negatives.guards.score_bounds import ScoreBounds as ScoreBounds
    from negatives.guards.teacher import Teacher as Teacher
    from negatives.guards.unless_given import UnlessGiven as UnlessGiven

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
    ("unless_given", "negatives.guards.unless_given:UnlessGiven"),
    ("fitting_kind", "negatives.guards.fitting_kind:FittingKind"),
]

registry: Registry[Guard] = Registry("guards", ROWS)

__getattr__ = Lazy(__name__, *registry.targets, "negatives.guards.base:Guard")
__all__ = [*__getattr__.modules, "registry"]
