"""What the guards that read scores share."""

from __future__ import annotations

from torch import Tensor

from negatives.errors import ConfigError
from negatives.types import Candidates


def scored(candidates: Candidates, name: str) -> tuple[Tensor, Tensor]:
    """Scores of the candidates ``(rows, m)`` and of the positives as a column ``(rows, 1)``.

    Raises:
        ConfigError: The candidates have not been scored.
    """
    if candidates.scores is None or candidates.positive_scores is None:
        raise ConfigError(f"the guard {name} reads scores; give the sampler a scorer")
    return candidates.scores, candidates.positive_scores[:, None]
