"""How good a model is: full-ranking metrics and tests of their differences."""

from negatives.evaluation.metrics import Metrics, evaluate
from negatives.evaluation.ranking import Ranking, rank
from negatives.evaluation.significance import Difference, holm, interval, p_text, paired, seconds_to, sign_flip

__all__ = [
    "Difference",
    "Metrics",
    "Ranking",
    "evaluate",
    "holm",
    "interval",
    "p_text",
    "paired",
    "rank",
    "seconds_to",
    "sign_flip",
]
