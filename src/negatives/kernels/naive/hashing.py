"""The hash behind all random numbers, on Python's integers."""

from __future__ import annotations

from negatives.randomness import EXAMPLE_STEP, MASK32, MASK64, SHORT_1, SHORT_2, SLOT_STEP, mix


def hashed(key: int, example: int, slot: int) -> int:
    return mix(mix(key ^ (example * EXAMPLE_STEP & MASK64)) + slot * SLOT_STEP & MASK64)


def shuffled(value: int) -> int:
    value = (value ^ (value >> 16)) * SHORT_1 & MASK32
    value = (value ^ (value >> 15)) * SHORT_2 & MASK32
    return value ^ (value >> 16)
