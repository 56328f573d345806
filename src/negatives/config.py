"""The typed configuration of a run: TOML files, ``--set`` pairs, merging, and errors that name file and key.

Layers merge in this order, later ones win: defaults, the task's recipe, the file, the options, ``--set``. A field
left at None means that the task's recipe decides. Nothing here imports PyTorch or Numba.
"""

from __future__ import annotations

import copy
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from negatives.earlier import moved
from negatives.errors import ConfigError, InputError
from negatives.parameters import WORDS, duration
from negatives.registry import Part as Part  # what a configuration names
from negatives.registry import Spec, suggest
from negatives.regular import TEXT, regular
from negatives.sizing import Rule, check_rules, is_rule, rules_apart

Values = dict[str, Any]
"""Nested dictionaries as TOML gives them."""

Layer = tuple[str, Mapping[str, Any]]
"""Where values come from (a file, ``"the options"``, ``"--set"``) and the values."""


def _part(spec: Spec) -> Part:
    try:
        return Part.of(spec)
    except ConfigError as error:
        raise ValueError(str(error)) from error


GivenPart = Annotated[Part, PlainValidator(_part), PlainSerializer(lambda part: part.plain)]
"""A part that a file names in text, or describes in a table."""
GivenRule = Annotated[Rule, PlainValidator(Rule.of), PlainSerializer(lambda rule: rule.plain)]
"""A number that follows from a size of the data."""
Kind = Literal["sampler", "model", "loss"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
MOST_THREADS = 4096  # more than any machine has; a million would bring it down

Duration = Annotated[float, Field(gt=0.0), BeforeValidator(duration)]
"""Seconds, also in text with a unit."""


class Section(BaseModel):
    """Base of all sections: unknown keys, infinite numbers and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, strict=True)


class OptimiserConfig(Section):
    """How gradients become updates."""

    name: Literal["sgd", "adagrad", "adam", "async_sgd"] | None = None
    """Update rule; ``async_sgd`` is the fastest for pairwise losses, and not the same bits with several threads."""
    lr: Annotated[float, Field(gt=0.0)] | None = None
    """Step size, also called learning rate."""
    weight_decay: Annotated[float, Field(ge=0.0)] | None = None
    """L2 factor that is added to the gradient of touched rows; left out, none."""
    schedule: Literal["constant", "linear", "cosine"] | None = None
    """How the step size changes until the end of training; left out, not at all."""
    warm_up: Share | None = None
    """Share of the training over which the step size rises from zero; left out, none."""


class SplitConfig(Section):
    """How the data is divided."""

    kind: (
        Literal[
            "auto",
            "given",
            "random",
            "leave_last_out",
            "temporal",
            "temporal_user",
            "global_time",
            "cold_items",
            "cold_users",
            "group",
        ]
        | None
    ) = None
    """How the parts are chosen; left out, ``auto``: the given parts if there are. ``group`` takes whole groups."""
    test: Share | None = None
    """Share of the interactions that becomes the test part; left out, 0.05 to 0.2 by task."""
    valid: Share | None = None
    """Share of the training part that becomes the validation part; left out, 0.02 to 0.1 by task. 0 holds none back."""
    canaries: Share | None = None
    """Share of the known positives that is hidden to estimate the false-negative rate; left out, 0.005 or 0 by task."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Seed of the division, so that runs of several seeds share their parts; left out, that of the run."""
    fold: Annotated[int, Field(ge=0)] | None = None
    """Another validation part of the same size for each number, 0 where it is left out; the test part stays."""


class EvaluationConfig(Section):
    """When and how the validation part is evaluated."""

    every: Annotated[float, Field(gt=0.0)] | None = None
    """Epochs between two evaluations."""
    seconds: Annotated[float, Field(gt=0.0)] | None = None
    """Seconds of training between two evaluations, in place of epochs."""
    queries: Annotated[int, Field(ge=1)] | None = None
    """Largest number of validation queries; more are sampled down. Left out, all."""
    k: Annotated[int, Field(ge=1)] | None = None
    """Length of the ranked list, the 20 in ``ndcg@20``."""
    metric: str | None = None
    """Metric that decides which state is the best, for instance ``ndcg@20``; left out, the task's own."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Evaluations without a new best after which training stops; left out, never."""


class RunConfig(Section):
    """Everything that a run depends on."""

    task: str
    """What is trained, for instance ``recommend``; on the command line the first word after ``train``."""
    data: str | None = None
    """File or folder of the data, or ``-`` for standard input; left out, the offline dataset. A relative path in a file
    is one from its folder where something lies there, else from the current one."""
    start: str | None = None
    """Folder of a finished run whose weights the training starts from; rows are found by their names."""
    recipe: str | None = None
    """Name of the task's recipe that fills what is left out; where none is named, several may be tried."""
    sampler: GivenPart | None = None
    """Chooses negatives: a preset's name, a preset with changed parameters, or a whole composition."""
    model: GivenPart | None = None
    """What is trained to score: a model's name, or its name with parameters."""
    loss: GivenPart | None = None
    """What training makes small: a loss's name, or its name with parameters."""
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig)
    """How gradients become updates."""
    batch_size: Annotated[int, Field(ge=1)] | None = None
    """Positive pairs per step."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Passes over the training part."""
    max_seconds: Annotated[float, Field(gt=0.0)] | None = None
    """Seconds of training after which it stops, evaluation not counted; left out, no limit."""
    until: Annotated[float, Field(gt=0.0)] | None = None
    """Epochs after which training stops, while schedules go on as if it ran to the end; left out, it does."""
    budget: Duration | None = None
    """How long the whole run may take by the clock, reading and writing included."""
    save_every: Duration | None = None
    """Time by the clock between two checkpoints; left out, 60 seconds, or more where saving would take over 2 %."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all randomness; the same seed, data and machine give the same bits."""
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | None = None
    """Threads for kernels and PyTorch; left out, all cores."""
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    """Number format of the matrix products; ``auto`` takes bfloat16 where the device multiplies it natively."""
    device: Literal["cpu", "cuda", "auto"] | None = None
    """Where the model lives; ``auto`` takes CUDA if there is one and the model can use it. Left out, the CPU."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of the data by its role, for instance ``user``; what is left out is found."""
    split: SplitConfig = Field(default_factory=SplitConfig)
    """How the data is divided."""
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """When and how the validation part is evaluated."""
    baselines: str | None = None
    """Simple methods beside the model: ``all``, ``none``, or names divided by commas; left out, all."""
    log: str | None = None
    """Programs that show the run while it trains, divided by commas; left out, none."""
    reading: Values = Field(default_factory=dict)
    """Options of the task's own reader, for instance ``reading.window``; the task checks them."""
    sizing: dict[str, GivenRule] = Field(default_factory=dict)
    """Numbers that follow from the sizes of the data, by their key; a rule in the place of a number comes here."""

    @model_validator(mode="before")
    @classmethod
    def _rules_apart(cls, values: Values) -> Values:
        """Rules out of the places of the numbers, so that a number is a number or left out."""
        return rules_apart(moved(values))

    @property
    def split_seed(self) -> int:
        """Seed by which the data is divided; runs of several seeds may share their parts.

        >>> RunConfig(task="recommend", seed=3).split_seed
        3
        """
        return self.seed if self.split.seed is None else self.split.seed

    def asked(self, kind: Kind) -> str | None:
        """The name of a part that was asked for; None where only parameters were given, or nothing."""
        found: Part | None = getattr(self, kind)
        return found.name if found else None

    def part(self, kind: Kind) -> Part:
        """A part of a filled configuration.

        Raises:
            ConfigError: The configuration leaves it out.
        """
        found: Part | None = getattr(self, kind)
        if found is None:
            raise ConfigError(f"the configuration has no {kind}; fill it from a recipe")
        return found

    def given(self) -> Values:
        """The fields that are not None, nested; :func:`build` on them gives the same configuration.

        >>> RunConfig(task="recommend", optimiser={"lr": 0.1}).given()
        {'task': 'recommend', 'optimiser': {'lr': 0.1}, 'seed': 0}
        """
        return _without_empty(self.model_dump())

    def filled(self, recipe: Mapping[str, Any], label: str = "the recipe") -> RunConfig:
        """This configuration with the recipe's values where a field was left out.

        Args:
            recipe: Nested values; parameters of a model, loss or sampler fill in only under the same name.
            label: Name of the recipe in error messages.

        Raises:
            ConfigError: The recipe holds an unknown key or a value of the wrong type.
        """
        explicit = _without_empty(self.model_dump(exclude_unset=True))
        for key, rule in explicit.pop("sizing", {}).items():
            _put(explicit, key.split("."), rule, key)
        return build([(label, recipe), ("the configuration", explicit)])

    def sized(self, sizes: Mapping[str, float]) -> RunConfig:
        """This configuration with a number for every rule that goes by one of these sizes.

        Args:
            sizes: Of the data, by their names in :data:`negatives.sizing.SIZES`.

        >>> rule = {"by": "pairs", "at": [[100, 8], [10_000, 32]]}
        >>> RunConfig(task="recommend", batch_size=rule).sized({"pairs": 1_000}).batch_size
        16
        """
        due = {key: rule for key, rule in self.sizing.items() if rule.by in sizes}
        values = _without_empty(self.model_dump(exclude_unset=True))
        for key, rule in due.items():
            del values["sizing"][key]
            _put(values, key.split("."), rule.value(sizes[rule.by]), key)
        return build([("what follows from the data", values)]) if due else self


