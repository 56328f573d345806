"""Ids are numbers or text by one rule, whatever the blocks in which they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from negatives.data import ids
from negatives.data.ids import Ids, IdsBuilder, codes_of, names_of
from negatives.errors import InputError

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


def built(*blocks: Any) -> Ids:
    builder = IdsBuilder()
    for block in blocks:
        builder.add(block if isinstance(block, pl.Series) else pl.Series(block))
    return builder.build()


@pytest.mark.parametrize(
    "blocks",
    [
        ([3, 1], [2]),
        (["3", "1"], [2]),
        (["-3", "0"], ["10"]),
        ([3.0, 1e15], ["4"]),
        ([str(LARGEST), str(SMALLEST)],),
        (pl.Series([1, 2**63 - 1], dtype=pl.UInt64),),
        (pl.Series([1, 2], dtype=pl.UInt8), pl.Series(["7", "8"], dtype=pl.Categorical)),
        (pl.Series([], dtype=pl.String), [5]),
    ],
)
def test_plain_whole_numbers_are_numbers(blocks: tuple[Any, ...]) -> None:
    found = built(*blocks)
    assert found.names is None
    assert found.values.tolist() == [int(one) for block in blocks for one in block]


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ((["007", "7"],), ["007", "7"]),
        ((["+7", "7"],), ["+7", "7"]),
        ((["-0", "0"],), ["-0", "0"]),
        (([7, 12], ["a", "7"]), ["7", "12", "a", "7"]),
        ((["7", "12"], ["007"], [7]), ["7", "12", "007", "7"]),
        ((["a"], [7.0, 2.5], [7]), ["a", "7", "2.5", "7"]),
        (([7, 8], [7.0, 2.5]), ["7", "8", "7", "2.5"]),
        (([str(LARGEST + 1), "1"],), [str(LARGEST + 1), "1"]),
        (([-5], [str(SMALLEST - 1)]), ["-5", str(SMALLEST - 1)]),
        ((pl.Series([2**63, 1], dtype=pl.UInt64), ["1"]), [str(2**63), "1", "1"]),
        (([True, False], ["true"]), ["true", "false", "true"]),
        ((["1e3", "1_0", " 1", "²", ""],), ["1e3", "1_0", " 1", "²", ""]),
        (([1e19, 1.0],), [pl.Series([1e19]).cast(pl.String)[0], "1"]),
        ((pl.Series(["b", "a", "b"], dtype=pl.Enum(["a", "b"])),), ["b", "a", "b"]),
    ],
)
def test_one_other_id_makes_all_text(blocks: tuple[Any, ...], text: list[str]) -> None:
    found = built(*blocks)
    assert found.text().to_list() == text
    assert found.names is not None
    assert found.names.to_list() == list(dict.fromkeys(text))
    assert found.values.dtype == np.int64


def test_lengths_of_spellings_do_not_make_up_for_one_another() -> None:
    """A spelling longer than the plain one cannot hide behind another number."""
    numbers = [0, 9, 10, -1, -9, -10, 99, 100, LARGEST, SMALLEST, 10**18, -(10**18), 10**18 - 1]
    assert built([str(one) for one in numbers]).names is None
    for at, one in enumerate(numbers):
        if 0 <= one < LARGEST:
            spelt = [f"0{two}" if place == at else str(two) for place, two in enumerate(numbers)]
            assert built(spelt).names is not None, one


def test_cutting_into_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(-500, 500, 1000)
    columns = [pl.Series(numbers), pl.Series(numbers).cast(pl.String), pl.Series([f"u{one}" for one in numbers])]
    columns.append(pl.Series([str(one) if one % 97 else f"x{one}" for one in numbers]))
    usual = [(Ids.of(one), names_of([Ids.of(one)])) for one in columns]
    monkeypatch.setattr(ids, "BLOCK", 7)
    for column, (whole, names) in zip(columns, usual, strict=True):
        cut = Ids.of(column)
        assert cut.text().to_list() == whole.text().to_list() == column.cast(pl.String).to_list()
        assert cut.values.tolist() == whole.values.tolist()
        assert names_of([cut]).to_list() == names.to_list() == sorted(names.to_list())
        assert names.gather(codes_of(cut, names)).cast(pl.String).to_list() == column.cast(pl.String).to_list()


def test_what_is_no_id_is_refused() -> None:
    with pytest.raises(InputError, match="lists"):
        Ids.of([[1], [2]])
    with pytest.raises(InputError, match="missing"):
        Ids.of(["a", None])


def test_picked_and_joined_rows() -> None:
    text, numbers = Ids.of(["b", "a", "c"]), Ids.of([3, 12])
    assert text.pick(np.array([True, False, True])).text().to_list() == ["b", "c"]
    assert names_of([text.pick([0, 2])]).to_list() == ["b", "c"]  # a name without a row is none
    assert len(numbers.pick(np.array([1]))) == 1
    both = Ids.joined([numbers, text, Ids.of(["3", "a"])])
    assert both.text().to_list() == ["3", "12", "b", "a", "c", "3", "a"]
    assert len(names_of([both])) == 5
    assert Ids.joined([numbers, numbers.pick([0])]).values.tolist() == [3, 12, 3]
    assert len(numbers) == 2  # the parts are as they were


def test_names_and_codes_of_dense_sparse_and_mixed_ids() -> None:
    for names in ([9, 4, 6], [9_000_000_000, 4, 6], [LARGEST, SMALLEST, 6]):
        column = Ids.of([6, names[0], 3, names[1], 5])
        assert codes_of(column, pl.Series(names)).tolist() == [2, 0, -1, 1, -1]
        assert codes_of(Ids.of(column.text().append(pl.Series(["z"]))), pl.Series(names)).tolist() == [
            2,
            0,
            -1,
            1,
            -1,
            -1,
        ]
        assert names_of([Ids.of(names), Ids.of([6])]).to_list() == sorted(names)
    assert names_of([Ids.of([10, 9]), Ids.of(["b", "10"])]).to_list() == ["10", "9", "b"]
    assert codes_of(Ids.of([10, 7, 9]), pl.Series(["10", "9", "b"])).tolist() == [0, -1, 1]
    assert codes_of(Ids.of(["é", "Z", "a"]), names_of([Ids.of(["a", "Z", "é"])])).tolist() == [2, 0, 1]
    empty = pl.Series([], dtype=pl.Int64)
    assert names_of([Ids.of(empty)]).to_list() == []
    assert codes_of(Ids.of([1]), empty).tolist() == [-1]
    assert codes_of(Ids.of(["a"]), pl.Series([], dtype=pl.String)).tolist() == [-1]


def test_few_texts_are_numbered_as_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a dictionary up to some rows, and then on by hashes."""
    rng = np.random.default_rng(0)
    blocks = [pl.Series([f"n{one}" for one in rng.integers(0, 60, 50)]) for _ in range(6)]
    found = []
    for few in (0, 120, 1 << 16):
        monkeypatch.setattr(ids, "FEW", few)
        builder = IdsBuilder()
        for block in blocks:
            builder.add(block)
        found.append(builder.build())
    assert all(one.text().to_list() == pl.concat(blocks).to_list() for one in found)
    assert all(one.names is not None and one.names.to_list() == found[0].names.to_list() for one in found)  # type: ignore[union-attr]
    assert all(np.array_equal(one.values, found[0].values) for one in found)
