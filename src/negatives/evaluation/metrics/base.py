"""What a metric is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

from torch import Tensor

from negatives.evaluation.values import Value

V = TypeVar("V", bound=Value)
Cut = Literal["none", "optional", "needed"]


@dataclass(frozen=True, slots=True)
class Metric(ABC, Generic[V]):
    """One formula. Its name is its row in the registry, with the cut-off behind it: ``recall@20``.

    Attributes:
        needs: Class of the values that it is computed of; values of the classes below fit too.
        cut: Whether its name takes a cut-off.
        per_query: Whether the terms are one for each question, which paired tests can compare; False where the
            metric belongs to all questions together.

    Args:
        at: Cut-off, at most ``value.longest``; None for the whole list.
    """

    needs: ClassVar[type[Value]]
    cut: ClassVar[Cut] = "none"
    per_query: ClassVar[bool] = True
    at: int | None = None

    @property
    def top(self) -> int | None:
        """Places at the top of a list that decide it; None where it asks for more than the top."""
        return self.at

    @abstractmethod
    def of(self, value: V) -> Tensor:
        """Terms ``(value.rows,)`` float64 whose mean is the metric; ``(1,)`` where it is not per query."""

    def mean(self, value: V, terms: Tensor) -> float:
        """The metric: the mean of the ``terms`` that :meth:`of` gave for ``value``."""
        return float(terms.mean())
