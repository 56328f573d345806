"""Options that commands share, and how they become a configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

    from negatives.config import RunConfig


def whole(kind: Any, tokens: Sequence[Token]) -> int:
    """A whole number as it was typed; the parser's own reading would round 1.5.

    Raises:
        CoercionError: It is none.
    """
    from cyclopts import CoercionError

    try:
        return int(tokens[0].value)
    except ValueError as error:
        raise CoercionError(token=tokens[0], target_type=int) from error


DASH = "./-"
"""Standard input, which is called - but for the parser, to whom that is an option; as a path it is the same."""
Overwrite = Annotated[bool, Parameter(help="Replace files that are there.", negative=())]
COLUMNS = """Column of a role, as user=Kunde; several with blanks or commas between."""
PAIRS = ("--set", "--columns")
"""Options that take pairs key=value, as many as follow."""
PAIR = re.compile(r"[\w.]+\s*=")


def as_typed(words: Sequence[str]) -> list[str]:
    """The words of a command for the parser: a single dash as a path, and an option before each of its pairs.

    Pairs end with the first word that is none, so that a task or a path may follow.

    >>> as_typed(["train", "--set", "seed=1", "model.dim=8", "recommend", "-"])
    ['train', '--set', 'seed=1', '--set', 'model.dim=8', 'recommend', './-']
    """
    found, option = list[str](), ""
    for before, word in zip(["", *words], words, strict=False):
        if option and before != option and PAIR.match(word):
            found.append(option)
        elif word in PAIRS:
            option = word
        elif before != option:
            option = ""
        found.append(DASH if word == "-" else word)
    return found


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the command line may say about data; what is left out is found."""

    columns: Annotated[tuple[str, ...], Parameter(help=COLUMNS, negative=(), show_default=False)] = ()
    seed: Annotated[int | None, Parameter(help="Seed of all randomness.", converter=whole)] = None
    config: Annotated[Path | None, Parameter(help="TOML file; options win over it.")] = None
    set: Annotated[
        tuple[str, ...],
        Parameter(
            help="Pairs key=value for any part of the configuration; see: negatives keys.",
            negative=(),
            show_default=False,
        ),
    ] = ()

    def values(self) -> dict[str, Any]:
        """The options given, under the configuration's keys."""
        found: dict[str, Any] = {}
        for name, key in KEYS.items():
            if (value := getattr(self, name, None)) is not None:
                *sections, last = key.split(".")
                here = found
                for section in sections:
                    below = here.get(section, {})
                    here[section] = here = {"name": below} if isinstance(below, str) else below
                here[last] = value
        return found | ({"columns": named_columns(self.columns)} if self.columns else {})


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ReadOptions):
    """What a run may be told on the command line; what is left out, the file or the task's recipe decides."""

    model: Annotated[str | None, Parameter(help="Model by name.")] = None
    dim: Annotated[int | None, Parameter(help="Numbers of a vector of the model.", converter=whole)] = None
    loss: Annotated[str | None, Parameter(help="Loss by name.")] = None
    lr: Annotated[float | None, Parameter(help="Step size.")] = None
    batch_size: Annotated[int | None, Parameter(help="Positive pairs per step.", converter=whole)] = None
    epochs: Annotated[int | None, Parameter(help="Passes over the training part.", converter=whole)] = None
    max_seconds: Annotated[float | None, Parameter(help="Seconds of training at most.")] = None
    budget: Annotated[str | None, Parameter(help="Time to wait for everything, for instance 90s, 10m or 1h.")] = None
    threads: Annotated[int | None, Parameter(help="Threads; all cores by default.", converter=whole)] = None
    device: Annotated[str | None, Parameter(help="Where the model lives: cpu, cuda or auto.")] = None
    baselines: Annotated[str | None, Parameter(help="Simple methods beside the model: all, none, or names.")] = None
    log: Annotated[
        str | None, Parameter(help="Programs that show the run: tensorboard, wandb, mlflow, trackio, with commas.")
    ] = None
    recipe: Annotated[str | None, Parameter(help="Recipe of the task that fills what is left out.")] = None


KEYS = {"model": "model", "dim": "model.dim", "loss": "loss", "lr": "optimiser.lr"} | {
    name: name
    for name in (
        "batch_size", "epochs", "max_seconds", "budget", "seed", "threads", "device", "recipe", "baselines",
        "log",
    )
}  # fmt: skip
"""Keys of the configuration by option."""


def named_columns(given: Sequence[str]) -> dict[str, str]:
    """Columns by role; a comma divides two where a role and = follow it, so that names may hold commas.

    Raises:
        ConfigError: One is not of the form role=column, or a role stands twice.

    >>> named_columns(["user=Kunde,item=Artikel, rot", "time=Datum"])
    {'user': 'Kunde', 'item': 'Artikel, rot', 'time': 'Datum'}
    """
    from negatives.errors import ConfigError

    found: dict[str, str] = {}
    for one in (part for text in given for part in re.split(r",(?=\s*\w+\s*=)", text)):
        role, equals, column = (word.strip() for word in one.partition("="))
        if not (role and equals and column):
            raise ConfigError(f"--columns {one!r} is not of the form role=column; write for instance user=Kunde")
        if found.setdefault(role, column) != column:
            raise ConfigError(f"--columns names two columns for {role}: {found[role]!r} and {column!r}; keep one")
    return found


def configuration(
    task: str | None,
    data: str | None,
    sampler: str | None,
    options: ReadOptions,
    *,
    resumed: tuple[str, dict[str, Any]] | None = None,
) -> RunConfig:
    """Merge file, options and ``--set`` into a checked configuration.

    Args:
        task: Name of the task, if given.
        data: File or folder, if given.
        sampler: Name of the sampler, if given.
        options: The other options.
        resumed: Configuration of the run to go on with, and its place; the lowest layer.

    Raises:
        ConfigError: A key, name or value is wrong.
        InputError: The file cannot be read.
    """
    from negatives.config import apply_sets, build, load_config, merge
    from negatives.errors import ConfigError
    from negatives.registry import suggest
    from negatives.tasks.registry import registry

    layers: list[tuple[str, dict[str, Any]]] = [] if resumed is None else [resumed]
    if options.config is not None:
        layers.append((str(options.config), load_config(options.config)))
    named = {"task": task, "data": "-" if data == DASH else data, "sampler": sampler}
    layers.append(("the options", {key: value for key, value in named.items() if value is not None} | options.values()))
    merged: dict[str, Any] = {}
    for _, layer in layers:
        merged = merge(merged, layer)
    if options.set:
        layers.append(("--set", apply_sets(merged, options.set)))
    config = build(layers)
    if config.task not in registry:
        raise ConfigError(f"no task is called {config.task!r}; {suggest(config.task, registry)}")
    return config


def command_line() -> str:
    """This process's command, as one would type it."""
    import shlex
    import sys

    return shlex.join(["negatives", *sys.argv[1:]])
