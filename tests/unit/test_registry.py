"""Building parts from plain values: groups of settings are flat, types are checked, facts are not settable."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from torch import Tensor

from negatives.control import Knob, Linear
from negatives.errors import ConfigError
from negatives.parameters import Settings
from negatives.registry import Registry

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Length(Settings):
    """Two numbers of one meaning."""

    training: float = 0.0
    ranking: float | None = None


class Tower:
    """A part with a group and with data."""

    def __init__(
        self,
        n_items: int,
        table: Tensor | None = None,
        tokenizer: Tokenizer | None = None,
        dim: int = 8,
        kind: Literal["dot", "cosine"] = "dot",
        rate: Knob = 1.0,
        bias: bool = False,
        sides: Sequence[str] = (),
        length: Length = Length(training=0.5),
    ) -> None:
        self.given = {name: value for name, value in locals().items() if name != "self"}


class Twice:
    """A part whose group has a field of the same name as another parameter."""

    def __init__(self, ranking: float = 0.0, length: Length | int = 0, more: Length = Length()) -> None:
        pass


class Bare:
    """A part without a constructor of its own."""


ROWS = (("tower", f"{__name__}:Tower"), ("twice", f"{__name__}:Twice"), ("bare", f"{__name__}:Bare"))
registry: Registry[Tower] = Registry("towers", ROWS)
FACTS = {"n_items": 3, "table": torch.ones(2)}


def test_fields_of_a_group_are_flat() -> None:
    made = registry.build({"name": "tower", "ranking": 2}, FACTS)
    assert made.given["length"] == Length(0.5, 2)
    assert registry.build({"name": "tower", "n_items": 3}).given["length"] == Length(0.5)
    shown = registry.parameters("tower")
    assert list(shown)[-2:] == ["training", "ranking"]
    assert "length" not in shown
    assert (shown["training"].default, shown["ranking"].annotation) == (0.5, float | None)


def test_a_part_may_have_no_constructor() -> None:
    assert isinstance(registry.build("bare"), Bare)
    with pytest.raises(ConfigError, match="bare has no parameter 'dim'"):
        registry.build({"name": "bare", "dim": 3})


def test_a_name_that_stands_twice_is_told() -> None:
    with pytest.raises(TypeError, match="two parameters that are called ranking"):
        registry.parameters("twice")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dim", 4),
        ("kind", "cosine"),
        ("rate", 2),
        ("rate", Linear(0.0, 1.0)),
        ("bias", True),
        ("sides", ["a", "b"]),
        ("ranking", None),
        ("ranking", 1),
        ("tokenizer", object()),
    ],
)
def test_values_that_fit(name: str, value: object) -> None:
    made = registry.build({"name": "tower", "n_items": 3, name: value})
    assert (made.given | {"ranking": made.given["length"].ranking})[name] is value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dim": "big"}, "tower.dim is 'big'; it must be a whole number"),
        ({"dim": 4.0}, "tower.dim is 4.0; it must be a whole number"),
        ({"dim": True}, "tower.dim is True; it must be a whole number"),
        ({"dim": None}, "tower.dim is None; it must be a whole number"),
        ({"bias": 1}, "tower.bias is 1; it must be true or false"),
        ({"kind": "cosin"}, "tower.kind is 'cosin'; it must be 'dot' or 'cosine'"),
        ({"kind": 1}, "tower.kind is 1; it must be 'dot' or 'cosine'"),
        ({"rate": "fast"}, "tower.rate is 'fast'; it must be a number or a schedule or a controller"),
        ({"ranking": "long"}, "tower.ranking is 'long'; it must be a number"),
        ({"sides": "both"}, "tower.sides is 'both'; it must be a list"),
        ({"sides": ["a", 1]}, r"tower.sides is \['a', 1\]; it must be a list"),
        ({"table": 3}, "tower.table comes from the data; leave it out"),
        ({"n_items": 3}, "tower.n_items comes from the data; leave it out"),
        ({"length": 1}, "tower has no parameter 'length'"),
        ({"dims": 1}, "tower has no parameter 'dims'; did you mean dim"),
        ({"q": 1}, "choose one of: bias, dim, kind, ranking, rate, sides, training"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build({"name": "tower"} | values, FACTS)


def test_what_is_missing_is_told() -> None:
    with pytest.raises(ConfigError, match="tower needs n_items; give it too"):
        registry.build("tower")


def add(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> Registry[Tower]:
    """The table, and rows that an installed package adds."""
    found = [importlib.metadata.EntryPoint(name, value, "negatives.towers") for name, value in points]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found if group == "negatives.towers" else [])
    return Registry("towers", ROWS)


def test_rows_of_another_package_stand_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    table = add(monkeypatch, ("slim", f"{__name__}:Tower [extra]"))
    assert list(table) == ["tower", "twice", "bare", "slim"]
    assert table.build({"name": "slim", "n_items": 2}).given["n_items"] == 2
    with pytest.raises(ConfigError, match="no tower is called 'slym'; did you mean slim"):
        table.get("slym")


@pytest.mark.parametrize("value", ["no_such_module:Tower", f"{__name__}:Towr"])
def test_a_row_of_another_package_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(ConfigError, match=f"towers: 'slim' of another package, {value}, cannot be imported"):
        add(monkeypatch, ("slim", value)).get("slim")


def test_a_name_that_another_package_takes_again_is_told_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    table = add(monkeypatch, ("fresh", f"{__name__}:Tower"), ("tower", f"{__name__}:Bare"))
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"the name 'tower', which another package adds as .*, stands"):
            table.get("bare")
