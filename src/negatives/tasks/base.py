"""What a task is: how to load its data, which facts it offers to models, which recipe fits, and how to evaluate."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Generic, TypeVar, final

import polars
import torch
from torch import Tensor

from negatives.answering import Kept, Run
from negatives.answering.pairs import PairRun
from negatives.config import RunConfig, Section, Values, merge, options
from negatives.data.histories import Histories
from negatives.data.loading.named import Given
from negatives.data.readers.schema import Schema
from negatives.errors import ConfigError
from negatives.evaluation import Metrics
from negatives.models import Model, extend
from negatives.models import registry as models
from negatives.registry import Part, suggest
from negatives.tasks.asked import asked_loss, pairwise
from negatives.tasks.facts import Facts, Offer, build_model
from negatives.tasks.recipes import load_races, load_recipes, load_samplers
from negatives.tasks.registry import registry
from negatives.tasks.samples import Sample
from negatives.tasks.schemas import check_columns
from negatives.tasks.shares import chosen, most
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Csr

CHANCE, COUNTED = "chance", "popularity"
D = TypeVar("D")
R = TypeVar("R", bound=Section)


@dataclass(frozen=True, slots=True)
class Examples(Generic[D]):
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
        data: The task's own data.
        query_texts: What stands behind the names, by query id, for a reader; None where names say all.
    """

    name: str
    feed: Feed
    catalogue: Catalogue
    canaries: Csr
    canary_share: float
    query_names: polars.Series
    item_names: polars.Series
    notes: tuple[str, ...]
    data: D
    query_texts: Sequence[str] | None = None


