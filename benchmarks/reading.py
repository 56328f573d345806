"""How long it takes to read pairs, to number and to divide them, and how much memory, beside polars' own reader.

    python benchmarks/reading.py                       # 1, 5 and 20 million rows, ids as numbers and as text
    python benchmarks/reading.py --rows 1 --repeat 3   # the best of three
    python benchmarks/reading.py --quick               # a twentieth of a million rows, to see that it runs

Every figure is of a process of its own, one after another on the same files:

- ``polars``: ``polars.read_csv`` of the file, nothing else;
- ``blocks``: polars reads blocks of text, ids are numbered as they come, and the pairs are divided;
- ``load``: the library's loader with all that it looks at, from the file to the four parts.

Time is that of the wall, after a small file of the same kind has been through, so that nothing is compiled; ``busy``
is the time of all processors, which others at work on the machine hardly change. Peak
memory is what the process held at most beyond what it held before; ``stay`` is the size of what is kept: the numbered
pairs of all parts and the names. Linux only: it resets and reads VmHWM.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

MIB = float(1 << 20)
BLOCK = 1 << 22
WAYS = ("polars", "blocks", "load")


def write(path: Path, rows: int, text: bool) -> None:
    """Pairs of skewed popularity, 50 for a user and 200 for an item on average."""
    random = np.random.default_rng(0)
    users = pl.Series((random.random(rows) ** 2 * max(1, rows // 50)).astype(np.int64))
    items = pl.Series((random.random(rows) ** 3 * max(1, rows // 200)).astype(np.int64))
    if text:
        users = "user_" + users.cast(pl.String)
        items = "B00" + (items * 7919).cast(pl.String).str.zfill(10)
    pl.DataFrame({"user": users, "item": items}).write_csv(path)


def status(name: str) -> float:
    """A figure of this process's memory, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"this system does not tell {name}")


def text_blocks(path: Path) -> Iterator[pl.DataFrame]:
    """The columns of the file as text, block by block."""
    rest = b""
    with path.open("rb") as file:
        file.readline()
        while chunk := file.read(BLOCK):
            chunk = rest + chunk
            end = chunk.rfind(b"\n") + 1
            rest = chunk[end:]
            yield pl.read_csv(
                chunk[:end], has_header=False, quote_char=None, schema={"user": pl.String, "item": pl.String}
            )


def by_blocks(path: Path) -> float:
    """Read, number and divide; MiB that stay."""
    from negatives.data.dividing import Choice, Division, divide
    from negatives.data.encode import number
    from negatives.data.ids import IdsBuilder
    from negatives.data.loading.pairs import ways_of
    from negatives.data.table import Table

    users, items = IdsBuilder(), IdsBuilder()
    for frame in text_blocks(path):
        users.add(frame["user"])
        items.add(frame["item"])
    found = number({"train": Table({"user": users.build(), "item": items.build()})})
    parts = divide(found.parts, Choice("random"), Division(), ways_of(len(found.item_names)), [])
    return kept(list(parts.values()), found.query_names, found.item_names)


def by_loader(path: Path) -> float:
    """Load as a training does; MiB that stay."""
    from negatives.data.loading.pairs import load_pairs

    data = load_pairs(path)
    return kept([data.train, data.valid, data.test, data.canaries], data.query_names, data.item_names)


def by_polars(path: Path) -> float:
    """Read with polars; MiB that stay."""
    return float(pl.read_csv(path).estimated_size()) / MIB


def kept(parts: list[Any], *names: pl.Series) -> float:
    """MiB of numbered pairs and names."""
    pairs = sum(part.queries.nbytes + part.items.nbytes for part in parts)
    return (pairs + sum(column.estimated_size() for column in names)) / MIB


def measure(way: str, path: Path, small: Path) -> dict[str, float]:
    """Seconds and MiB of one way, in this process."""
    run: Callable[[Path], float] = {"polars": by_polars, "blocks": by_blocks, "load": by_loader}[way]
    run(small)
    Path("/proc/self/clear_refs").write_text("5")
    before, start, busy = status("VmRSS"), time.perf_counter(), time.process_time()
    stay = run(path)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {"seconds": seconds, "busy": busy, "peak": status("VmHWM") - before, "stay": stay}


def child(way: str, path: Path, small: Path) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--child", way, str(path), str(small)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def best(way: str, path: Path, small: Path, repeat: int) -> dict[str, float]:
    """The shortest time and the smallest peak of several runs."""
    found = [child(way, path, small) for _ in range(repeat)]
    return {name: min(one[name] for one in found) for name in found[0]}


def table(folder: Path, millions: list[float], repeat: int) -> None:
    """Print one row for each size, kind of ids and way."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print("million rows  ids     way      seconds  of polars   busy  of polars  peak MiB  stay MiB  peak/stay")
    for text in (False, True):
        kind = "text" if text else "number"
        small = folder / f"small_{kind}.csv"
        write(small, 20_000, text)
        for size in millions:
            path = folder / f"{kind}.csv"
            write(path, round(size * 1e6), text)
            base = busy = 0.0
            for way in WAYS:
                found = best(way, path, small, repeat)
                base, busy = base or found["seconds"], busy or found["busy"]
                print(
                    f"{size:12g}  {kind:6s}  {way:6s}  {found['seconds']:8.2f}  {found['seconds'] / base:9.1f}"
                    f"  {found['busy']:5.2f}  {found['busy'] / busy:9.1f}"
                    f"  {found['peak']:8.0f}  {found['stay']:8.0f}  {found['peak'] / found['stay']:9.2f}",
                    flush=True,
                )
            path.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1,5,20", help="millions of rows, with commas between")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the best counts")
    parser.add_argument("--quick", action="store_true", help="a twentieth of a million rows")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "FILE", "SMALL"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        way, path, small = asked.child
        print(json.dumps(measure(way, Path(path), Path(small))))
        return
    sizes = [0.05] if asked.quick else [float(size) for size in asked.rows.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        table(Path(folder), sizes, asked.repeat)


if __name__ == "__main__":
    main()