SECTIONS = frozenset(("optimiser", "split", "evaluation", "reading", "columns"))
S = TypeVar("S", bound=Section)


def options(kind: type[S], values: Mapping[str, Any], name: str = "reading") -> S:
    """A task's own section, checked.

    Args:
        kind: What keys it has and of what types.
        values: What was given.
        name: Name of the section, for messages.

    Raises:
        ConfigError: A key is not known or has a value of the wrong type.

    >>> options(EvaluationConfig, {"querries": 5}, "evaluation")
    Traceback (most recent call last):
    ...
    negatives.errors.ConfigError: evaluation: no key is called 'querries'; did you mean queries?
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, [(name, values)], kind)) from error


def load_config(path: str | Path) -> Values:
    """Read a TOML file into nested values.

    A relative path of ``data`` is one from the file's folder where something lies there, else from the current one.

    Raises:
        InputError: The file cannot be read or is not TOML; names the line.
    """
    path = Path(path)
    try:
        values = tomllib.loads(regular(path, TEXT).read_text(encoding="utf-8"))
        data = values.get("data")
        if isinstance(data, str) and not Path(data).is_absolute() and (path.parent / data).exists():
            values["data"] = str(path.parent / data)
        return values
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", text)
        reason = text[: at.start()] if at else text
        line = int(at.group(1)) if at and at.group(1) else None
        raise InputError(f"not TOML: {reason}", path=path, line=line, hint="correct it") from error
    except (UnicodeDecodeError, RecursionError) as error:
        told = "its values are nested too deep" if isinstance(error, RecursionError) else "not a text file in UTF-8"
        raise InputError(told, path=path, hint="give a TOML file") from error
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path, hint="give a TOML file that exists") from error


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> Values:
    """``high`` over ``low``, section by section.

    A part under another name, or a whole sampler that names its ``proposal``, replaces what stood there,
    because parameters of one part mean nothing to another. In the sections of :class:`RunConfig`, and in a part
    without a name, only the given keys change.

    >>> merge({"model": {"name": "mf", "dim": 64}}, {"model": {"dim": 128}, "seed": 1})
    {'model': {'name': 'mf', 'dim': 128}, 'seed': 1}
    >>> merge({"model": {"name": "mf", "dim": 64}}, {"model": "lightgcn"})
    {'model': 'lightgcn'}
    """
    merged = copy.deepcopy(dict(low))
    for key, value in high.items():
        below, value = merged.get(key), copy.deepcopy(value)
        if key in SECTIONS and isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = _over(below, value)
    return merged


def _over(low: Any, high: Any) -> Any:
    """One part over another; a bare name is a part without parameters."""
    if isinstance(high, str) and isinstance(low, Mapping):
        same = low.get("name", high) == high and "proposal" not in low
        return {**low, "name": high} if same else high
    if not isinstance(high, Mapping):
        return high
    below = {"name": low} if isinstance(low, str) else low
    if not isinstance(below, Mapping) or _names_a_proposal(high) or is_rule(high) or is_rule(below):
        return dict(high)
    if "name" in high and ("proposal" in below or below.get("name", high["name"]) != high["name"]):
        return dict(high)
    return merge(below, high)


def _names_a_proposal(sampler: Mapping[str, Any]) -> bool:
    """Whether a sampler is described whole; a proposal without a name only changes parameters of the one below."""
    proposal = sampler.get("proposal")
    return "name" in proposal if isinstance(proposal, Mapping) else proposal is not None


def apply_sets(values: Mapping[str, Any], sets: Iterable[str]) -> Values:
    """``values`` with ``key=value`` pairs applied; dots enter sections, numbers enter lists.

    The value is read as TOML, but a number may begin or end with its point; what is neither is taken as text.

    Raises:
        ConfigError: A pair has no ``=`` or an empty key, or a number points behind the end of a list.

    >>> apply_sets({"model": "mf"}, ["model.dim=128", "loss=bpr", "optimiser.lr=.5"])
    {'model': {'name': 'mf', 'dim': 128}, 'loss': 'bpr', 'optimiser': {'lr': 0.5}}
    """
    result = copy.deepcopy(dict(values))
    for pair in sets:
        key, equals, text = pair.partition("=")
        keys = key.strip().split(".")
        if not equals or not all(keys):
            raise ConfigError(f"--set {pair!r} is not of the form key=value; write for instance --set model.dim=128")
        _put(result, keys, _parse(text.strip()), pair)
    return result


def _parse(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        pointed = re.fullmatch(r"[+-]?(\.\d+|\d+\.)([eE][+-]?\d+)?", text)  # TOML wants digits on both sides
        return float(text) if pointed else text
    return parsed["value"] if len(parsed) == 1 else text


def _put(values: Values, keys: Sequence[str], value: Any, pair: str) -> None:
    here: Any = values
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(here, list):
            if not key.isdigit() or int(key) >= len(here):
                raise ConfigError(f"--set {pair!r}: {key!r} is not a place in a list of {len(here)}")
            place: Any = int(key)
        else:
            place = key
        if last:
            here[place] = merge(here, {key: value})[key] if isinstance(here, dict) else value
            return
        inner = here[place] if isinstance(here, list) else here.get(place)
        if not isinstance(inner, (dict, list)):
            here[place] = inner = {"name": inner} if isinstance(inner, str) else {}
        here = inner


def build(layers: Sequence[Layer]) -> RunConfig:
    """Merge layers, lowest first, and check the result.

    A layer may repeat values of those below; an error names the lowest layer that holds the faulty value.

    Raises:
        ConfigError: A key is not known, missing, or has a value of the wrong type; names layer and key.

    >>> build([("a.toml", {"task": "recommend"}), ("--set", {"batch_sise": 8})])
    Traceback (most recent call last):
    ...
    negatives.errors.ConfigError: --set: no key is called 'batch_sise'; did you mean batch_size?
    """
    values: Values = {}
    layers = [(label, moved(layer)) for label, layer in layers]
    for label, layer in layers:
        check_rules(label, layer)
        values = merge(values, layer)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, layers)) from error


def _explain(error: ValidationError, layers: Sequence[Layer], root: type[Section] = RunConfig) -> str:
    first = error.errors()[0]
    where = tuple(part for part in first["loc"] if isinstance(part, int) or not _is_branch(part))
    key = ".".join(str(part) for part in where)
    source = next((label for label, layer in layers if _holds(layer, where, first["input"])), "")
    prefix = f"{source}: " if source else ""
    recipes = next(
        (layer for label, layer in layers if label == source and layer.keys().isdisjoint(root.model_fields)), {}
    )
    if len(recipes) > 1 and all(isinstance(one, Mapping) for one in recipes.values()):
        return f"{prefix}several recipes ({', '.join(recipes)}); keep the lines under one of these names alone"
    if first["type"] == "extra_forbidden":
        return f"{prefix}no key is called {key!r}; {suggest(str(where[-1]), _section(where[:-1], root).model_fields)}"
    if first["type"] == "missing":
        return f'{key} is missing; give it as an argument, or in the file as {key} = "..."'
    fault = first["msg"].replace("Input should be", "should be").replace("Value error, ", "")
    for theirs, ours in (
        ("integer", WORDS[int]),
        ("number", WORDS[float]),
        ("string", WORDS[str]),
        ("boolean", WORDS[bool]),
    ):
        fault = fault.replace(f"a valid {theirs}", ours)
    if first["type"] == "literal_error":
        fault = "choose one of: " + ", ".join(_choices(_section(where[:-1], root), str(where[-1])))
    return f"{prefix}{key} = {first['input']!r}: {fault}"


def _is_branch(part: str) -> bool:
    """True for pydantic's own names of the branches of a union, such as ``dict[str,any]``."""
    return "[" in part


def _holds(layer: Mapping[str, Any], where: Sequence[str | int], value: Any) -> bool:
    here: Any = layer
    for part in where:
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return here is value or bool(here == value)


def _section(where: Sequence[str | int], root: type[Section]) -> type[Section]:
    here = root
    for part in where:
        annotation = here.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            here = annotation
    return here


def _choices(section: type[Section], key: str) -> list[str]:
    found: list[str] = []
    pending = [section.model_fields[key].annotation]
    while pending:
        annotation = pending.pop()
        if typing.get_origin(annotation) is Literal:
            found += map(str, typing.get_args(annotation))
        elif typing.get_origin(annotation) in (types.UnionType, typing.Union):
            pending += typing.get_args(annotation)
    return found


def _without_empty(values: Mapping[str, Any]) -> Values:
    kept: Values = {}
    for key, value in values.items():
        value = _without_empty(value) if isinstance(value, Mapping) else value
        if value is not None and value != {}:
            kept[key] = value
    return kept
