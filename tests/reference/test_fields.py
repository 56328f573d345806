"""Columns of text: the compiled passes beside their twins, and against what is written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from negatives import kernels
from negatives.kernels.fields import Names, coded, packed, whole_numbers

MISSING = packed(["", "nan", "null", "<na>"])
PATHS = ["numba", "numpy"]


def raw(text: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(text, np.uint8).copy())


@pytest.mark.parametrize("path", PATHS)
def test_plain_whole_numbers(path: str) -> None:
    with kernels.use(path):
        found = whole_numbers(raw(b"7,x,0\n-12,,999999999999999999\r\n"), ord(","), 3, 0)
        assert found is not None
        assert found.tolist() == [7, -12]
        last = whole_numbers(raw(b"7,x,0\n-12,,999999999999999999\r\n"), ord(","), 3, 2)
        assert last is not None
        assert last.tolist() == [0, 999999999999999999]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "cell", [b"", b"007", b"+7", b"-0", b"-", b"7 ", b" 7", b"1.0", b"1e3", b"9" * 19, "٧".encode()]
)
def test_anything_else_is_left_to_others(path: str, cell: bytes) -> None:
    with kernels.use(path):
        assert whole_numbers(raw(b"1,2\n" + cell + b",2\n"), ord(","), 2, 0) is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", [b"1,2\n3\n", b"1,2\n3,4,5\n", b"1,2\n\n"])
def test_ragged_lines_are_left_to_others(path: str, text: bytes) -> None:
    with kernels.use(path):
        assert whole_numbers(raw(text), ord(","), 2, 0) is None
        assert coded(raw(text), ord(","), 2, 0, Names(MISSING)) is None


@pytest.mark.parametrize("path", PATHS)
def test_texts_are_numbered_as_they_come(path: str) -> None:
    names = Names(MISSING)
    with kernels.use(path):
        first = coded(raw(b"b\t1\n a \t2\nb\t3\nNaN\t4\r\n\t5\n"), 9, 2, 0, names)
        again = coded(raw("größe\t1\na\t2\n<NA>\t3\n".encode()), 9, 2, 0, names)
    assert first is not None
    assert again is not None
    assert (first.tolist(), again.tolist()) == ([0, 1, 0, -1, -1], [2, 1, -1])
    assert names.texts() == ["b", "a", "größe"]


cells = st.text(st.characters(codec="utf-8", exclude_characters=",\n\r\0"), max_size=12)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=30), st.integers(0, 1))
def test_the_passes_agree(rows: list[list[str]], place: int) -> None:
    text = raw("".join(",".join(row) + "\n" for row in rows).encode())
    found = []
    for path in PATHS:
        names = Names(MISSING)
        with kernels.use(path):
            codes = coded(text, ord(","), 2, place, names)
        assert codes is not None
        found.append((codes.tolist(), names.texts()))
    assert found[0] == found[1]


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.integers(-(10**17), 10**17), max_size=30))
def test_numbers_come_back(numbers: list[int]) -> None:
    text = raw("".join(f"x|{number}\n" for number in numbers).encode())
    for path in PATHS:
        with kernels.use(path):
            found = whole_numbers(text, ord("|"), 2, 1)
        assert found is not None
        assert found.tolist() == numbers


def test_tables_grow() -> None:
    n = 30_000
    wanted = [f"name number {(7 * at) % n}" * (1 + at % 3) for at in range(n)]
    names = Names(MISSING)
    with kernels.use("numba"):
        for part in (wanted[: n // 2], wanted[n // 2 :], wanted):
            codes = coded(raw("".join(one + "\n" for one in part).encode()), ord(","), 1, 0, names)
            assert codes is not None
            assert [names.texts()[code] for code in codes.tolist()[:50]] == part[:50]
    assert names.texts() == wanted
    assert codes.tolist() == list(range(n))