class Task(ABC, Generic[D, R]):
    """A thin recipe: load -> model -> metrics. ``D`` is the task's data, ``R`` the options of its reader.

    Attributes:
        name: As on the command line.
        metric: Watched where the configuration names none; ``{k}`` stands for the length of the ranked list.
        k: That length, where the configuration names none.
        reading: Options of the task's reader, the section ``reading`` of a configuration.
        schemas: What it wants of the rows of a table, for a task of another package; see
            :data:`negatives.tasks.schemas.SCHEMAS`.
        offers: Names of the facts that :meth:`facts` may give.
        feeds: Kinds of feeds that the data can become, as :attr:`negatives.models.Model.feed` names them.
        family: What a model must be, so that :meth:`evaluate` can ask it.
        kinds: What the task calls the vectors of :meth:`negatives.models.Model.vectors`.
        cheapest: The method that knows no query, by which one sees early whether a model learns more than it.
        baselines: Simple methods that everyone in the field knows, rows of the table of models; the cheapest first.
        demo: What the demo changes in the recipe, so that it ends soon.
        phrases: How the demo words what a query is known to go with, and what the model answers.
        answering: How a finished run is asked.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    k: ClassVar[int] = 10
    reading: type[R]
    schemas: ClassVar[tuple[Schema, ...]] = ()
    offers: ClassVar[frozenset[str]]
    feeds: ClassVar[tuple[str, ...]] = ("pairs",)
    family: ClassVar[type[Model]] = Model
    kinds: ClassVar[Mapping[str, str]] = {"query": "query", "item": "item"}
    cheapest: ClassVar[Part] = Part(COUNTED)
    baselines: ClassVar[tuple[str, ...]] = ()
    demo: ClassVar[Values] = {}
    phrases: ClassVar[tuple[str, str]] = ("knows", "answers")
    answering: ClassVar[type[Run]] = PairRun

    # What a task says itself.

    @abstractmethod
    def read(self, path: Given, config: RunConfig) -> D:
        """Read and divide the data.

        Args:
            path: A path; None for the offline dataset; a table in memory where the task's rows are those of a table.
            config: For the division and the options of reading.
        """

    @abstractmethod
    def examples(self, data: D, config: RunConfig, feed: str) -> Examples[D]:
        """The data as the loop sees it, with one of the :attr:`feeds`."""

    @abstractmethod
    def facts(self, config: RunConfig, examples: Examples[D]) -> Facts:
        """What models may ask for; a fact that this data has not is left out."""

    @abstractmethod
    def metric_names(self, config: RunConfig) -> list[str]:
        """Metrics that :meth:`evaluate` gives, all of which may be watched."""

    @abstractmethod
    def evaluate(self, model: Model, examples: Examples[D], part: str, config: RunConfig) -> Metrics:
        """Metrics on the part ``valid`` or ``test``."""

    @abstractmethod
    def samples(self, model: Model, examples: Examples[D]) -> list[Sample]:
        """What the model answers to a few queries a reader knows, for the report and the demo."""

    # What most tasks leave as it is.

    def preferred(self, config: RunConfig, data: D) -> str:
        """The recipe that fits the data and what was asked for, where no recipe was."""
        return "default"

    def shared_recipe(self, examples: Examples[D]) -> str:
        """The recipe under which samplers are compared: one in which all of them can work."""
        return "default"

    def size(self, part: str, examples: Examples[D]) -> int | None:
        """Queries that ``valid`` or ``test`` asks, over which a metric is a mean; None where nobody counted."""
        return None

    def can_evaluate(self, part: str, examples: Examples[D]) -> bool:
        """Whether there is a part ``valid`` to stop by, or ``test``, without which nothing is trained."""
        return self.size(part, examples) != 0

    def hidden(self, examples: Examples[D]) -> Csr:
        """Positives that training never shows, by which one sees early whether what is learned carries over."""
        return examples.canaries

    def completion(self, examples: Examples[D]) -> Csr | None:
        """All pairs that are known when a model is used, those that training held back among them, in the form that
        models take in without training; None where none do."""
        return None

    def completed_histories(self, examples: Examples[D]) -> Histories | None:
        """The :meth:`completion` in the order in which the pairs came; None where that is not known."""
        return None

    def kept(self, examples: Examples[D], config: RunConfig) -> Kept:
        """What a finished run keeps so that it can be asked without the data: names, and known pairs."""
        names = {self.kinds[kind]: self.names(kind, examples) for kind in ("query", "item") if kind in self.kinds}
        return Kept(names, examples.catalogue.known)

    def check_filled(self, config: RunConfig) -> None:
        """Refuse parts that do not go together in this task.

        Raises:
            ConfigError: Names the part and what fits.
        """

    def names(self, kind: str, examples: Examples[D]) -> polars.Series:
        """Names of the rows of a kind of vectors, one of the keys of :attr:`kinds`."""
        return examples.query_names if kind == "query" else examples.item_names

    def vectors(self, model: Model, examples: Examples[D]) -> dict[str, tuple[polars.Series, Tensor]]:
        """What other programs may want of a trained model: kind to names ``(n,)`` and vectors ``(n, d)``."""
        found = model.vectors()
        kept = [kind for kind in self.kinds if kind in found]
        return {self.kinds[kind]: (self.names(kind, examples), found[kind].detach().cpu()) for kind in kept}

    # What all tasks share.

    @final
    def complete(self, model: Model, examples: Examples[D]) -> None:
        """Give a trained model every pair that was held back from training but is known when it is used."""
        extend(model, self.completion_for(model, examples))

    @final
    def completion_for(self, model: Model, examples: Examples[D]) -> Csr | Histories | None:
        """The :meth:`completion`, in its order where that is known and the model asks for it."""
        ordered = type(model).extend_histories is not Model.extend_histories
        found = self.completed_histories(examples) if ordered else None
        return self.completion(examples) if found is None else found

    @final
    def recipes(self) -> Mapping[str, Values]:
        """Named partial configurations: the file ``recipes/<task>.toml`` beside the task's module."""
        return _recipes(self._file())

    @final
    def racing(self, key: str = "recipes") -> tuple[str, ...]:
        """Names of the recipes that race where the user asked for none; the table ``race`` of the same file.

        Args:
            key: ``longer`` for those that join where a budget is long enough for them, or a recipe that the data wants
                in place of all these, for those that race with it.
        """
        return _races(self._file()).get(key, ())

    def rivals(self, recipe: str | None) -> tuple[str, ...]:
        """The race that a recipe takes part in, itself among them; empty where it takes part in none."""
        return next((race for race in _races(self._file()).values() if recipe in race), ())

    @final
    def made_of(self, sampler: str | None, model: str | None, loss: str) -> Values:
        """Parts of a preset under a model and a loss, where they are others than elsewhere; else nothing.

        They stand in the table ``samplers`` of the recipes' file.
        """
        found = _samplers(self._file()).get(sampler or "")
        return found.parts if found is not None and found.fits(model, loss) else {}

    def _file(self) -> Path:
        return Path(inspect.getfile(type(self))).parent / "recipes" / f"{self.name}.toml"

    @final
    def recipe_name(self, config: RunConfig, data: D) -> str:
        """The recipe that was asked for, else the task's preference; it must be of the model that was asked for.

        Where the preference is of another model, the first recipe of the model asked for takes its place, and of these
        one for the kind of loss asked for goes before others.

        Raises:
            ConfigError: A recipe was asked for that does not exist.
        """
        if (named := self._named(config)) is not None:
            return named
        preferred, own = self.preferred(config, data), self._made_for(config.asked("model"), asked_loss(config))
        return preferred if preferred in own or not own else own[0]

    def _named(self, config: RunConfig) -> str | None:
        """The recipe that is known before the data is; None where the data decides."""
        asked = config.recipe
        if asked and asked not in self.recipes():
            task = f"{asked} is a task of its own: negatives train {asked}"
            hint = task if asked in registry else suggest(asked, self.recipes())
            raise ConfigError(f"no recipe is called {asked!r}; {hint}")
        if asked:
            return asked
        own = self._made_for(config.asked("model"), asked_loss(config))
        return own[0] if len(own) == 1 else None

    def _made_for(self, model: str | None, loss: str | None) -> list[str]:
        """Recipes of a model: those for the kind of a loss, or all where there are none or no loss is named."""
        own = [name for name in self.recipes() if self.model_of(name) == model]
        return [name for name in own if loss is None or pairwise(self.loss_of(name)) == pairwise(loss)] or own

    @final
    def optimiser_for(self, recipe: str, model: str, loss: str) -> Values:
        """The optimiser of a recipe; where its model or kind of loss was changed, that of a recipe made for both.

        A step size that suits a table of free vectors under a pairwise loss suits no graph network, nor a softmax.

        Args:
            recipe: Name of the recipe that fills the configuration.
            model: Name of the model that is trained.
            loss: Name of its loss.
        """
        made = self._made_for(model, loss)
        chosen = recipe if recipe in made or not made else made[0]
        return dict(self.recipes()[chosen].get("optimiser", {}))

    @final
    def model_of(self, recipe: str) -> str:
        """Name of the model that a recipe trains."""
        return str(Part.of(self.recipes()[recipe]["model"]))

    @final
    def loss_of(self, recipe: str) -> str:
        """Name of the loss of a recipe."""
        return str(Part.of(self.recipes()[recipe]["loss"]))

    @final
    def options(self, config: RunConfig) -> R:
        """The options of the task's reader: those given over those of the recipe, where it is known before the data.

        Raises:
            ConfigError: One is not known or has a value of the wrong type.
        """
        name = self._named(config)
        recipe = self.recipes()[name].get("reading", {}) if name else {}
        return options(self.reading, merge(recipe, config.reading))

    @final
    def load(self, path: Given, config: RunConfig) -> Examples[D]:
        """Read the data, and make the feed that the model of the configuration or of its recipe is trained on.

        Raises:
            InputError: The data cannot be used.
            ConfigError: The configuration does not fit it.
        """
        return self.made(self.read(path, config), config)

    @final
    def made(self, data: D, config: RunConfig) -> Examples[D]:
        """The feed that the model of the configuration or of its recipe is trained on, from data that was read."""
        recipe = self.recipe_name(config, data)
        return self.examples(data, config, models.get(config.asked("model") or self.model_of(recipe)).feed)

    @final
    def check(self, config: RunConfig) -> None:
        """Find what cannot work before any data is read.

        Raises:
            ConfigError: The task has no such recipe, model, option or baseline.
        """
        check_columns(config.columns, self.name)
        self._named(config)
        self.offer().check(config.model or Part(None), _elsewhere)
        self.options(config)
        self.simple_methods(config)

    @final
    def simple_methods(self, config: RunConfig) -> tuple[str, ...]:
        """Names of the :attr:`baselines` that were asked for, in their order; all where the configuration is silent.

        Raises:
            ConfigError: One is none of the task's.
        """
        asked = config.baselines or "all"
        if asked in ("all", "none"):
            return self.baselines if asked == "all" else ()
        names = [name.strip() for name in asked.split(",")]
        for name in names:
            if name not in self.baselines:
                raise ConfigError(
                    f"the task {self.name} has no baseline {name!r}; {suggest(name, ('all', 'none', *self.baselines))}"
                )
        return tuple(name for name in self.baselines if name in names)

    @final
    def offer(self) -> Offer:
        """What models can be given."""
        return Offer(f"the task {self.name}", self.offers, self.feeds, self.family)

    @final
    def model(self, config: RunConfig, examples: Examples[D]) -> Model:
        """A fresh model.

        Raises:
            ConfigError: The data has not what the model needs, or parts do not go together.
        """
        self.check_filled(config)
        part, facts = config.part("model"), self.facts(config, examples)
        Offer("this data", facts.keys(), self.feeds, self.family).check(part)
        return build_model(part, facts, config.seed)

    @final
    def floors(self, config: RunConfig, examples: Examples[D]) -> dict[str, Model]:
        """Models that know no query, by name: the :attr:`cheapest` method and, where that is popularity, ``chance``:
        all items equally popular, so that they stand in a random order. None where the data has not what they need."""
        facts = self.facts(config, examples)
        if Offer("this data", facts.keys(), self.feeds, self.family).misfit(self.cheapest):
            return {}
        found = {str(self.cheapest): build_model(self.cheapest, facts, config.seed)}
        if str(self.cheapest) == COUNTED:
            alike = {"counts": lambda: torch.ones_like(examples.catalogue.counts)}
            found[CHANCE] = build_model(self.cheapest, {**facts, **alike}, config.seed)
        return found

    @final
    def length(self, config: RunConfig) -> int:
        """Length of the ranked list."""
        return config.evaluation.k or self.k

    @final
    def watched(self, config: RunConfig) -> str:
        """The metric that decides which state is the best."""
        return config.evaluation.metric or self.metric.format(k=self.length(config))

    @final
    def queries(self, truth: Csr, part: str, config: RunConfig) -> Tensor:
        """Queries with an answer, ``(n,)`` int64 in order; sampled down for validation where the configuration says so.

        Args:
            truth: Answers of each query.
            part: ``valid`` or ``test``.
            config: For the number and the seed.
        """
        found: Tensor = torch.nonzero(truth.lengths() > 0)[:, 0]
        return found[chosen(found.numel(), most(config, part), config.seed)]


AnyTask = Task[object, Section]
"""A task of whatever data."""


_recipes, _races, _samplers = cache(load_recipes), cache(load_races), cache(load_samplers)


def _elsewhere(model: str) -> str:
    """The tasks that a model fits, as a closing phrase."""
    tasks = [registry.get(name)() for name in registry]
    fitting = [one.name for one in tasks if isinstance(one, Task) and one.offer().fits(model)]
    if len(fitting) == 1:
        return f"; or write negatives train {fitting[0]}"
    return f"; or choose another task: {', '.join(fitting)}" if fitting else ""
