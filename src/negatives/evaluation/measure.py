"""Named metrics of a value: the one place where means over questions are taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from negatives.errors import InputError
from negatives.evaluation.naming import metric
from negatives.evaluation.values import Value


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means, and the values they are means of.

    Args:
        mean: Metric name to value.
        per_query: Metric name to ``(n,)`` float64, for metrics that each query has; what paired tests compare.
        details: Figures of parts of the test, written to metrics.json as they are.
        queries: ``(n,)`` int64 query of each of those values; None where they are of no query that training knows.
    """

    mean: dict[str, float]
    per_query: dict[str, Tensor]
    details: dict[str, Any] = field(default_factory=dict)
    queries: Tensor | None = None

    @staticmethod
    def of(per_query: dict[str, Tensor]) -> Metrics:
        """Metrics that are the means of their values."""
        return Metrics({name: float(values.mean()) for name, values in per_query.items()}, per_query)


def measure(value: Value, names: Sequence[str]) -> Metrics:
    """Compute metrics by name, for instance ``recall@20``, ``mrr`` or one of another package.

    Args:
        value: What was ranked, scored or decided.
        names: Rows of :data:`negatives.evaluation.registry`, with cut-offs.

    Raises:
        ConfigError: A metric is not known, needs other values, or its cut-off is missing or too long.
        InputError: There is no question, or a metric has no value for these.

    >>> import torch
    >>> from negatives.evaluation.values import Ranks
    >>> measure(Ranks(torch.tensor([1.0, 4.0])), ["mrr", "hits@3"]).mean
    {'mrr': 0.625, 'hits@3': 0.5}
    """
    if value.rows == 0:
        raise InputError(f"nothing to evaluate: there are no {value.what}", hint="hold out more data")
    asked = {name: metric(name, type(value), value.longest) for name in names}
    found = Metrics({}, {})
    for name, one in asked.items():
        terms = one.of(value)
        found.mean[name] = one.mean(value, terms)
        if math.isnan(found.mean[name]):
            raise InputError(f"{name} has no value", hint="there is nothing to rank or to compare; hold out more data")
        if one.per_query:
            found.per_query[name] = terms
    return found
