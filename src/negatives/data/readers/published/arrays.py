"""Named arrays as tables by part, whatever file they came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from negatives.data.readers.frames import Frames, InMemory
from negatives.data.readers.memory import array_frames, matrix_frames, named_columns
from negatives.data.readers.parts import part_of
from negatives.data.readers.schema import Schema, plain
from negatives.errors import InputError

Array = npt.NDArray[Any]
KEYS = ("edge_index", "edge", "edges", "edge_list", "arr_0")
"""Under which software saves edges when it saves other arrays too."""
HINT = "save one array (2, n) or (n, 2), or one for each part: train, valid, test"


def tables_of(arrays: Mapping[str, Array], path: Path, schema: Schema) -> dict[str, Frames]:
    """Columns by part.

    Args:
        arrays: By the names under which they were saved.
        path: The file, for messages.
        schema: Whose roles name the columns.

    Raises:
        InputError: One cannot tell which array holds the rows.
    """
    if (matrix := _matrix(arrays, path)) is not None:
        return {"train": matrix_frames(matrix, schema, path)}
    parts = {name: part for name in arrays if (part := _part(name)) is not None and arrays[name].ndim == 2}
    if "train" in parts.values():
        _once(parts, path)
        return {part: _told(array_frames(arrays[name], schema, path), arrays, name) for name, part in parts.items()}
    chosen = next((key for key in KEYS if key in arrays and arrays[key].ndim == 2), None)
    tables = [name for name, array in arrays.items() if array.ndim == 2]
    if chosen is None and len(tables) == 1:
        chosen = tables[0]
    if chosen is not None:
        return {"train": _told(array_frames(arrays[chosen], schema, path), arrays, chosen)}
    columns = {name: array for name, array in arrays.items() if array.ndim == 1}
    if len(columns) > 1 and len({len(one) for one in columns.values()}) == 1:
        named = {_role(name, schema): one for name, one in columns.items()}
        return {"train": InMemory(path, named_columns(named, path), (f"{path.name}: arrays {', '.join(columns)}",))}
    shown = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(arrays.items())[:6]) or "none"
    raise InputError(f"no array holds the {schema.what}s; there are {shown}", path=path, hint=HINT)


def _part(name: str) -> str | None:
    """Part of an array by its name; negatives are none."""
    return None if "neg" in name.lower() else part_of(Path(name))


def _once(parts: Mapping[str, str], path: Path) -> None:
    for part in set(parts.values()):
        if len(names := [name for name, one in parts.items() if one == part]) > 1:
            raise InputError(f"{' and '.join(names)} both look like {part}", path=path, hint="keep one")


def _role(name: str, schema: Schema) -> str:
    """OGB calls the ends of a citation ``source_node`` and ``target_node``."""
    short = name.removesuffix("_node")
    return short if plain(short) in schema.known else name


def _told(frames: Frames, arrays: Mapping[str, Array], used: str) -> Frames:
    others = [name for name in arrays if name != used and _part(name) is None]
    told = f"{frames.path.name}: the array {used} {tuple(arrays[used].shape)}" if used else frames.path.name
    frames.notes.append(told + (f"; not used: {', '.join(others[:6])}" if others else ""))
    return frames


def _matrix(arrays: Mapping[str, Array], path: Path) -> Any:
    """A sparse matrix as SciPy saves it, also under the names ``adj_data``, ``adj_indices``, ...; else None."""
    from scipy import sparse

    for before in ("", "adj_", "adj_matrix."):
        data, shape = arrays.get(f"{before}data"), arrays.get(f"{before}shape")
        if data is None or shape is None:
            continue
        kind = arrays.get("format", np.array(b"csr")) if not before else np.array(b"csr")
        form = kind.item().decode() if isinstance(kind.item(), bytes) else str(kind.item())
        try:
            size = tuple(int(one) for one in shape)
            if form == "coo":
                return sparse.coo_matrix((data, (arrays[f"{before}row"], arrays[f"{before}col"])), shape=size)
            if form in ("csr", "csc"):
                made = sparse.csr_matrix if form == "csr" else sparse.csc_matrix
                found: Any = made((data, arrays[f"{before}indices"], arrays[f"{before}indptr"]), shape=size)
                found.check_format(full_check=True)
                return found.tocoo()
        except (KeyError, ValueError, TypeError, IndexError) as error:
            hint = "save it again with scipy.sparse.save_npz"
            raise InputError(f"a broken sparse matrix ({str(error)[:80]})", path=path, hint=hint) from error
        raise InputError(f"a sparse matrix of kind {form[:20]!r}", path=path, hint="save it as CSR, CSC or COO")
    return None
