"""Metrics by name: ``recall@20`` is the row ``recall`` of the registry with the cut-off 20."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from negatives.errors import ConfigError
from negatives.evaluation.metrics import Metric, registry
from negatives.evaluation.values import Value
from negatives.registry import suggest


def parse(name: str) -> tuple[str, int | None]:
    """The row and the cut-off, None where the name has none; whether there is such a row is not asked.

    Raises:
        ConfigError: What stands behind the ``@`` is no number from one.

    >>> parse("recall@20"), parse("mrr")
    (('recall', 20), ('mrr', None))
    """
    row, mark, length = name.partition("@")
    if not mark:
        return row, None
    if not (length.isdecimal() and length.isascii()) or length.startswith("0"):
        raise ConfigError(f"{name}: give a length of at least 1, as in {row}@10")
    return row, int(length)


def metric(name: str, kind: type[Value] | None = None, longest: int | None = None) -> Metric[Any]:
    """The metric of a name.

    Args:
        name: A row of the registry, with ``@`` and a cut-off where the metric takes one.
        kind: Class of the values that it must fit.
        longest: The largest cut-off that fits.

    Raises:
        ConfigError: No row has the name, the cut-off is missing or does not fit, or the metric needs other values.

    >>> metric("recall@20")
    Recall(at=20)
    """
    row = name.partition("@")[0]
    if row not in registry:
        raise ConfigError(f"no metric is called {row!r}; {suggest(row, names_fitting(kind or Value))}")
    found = registry.get(row)
    if kind is not None and not issubclass(kind, found.needs):
        raise ConfigError(
            f"{name} needs {found.needs.what}, and here are {kind.what}; {suggest(row, names_fitting(kind))}"
        )
    at = parse(name)[1]
    if found.cut == "none" and at is not None:
        raise ConfigError(f"{row} takes no length; write {row}, not {name}")
    if (at is None and found.cut == "needed") or (at is not None and longest is not None and at > longest):
        span = "of at least 1" if longest is None else f"from 1 to {longest}"
        raise ConfigError(f"{name}: give a length {span}, as in {row}@{min(longest or 10, 10)}")
    return found(at)


def top_of(name: str) -> int | None:
    """Places at the top of a list that decide a metric, whatever questions its name adds; None for those of no list.

    >>> top_of("recall@20"), top_of("mrr:hard"), top_of("auc"), top_of("of no row")
    (20, 1, None, None)
    """
    row = name.partition(":")[0]
    return metric(row).top if row.partition("@")[0] in registry else None


def names_fitting(kind: type[Value]) -> list[str]:
    """Rows of the registry whose metrics can be computed of values of a class; all for :class:`Value` itself.

    >>> from negatives.evaluation.values import Scored
    >>> [row for row in names_fitting(Scored) if row in ("auc", "ap", "recall")]
    ['auc', 'ap']
    """
    return [row for row in registry if kind is Value or issubclass(kind, registry.get(row).needs)]


def with_watched(names: Iterable[str], watched: str | None, kind: type[Value]) -> list[str]:
    """The metrics of a task, and the one that a configuration watches if it is another that the task's values give.

    A name of no row is left out: the caller knows which names it offers, and says so.

    Args:
        names: What the task gives anyway.
        watched: What the configuration names; None for nothing.
        kind: Class of the task's values.

    Raises:
        ConfigError: The metric needs other values, or its cut-off is missing or odd.

    >>> from negatives.evaluation.values import Ranked
    >>> with_watched(["recall@20"], "hr@5", Ranked), with_watched(["recall@20"], "recal@20", Ranked)
    (['recall@20', 'hr@5'], ['recall@20'])
    """
    known = list(names)
    if watched is None or watched in known or watched.partition("@")[0] not in registry:
        return known
    metric(watched, kind)
    return [*known, watched]


def longest(names: Iterable[str]) -> int:
    """The largest cut-off among metrics: how long a list must be ranked for all of them; one where none has any.

    >>> longest(["recall@20", "mrr", "ndcg@5"])
    20
    """
    return max((parse(name)[1] or 1 for name in names), default=1)
