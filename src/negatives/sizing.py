"""Numbers that follow from the sizes of the data: tables of points, in place of a number of a recipe.

A rule names a size and the values at some points of it, in the language of ``config.toml``::

    batch_size = {by = "pairs", at = [[30_000, 512], [800_000, 8192]]}

This is 512 up to 30,000 training pairs and 8,192 from 800,000. In between lies the straight line in the logarithms of
size and value, ``log y = log y_0 + t (log y_1 - log y_0)`` with ``t = log(x / x_0) / log(x_1 / x_0)``; in the value
itself where one of the two values is not above zero. Whole numbers stay whole, powers of two stay powers of two, and
others are rounded to two digits.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from negatives.errors import ConfigError
from negatives.registry import suggest

SIZES = {
    "pairs": "training examples of one epoch",
    "queries": "queries with a training pair",
    "items": "items",
    "per_query": "training pairs for each query that has any",
    "per_item": "training pairs for each item",
    "skew": "share of the training pairs that the most frequent tenth of the items has",
    "batches": "batches of one epoch",
}
"""What a rule may go by."""

FOLLOWING = frozenset(("model", "sampler", "loss", "optimiser", "batch_size", "epochs", "max_seconds", "evaluation"))
"""Where a number may follow the data; what decides how the data is read cannot."""
Number = int | float


@dataclass(frozen=True, slots=True)
class Rule:
    """A number as a function of a size.

    Args:
        by: One of :data:`SIZES`.
        at: Sizes, ascending and above zero, each with the value there; the first and the last value hold beyond.

    Raises:
        ConfigError: The size is not known, or the points are no such list.

    >>> rule = Rule("pairs", ((30_000, 512), (800_000, 8192)))
    >>> [rule.value(pairs) for pairs in (1, 30_000, 150_000, 10_000_000)]
    [512, 512, 2048, 8192]
    """

    by: str
    at: tuple[tuple[Number, Number], ...]

    def __post_init__(self) -> None:
        if self.by not in SIZES:
            raise ConfigError(f"no size is called {self.by!r}; {suggest(self.by, SIZES)}")
        if not self.at:
            raise ConfigError("at is empty; give points such as at = [[1_000, 64], [100_000, 512]]")
        if self.at[0][0] <= 0 or any(low >= high for (low, _), (high, _) in pairwise(self.at)):
            raise ConfigError("the sizes under at must be above zero and ascend")

    @staticmethod
    def of(values: Rule | Mapping[str, Any]) -> Rule:
        """A rule from itself, or from a table with the keys ``by`` and ``at``.

        Raises:
            ConfigError: It has other keys, or values of another kind.

        >>> Rule.of({"by": "items", "at": [[100, 0.3], [10_000, 0.1]]}).value(1_000)
        0.17
        """
        if isinstance(values, Rule):
            return values
        if wrong := values.keys() ^ {"by", "at"}:
            raise ConfigError(f"a number that follows the data has the keys by and at; look at {', '.join(wrong)}")
        by, at = values["by"], values["at"]
        if not isinstance(at, Sequence) or not all(_is_point(one) for one in at):
            raise ConfigError(
                "at must be a list of points, each a size and a value: at = [[1_000, 64], [100_000, 512]]"
            )
        return Rule(str(by), tuple((one[0], one[1]) for one in at))

    @property
    def plain(self) -> dict[str, Any]:
        """The rule in the language of a configuration."""
        return {"by": self.by, "at": [list(point) for point in self.at]}

    def value(self, size: float) -> Number:
        """The number at a size."""
        sizes, values = [x for x, _ in self.at], [y for _, y in self.at]
        right = bisect_left(sizes, size)
        if right in (0, len(sizes)):
            return values[min(right, len(values) - 1)]
        share = math.log(size / sizes[right - 1]) / math.log(sizes[right] / sizes[right - 1])
        exact = _between(values[right - 1], values[right], share)
        if not all(isinstance(one, int) for one in values):
            return _two_digits(exact)
        if all(one > 0 and one & (one - 1) == 0 for one in map(int, values)):
            return int(2 ** round(math.log2(exact)))
        return round(_two_digits(exact))


def is_rule(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a value of a configuration is a rule, right or wrong; parts have a name and no parameter ``by``."""
    return isinstance(value, Mapping) and "by" in value and "name" not in value


def rules(values: object, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """All rules in nested values, each with the keys that lead to it; places in lists are keys of digits."""
    if is_rule(values):
        yield above, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from rules(value, (*above, str(key)))
    elif isinstance(values, list):
        for place, value in enumerate(values):
            yield from rules(value, (*above, str(place)))


def rules_apart(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with their rules under ``sizing``, by dotted keys; in a list None stands in the place of one.

    >>> rules_apart({"model": {"name": "mf", "dim": {"by": "items", "at": [[1, 8]]}}})
    {'model': {'name': 'mf'}, 'sizing': {'model.dim': {'by': 'items', 'at': [[1, 8]]}}}
    """
    kept = copy.deepcopy({key: value for key, value in values.items() if key != "sizing"})
    apart = dict(values.get("sizing", {}))
    for keys, rule in list(rules(kept)):
        here: Any = kept
        for key in keys[:-1]:
            here = here[int(key)] if isinstance(here, list) else here[key]
        if isinstance(here, list):
            here[int(keys[-1])] = None
        else:
            del here[keys[-1]]
        apart[".".join(keys)] = rule
    return {**kept, "sizing": apart} if apart else kept


def check_rules(label: str, layer: Mapping[str, Any]) -> None:
    """Refuse rules that are none, or that stand where no number follows the data.

    Args:
        label: Where the layer comes from, for messages.
        layer: Nested values of a configuration.

    Raises:
        ConfigError: Names layer and key.
    """
    for keys, values in rules(layer):
        key = ".".join(keys).removeprefix("sizing.")
        try:
            rule = Rule.of(values)
        except ConfigError as error:
            raise ConfigError(f"{label}: {key}: {error}") from error
        if key.partition(".")[0] not in FOLLOWING or (key, rule.by) == ("batch_size", "batches"):
            raise ConfigError(f"{label}: {key} cannot follow {rule.by}; give a number")


def _is_point(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) == 2
        and all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in value)
    )


def _between(low: Number, high: Number, share: float) -> float:
    if min(low, high) <= 0:
        return low + share * (high - low)
    return float(low * (high / low) ** share)


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
