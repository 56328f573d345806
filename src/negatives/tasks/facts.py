"""What a task's data offers to models, and models that take what their constructors name.

A fact is a name with a function that gives its value, called only when a model asks for it. A model asks by a
parameter of that name: ``n_items``, ``known``, ``tokens``. So a model works in every task that has what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from negatives.errors import ConfigError
from negatives.models import Model, registry
from negatives.parameters import required
from negatives.registry import Part, suggest
from negatives.types import Catalogue

Facts = Mapping[str, Callable[[], object]]
M = TypeVar("M", bound=Model)
SEED = "seed"


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be given to a model.

    Args:
        what: Who offers it, for messages.
        facts: Names of the facts.
        feeds: Kinds of feeds that can train a model.
        family: What a model must be, so that its answers can be judged.
    """

    what: str
    facts: Collection[str]
    feeds: Collection[str]
    family: type[Model] = Model

    def fitting(self) -> list[str]:
        """Names of the models that need nothing else."""
        return [name for name in registry if self.fits(name)]

    def fits(self, model: str) -> bool:
        """Whether a model needs nothing else."""
        return not self.misfit(Part(model))

    def misfit(self, part: Part) -> str:
        """Why a model does not fit, in words; nothing where it does."""
        kind = registry.get(str(part))
        missing = [name for name in required(kind) if name not in (SEED, *self.facts, *part.params)]
        if missing:
            return f"it needs {' and '.join(missing)}"
        if kind.feed not in self.feeds:
            return f"it is trained on the feed {kind.feed}, not on {' or '.join(self.feeds)}"
        return "" if issubclass(kind, self.family) else f"it is no {self.family.__name__}"

    def check(self, part: Part, elsewhere: Callable[[str], str] = lambda name: "") -> None:
        """Make sure that a model is known and fits.

        Args:
            part: The model; one without a name is left to the recipe.
            elsewhere: A closing phrase about a model that fits something else.

        Raises:
            ConfigError: It does not; names those that do.
        """
        if part.name is None:
            return
        if part.name not in registry:
            raise ConfigError(f"{self.what} has no model {part.name!r}; {suggest(part.name, self.fitting())}")
        reason = self.misfit(part)
        if reason:
            others = f"choose one of: {', '.join(sorted(self.fitting()))}"
            raise ConfigError(
                f"the model {part.name} does not fit {self.what}: {reason}; {others}{elsewhere(part.name)}"
            )


def build_model(part: Part, facts: Facts, seed: int) -> Model:
    """A fresh model, with the facts that its constructor names.

    What a configuration says of a parameter with a default wins over the fact; a parameter without one is the data's.

    Args:
        part: The model and its hyperparameters.
        facts: What the data offers.
        seed: Seed of the initial values.

    Raises:
        ConfigError: The model or a parameter is not known, or the model needs what there is not.
    """
    kind = registry.get(str(part))
    parameters, needed = registry.parameters(str(part)), required(kind)  # options in groups may be facts too
    lacking = [name for name in needed if name not in (SEED, *facts, *part.params)]
    if lacking:
        raise ConfigError(f"the model {part} needs {' and '.join(lacking)}, which this data does not have")
    wanted = [name for name in parameters if name in facts and (name in needed or name not in part.params)]
    given = {name: facts[name]() for name in wanted}
    model = registry.build(part, given | ({SEED: seed} if SEED in parameters else {}))
    model.given = given
    return model


def catalogue_facts(catalogue: Catalogue) -> dict[str, Callable[[], object]]:
    """``n_queries``, ``n_items``, ``known`` and ``counts`` of the training part."""
    return {
        "n_queries": lambda: catalogue.n_queries,
        "n_items": lambda: catalogue.n_items,
        "known": lambda: catalogue.known,
        "counts": lambda: catalogue.counts,
    }


def require(model: Model, family: type[M]) -> M:
    """The model as one of a family, whose methods a task needs.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(model, family):
        raise ConfigError(f"the model is a {type(model).__name__}, where a {family.__name__} is needed")
    return model
