"""Damages files of every format and reads them: ``damage.py FIRST COUNT FOLDER`` prints a JSON object for each case."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zstandard

from negatives.data.readers import Options, Schema, read
from negatives.data.readers.schema import EDGES, LABELLED, PAIRS, QUESTIONS, SCORED, TRIPLES
from negatives.errors import LONGEST, NegativesError

SLOWEST = 5.0
ROWS = 40
SCHEMAS: tuple[Schema, ...] = (PAIRS, TRIPLES, EDGES, LABELLED, SCORED, QUESTIONS)
WORDS = [
    "milk", "bread", 'a "dark" tale', '12" disc', "Silva, Ana", "größe", "हिन्दी", "007", "", "x\u2028y", "null",
    "a|b;c",
]  # fmt: skip
NASTY = [
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b'"', b"\n", b"\r\n", b"\t", b",", b";", b"::", b"[" * 5000,
    b"{" * 5000, b"9" * 5000, "²".encode(), "\u0085".encode(), b"\x0c", b"NaN", b"1e999", b"-", b"#",
    b"%%MatrixMarket", b"\xef\xbb\xbf", b"1000000000000 1000000000000 1000000000000\n", b"a" * 80_000, b'{"user":',
    b"PAR1", b"\x1f\x8b",
]  # fmt: skip


def frame(schema: Schema, dice: random.Random) -> pl.DataFrame:
    """A small table that the schema's task can read."""
    columns: dict[str, Any] = {}
    for role in (one for one in schema if one.names):
        if role.kind in ("id", "text", "texts"):
            columns[role.names[0]] = [
                dice.choice(WORDS) or "y" if dice.random() < 0.5 else str(dice.randrange(9)) for _ in range(ROWS)
            ]
        elif role.kind == "labels":
            columns[role.names[0]] = [dice.choice(["a", "b", "a|b"]) for _ in range(ROWS)]
        else:
            columns[role.names[0]] = [dice.randrange(1, 6) for _ in range(ROWS)]
    return pl.DataFrame(columns)


def delimited(separator: str) -> Callable[[pl.DataFrame], bytes]:
    return lambda table: table.write_csv(separator=separator).encode()


def parquet(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    table.write_parquet(file)
    return file.getvalue()


def arrow(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    table.write_ipc(file)
    return file.getvalue()


def blanks(table: pl.DataFrame) -> bytes:
    return "".join(" ".join(str(cell).replace(" ", "_") or "_" for cell in row) + "\n" for row in table.rows()).encode()


def item_lists(table: pl.DataFrame) -> bytes:
    return "".join(f"{row} {row % 7} {row % 5}\n" if row % 3 else f"{row} 1\n" for row in range(len(table))).encode()


FORMATS: dict[str, Callable[[pl.DataFrame], bytes]] = {
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "txt": blanks,
    "dat": lambda table: b"\n".join("::".join(map(str, row)).encode() for row in table.rows()),
    "jsonl": lambda table: table.write_ndjson().encode(),
    "json": lambda table: table.write_json().encode(),
    "parquet": parquet,
    "arrow": arrow,
    "lst": item_lists,
}


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", data)
    return file.getvalue()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
    ".zip": zipped,
}


def damaged(data: bytes, dice: random.Random) -> bytes:
    """The bytes after one to three blows."""
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(data) + 1)
        blow = dice.randrange(6)
        if blow == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        elif blow == 1:
            data = data[:at]
        elif blow == 2:
            data = data[:at] + dice.choice(NASTY) + data[at:]
        elif blow == 3:
            data = data[:at] + data[dice.randrange(len(data) + 1) :]
        elif blow == 4:
            data = data[:at] + data[max(0, at - dice.randrange(200)) :]
        else:
            data = data[:at] + dice.randbytes(dice.randrange(1, 9)) + data[at:]
    return data


def cases(first: int, count: int) -> Iterator[tuple[int, Schema, str, bytes]]:
    for number in range(first, first + count):
        dice = random.Random(number)
        schema = dice.choice(SCHEMAS)
        name = dice.choice(list(FORMATS))
        ending = dice.choice(["", "", "", *COMPRESSIONS])
        data = FORMATS[name](frame(schema, dice))
        if dice.random() < 0.5:
            data = COMPRESSIONS[ending](damaged(data, dice))
        else:
            data = damaged(COMPRESSIONS[ending](data), dice)
        suffix = dice.choice([name, name, name, "csv", "txt"]) if name not in ("lst",) else "txt"
        yield number, schema, f"case{number}.{suffix}{ending}", data


def judged(path: Path, schema: Schema, number: int) -> tuple[bool, str]:
    """Whether the file was refused, and what is wrong with how it was treated."""
    options = Options(missing="drop" if number % 2 else "error")
    try:
        tables = read(path, schema, options)
    except NegativesError as error:
        text = str(error)
        if len(text) > LONGEST or "\n" in text:
            return True, f"a message of {len(text)} characters or several lines: {text}"
        return True, ""
    except BaseException:
        return True, traceback.format_exc()[-1500:]
    lengths = {len(column) for column in tables["train"].columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        return False, f"columns of {lengths} rows"
    shown = [
        ids.text().to_list() for role in schema.needed if role.kind == "id" and (ids := tables["train"].ids(role.name))
    ]
    if any(one is None or one == "" or one == "None" for names in shown for one in names):
        return False, "a missing id became a name"
    return False, ""


def main(first: int, count: int, folder: Path) -> None:
    np.seterr(all="raise")
    for number, schema, name, data in cases(first, count):
        path = folder / name
        path.write_bytes(data)
        began = time.perf_counter()
        refused, fault = judged(path, schema, number)
        took = time.perf_counter() - began
        if took > SLOWEST:
            fault = f"{took:.1f} s; {fault}"
        if not fault:
            path.unlink()
        else:
            fault = f"{schema.what}: {fault}"
        print(json.dumps({"case": name, "refused": refused, "fault": fault}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
