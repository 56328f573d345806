"""What ``torch.save`` wrote: an ``edge_index``, or a dictionary of tensors; nothing that would run code."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from negatives.data.readers.base import Reader
from negatives.data.readers.gather import gathered
from negatives.data.readers.opening import faults_told
from negatives.data.readers.published.arrays import Array, tables_of
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

_NUMPY: Any = np.zeros(0).__reduce__()[0]
SAFE = (
    _NUMPY,
    (_NUMPY, "numpy.core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "?")),
)
"""What makes a plain array of NumPy, which older sets saved among tensors."""
BROKEN = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ImportError,
    ArithmeticError,
)
HINT = "save the tensor alone, torch.save(data.edge_index, 'edges.pt'), or numpy.save it"


class TorchSaved(Reader):
    """``.pt`` files with an ``edge_index``, or a dictionary with one for each part."""

    suffixes = (".pt", ".pth")
    stray = True

    def takes(self, path: Path) -> bool:
        return super().takes(path) and not path.is_dir()

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        return self.divided(path, schema, options)["train"]

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        tables = tables_of(saved_arrays(path), path, schema)
        return {part: gathered(one, schema, options) for part, one in tables.items()}


def saved_arrays(path: Path) -> dict[str, Array]:
    """The arrays of a file by name; one that has none is called ``edge_index``.

    Raises:
        InputError: The file is damaged, or holds what only code could restore.
    """
    import torch

    with faults_told(path):
        _check_stored(path)
        try:
            with warnings.catch_warnings(), torch.serialization.safe_globals(list(SAFE)):
                warnings.simplefilter("ignore")
                found = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            needs = "Weights only" in str(error)
            what = "holds an object that only code could restore" if needs else "no file of torch.save"
            raise InputError(what, path=path, hint=HINT) from error
        except BROKEN as error:
            reason = str(error).partition("\n")[0][:80]
            raise InputError(f"no file of torch.save, or damaged ({reason})", path=path, hint=HINT) from error
    named = found if isinstance(found, Mapping) else {"edge_index": found}
    arrays = {str(name): array for name, one in named.items() if (array := _array(one, path)) is not None}
    if not arrays:
        raise InputError("holds no tensor", path=path, hint=HINT)
    return arrays


def _check_stored(path: Path) -> None:
    """Refuse an archive whose members unfold."""

    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if packed:
        try:
            with zipfile.ZipFile(path) as archive:
                sizes = [one.file_size for one in archive.infolist()]
        except (zipfile.BadZipFile, ValueError) as error:
            raise InputError(f"no file of torch.save, or cut off ({error})", path=path, hint=HINT) from error
        if max(sizes, default=0) > path.stat().st_size:
            raise InputError("a member is larger than the file", path=path, hint=HINT)


def _array(value: Any, path: Path) -> Array | None:
    """A tensor, array or list as an array; None for all else."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.layout == torch.sparse_coo:
            value = value._indices()
        elif value.layout != torch.strided:
            return None
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InputError("a tensor that repeats one number", path=path, hint="save it with .contiguous()")
        if value.is_complex() or value.is_quantized:
            return None
        array: Array = (value.detach().double() if value.is_floating_point() else value.detach()).numpy()
        return array
    if isinstance(value, np.ndarray) and value.dtype.kind in "iufb":
        return value
    if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        return np.array(value)
    return None
