"""Folders of the Open Graph Benchmark: ``raw/edge.csv.gz`` with its counts, ``split/*/train.*`` where it has edges."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from negatives.data.readers.base import Reader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Frames
from negatives.data.readers.gather import gathered
from negatives.data.readers.parts import PARTS, part_of
from negatives.data.readers.published.arrays import tables_of
from negatives.data.readers.published.layouts import files_in
from negatives.data.readers.published.torch_saved import saved_arrays
from negatives.data.readers.schema import Options, Schema
from negatives.data.readers.sniff import first_lines
from negatives.data.table import Table
from negatives.errors import InputError

EDGES = ("edge.csv", "edge.csv.gz")


class Ogb(Reader):
    """Edges of a link task by part, or all edges of a task about nodes, divided anew."""

    def takes(self, path: Path) -> bool:
        return path.is_dir() and (((path / "raw").is_dir() and _edges(path) is not None) or bool(_splits(path)))

    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        return self.divided(path, schema, options)["train"]

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        parts: dict[str, Frames] = {}
        for part, file in _splits(path).items():
            if (frames := _split(file, schema, options)) is not None:
                parts[part] = frames
        told = f"{path.name}: Open Graph Benchmark, "
        if "train" in parts:
            parts["train"].notes.insert(0, told + f"edges of its split: {', '.join(parts)}")
            return {part: gathered(one, schema, options) for part, one in parts.items()}
        edges = _edges(path)
        if edges is None:
            raise InputError("neither edges nor a split of edges", path=path, hint="give raw/edge.csv.gz")
        frames = DelimitedFrames(edges, schema, options, _names(schema))
        frames.notes.insert(0, told + "all edges" + (", its split is one of nodes" if _splits(path) else ""))
        table = gathered(frames, schema, options)
        _check(path, edges, table, schema)
        return {"train": table}


def _names(schema: Schema) -> tuple[str, ...]:
    return tuple(role.name for role in schema.needed)


def _edges(path: Path) -> Path | None:
    return next((path / "raw" / name for name in EDGES if (path / "raw" / name).is_file()), None)


def _splits(path: Path) -> dict[str, Path]:
    """Files of the split by part."""
    found: dict[str, Path] = {}
    for folder in sorted((path / "split").iterdir()) if (path / "split").is_dir() else ():
        if folder.is_dir():
            files = {part: file for file in files_in(folder) if (part := part_of(file)) and part in PARTS.values()}
            if "train" in files:
                return {part: files[part] for part in ("train", "valid", "test") if part in files}
    return found


def _split(file: Path, schema: Schema, options: Options) -> Frames | None:
    """Columns of a part; None where it lists nodes and not edges."""
    if file.suffix == ".pt":
        arrays = saved_arrays(file)
        if set(arrays) <= {"edge_index"} and arrays["edge_index"].ndim == 1:
            return None
        return tables_of(arrays, file, schema)["train"]
    if not any("," in line for line in first_lines(file)):
        return None
    return DelimitedFrames(file, schema, options, _names(schema))


def _check(path: Path, edges: Path, table: Table, schema: Schema) -> None:
    """The counts beside the edges must be theirs.

    Raises:
        InputError: They are not.
    """
    for name, what in (("num-edge-list", "edges"), ("num-node-list", "nodes")):
        file = next((one for one in files_in(path / "raw") if one.name.startswith(f"{name}.csv")), None)
        if file is None:
            continue
        counts = [line.strip() for line in first_lines(file)]
        if not all(count.isdecimal() and len(count) < 19 for count in counts):
            raise InputError("not a count", path=file, line=1, hint="one whole number a line")
        stated = sum(map(int, counts))
        if what == "edges" and stated != len(table):
            fault = f"{len(table):,} edges, where {file.name} says {stated:,}"
            raise InputError(fault, path=edges, line=len(table), hint="the file may be cut off; fetch it again")
        ends = [table.ids(role.name) for role in schema.needed if what == "nodes"]
        if ends and all(one.names is None for one in ends):
            high = max(int(one.values.max()) for one in ends)
            if high >= stated:
                fault = f"node {high} is beyond the {stated:,} of {file.name}"
                line = next(int(one.values.argmax()) + 1 for one in ends if int(one.values.max()) == high)
                raise InputError(fault, path=edges, line=line, hint="take both files from the same data set")
