"""What to mine; the names and meanings are those of Sentence Transformers' ``mine_hard_negatives``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from negatives.errors import ConfigError

Format = Literal["pairs", "triplet", "n-tuple", "labeled-pair", "labeled-list"]
FORMATS: tuple[Format, ...] = ("pairs", "triplet", "n-tuple", "labeled-pair", "labeled-list")


@dataclass(frozen=True, slots=True)
class Mining:
    """Which of a query's nearest documents become its negatives.

    Ranks count the candidates that are left once known positives and what a bound rules out are gone, as in Sentence
    Transformers. With several positives, margins are to the one that scores lowest.

    Args:
        num_negatives: Negatives per query.
        range_min: First rank, from 0.
        range_max: Rank after the last; None for as many as may be needed.
        min_score: Least score of a negative.
        max_score: Greatest score of a negative.
        absolute_margin: A negative scores at least so much below the positive: ``s <= s⁺ - margin``.
        relative_margin: A negative scores below the positive by this share of it: ``s <= s⁺ - margin |s⁺|``.
        sampling: ``top`` takes the first ranks, ``random`` draws ranks without replacement.
        seed: Seed of ``random``.

    Raises:
        ConfigError: A value is out of range.
    """

    num_negatives: int = 3
    range_min: int = 0
    range_max: int | None = None
    min_score: float | None = None
    max_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    sampling: Literal["top", "random"] = "top"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_negatives < 1:
            raise ConfigError(f"num_negatives is {self.num_negatives}; it must be at least 1")
        if self.range_min < 0:
            raise ConfigError(f"range_min is {self.range_min}; it must be at least 0")
        if self.range_max is not None and self.range_max - self.range_min < self.num_negatives:
            raise ConfigError(
                f"ranks {self.range_min} to {self.range_max} hold fewer than {self.num_negatives} negatives; "
                "raise range_max, or lower num_negatives"
            )
        if self.sampling not in ("top", "random"):
            raise ConfigError(f"sampling is {self.sampling!r}; choose top or random")

    @property
    def bounded(self) -> bool:
        """Whether candidates may be ruled out by their score."""
        bounds = (self.min_score, self.max_score, self.absolute_margin, self.relative_margin)
        return any(bound is not None for bound in bounds)

    def last(self, most_positives: int, rescored: bool) -> int:
        """Rank after the last one that is looked at.

        Args:
            most_positives: Most positives of a query.
            rescored: Whether a teacher scores the candidates.
        """
        if self.range_max is not None:
            return self.range_max
        above = (self.max_score, self.absolute_margin, self.relative_margin)
        skips = any(bound is not None for bound in above) or (rescored and self.min_score is not None)
        return self.range_min + self.num_negatives * (10 if skips else 1) + most_positives
