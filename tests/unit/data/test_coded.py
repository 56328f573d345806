"""Large tables go through compiled passes: the same rows as by the parser for small ones, whatever stands between."""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import pytest

from negatives.data.readers import Options, delimited, read
from negatives.data.readers.schema import PAIRS
from negatives.data.table import Table
from negatives.errors import InputError


def both(path: Path, monkeypatch: pytest.MonkeyPatch, options: Options | None = None) -> tuple[Table, Table]:
    """The table by either way, in blocks of some lines."""
    from negatives.data.readers import blocks

    monkeypatch.setattr(blocks.blocks, "__defaults__", (100, blocks.last_line, None))
    slow = read(path, PAIRS, options)["train"]
    monkeypatch.setattr(delimited, "LARGE", 0)
    return slow, read(path, PAIRS, options)["train"]


def rows(table: Table) -> list[tuple[object, ...]]:
    times = table.numbers("time")
    columns = [table.ids("user").text(), table.ids("item").text(), [None] * len(table) if times is None else times]
    return list(zip(*columns, strict=True))


TEXTS = {
    "numbers": "user,item,time\n" + "".join(f"{n % 7},{n * 37},{1_500_000_000 + n}\n" for n in range(60)),
    "names": "user,item\n" + "".join(f"ann{n % 7}, größe {n % 5} \n" for n in range(60)),
    "numbers that end": "user,item\n" + "".join(f"{n % 7},{n}\n" for n in range(40)) + "007,x\n7,1\n",
    "quotes": "user,item\n" + "".join(f'u{n},"a, ""{n % 3}"""\nv{n},plain\n' for n in range(40)),
    "blank lines": "\nuser,item\n\n" + "".join(f"u{n},i{n % 3}\n\n" for n in range(40)),
    "blanks beyond ASCII": "user,item\n" + "".join(f"u\u00a0,i{n}\nu,i{n}\n" for n in range(30)),
    "carriage returns": "user;item\r\n" + "".join(f"u{n % 9};{n % 4}\r\n" for n in range(50)),
    "no header": "".join(f"u{n % 9}\t{n % 4}\n" for n in range(50)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_both_ways_agree(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXTS[name])
    slow, fast = both(path, monkeypatch)
    assert rows(slow) == rows(fast)
    assert (slow.ids("user").names is None) == (fast.ids("user").names is None)
    assert slow.notes == fast.notes


def test_missing_values_name_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n" + "".join(f"u{n},i{n}\n" for n in range(40)) + "u,NaN\n")
    monkeypatch.setattr(delimited, "LARGE", 0)
    with pytest.raises(InputError, match=r"line 42: empty or missing item"):
        read(path, PAIRS)
    slow, fast = both(path, monkeypatch, Options(missing="drop"))
    assert rows(slow) == rows(fast)
    assert len(fast) == 40


def test_ragged_lines_name_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n" + "".join(f"u{n},i{n}\n" for n in range(40)) + "u,i,x\n")
    monkeypatch.setattr(delimited, "LARGE", 0)
    with pytest.raises(InputError, match=r"line 42: 3 columns where 2"):
        read(path, PAIRS)


@pytest.mark.parametrize("content", [b"\n" * 3000, b"a" * 3000, b"1,2\n" * 750])
def test_what_unfolds_without_end_is_refused(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from negatives.data.readers import opening

    path = tmp_path / "bomb.csv.xz"
    path.write_bytes(lzma.compress(content))
    monkeypatch.setattr(opening, "UNFOLDED", 1000)
    monkeypatch.setattr(opening, "RATIO", 2)
    with pytest.raises(InputError, match="unfolds to more than 2 times its size"):
        read(path, PAIRS)


def test_a_long_line_is_not_copied_for_each_piece_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from negatives.data.readers import blocks

    reads: list[int] = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reads.append(size or 0)
            return super().read(size)

    path = tmp_path / "a.csv"
    path.write_bytes(b"a" * 100_000 + b"\nb\n")
    monkeypatch.setattr(blocks, "open_bytes", lambda path: Counted(path.read_bytes()))
    assert b"".join(block for _, block in blocks.blocks(path, 64)) == path.read_bytes()
    assert len(reads) < 20
