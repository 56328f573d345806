"""Each kind of column becomes the numbers it should, for the rows of the table and for those that come later."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch

from negatives.data.features import Feature, Features
from negatives.data.loading.cells import column_again, feature, read_again
from negatives.data.loading.kinds import asked_kinds, chosen, kind_of
from negatives.data.loading.pairs import load_pairs
from negatives.data.pairs import PairData, SparseFeatures
from negatives.data.readers import Options
from negatives.errors import ConfigError, InputError

PAIRS = "user,item\n" + "".join(f"u{n % 6},i{n * 5 % 8}\n" for n in range(24))


def values_of(column: Feature, row: int) -> dict[str, float]:
    """Value of each word of a row."""
    assert column.bag is not None
    assert column.words is not None
    ids, values = column.bag.row(row)
    return {column.words[at]: value for at, value in zip(ids.tolist(), values.tolist(), strict=True)}


def test_a_category_has_one_column_for_each_value_and_none_for_what_is_missing() -> None:
    found = feature(pl.Series("colour", ["red", " blue ", None, "red", "nan"]), "category")
    assert found.words is not None
    assert found.words.to_list() == ["red", "blue"]
    assert [values_of(found, row) for row in range(5)] == [{"red": 1.0}, {"blue": 1.0}, {}, {"red": 1.0}, {}]
    later = column_again(found, pl.Series("colour", ["green", "blue"]))
    assert [values_of(later, row) for row in range(2)] == [{}, {"blue": 1.0}]


def test_a_list_has_a_column_for_each_of_its_values() -> None:
    for cells, mark in (([["a", "b"], [], ["b", "b"]], None), (["a | b", None, "b|b"], "|")):
        found = feature(pl.Series("tags", cells), "list", mark)
        assert [values_of(found, row) for row in range(3)] == [{"a": 1.0, "b": 1.0}, {}, {"b": 1.0}]
    assert values_of(column_again(found, pl.Series("tags", ["b|c"])), 0) == {"b": 1.0}


def test_a_text_is_a_bag_of_its_words() -> None:
    found = feature(pl.Series("title", ["Red shoes, red", "Blue shoes", None]), "text")
    assert [values_of(found, row) for row in range(3)] == [{"red": 2.0, "shoes": 1.0}, {"shoes": 1.0, "blue": 1.0}, {}]
    rare = feature(pl.Series("title", ["red shoes", "blue shoes"]), "text", least=2)
    assert rare.words is not None
    assert rare.words.to_list() == ["shoes"]


def test_words_weigh_by_rarity_and_rows_have_unit_length() -> None:
    found = feature(pl.Series("title", ["a b", "b", "b"]), "text")
    weight = {"a": 1 + torch.log(torch.tensor(4 / 2)), "b": 1 + torch.log(torch.tensor(4 / 4))}
    row = Features(3, (found,)).sparse().row(0)[1]
    length = (weight["a"] ** 2 + weight["b"] ** 2).sqrt()
    torch.testing.assert_close(row.sort().values, torch.stack([weight["b"], weight["a"]]) / length)


def test_a_number_is_standardised_and_says_where_it_is_missing() -> None:
    found = feature(pl.Series("price", ["10", "20", "", "30", "inf"]), "number")
    assert found.dense is not None
    spread = (200 / 3) ** 0.5
    expected = torch.tensor([[-10 / spread, 0], [0, 0], [0, 1], [10 / spread, 0], [0, 1]])
    torch.testing.assert_close(found.dense, expected)
    later = column_again(found, pl.Series("price", ["40", "cheap", "1e9"])).dense
    torch.testing.assert_close(later, torch.tensor([[20 / spread, 0], [0, 1], [10.0, 0]]))
    same = feature(pl.Series("price", [7.0, 7.0]), "number").dense
    assert same is not None
    assert not bool(same.any())


def test_times_and_answers_are_numbers() -> None:
    dates = feature(pl.Series("released", ["2020-01-01", "2020-01-03", None]), "number").dense
    flags = feature(pl.Series("new", [True, False, None]), "number").dense
    for found in (dates, flags):
        assert found is not None
        assert found[:, 1].tolist() == [0, 0, 1]
        assert abs(float(found[0, 0])) == 1.0


def test_a_vector_has_unit_length() -> None:
    for cells in ([[3.0, 4.0], None, [1.0]], ["[3, 4]", "", "1"], ["3 4", "x", None]):
        found = feature(pl.Series("image", cells), "vector").dense
        torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0, 0], [0, 0]]))


def test_columns_stand_beside_one_another() -> None:
    columns = (
        feature(pl.Series("colour", ["red", None]), "category"),
        feature(pl.Series("price", [1.0, 3.0]), "number"),
        feature(pl.Series("tags", [["x"], ["y"]]), "list"),
        feature(pl.Series("weight", [1.0, None]), "number"),
    )
    found = Features(2, columns)
    bags = found.sparse()
    assert (found.n_cols, bags.n_cols, found.width) == (3, 3, 4)
    assert bags.row(0)[0].tolist() == [0, 1]
    assert bags.row(1)[0].tolist() == [2]
    torch.testing.assert_close(bags.row(0)[1].norm(), torch.tensor(1.0))
    torch.testing.assert_close(found.dense()[0], torch.tensor([-1.0, 0, 0, 0]) / 2**0.5)
    rows = found.pick(torch.tensor([1, -1]))
    assert rows.sparse().indptr.tolist() == [0, 1, 1]
    torch.testing.assert_close(rows.dense()[1], torch.tensor([0.0, 1, 0, 1]) / 2**0.5)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.5", None, "2"], ("number", None)),
        (["2020-01-02", "2021-05-06", None], ("number", None)),
        (["a|b", "b", "a|b"], ("list", "|")),
        (["red, blue", "blue", "red, blue"], ("list", ",")),
        (["a long title, with a comma", "another one", "and a third"], ("text", None)),
        (["red", "blue", "red", "red", "blue"], ("category", None)),
        (["0.5 1.5", "1.0 2", "3 4"], ("vector", None)),
        ([["a"], ["b", "c"]], ("list", None)),
        ([["0.5", "1"], ["2", "3.5"]], ("vector", None)),
        ([True, False], ("category", None)),
        ([None, None], ("category", None)),
    ],
)
def test_kinds_by_content(cells: list[object], expected: tuple[str, str | None]) -> None:
    assert kind_of(pl.Series("x", cells)) == expected


def test_kinds_by_name_and_by_word() -> None:
    assert kind_of(pl.Series("zip_code", ["1000", "1000"])) == ("category", None)
    assert kind_of(pl.Series("genres:token_seq", ["a b", "b"])) == ("list", " ")
    assert kind_of(pl.Series("age:float", ["1", "2"])) == ("number", None)
    asked = asked_kinds("x:text, y:skip", "reading.item_columns")
    assert chosen(pl.Series("x", ["1", "2"]), asked)[0] == "text"
    with pytest.raises(ConfigError, match="did you mean number"):
        asked_kinds("x:numbr", "reading.item_columns")
    with pytest.raises(ConfigError, match="column:kind"):
        asked_kinds("x", "reading.item_columns")


def shop(folder: Path, **files: str) -> Path:
    """A folder of tables."""
    folder.mkdir(exist_ok=True)
    for name, text in {"interactions.csv": PAIRS, **files}.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


ITEMS = "item,colour\ni1,red\ni9,red\ni0,blue\n"


def names(data: PairData) -> list[str]:
    return data.item_names.to_list()


def test_tables_of_a_folder_say_something_of_items_and_users(tmp_path: Path) -> None:
    folder = shop(tmp_path / "d", items__csv=ITEMS, users__csv="user,age\nu0,10\nu7,20\n")
    data = load_pairs(folder, split="random")
    assert names(data) == [f"i{n}" for n in (*range(8), 9)]
    assert data.query_names.to_list() == [f"u{n}" for n in (*range(6), 7)]
    assert data.features is not None
    assert data.query_features is not None
    colour = data.features.columns[0]
    assert [values_of(colour, row) for row in (0, 1, 2, 8)] == [{"blue": 1.0}, {"red": 1.0}, {}, {"red": 1.0}]
    assert data.query_features.dense()[:, 1].tolist() == [0, 1, 1, 1, 1, 1, 0]
    told = "\n".join(data.notes)
    assert "items.csv: 3 items; colour category of 2" in told
    assert "6 of 9 items have no row" in told


def test_tables_in_memory(tmp_path: Path) -> None:
    pairs = pl.DataFrame({"user": [f"u{n % 6}" for n in range(24)], "item": [f"i{n * 5 % 8}" for n in range(24)]})
    items = pl.DataFrame({"item": ["i3", "i9"], "image": [[1.0, 0.5], [0.5, 2.0]]})
    data = load_pairs({"train": pairs, "items": items}, split="random")
    assert data.features is not None
    assert (data.features.columns[0].kind, data.n_items) == ("vector", 9)
    torch.testing.assert_close(data.features.dense()[8].norm(), torch.tensor(1.0))


def test_attributes_by_name_and_atomic_files(tmp_path: Path) -> None:
    attributes = json.dumps({"i1": ["x", 7], "i2": ["x"]})
    data = load_pairs(shop(tmp_path / "a", shop_attributes__json=attributes), split="random")
    assert data.features is not None
    assert [values_of(data.features.columns[0], row) for row in (1, 2)] == [{"x": 1.0, "7": 1.0}, {"x": 1.0}]
    atomic = tmp_path / "b"
    atomic.mkdir()
    (atomic / "s.inter").write_text(PAIRS.replace(",", "\t").replace("user\titem", "user_id:token\titem_id:token"))
    (atomic / "s.item").write_text("item_id:token\tgenre:token_seq\tyear:float\ni1\tnew old\t1999\ni2\told\t2001\n")
    data = load_pairs(atomic, split="random")
    assert data.features is not None
    assert [(one.name, one.kind) for one in data.features.columns] == [("genre", "list"), ("year", "number")]
    assert values_of(data.features.columns[0], 1) == {"new": 1.0, "old": 1.0}


def test_content_of_a_format_stays_beside_a_table(tmp_path: Path) -> None:
    (tmp_path / "users.dat").write_text("2 0 1\n2 1 2\n2 0 2\n")
    (tmp_path / "mult.dat").write_text("1 0:2\n1 1:1\n2 0:1 1:1\n")
    (tmp_path / "more.csv").write_text("item,price\n9,60\n1,5\n2,7\n")
    data = load_pairs(tmp_path, split="random", options=Options(tables={"item": "more.csv"}))
    assert data.features is not None
    assert [(one.name, one.kind) for one in data.features.columns] == [("words", "text"), ("price", "number")]
    dense = data.features.dense()
    assert dense[:, 1].tolist() == [1, 0, 0]
    assert float(dense[1, 0]) < float(dense[2, 0]) < 0  # item 9 is not of the catalogue


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,colour\ni1,red\ni1,blue\n", "the item 'i1' has two rows"),
        ("item,colour\n,red\n", "empty item"),
    ],
)
def test_tables_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_pairs(shop(tmp_path / "d", items__csv=text), split="random")


def test_options_that_cannot_be_followed(tmp_path: Path) -> None:
    folder = shop(tmp_path / "d", items__csv=ITEMS)
    with pytest.raises(InputError, match="no column is called 'color'"):
        load_pairs(folder, options=Options(kinds={"item": {"color": "text"}}))
    with pytest.raises(InputError, match="there is no table of users"):
        load_pairs(folder, options=Options(kinds={"user": {"age": "text"}}))
    with pytest.raises(InputError, match="no such file"):
        load_pairs(folder, options=Options(tables={"user": "people.csv"}))
    (folder / "items.jsonl").write_text('{"item": "i1"}\n')
    with pytest.raises(InputError, match="both look like items"):
        load_pairs(folder)


def test_features_of_numbered_words_are_those_that_content_always_was() -> None:
    bag = SparseFeatures(torch.tensor([0, 2, 3]), torch.tensor([0, 1, 1], dtype=torch.int32), torch.ones(3), 2)
    found, before = Features.of_bag(bag).sparse(), bag.normalised()
    assert torch.equal(found.indices, before.indices)
    torch.testing.assert_close(found.values, before.values)
    later = read_again(Features.of_bag(bag), [{"words": "1 1 5"}]).columns[0].bag
    assert later is not None
    assert (later.indices.tolist(), later.values.tolist()) == ([1], [2.0])
