"""The hash behind all random numbers, on Python's integers."""

from __future__ import annotations

from negatives.randomness import EXAMPLE_STEP, MASK64, SLOT_STEP, mix


def hashed(key: int, example: int, slot: int) -> int:
    return mix(mix(key ^ (example * EXAMPLE_STEP & MASK64)) + slot * SLOT_STEP & MASK64)
