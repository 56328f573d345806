"""Parquet files, Arrow files, and tables of other libraries."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.frames import Block, Frames, InMemory, counted
from negatives.data.readers.schema import Options, Schema
from negatives.errors import InputError

ROWS = 1 << 20
MOST_ROWS = 1 << 40


class Parquet(TableReader):
    """Parquet files, read in slices of rows."""

    suffixes = (".parquet", ".pq")

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        return ParquetFrames(path)


class Arrow(TableReader):
    """Arrow's own files (Feather, IPC), as Hugging Face's ``save_to_disk`` writes them."""

    suffixes = (".arrow", ".feather", ".ipc")

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        _check_sound(path)
        with readable(path, "an Arrow file"):
            try:
                frame = pl.read_ipc(path)
            except pl.exceptions.PolarsError:
                frame = pl.read_ipc_stream(path)
        return InMemory(path, frame)


def _check_sound(path: Path) -> None:
    """Refuse a file whose damage would end the process: the parser aborts where a header asks for endless memory.

    Raises:
        InputError: A process of its own did not survive reading it.
    """
    code = "import sys, polars\ntry: polars.read_ipc(sys.argv[1])\nexcept Exception: pass"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    if done.returncode < 0:
        hint = "write or fetch the file again"
        raise InputError("cannot be read as an Arrow file (its headers are damaged)", path=path, hint=hint)


class ParquetFrames(Frames):
    """The columns of a Parquet file; errors count its rows from one."""

    unit = "row"

    def __init__(self, path: Path) -> None:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", path=path, hint="give a file with at least one row")
        with readable(path, "a Parquet file"):
            self._lazy = pl.scan_parquet(path, glob=False)
            sample = self._lazy.head(1000).collect()
        super().__init__(path, sample.columns, sample)

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        with readable(self.path, "a Parquet file"):
            n = int(self._lazy.select(pl.len()).collect().item())
        for start in range(0, min(n, MOST_ROWS), ROWS):
            with readable(self.path, "a Parquet file"):
                frame = self._lazy.select(list(columns)).slice(start, ROWS).collect()
            yield Block(frame, counted(start + 1, len(frame)))
            if len(frame) == 0:
                break


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Tell what keeps a binary table from being read.

    Raises:
        InputError: It is damaged, or no such file at all.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        reason = str(error).partition("\n")[0][:100]
        hint = "write or fetch the file again"
        raise InputError(f"cannot be read as {what} ({reason})", path=path, hint=hint) from error
