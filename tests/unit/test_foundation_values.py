"""Moving, ranges, finite numbers, types of parameters, parts, and what guards exclude together: exact values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError, NonFiniteScores
from negatives.guards import Guard
from negatives.parameters import Settings, fits, parameters_of, settable
from negatives.proposals import Uniform
from negatives.registry import Part
from negatives.sampler import Sampler
from negatives.sampler.exclusion import Exclusion
from negatives.selection import All, Selection
from negatives.types import Candidates, Catalogue, Context, Csr, Negatives, finite, moved, within
from negatives.types import Part as Stateful

META = torch.device("meta")


@dataclass(frozen=True, slots=True)
class Frozen:
    inner: Tensor
    word: str = "w"


@dataclass(slots=True)
class Holder(Stateful):
    """A part that holds tensors in every way that ``moved`` knows."""

    plain: Tensor = field(default_factory=lambda: torch.ones(2))
    named: dict[str, Any] = field(default_factory=lambda: {"a": torch.ones(1), "b": [torch.ones(3)], "c": 1})
    listed: list[Any] = field(default_factory=lambda: [torch.ones(2), "x"])
    paired: tuple[Any, ...] = field(default_factory=lambda: (Frozen(torch.ones(4)), 3))


def test_every_tensor_moves_and_nothing_else_changes() -> None:
    part = Holder()
    part.to(META)
    tensors = [part.plain, part.named["a"], part.named["b"][0], part.listed[0], part.paired[0].inner]
    assert [one.device.type for one in tensors] == ["meta"] * 5
    assert (part.named["c"], part.listed[1], part.paired[1], part.paired[0].word) == (1, "x", 3, "w")
    assert isinstance(part.paired, tuple)


def test_what_need_not_move_comes_back_as_it_is() -> None:
    here = torch.device("cpu")
    for value in (Frozen(torch.ones(2)), [torch.ones(2)], (torch.ones(1), 2), Csr(torch.zeros(1), torch.zeros(0), 3)):
        assert moved(value, here) is value
    changed = Frozen(torch.ones(2))
    assert moved(changed, META) is not changed
    assert changed.inner.device.type == "cpu"


@pytest.mark.parametrize(("ids", "said"), [([0, 3, 1], "3 at place 1"), ([2, -1], "-1 at place 1"), ([], "")])
def test_ids_run_from_zero_to_below_their_number(ids: list[int], said: str) -> None:
    values = torch.tensor(ids, dtype=torch.int64)
    if not said:
        within("item", values, 3)
        within("item", values, 0)
        return
    with pytest.raises(InputError, match=f"item {said} is out of range"):
        within("item", values, 3)


def test_scores_may_be_large_but_not_infinite() -> None:
    large = torch.full((9,), 3e38)
    assert finite(large, "scores") is large
    with pytest.raises(NonFiniteScores, match="scores hold NaN or infinity"):
        finite(torch.tensor([1.0, -torch.inf]), "scores")


@pytest.mark.parametrize(
    ("value", "kind", "fine"),
    [
        (1, Literal[1, 2], True), (True, Literal[1, 2], False), (1.0, Literal[1, 2], False),
        ("ab", Sequence[str], False), (["a", "b"], Sequence[str], True), (["a", 1], Sequence[str], False),
        ((1, 2), tuple[int, ...], True), ([1, 2], list, True), (3, Tensor, False), ("x", Tensor, False),
        (torch.ones(1), Tensor, True), (None, int | None, True), (None, int, False), ("x", int | str, True),
    ],
)  # fmt: skip
def test_values_fit_their_types(value: object, kind: Any, fine: bool) -> None:
    assert fits(value, kind) is fine


@pytest.mark.parametrize(
    ("kind", "can"),
    [(int, True), (Sequence[str], True), (tuple[int, ...], True), (Tensor, False), (list[Tensor], False),
     (Tensor | None, False), (int | Tensor, True), (Literal["a"], True), (Mapping[str, int], False)],
)  # fmt: skip
def test_a_configuration_can_hold_numbers_and_texts(kind: Any, can: bool) -> None:
    assert settable(kind) is can


@dataclass(frozen=True, slots=True)
class Steps(Settings):
    rate: float = 1.0
    most: int = 5


class Tower:
    def __init__(self, dim: int = 8, steps: Steps = Steps(rate=0.25)) -> None:
        self.steps = steps


def test_a_groups_defaults_are_those_that_the_constructor_gives() -> None:
    found = parameters_of(Tower)
    assert {name: one.default for name, one in found.items()} == {"dim": 8, "rate": 0.25, "most": 5}


def test_a_part_is_its_name_and_the_other_values() -> None:
    assert Part.of({"name": "mf", "dim": 8}) == Part("mf", {"dim": 8})
    assert Part.of({"dim": 8}).name is None
    assert Part("mf", {"dim": 8}).plain == {"name": "mf", "dim": 8}
    assert (Part("mf").plain, Part(None, {"a": 1}).plain, str(Part(None))) == ("mf", {"a": 1}, "custom")
    for wrong in (7, {"name": 7}, ["mf"]):
        with pytest.raises(ConfigError, match="a name, or a table"):
            Part.of(wrong)  # type: ignore[arg-type]


def table(*pairs: tuple[int, int], n_items: int = 5) -> Csr:
    rows, cols = torch.tensor(pairs).T
    return Csr.from_pairs(rows, cols, 2, n_items)


@dataclass(slots=True)
class Bans(Guard):
    gone: Csr | None = None

    def excluded(self) -> Csr | None:
        return self.gone

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        return torch.ones_like(candidates.ok)


def test_guards_exclude_together_and_as_they_stand() -> None:
    one, two, three = table((0, 1), (1, 2)), table((0, 3), (0, 1)), table((1, 4))
    both = Exclusion()
    guards = [Bans(one), Bans(), Bans(one)]
    assert both.by(guards) is one
    guards[1].gone = two
    first = both.by(guards)
    assert first is not None
    assert [first.row(query).tolist() for query in (0, 1)] == [[1, 3], [2]]
    assert both.by(guards) is first
    guards[1].gone = three
    second = both.by(guards)
    assert second is not None
    assert [second.row(query).tolist() for query in (0, 1)] == [[1], [2, 4]]
    assert Exclusion().by([Bans()]) is None
    guards[1].gone = table((0, 1), n_items=6)
    with pytest.raises(ConfigError, match="build all from one data"):
        both.by(guards)


@dataclass(slots=True)
class Now(Selection):
    """Takes all, and looks at scores only while it is told to."""

    looks: bool = True

    @property
    def needs_difficulty(self) -> bool:
        return self.looks

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        return All().pick(context, candidates, difficulty, key)


class Steep:
    """``s(u, i) = i``."""

    def encode_queries(self, queries: Tensor) -> Tensor:
        return torch.ones(queries.shape[0], 1)

    def encode_items(self, items: Tensor) -> Tensor:
        return items[..., None].float()

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        return items.float()


def test_a_batch_that_was_not_scored_has_no_hardness() -> None:
    select = Now()
    sampler = Sampler(Uniform(n_items=9), select, candidates=6, observe_every=1)
    sampler.bind(Catalogue(2, 9, torch.ones(9, dtype=torch.int64)))
    rows = torch.arange(4)
    seen = []
    for looks in (True, False, True):
        select.looks = looks
        context = Context(rows % 2, rows, rows)
        found = sampler.sample(context, Steep())
        seen.append("hardness" in sampler.observe(context, found, torch.zeros(4), found.ids.float()))
    assert seen == [True, False, True]
