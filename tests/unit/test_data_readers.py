"""Each format gives the same pairs; each bad input gives an error that names the file, the line and the hint."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from negatives.data.loading.pairs import load_pairs
from negatives.data.readers import Options, read
from negatives.data.readers.schema import PAIRS as SCHEMA
from negatives.data.table import Table
from negatives.errors import ConfigError, InputError

PAIRS = [("1", "10"), ("1", "11"), ("2", "10"), ("2", "12"), ("3", "11")]
TIMES = [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4]


def read_file(path: Path, options: Options | None = None) -> Table:
    return read(path, SCHEMA, options)["train"]


def named(**columns: str) -> Options:
    return Options(columns=columns)


def text(separator: str, header: str = "", times: bool = True) -> bytes:
    rows = [separator.join([u, i, str(int(t))] if times else [u, i]) for (u, i), t in zip(PAIRS, TIMES, strict=True)]
    return ("\n".join(([header] if header else []) + rows) + "\n").encode()


def found(table: Table) -> set[tuple[str, str]]:
    return set(zip(table.ids("user").text(), table.ids("item").text(), strict=True))


TEXTS = {
    "a.csv": text(",", "user_id,item_id,timestamp"),
    "quoted.csv": b'user,title,item\n' + b"".join(f'{u},"a, b\nc",{i}\n'.encode() for u, i in PAIRS),
    "odd.csv": text(",", "who,what,when"),
    "a.tsv": text("\t", "user\titem\ttime"),
    "a.inter": text("\t", "user_id:token\titem_id:token\ttimestamp:float"),
    "bare.csv": text(","),
    "two.txt": text(" ", times=False),
    "tabs.txt": text("\t"),
    "ratings.dat": text("::"),
    "lines.txt": b"1 10 11\n2 10 12\n3 11\n",
    "a.jsonl": "".join(json.dumps({"item": i, "user": u}) + "\n" for u, i in PAIRS).encode(),
}  # fmt: skip
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("name", TEXTS)
def test_text_formats_give_the_pairs(tmp_path: Path, name: str, compression: str) -> None:
    path = tmp_path / (name + compression)
    path.write_bytes(COMPRESS[compression](TEXTS[name]))
    table = read_file(path, named(time="when") if name == "odd.csv" else None)
    assert found(table) == set(PAIRS)
    if name in ("a.csv", "a.tsv", "a.inter", "bare.csv", "tabs.txt", "ratings.dat", "odd.csv"):
        times = table.numbers("time")
        assert times is not None
        assert sorted(times.tolist()) == TIMES


def test_parquet_gives_the_pairs(tmp_path: Path) -> None:
    frame = pl.DataFrame({"rating": [1.0] * 5, "item": [i for _, i in PAIRS], "user": [int(u) for u, _ in PAIRS]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert found(read_file(tmp_path / "a.parquet")) == set(PAIRS)


def test_preview_tells_what_was_taken_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating,price\n1,2,5,9\n1,3,2,9\n")
    table = read_file(path, Options(min_rating=4))
    assert "a.csv: user = user, item = item, rating = rating; skipped: price" in table.notes
    assert "a.csv: 1 pairs with a rating below 4 dropped" in table.notes
    assert found(table) == {("1", "2")}


def test_named_columns_win(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,other\n1,2,7\n1,3,8\n")
    assert found(read_file(path, named(item="other"))) == {("1", "7"), ("1", "8")}


def test_ids_with_leading_zeros_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n7,1\n007,2\n")
    assert found(read_file(path)) == {("7", "1"), ("007", "2")}


def test_dates_become_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,date\na,b,1970-01-01T00:00:10Z\na,c,1970-01-02 00:00:00\n")
    table = read_file(path)
    times = table.numbers("time")
    assert times is not None
    assert times.tolist() == [10.0, 86400.0]


def test_missing_rows_are_dropped_and_counted_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n1,2\n,3\n1,NaN\n")
    table = read_file(path, Options(missing="drop"))
    assert found(table) == {("1", "2")}
    assert "a.csv: 2 rows with an empty or unreadable value dropped" in table.notes


def test_users_without_items_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1 2 3\n4\n\n5 6\n")
    table = read_file(path)
    assert found(table) == {("1", "2"), ("1", "3"), ("5", "6")}
    assert {"a.txt: 1 users without items skipped", "a.txt: 1 blank lines skipped"} <= set(table.notes)


def test_citeulike_folder(tmp_path: Path) -> None:
    (tmp_path / "users.dat").write_text("2 0 2\n0\n1 1\n")
    (tmp_path / "mult.dat").write_text("2 5:1 3:2\n1 0:7\n0\n")
    table = read_file(tmp_path)
    assert found(table) == {("0", "0"), ("0", "2"), ("2", "1")}
    assert table.features is not None
    assert table.features.n_cols == 6
    assert [part.tolist() for part in table.features.row(0)] == [[5, 3], [1.0, 2.0]]
    assert table.features.row(2)[0].numel() == 0


BAD: dict[str, tuple[bytes, int | None, str]] = {
    "empty.csv": (b"", None, "empty"),
    "blank.txt": (b"\n \n\n", None, "empty"),
    "empty.parquet": (b"", None, "empty"),
    "one.csv": (b"user\n1\n2\n", 1, "only 1 column"),
    "one.txt": (b"1\n2\n", 1, "only 1 column"),
    "words.txt": (b"1 2 3\n2 x9 4\n", 2, "'x9'"),
    "minus.txt": (b"1 2 3\n2 -9\n", 2, "'-9'"),
    "nan.txt": (b"1 2 3\n2 3\n4 nan 5\n", 3, "'nan'"),
    "nan.csv": (b"user,item\n1,2\n1,NaN\n", 3, "empty or missing"),
    "gap.csv": (b"user,item\n1,2\n3,4\n,2\n", 4, "empty or missing"),
    "short.csv": (b"user,item\n1,2\n3\n", 3, "empty or missing"),
    "time.csv": (b"user,item,time\n1,2,1\n3,4,x\n", 3, "time"),
    "wide.csv": (b"user,item\n1,2\n3,4,5\n", 3, "3 columns where 2"),
    "binary.csv": (b"user,item\n1,2\n\x00\x01\x02,3\n", 3, "binary"),
    "latin.csv": ("user,item\n1,2\ncaf\u00e9,3\n".encode("latin-1"), 3, "UTF-8"),
    "utf16.txt": ("1 2\n".encode("utf-16"), 1, "UTF-16"),
    "garbage.parquet": (b"hello", None, "Parquet"),
    "bad.jsonl": (b'{"user": 1, "item": 2}\n{"user": \n', 2, "JSON"),
    "list.jsonl": (b'{"user": 1, "item": 2}\n[1, 2]\n', 2, "object"),
    "null.jsonl": (b'{"user": 1, "item": 2}\n{"user": null, "item": 3}\n', 2, "empty or missing"),
    "cut.csv.gz": (gzip.compress(b"user,item\n1,2\n" * 50)[:-9], None, "cut off"),
    "cut.csv.xz": (lzma.compress(b"user,item\n1,2\n" * 50)[:-9], None, "cut off"),
    "cut.csv.zst": (zstandard.ZstdCompressor().compress(b"user,item\n1,2\n" * 50)[:-3], None, "cut off"),
    "fake.csv.gz": (b"user,item\n1,2\n", None, "damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_name_line_and_hint(tmp_path: Path, name: str) -> None:
    content, line, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_file(path)
    assert words in str(caught.value)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_lines_of_users_only_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1\n2\n")
    with pytest.raises(InputError, match="no user has an item"):
        read_file(path, Options(format="lists"))


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_pairs(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="no train file"):
        load_pairs(tmp_path)


def test_two_train_files_are_refused(tmp_path: Path) -> None:
    for name in ("train.csv", "train.tsv"):
        (tmp_path / name).write_text("user,item\n1,2\n")
    with pytest.raises(InputError, match="both look like train"):
        load_pairs(tmp_path)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [("2 0\n", 1, "count is 2 but 1"), ("1 0\n1 9\n", 2, "beyond"), ("1 a\n", 1, "'a'")],
)
def test_bad_citeulike(tmp_path: Path, content: str, line: int, words: str) -> None:
    (tmp_path / "users.dat").write_text(content)
    (tmp_path / "mult.dat").write_text("1 0:1\n")
    with pytest.raises(InputError, match=words) as caught:
        load_pairs(tmp_path)
    assert (caught.value.path, caught.value.line) == (tmp_path / "users.dat", line)


def test_unknown_columns_and_layouts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n1,2\n")
    with pytest.raises(InputError, match="did you mean item"):
        read_file(path, named(item="itm"))
    with pytest.raises(ConfigError, match="did you mean lists"):
        read_file(path, Options(format="list"))
    with pytest.raises(ConfigError, match="no column of a rating"):
        read_file(path, Options(min_rating=3))


def test_small_blocks_give_the_same_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from negatives.data.readers import blocks

    monkeypatch.setattr(blocks.blocks, "__defaults__", (7, blocks.last_line, None))
    for name, content in TEXTS.items():
        (tmp_path / name).write_bytes(content)
        assert found(read_file(tmp_path / name, named(time="when") if name == "odd.csv" else None)) == set(PAIRS)
    (tmp_path / "late.txt").write_bytes(b"1 2\n3 4 5\n6 7\n8 x\n")
    with pytest.raises(InputError) as caught:
        read_file(tmp_path / "late.txt", Options(format="lists"))
    assert caught.value.line == 4


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n")
    with pytest.raises(InputError, match="no pair is left"):
        load_pairs(path)


def test_a_file_that_ends_within_a_character_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"user,item\n1,2\n3,\xc3")
    with pytest.raises(InputError, match="line 3: not UTF-8 text"):
        read_file(tmp_path / "a.csv")
