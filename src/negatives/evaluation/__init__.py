"""How good a model is: rankings, a registry of metrics, and tests of their differences."""

from negatives.evaluation.measure import Metrics, measure
from negatives.evaluation.metrics import Metric, registry
from negatives.evaluation.naming import longest, metric, names_fitting, with_watched
from negatives.evaluation.ranking import Ranking, evaluate, rank, rank_by
from negatives.evaluation.significance import (
    Difference,
    holm,
    interval,
    p_text,
    paired,
    seconds_to,
    sign_flip,
    standard_error,
)

__all__ = [
    "Difference",
    "Metric",
    "Metrics",
    "Ranking",
    "evaluate",
    "holm",
    "interval",
    "longest",
    "measure",
    "metric",
    "names_fitting",
    "p_text",
    "paired",
    "rank",
    "rank_by",
    "registry",
    "seconds_to",
    "sign_flip",
    "standard_error",
    "with_watched",
]
