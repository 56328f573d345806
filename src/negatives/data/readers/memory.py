"""Tables that are in memory: Arrow from other libraries, sparse matrices, tensors, tuples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.data.readers.frames import Frames, InMemory, anonymous
from negatives.data.readers.schema import Schema
from negatives.errors import InputError

HERE = Path("the given table")
"""Stands in messages for the path that a table in memory has not."""
HINT = "give a path, a data frame, a SciPy sparse matrix, a tensor (2, n), or a list of tuples"


def frames_of(data: Any, schema: Schema) -> dict[str, Frames]:
    """Columns by part.

    Args:
        data: As :func:`negatives.data.readers.read` has it; a mapping, or a ``DatasetDict``, gives parts by name.
        schema: Whose roles name the columns of what has no names.

    Raises:
        InputError: It is no table.
    """
    from negatives.data.readers.parts import PARTS

    if isinstance(data, Mapping) and data and all(str(name).lower() in PARTS for name in data):
        found = {PARTS[str(name).lower()]: _frames(one, schema) for name, one in data.items()}
        if "train" not in found:
            raise InputError("there is no training part", path=HERE, hint="give a part called train")
        return found
    return {"train": _frames(data, schema)}


def _frames(data: Any, schema: Schema) -> Frames:
    if hasattr(data, "__arrow_c_stream__"):
        return InMemory(HERE, _from_arrow(data), ("columns of a data frame",))
    if hasattr(data, "to_polars"):
        return InMemory(HERE, data.to_polars(), ("columns of a data set",))
    if hasattr(data, "tocoo"):
        return matrix_frames(data.tocoo(), schema, HERE)
    if isinstance(data, Mapping):
        return InMemory(HERE, named_columns({str(name): column for name, column in data.items()}, HERE))
    if isinstance(data, np.ndarray) or hasattr(data, "detach"):
        return array_frames(data if isinstance(data, np.ndarray) else data.detach().cpu().numpy(), schema, HERE)
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _from_rows(data, schema)
    raise InputError(f"{type(data).__name__} is no table", path=HERE, hint=HINT)


def _from_arrow(data: Any) -> pl.DataFrame:
    try:
        found = pl.DataFrame(data)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError) as error:
        raise InputError(f"cannot be read ({str(error)[:80]})", path=HERE, hint=HINT) from error
    return found


def array_frames(array: npt.NDArray[Any], schema: Schema, path: Path) -> Frames:
    """Rows or columns of an array as columns under the names of the roles that a row needs.

    Args:
        array: ``(k, n)`` or ``(n, k)``, where a row needs ``k`` values.
        schema: For the names.
        path: For messages.

    Raises:
        InputError: The array has another shape.
    """
    needs, shape = len(schema.needed), tuple(array.shape)
    if array.ndim != 2 or needs not in shape:
        raise InputError(f"an array of shape {shape} where ({needs}, n) is expected", path=path, hint=HINT)
    lying = shape[0] == needs
    names = [role.name for role in schema.needed]
    columns = dict(zip(names, array if lying else array.T, strict=True))
    both = f"an array {shape}: its rows are taken as {' and '.join(names)}, not its columns"
    return InMemory(path, named_columns(columns, path), (both,) if shape == (needs, needs) else ())


def matrix_frames(matrix: Any, schema: Schema, path: Path) -> Frames:
    """The places of a SciPy COO matrix that are not zero: a row is a user or a source, a column an item or a target."""
    values = np.asarray(matrix.data)
    kept = values != 0
    columns: dict[str, Any] = {
        role.name: np.asarray(places)[kept]
        for role, places in zip(schema.needed, (matrix.row, matrix.col), strict=False)
    }
    if bool((values[kept] != 1).any()):
        columns["value"] = values[kept]
    return InMemory(path, named_columns(columns, path), ("places of a sparse matrix that are not zero",))


def _from_rows(rows: Sequence[Any], schema: Schema) -> Frames:
    if not rows:
        raise InputError("the table is empty", path=HERE, hint="give at least one row")
    if isinstance(rows[0], Mapping):
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        return InMemory(HERE, named_columns({name: [row.get(name) for row in rows] for name in names}, HERE))
    if isinstance(rows[0], str):
        return InMemory(HERE, pl.DataFrame({schema.needed[0].name: list(rows)}))
    try:
        widths = {len(row) for row in rows}
    except TypeError:
        raise InputError("the rows are no tuples", path=HERE, hint=HINT) from None
    if len(widths) != 1:
        raise InputError(f"rows of {min(widths)} to {max(widths)} values", path=HERE, hint="give tuples of one length")
    return _named({place: [row[place] for row in rows] for place in range(widths.pop())}, schema)


def _named(columns: Mapping[int, Any], schema: Schema) -> Frames:
    """Columns under the names of the roles that a row needs; where there are more, content decides about the rest."""
    names = [role.name for role in schema.needed]
    if len(columns) < len(names):
        raise InputError(f"{len(columns)} columns, but a {schema.what} needs {len(names)}", path=HERE, hint=HINT)
    exact = len(columns) == len(names)
    chosen = names if exact else anonymous(len(columns))
    return InMemory(HERE, named_columns(dict(zip(chosen, columns.values(), strict=True)), HERE), header=exact)


def named_columns(columns: Mapping[str, Any], path: Path) -> pl.DataFrame:
    """Columns of whatever holds values, as a frame.

    Raises:
        InputError: They differ in length.
    """
    found = {}
    for name, values in columns.items():
        try:
            found[name] = pl.Series(name, values, strict=False)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            found[name] = pl.Series(name, [None if one is None else str(one) for one in values], dtype=pl.String)
        if found[name].dtype == pl.Object:
            found[name] = pl.Series(name, [None if one is None else str(one) for one in values], dtype=pl.String)
    lengths = {len(one) for one in found.values()}
    if len(lengths) > 1:
        raise InputError("columns of different lengths", path=path, hint="give every column a value for each row")
    return pl.DataFrame(found)
