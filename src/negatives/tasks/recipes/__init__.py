"""Recipes are data: one file per task and one table per recipe, in the language of ``config.toml``.

The lines under a recipe's name are a configuration. Copied to a file of your own and changed, they are passed on with
``negatives train recommend --config mine.toml``; a line ``extends = "default"`` takes over another recipe, and is
replaced by that recipe's lines in a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from negatives.config import Values, load_config, merge
from negatives.errors import ConfigError
from negatives.losses import registry as losses
from negatives.registry import suggest

RACE = "race"
SAMPLERS = "samplers"
"""The tables that are no recipes."""


def load_recipes(path: Path) -> dict[str, Values]:
    """The recipes of a file, each whole.

    Args:
        path: TOML; a recipe may extend another one by a key ``extends``, and its values are merged over that one's.

    Raises:
        InputError: The file cannot be read or is not TOML.
        ConfigError: A recipe extends one that the file does not hold, or itself.
    """
    tables = load_config(path)
    return {name: _whole(tables, name, ()) for name in tables if name not in (RACE, SAMPLERS)}


def load_races(path: Path) -> dict[str, tuple[str, ...]]:
    """The recipes that race where the user names none, in their order; the first wins where none is better.

    They stand in a table of their own, ``[race]`` with the key ``recipes``; a file without it has no race. Those under
    the key ``longer`` join where a budget is long enough for them; those under the name of a recipe race where the data
    wants that one.

    Raises:
        InputError: The file cannot be read or is not TOML.
        ConfigError: A recipe is named that the file does not hold.
    """
    tables = load_config(path)
    races = {key: tuple(names) for key, names in tables.get(RACE, {}).items()}
    for name in (name for names in races.values() for name in names):
        if name not in tables or name in (RACE, SAMPLERS):
            raise ConfigError(f"the race names {name!r}; {suggest(name, tables.keys() - {RACE, SAMPLERS})}")
    return races


@dataclass(frozen=True, slots=True)
class Made:
    """What a preset is made of under some models and one kind of loss, where that is not what it is elsewhere.

    Args:
        models: Names of these models.
        loss: A loss of this kind.
        parts: The sampler's parts.
    """

    models: frozenset[str]
    loss: str
    parts: Values

    def fits(self, model: str | None, loss: str) -> bool:
        """Whether a model is trained with it under a loss."""
        return model in self.models and losses.get(loss).kind() == losses.get(self.loss).kind()


def load_samplers(path: Path) -> dict[str, Made]:
    """What presets are made of here, by their names: the table ``[samplers]``, whose tables hold a sampler's parts.

    Raises:
        InputError: The file cannot be read or is not TOML.
        ConfigError: The keys ``models`` and ``loss`` do not stand beside the parts.
    """
    found = {}
    for name, table in load_config(path).get(SAMPLERS, {}).items():
        parts = dict(table)
        try:
            found[name] = Made(frozenset(parts.pop("models")), parts.pop("loss"), parts)
        except KeyError as error:
            raise ConfigError(f"[{SAMPLERS}.{name}] has no {error}; it says for which models and loss it is") from None
    return found


def _whole(tables: Mapping[str, Values], name: str, above: tuple[str, ...]) -> Values:
    own = dict(tables[name])
    base = own.pop("extends", None)
    if base is None:
        return own
    others = tables.keys() - {name, *above}
    if base not in others:
        raise ConfigError(f"the recipe {name} extends {base!r}; {suggest(base, others)}")
    return merge(_whole(tables, base, (*above, name)), own)


__all__ = ["Made", "load_races", "load_recipes", "load_samplers"]
