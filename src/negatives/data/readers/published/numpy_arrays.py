"""Arrays that NumPy and SciPy save: ``.npy``, and ``.npz`` with several arrays or a sparse matrix; nothing pickled."""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from negatives.data.readers.base import Reader
from negatives.data.readers.gather import gathered
from negatives.data.readers.opening import BUFFER, RATIO, UNFOLDED, faults_told, open_bytes
from negatives.data.readers.published.arrays import tables_of
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

MAGIC = b"\x93NUMPY"
BROKEN = (ValueError, SyntaxError, RecursionError, TypeError, EOFError, OverflowError, tokenize.TokenError)
AGAIN = "save it again with numpy.save"


class NumPy(Reader):
    """One array ``(2, n)`` or ``(n, 2)``, arrays by part, arrays that are columns, or a sparse matrix."""

    suffixes = (".npy", ".npz")
    stray = True

    def takes(self, path: Path) -> bool:
        return super().takes(path) and not path.is_dir()

    def recognises(self, head: bytes) -> bool:
        return head.startswith(MAGIC)

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        return self.divided(path, schema, options)["train"]

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        arrays = _members(path) if path.suffix.lower() == ".npz" else {"arr_0": _single(path)}
        return {part: gathered(one, schema, options) for part, one in tables_of(arrays, path, schema).items()}


def _single(path: Path) -> npt.NDArray[Any]:
    with faults_told(path), open_bytes(path) as file:
        return read_array(path, file)


def _members(path: Path) -> dict[str, npt.NDArray[Any]]:
    found = {}
    with _told(path), faults_told(path), zipfile.ZipFile(path) as archive:
        if sum(one.file_size for one in archive.infolist()) > max(UNFOLDED, RATIO * path.stat().st_size):
            raise InputError(f"unfolds to more than {RATIO} times its size", path=path, hint="save it uncompressed")
        for one in archive.infolist():
            if one.filename.endswith(".npy"):
                with archive.open(one) as file:
                    found[one.filename.removesuffix(".npy")] = read_array(path, file)
    return found


def read_array(path: Path, file: IO[bytes]) -> npt.NDArray[Any]:
    """One array; memory grows with what is there, not with what the header promises.

    Raises:
        InputError: It is none, is cut off, or holds Python objects.
    """
    with _told(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = header(file)
    if kind.hasobject or kind.kind not in "iufbSU" or kind.itemsize == 0:
        hint = "save numbers or text: pickled objects and records are not read"
        raise InputError(f"an array of {str(kind)[:40]}", path=path, hint=hint)
    if any(one < 0 for one in shape) or len(shape) > 8:
        raise InputError(f"an array of shape {str(shape)[:40]}", path=path, hint=AGAIN)
    promised, raw = math.prod(shape) * kind.itemsize, bytearray()
    while len(raw) < promised and (chunk := file.read(min(BUFFER, promised - len(raw)))):
        raw += chunk
    if len(raw) < promised:
        fault = f"cut off: the header promises {promised:,} bytes, {len(raw):,} follow"
        raise InputError(fault, path=path, hint="fetch or save the file again")
    return np.frombuffer(raw, kind).reshape(shape, order="F" if fortran else "C")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, NotImplementedError, *BROKEN) as error:
        raise InputError(f"no array of NumPy ({str(error)[:80]})", path=path, hint=AGAIN) from error
