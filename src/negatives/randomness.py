"""Random numbers that depend only on (seed, purpose, epoch, example, slot).

A counter-based hash replaces a generator: each number is computed from its coordinates, so the same negatives
come out whatever the number of threads, workers or ranks, and after a resume. The mixing function is the
finaliser of SplitMix64 (Steele et al., 2014). The Numba and NumPy forms in :mod:`negatives.kernels` give
the same bits.
"""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor

MASK64 = (1 << 64) - 1
EXAMPLE_STEP = 0x9E3779B97F4A7C15
SLOT_STEP = 0xD1B54A32D192ED03
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
SHORT_1, SHORT_2 = 0x7FEB352D, 0x846CA68B
MASK32 = (1 << 32) - 1


class Purpose(IntEnum):
    """What a random stream is used for; streams of different purposes are independent."""

    CANDIDATES = 1
    SELECTION = 2
    SHUFFLE = 3
    INIT = 4
    SPLIT = 5
    CANARIES = 6
    PROBES = 7
    DROPOUT = 8
    MIXTURE = 9
    NOISE = 10
    WALKS = 11
    CACHE = 12
    CLUSTERS = 13
    NEIGHBOURS = 14
    SIDES = 15
    QUEUE = 16
    PAIRS = 17
    TUNING = 18
    TIES = 19
    REDRAWN = 20


def mix(value: int) -> int:
    """SplitMix64's finaliser on one unsigned 64-bit integer."""
    value = ((value ^ (value >> 30)) * MIX_1) & MASK64
    value = ((value ^ (value >> 27)) * MIX_2) & MASK64
    return value ^ (value >> 31)


def stream(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """The unsigned 64-bit key of a stream.

    >>> [stream(0, Purpose.SHUFFLE) == stream(seed, Purpose.SHUFFLE) for seed in (0, 1)]
    [True, False]
    """
    return mix(mix(mix(seed & MASK64) + int(purpose) * EXAMPLE_STEP & MASK64) + epoch * SLOT_STEP & MASK64)


def signed(value: int) -> int:
    """An unsigned 64-bit integer as the int64 with the same bits."""
    return value - (1 << 64) if value >= (1 << 63) else value


def _shift(value: Tensor, by: int) -> Tensor:
    return (value >> by) & ((1 << (64 - by)) - 1)


def _mix(value: Tensor) -> Tensor:
    value = (value ^ _shift(value, 30)) * signed(MIX_1)
    value = (value ^ _shift(value, 27)) * signed(MIX_2)
    return value ^ _shift(value, 31)


def bits(key: int, examples: Tensor, slots: Tensor | int) -> Tensor:
    """Hashed bits, as int64 that hold the unsigned 64-bit value, for broadcast ``examples`` and ``slots``.

    ``h = mix(mix(key ^ example * E) + slot * S)`` modulo 2^64.

    Args:
        key: A key from :func:`stream`.
        examples: int64, for instance ``(rows, 1)``.
        slots: int64, for instance ``(k,)``, or one slot.
    """
    rows = _mix(examples * signed(EXAMPLE_STEP) ^ signed(key))
    if isinstance(slots, int):
        return _mix(rows + signed(slots * SLOT_STEP & MASK64))
    return _mix(rows + slots * signed(SLOT_STEP))


def bounded(words: Tensor, bound: int | Tensor) -> Tensor:
    """Integers ``floor(h bound / 2^64)`` in ``[0, bound)``, each from as many words ``h`` as any other but for one.

    Args:
        words: int64 that hold unsigned 64-bit values, as :func:`bits` gives them.
        bound: At most 2^31, one for all or int64 of a shape that broadcasts; where it is 0, so is the integer.

    Raises:
        ValueError: ``bound`` is one number out of range.

    >>> bounded(torch.tensor([0, -1, 1 << 62]), 10).tolist()
    [0, 9, 2]
    """
    if isinstance(bound, int) and not 0 <= bound <= 1 << 31:
        raise ValueError(f"a bound must lie between 0 and 2^31, not {bound}")
    return _shift(words, 32) * bound + ((words & 0xFFFFFFFF) * bound >> 32) >> 32


def integers(key: int, examples: Tensor, slots: Tensor | int, bound: int | Tensor) -> Tensor:
    """Hashed integers in ``[0, bound)``; see :func:`bits` and :func:`bounded`."""
    return bounded(bits(key, examples, slots), bound)


def again(words: Tensor) -> Tensor:
    """Another 64 hashed bits ``mix(h + E)`` for each word ``h``, where one does not tell enough."""
    return _mix(words + signed(EXAMPLE_STEP))


def uniforms(key: int, examples: Tensor, slots: Tensor | int) -> Tensor:
    """float64 in ``[0, 1)`` from the upper 53 bits."""
    return _shift(bits(key, examples, slots), 11).to(torch.float64) * 2.0**-53


def tie_words(queries: Tensor) -> Tensor:
    """32 bits of each query, as int64, from which :func:`ties` orders its items.

    Args:
        queries: int64.
    """
    return _shift(_mix(queries * signed(EXAMPLE_STEP) ^ signed(stream(0, Purpose.TIES))), 32)


def ties(words: Tensor, items: Tensor) -> Tensor:
    """Where items of equal score stand in a query's list, the smallest first: a random order that never changes.

    ``t = short(item ^ word)``, where ``short`` is a one-to-one function on 32 bits, so that no two items of a query
    share a place: ``x ^= x >> 16; x *= A; x ^= x >> 15; x *= B; x ^= x >> 16`` modulo 2^32.

    Source: the constants of Wellons' lowbias32 (Prospecting for Hash Functions, 2018).

    Args:
        words: From :func:`tie_words`, of a shape that broadcasts with that of the items.
        items: int64 ids below 2^32.

    Returns:
        int64 from 0 to 2^32 - 1.

    >>> ties(tie_words(torch.tensor([[0], [2]])), torch.arange(4)).argsort(1).tolist()
    [[1, 3, 2, 0], [0, 1, 2, 3]]
    """
    value = (items ^ words) & MASK32
    value = (value ^ (value >> 16)) * SHORT_1 & MASK32
    value = (value ^ (value >> 15)) * SHORT_2 & MASK32
    return value ^ (value >> 16)


def permutation(key: int, n: int) -> Tensor:
    """A random order of ``0..n-1``, int64, by sorting hashed bits."""
    return torch.argsort(bits(key, torch.arange(n), 0))


def generator(key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A PyTorch generator for library calls that need one (weight initialisation, dropout masks)."""
    return torch.Generator(device=device).manual_seed(signed(key))
