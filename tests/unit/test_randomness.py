"""Counter-based random numbers: published values, and the hash written out in Python's own integers."""

from __future__ import annotations

import torch

from negatives.randomness import (
    EXAMPLE_STEP,
    MASK64,
    SLOT_STEP,
    Purpose,
    bits,
    generator,
    integers,
    mix,
    permutation,
    stream,
    uniforms,
)

KEYS = (0, 1, stream(7, Purpose.CANDIDATES), MASK64)
EXAMPLES = (0, 1, 5, 12_345_678)
SLOTS = (0, 1, 63)


def hashed(key: int, example: int, slot: int) -> int:
    """``mix(mix(key ^ example * E) + slot * S)`` modulo 2^64."""
    return mix(mix(key ^ (example * EXAMPLE_STEP & MASK64)) + slot * SLOT_STEP & MASK64)


def test_the_finaliser_gives_splitmix64s_published_numbers() -> None:
    # the first two outputs of SplitMix64 from the states 0 and 1234567
    assert mix(EXAMPLE_STEP) == 0xE220A8397B1DCDAF
    assert mix(2 * EXAMPLE_STEP & MASK64) == 0x6E789E6AA1B965F4
    assert mix(1234567 + EXAMPLE_STEP) == 6457827717110365317


def test_streams_fold_in_seed_purpose_and_epoch_in_this_order() -> None:
    expected = mix(mix(mix(3) + 2 * EXAMPLE_STEP & MASK64) + 4 * SLOT_STEP & MASK64)
    assert stream(3, Purpose.SELECTION, 4) == expected
    assert stream(-1, Purpose.SELECTION) == stream(MASK64, Purpose.SELECTION)


def test_no_two_streams_are_the_same() -> None:
    assert len({int(one) for one in Purpose.__members__.values()}) == len(Purpose.__members__)
    found = {stream(seed, purpose, epoch) for seed in range(5) for purpose in Purpose for epoch in range(5)}
    assert len(found) == 25 * len(Purpose)


def test_bits_are_the_hash_of_key_example_and_slot() -> None:
    examples, slots = torch.tensor(EXAMPLES)[:, None], torch.tensor(SLOTS)
    for key in KEYS:
        found = bits(key, examples, slots)
        expected = [[hashed(key, example, slot) for slot in SLOTS] for example in EXAMPLES]
        assert [[one & MASK64 for one in row] for row in found.tolist()] == expected
        assert torch.equal(bits(key, examples, SLOTS[1])[:, 0], found[:, 1])


def test_integers_and_uniforms_are_the_hashs_upper_bits() -> None:
    examples, slots = torch.tensor(EXAMPLES)[:, None], torch.tensor(SLOTS)
    for key in KEYS:
        whole = [[hashed(key, example, slot) for slot in SLOTS] for example in EXAMPLES]
        assert integers(key, examples, slots, 1000).tolist() == [
            [(one >> 32) * 1000 >> 32 for one in row] for row in whole
        ]
        assert uniforms(key, examples, slots).tolist() == [[(one >> 11) / 2**53 for one in row] for row in whole]


def test_a_permutation_sorts_the_hashes() -> None:
    key = stream(2, Purpose.SHUFFLE)
    order = permutation(key, 50).tolist()
    signed = [one - (1 << 64) if one >= 1 << 63 else one for one in (hashed(key, i, 0) for i in range(50))]
    assert order == sorted(range(50), key=lambda i: signed[i])


def test_a_generator_is_seeded_by_its_key_alone() -> None:
    first, again, other = (torch.rand(3, generator=generator(key)) for key in (MASK64, MASK64, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
