"""What a task is: how to load its data, which model and recipe fit, and how to evaluate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars
from torch import Tensor

from negatives.config import RunConfig, Section, options
from negatives.models import Model
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Csr


@dataclass(frozen=True, slots=True)
class Examples:
    """Training data as the loop sees it, whatever the task.

    Args:
        name: Name of the data.
        feed: Gives the positive pairs, batch by batch.
        catalogue: What samplers may know.
        canaries: Known positives that were hidden, per query.
        canary_share: Their share of all known positives.
        query_names: Names by query id.
        item_names: Names by item id.
        notes: What the reader took for what, and what it skipped.
        raw: The task's own data.
    """

    name: str
    feed: Feed
    catalogue: Catalogue
    canaries: Csr
    canary_share: float
    query_names: polars.Series
    item_names: polars.Series
    notes: tuple[str, ...]
    raw: Any


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics on one part of the data.

    Args:
        mean: Metric name to mean.
        per_query: Metric name to one value per evaluated query, for paired tests.
        details: Figures of parts of the test, written to metrics.json as they are.
    """

    mean: Mapping[str, float]
    per_query: Mapping[str, Tensor]
    details: Mapping[str, Any] = field(default_factory=dict)


class Task(ABC):
    """A thin recipe: load -> model -> metrics.

    Attributes:
        name: As on the command line.
        metric: Watched where the configuration names none.
        models: Names of the models that fit.
        reading: Options of the task's reader, the section ``reading`` of a configuration.
        demo: What the demo changes in the recipe, so that it ends soon.
        phrases: How the demo words what a query is known to go with, and what the model answers.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    models: ClassVar[tuple[str, ...]]
    reading: ClassVar[type[Section]] = Section
    demo: ClassVar[Mapping[str, Any]] = {}
    phrases: ClassVar[tuple[str, str]] = ("knows", "answers")

    def options(self, config: RunConfig) -> Any:
        """The options of the task's reader, an instance of :attr:`reading`.

        Raises:
            ConfigError: One is not known or has a value of the wrong type.
        """
        return options(self.reading, config.reading)

    @abstractmethod
    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        """Named partial configurations; ``default`` must be among them."""

    @abstractmethod
    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """The recipe that fits what the user asked for and what the data is.

        Raises:
            ConfigError: A recipe was asked for that does not exist.
        """

    @abstractmethod
    def shared_recipe(self, examples: Examples) -> str:
        """The recipe under which samplers are compared: one in which all of them can work."""

    @abstractmethod
    def load(self, path: Path | None, config: RunConfig) -> Examples:
        """Read the data; None for the offline dataset."""

    @abstractmethod
    def model(self, config: RunConfig, examples: Examples) -> Model:
        """A fresh model."""

    @abstractmethod
    def metric_names(self, config: RunConfig) -> list[str]:
        """Metrics that :meth:`evaluate` gives, all of which may be watched."""

    def watched(self, config: RunConfig) -> str:
        """The metric that decides which state is the best."""
        return config.evaluation.metric or self.metric

    @abstractmethod
    def can_validate(self, examples: Examples) -> bool:
        """Whether there is a validation part to stop by."""

    @abstractmethod
    def complete(self, model: Model, examples: Examples) -> None:
        """Give a trained model every pair that was held back from training but is known when it is used."""

    @abstractmethod
    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        """Metrics on the part ``valid`` or ``test``."""

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """What other programs may want of a trained model: kind to names ``(n,)`` and vectors ``(n, d)``."""
        queries, items = model.tables()
        return {"query": (examples.query_names, queries), "item": (examples.item_names, items)}

    @abstractmethod
    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        """What the model answers to a few queries a reader knows, for the report and the demo."""
