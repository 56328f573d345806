"""Tables of users and items as they come: each gives features that can be trained on, or one line that says why not."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import torch

from negatives.data.loading.alike import fitted
from negatives.data.loading.cell_types import plain_columns
from negatives.data.loading.cells import column_again, feature, says_something
from negatives.data.loading.kinds import chosen, kind_of, listed
from negatives.data.loading.pairs import load_pairs
from negatives.data.loading.quantities import numbers_of
from negatives.data.pairs import PairData
from negatives.data.readers import Options
from negatives.errors import InputError

NAMES = [f"i{n}" for n in range(8)]
TAKEN = pl.DataFrame({"user": ["u0", "u1"] * 4, "item": NAMES})
PAIRS = "user,item\n" + "".join(f"u{n % 6},i{n * 5 % 8}\n" for n in range(24))


def loaded(folder: Path, name: str, text: str | bytes, pairs: str = PAIRS, **options: object) -> PairData:
    """Pairs beside one table of items."""
    folder.mkdir(exist_ok=True)
    (folder / "interactions.csv").write_text(pairs)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return load_pairs(folder, split="random", options=Options(**options))  # type: ignore[arg-type]


def table(cells: Sequence[object], names: Sequence[str] = NAMES, head: str = "item,x") -> str:
    return "\n".join([head, *(f"{name},{cell}" for name, cell in zip(names, cells, strict=True))]) + "\n"


def kinds(data: PairData) -> dict[str, str]:
    assert data.features is not None
    return {one.name: one.kind for one in data.features.columns}


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["$1,250", "$99.50", "free"], [1250.0, 99.5, None]),
        (["12 kg", "3.5kg", None], [12.0, 3.5, None]),
        (["10%", "2.5 %"], [10.0, 2.5]),
        (["€5", "$5"], [None, None]),
        (["12 kg", "12 lb"], [None, None]),
        (["1,200", "950"], [1200.0, 950.0]),
        (["0,5", "1,25"], [0.5, 1.25]),
        (["1e999", "inf", "nan", "7"], [None, None, None, 7.0]),
        (["3-8", "item1"], [None, None]),
    ],
)
def test_numbers_as_they_are_written(cells: list[str | None], numbers: list[float | None]) -> None:
    assert numbers_of(pl.Series("x", cells)).to_list() == numbers


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([str(n) for n in range(12)] + ["free"], ("number", None)),  # one word among numbers
        (["1.5", "unknown", "2", "unknown", "7"], ("number", None)),  # one word for none
        (["38", "39", "XL", "S", "40", "M"], ("category", None)),
        (["1e999", "3", "4"], ("number", None)),
        (["inf", "nan", "2", "3"], ("number", None)),
        (["01000", "01001", "01000"], ("category", None)),  # zeros in front are of codes
        (["1,250", "2,500", "1,750"], ("number", None)),
        (["101,205", "101", "205,101", "205"], ("list", ",")),
        (["0.1 2", "", "0.3 nan", "1 5"], ("vector", None)),
        (["[0.5, 1]", "[1, 2.5]"], ("vector", None)),
        (["555-1200", "555-1300", "555-1200"], ("category", None)),  # looks like a vector, and is none
        (["a|b", "b", "a|c", "c,a", "b,c"], ("list", "|,")),  # two marks, never in one cell
        (["Rome, IT|Oslo, NO", "Oslo, NO", "Rome, IT"], ("list", "|")),
    ],
)
def test_kinds_of_untidy_columns(cells: list[str], expected: tuple[str, str | None]) -> None:
    assert kind_of(pl.Series("x", cells)) == expected


def test_two_marks_divide_values() -> None:
    assert listed(pl.Series(["a|b", "c, a", "b"]), "list", "|,") == [["a", "b"], ["c", "a"], ["b"]]
    assert listed(pl.Series([[["Toys", "Games"], ["New"]], None]), "list", None) == [["Toys", "Games", "New"], []]


def test_one_number_out_of_all_bounds_does_not_hide_the_others() -> None:
    cells = [float(n) for n in range(48)]
    plain = feature(pl.Series("x", cells), "number").dense
    odd = feature(pl.Series("x", [*cells[:-1], 1e12]), "number").dense
    assert plain is not None
    assert odd is not None
    torch.testing.assert_close(odd[:47], plain[:47], atol=0.1, rtol=0.1)
    assert odd[47, 0] == 10.0


@pytest.mark.parametrize("cells", [[1e308, -1.7e308, 1e308], [1e300, -1e300, 0.0], [2.0**63, 1.0, None]])
def test_large_numbers_stay_finite(cells: list[float | None]) -> None:
    found = feature(pl.Series("x", cells), "number")
    assert found.dense is not None
    assert bool(torch.isfinite(found.dense).all())
    assert says_something(found)


def test_vectors_with_holes_and_of_other_lengths() -> None:
    found = feature(pl.Series("x", [[9.0], [3.0, 4.0], [float("nan"), 2.0], [None, 1e300], [6.0, 8.0]]), "vector")
    torch.testing.assert_close(found.dense, torch.tensor([[0, 0], [0.6, 0.8], [0, 1], [0, 1], [0.6, 0.8]]))
    later = column_again(found, pl.Series("x", ["3 4"])).dense
    torch.testing.assert_close(later, torch.tensor([[0.6, 0.8]]))


def test_a_column_that_tells_no_rows_apart_is_left_out() -> None:
    for cells, kind in ((["same"] * 4, "category"), ([7.0] * 4, "number"), ([None] * 4, "number")):
        assert not says_something(feature(pl.Series("x", cells), kind))
    assert says_something(feature(pl.Series("x", ["only", None]), "category"))


def test_types_of_tables_become_those_that_are_read() -> None:
    frame = pl.DataFrame(
        {
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "v": pl.Series([[0.5, 1.0], [2.0, 3.0]], dtype=pl.Array(pl.Float32, 2)),
            "o": [{"w": 1, "deep": {"h": "x"}}, {"w": 2, "deep": {"h": "y"}}],
            "clock": [datetime.time(1), datetime.time(0, 0, 2)],
            "took": [datetime.timedelta(minutes=1), None],
            "raw": [b"\xff", b"a"],
            "nothing": [None, None],
        }
    )
    found = plain_columns(frame)
    assert found.columns == ["c", "v", "o.w", "o.deep.h", "clock", "took", "raw", "nothing"]
    assert found["clock"].to_list() == [3600.0, 2.0]
    assert found["took"].to_list() == [60.0, None]
    assert [chosen(one, {})[0] for one in found.iter_columns()] == [
        "category", "vector", "number", "category", "number", "number", "category", "category",
    ]  # fmt: skip
    assert found["raw"].null_count() == 2


def test_the_index_of_a_table_says_nothing() -> None:
    assert chosen(pl.Series("Unnamed: 0", ["0", "1", "2"]), {})[0] == "skip"
    assert chosen(pl.Series("Unnamed: 0", ["0", "2", "1"]), {})[0] == "number"
    assert chosen(pl.Series("Unnamed: 0", ["0", "1"]), {"Unnamed: 0": "number"})[0] == "number"


def test_objects_of_json_lines_are_columns(tmp_path: Path) -> None:
    rows = [
        {"item": name, "size": {"w": n}, "path": [["Toys", "AB"[n % 2]], ["New"]], "price": f"${n}.50"}
        for n, name in enumerate(NAMES)
    ]
    data = loaded(tmp_path / "d", "items.jsonl", "\n".join(map(json.dumps, rows)))
    assert kinds(data) == {"price": "number", "size.w": "number", "path": "list"}


def test_values_by_name(tmp_path: Path) -> None:
    data = loaded(tmp_path / "d", "shop_attributes.json", json.dumps({name: n for n, name in enumerate(NAMES)}))
    assert kinds(data) == {"attribute": "number"}


def test_rows_that_stand_twice_count_once(tmp_path: Path) -> None:
    data = loaded(tmp_path / "d", "items.csv", table("abababab") + "i3,b\n")
    assert kinds(data) == {"x": "category"}
    assert any("rows left out that stand there twice: 1" in note for note in data.notes)


def test_what_cells_without_a_number_are_is_told(tmp_path: Path) -> None:
    data = loaded(tmp_path / "d", "items.csv", table([1, 2, "gone", 3, 4, "gone", 5, 6]))
    assert any("x number (cells without one: 2, such as 'gone')" in note for note in data.notes)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("{n}", "{n}.0"), ("{n}.0", "{n}"), ("{n:03d}", "{n}"), ("A{n}", "a{n}")],
)
def test_ids_that_a_spreadsheet_has_written_otherwise(theirs: str, ours: str, tmp_path: Path) -> None:
    pairs = "user,item\n" + "".join(f"u{n % 6},{theirs.format(n=n * 5 % 8)}\n" for n in range(24))
    names = [ours.format(n=n) for n in range(8)]
    data = loaded(tmp_path / "d", "items.csv", table("aabbaabb", names), pairs)
    assert data.n_items == 8
    assert data.features is not None
    assert not bool((data.features.sparse().indptr.diff() == 0).any())
    words, bag = data.features.columns[0].words, data.features.columns[0].bag
    assert words is not None
    assert bag is not None
    values = [words[int(bag.row(row)[0][0])] for row in range(8)]
    numbers = [int(str(name).lower().removeprefix("a").removesuffix(".0")) for name in data.item_names]
    assert values == ["aabbaabb"[number] for number in numbers]
    assert any("written otherwise" in note for note in data.notes)


def test_ids_that_would_meet_are_not_taken_for_others(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no item of the column 'item' has a pair, as '01' here and 'i0' there"):
        loaded(tmp_path / "d", "items.csv", table("ab", ["01", "1"]))
    pairs = "user,item\n" + "".join(f"u{n % 6},{n * 5 % 8}\n" for n in range(24))
    with pytest.raises(InputError, match="write them alike"):
        loaded(tmp_path / "e", "items.csv", table("ab", ["01", "001"]), pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,x\n", "there is a header and no row"),
        ("", "empty"),
        (table("ab", ["i0", "i0"]), "the item 'i0' has two rows that differ"),
        (table("ab", ["x0", "x1"]), "no item of the column 'item' has a pair, as 'x0' here and 'i0' there"),
        ("i0,a\ni1,b\ni2,a\n", "the first line is no header, 'i0' is one of the items"),
    ],
)
def test_tables_of_which_nothing_can_be_made(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        loaded(tmp_path / "d", "items.csv", text)


def test_a_kind_that_a_column_cannot_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'x' was asked to be a number, and says nothing as one; x:skip"):
        loaded(tmp_path / "d", "items.csv", table("abababab"), kinds={"item": {"x": "number"}})


def test_a_column_of_ids_that_holds_lists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'item' of items holds lists"):
        load_pairs({"train": TAKEN, "items": pl.DataFrame({"item": [["i1"], ["i2"]], "x": [1, 2]})}, split="random")


def test_tables_of_nobody_are_left_as_they_are() -> None:
    assert fitted({}, {}, []) == {}
