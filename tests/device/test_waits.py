"""Where drawing makes the CPU wait for the device: in the places that the page on performance lists, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kinds import KINDS, lived
from places import PRETENDED

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
DRAWING = ("proposal", "guard", "selection", "difficulty", "loss", "sampler", "control", "loop")
"""Kinds of parts that a step of one's own loop goes through."""

pytestmark = pytest.mark.skipif(not PRETENDED, reason="a real device does not say where the CPU waits")


def listed() -> set[tuple[str, str]]:
    """File and function of each row of the page's table of waits."""
    rows = re.findall(r"^\| `([\w/]+\.py)` \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {(file, function) for file, functions in rows for function in re.findall(r"`([\w.]+)`", functions)}


def waits(kind: str, name: str) -> set[tuple[str, str]]:
    """Where one part makes the CPU wait."""
    found = lived(kind, name).log.syncs
    return {(file, function.replace(".<locals>.<genexpr>", "")) for file, function, _ in found}


@pytest.mark.parametrize("kind", DRAWING)
def test_a_wait_is_listed(kind: str) -> None:
    found = {where: name for name in KINDS[kind][1] for where in waits(kind, name)}
    new = {where: name for where, name in found.items() if where not in listed()}
    assert not new, f"not listed in {PAGE.name} under Waits: {new}"


def test_what_is_listed_still_waits() -> None:
    found = {where for kind in DRAWING for name in KINDS[kind][1] for where in waits(kind, name)}
    assert not listed() - found, f"{PAGE.name} lists places that no longer wait; take them out"


def test_the_usual_samplers_wait_seldom() -> None:
    """A step of them waits for refused draws, for what a new query has left, and for scores to be finite."""
    often = {
        ("kernels/tensor/draw.py", "_reject"),
        ("kernels/tensor/draw.py", "_enumerate"),
        ("kernels/tensor/draw.py", "draw_alias"),
        ("kernels/tensor/segments.py", "listed"),
        ("proposals/static.py", "ItemMass.log_allowed"),
        ("types.py", "finite"),
    }
    for name in ("uniform", "popularity", "softmax", "nce", "dns", "sir", "semi_hard", "curriculum", "auto"):
        assert waits("sampler", name) <= often, name
    assert waits("sampler", "softmax") == {("kernels/tensor/segments.py", "listed")}


def test_a_loop_with_a_pool_waits_for_its_ids_and_its_mask() -> None:
    """And, as the command does, for the known items of its rows; nothing waits for each part of the answer."""
    log = lived("loop", "softmax").log.syncs
    assert {where: count for (_, where, _), count in log.items()} == {
        "all_within": 1,
        "Batch.of": 1,
        "listed": 1,
        "Negatives.places": 1,
    }
