"""Which candidates become negatives, and what "hard" means; one row below for each.

Classes load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from negatives.registry import Lazy, Registry

if TYPE_CHECKING:
    from negatives.selection.all import All as All
    from negatives.selection.base import Difficulty as Difficulty
    from negatives.selection.base import Selection as Selection
    from negatives.selection.defensive import Defensive as Defensive
    from negatives.selection.difficulty import Margin as Margin
    from negatives.selection.difficulty import PositiveSimilarity as PositiveSimilarity
    from negatives.selection.difficulty import QueryScore as QueryScore
    from negatives.selection.hard_share import HardShare as HardShare
    from negatives.selection.hardest import Hardest as Hardest
    from negatives.selection.random import Random as Random
    from negatives.selection.semi_hard import SemiHard as SemiHard
    from negatives.selection.simans import SimANS as SimANS
    from negatives.selection.softmax import Softmax as Softmax
    from negatives.selection.weights import HardContrastive as HardContrastive
    from negatives.selection.weights import SelfAdversarial as SelfAdversarial
    from negatives.selection.window import RankWindow as RankWindow
    from negatives.selection.window import TopM as TopM

_ROWS = (
    ("all", "negatives.selection.all:All"),
    ("random", "negatives.selection.random:Random"),
    ("hardest", "negatives.selection.hardest:Hardest"),
    ("hard_share", "negatives.selection.hard_share:HardShare"),
    ("top_m", "negatives.selection.window:TopM"),
    ("rank_window", "negatives.selection.window:RankWindow"),
    ("semi_hard", "negatives.selection.semi_hard:SemiHard"),
    ("softmax", "negatives.selection.softmax:Softmax"),
    ("defensive", "negatives.selection.defensive:Defensive"),
    ("simans", "negatives.selection.simans:SimANS"),
    ("self_adversarial", "negatives.selection.weights:SelfAdversarial"),
    ("hard_contrastive", "negatives.selection.weights:HardContrastive"),
)
_DIFFICULTIES = (
    ("score", "negatives.selection.difficulty:QueryScore"),
    ("margin", "negatives.selection.difficulty:Margin"),
    ("positive_similarity", "negatives.selection.difficulty:PositiveSimilarity"),
)
registry: Registry[Selection] = Registry("selection", _ROWS)
difficulties: Registry[Difficulty] = Registry("difficulties", _DIFFICULTIES, "difficulty")

__getattr__ = Lazy(
    __name__,
    *registry.targets,
    *difficulties.targets,
    "negatives.selection.base:Difficulty",
    "negatives.selection.base:Selection",
)
__all__ = [*__getattr__.modules, "difficulties", "registry"]
