"""Load a graph from a file, a folder or the offline data, and divide its edges into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from negatives.data.dividing import Division, Ways, choose, divide
from negatives.data.edges import EdgeData, without_self
from negatives.data.ids import codes_of, names_of
from negatives.data.loading.named import named, short_name
from negatives.data.pairs import Pairs, SparseFeatures
from negatives.data.readers import Options, read, reader_of
from negatives.data.readers.node_features import read_node_features
from negatives.data.readers.parts import files_of, part_of
from negatives.data.readers.schema import EDGES
from negatives.data.sides import columns_of
from negatives.data.splits import Basis
from negatives.data.table import Table
from negatives.errors import InputError

ENDS = ("source", "target")


def ways_of(n_nodes: int) -> Ways[Pairs]:
    """How edges can be divided."""
    return Ways(
        unit="edges",
        basis=lambda edges: Basis(len(edges), edges.queries, edges.items),
        code=lambda edges: edges.queries * n_nodes + edges.items,
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read and divide a graph.

    Args:
        split: ``random``, ``given`` (files train and test), or ``auto``: given where there is a test file.
        test: Share of the edges held back for the test.
        valid: Share of the rest held back to stop training.
        canaries: Share of the rest hidden to estimate false negatives.
        seed: Seed of the division.
        directed: Whether an edge has a direction.
        options: What to take the columns for.
    """

    split: str = "auto"
    test: float = 0.10
    valid: float = 0.05 / 0.90
    canaries: float = 0.005
    seed: int = 0
    directed: bool = False
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        ways_of(0).check(self.split)
        self.division()

    def division(self) -> Division:
        """How the edges are divided."""
        return Division(self.split, self.test, self.valid, self.canaries, self.seed)


@dataclass(slots=True)
class _Numbered:
    """Edges of each file over one numbering."""

    parts: dict[str, Pairs]
    names: pl.Series
    notes: list[str] = field(default_factory=list)
    columns: torch.Tensor | None = None


def load_edges(data: Any, reading: Reading | None = None, cache: bool = True) -> EdgeData:
    """Read a graph and divide its edges into train, valid, test and canaries.

    Args:
        data: A file of edges; a folder with ``edges.*`` and perhaps ``features.*``, or with train, valid and test; a
            table in memory, as :func:`negatives.data.readers.read` takes it; None for the imports between the modules
            of the standard library.
        reading: How.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used; names file and line.
        ConfigError: The split or a share is not known.
    """
    reading = reading or Reading()
    path = named(data)
    if data is None:
        from negatives.data.offline.imports import module_imports

        mined = module_imports(cache=cache)
        features: SparseFeatures | None = mined.features
        parts, loops, duplicates = without_self(mined.sources, mined.targets, reading.directed, len(mined.names))
        numbered = _Numbered({"train": parts}, mined.names, [*mined.notes, *_skipped("imports", loops, duplicates)])
        name = "stdlib"
    else:
        tables, feature_file = _read(data, reading.options)
        features = None if feature_file is None else read_node_features(feature_file)
        numbered = _number(tables, features, feature_file, reading.directed)
        name = short_name(data)
    notes, ways = numbered.notes, ways_of(len(numbered.names))
    choice = choose(reading.split, numbered.parts, ways, notes, path=path)
    found = divide(numbered.parts, choice, reading.division(), ways, notes, path)
    if len(found["test"]) == 0:
        raise InputError("no edge is left for the test", path=path, hint="give more edges, or a larger split.test")
    divided = found["train"], found["valid"], found["test"], found["canaries"]
    notes = [*notes, _summary(divided, len(numbered.names), features, reading.directed)]
    return EdgeData(name, *divided, numbered.names, reading.directed, features, tuple(notes), columns=numbered.columns)


def _read(data: Any, options: Options) -> tuple[dict[str, Table], Path | None]:
    """Edges by part, and the file of features or None.

    Raises:
        InputError: There is no file of edges, or one cannot tell which.
    """
    path = named(data)
    if path is None or not path.is_dir() or options.format is not None or reader_of(path) is not None:
        return read(data, EDGES, options), None
    files = files_of(path)
    features = [file for file in files if file.name.lower().startswith("features")]
    if len(features) > 1:
        names = " and ".join(file.name for file in features)
        raise InputError(f"{names} both look like features", path=path, hint="keep one")
    rest = [file for file in files if file not in features]
    parts = [file for file in rest if part_of(file) is not None]
    edges = [file for file in rest if file.name.lower().startswith("edges")] or rest
    if any(part_of(file) == "train" for file in parts):
        found = read(path, EDGES, options)
    elif len(edges) == 1:
        found = read(edges[0], EDGES, options)
    else:
        hint = "name a file, or call it edges.txt (or train.txt and test.txt), and its features features.txt"
        raise InputError("the folder has no file of edges", path=path, hint=hint)
    return found, features[0] if features else None


def _number(
    tables: Mapping[str, Table],
    features: SparseFeatures | None,
    feature_file: Path | None,
    directed: bool,
) -> _Numbered:
    """One numbering of the nodes of all files: by their features if there are any, else sorted."""
    columns = [table.ids(end) for table in tables.values() for end in ENDS]
    if features is None:
        names = names_of(columns)
    else:
        for table in tables.values():
            _fit_features(table, features.n_rows, feature_file)
        names = pl.Series(range(features.n_rows), dtype=pl.Int64)
    ends_of: list[torch.Tensor] = []
    parts, notes = {}, [note for table in tables.values() for note in table.notes]
    for part, table in tables.items():
        ends = [torch.from_numpy(codes_of(table.ids(end), names)) for end in ENDS]
        ends_of.append(torch.stack(ends))
        parts[part], loops, duplicates = without_self(ends[0], ends[1], directed, len(names))
        notes += _skipped(table.path.name if table.path else part, loops, duplicates)
        if len(parts[part]) == 0:
            raise InputError("every edge is a self-loop", path=table.path, line=1, hint="give edges between nodes")
    sources, targets = torch.cat(ends_of, 1)
    return _Numbered(parts, names.cast(pl.String), notes, columns_of(sources, targets, len(names)))


def _fit_features(table: Table, rows: int, feature_file: Path | None) -> None:
    """Refuse nodes without a row of features.

    Raises:
        InputError: There is one; names its line.
    """
    sources, targets = (table.ids(end) for end in ENDS)
    assert table.lines is not None
    if sources.names is not None or targets.names is not None:
        pairs = zip(sources.text(), targets.text(), strict=True)
        at = next(i for i, pair in enumerate(pairs) if not all(name.isdecimal() for name in pair))
        fault = "a node is not a whole number, so it has no row of features"
    else:
        largest = np.maximum(sources.values, targets.values)
        beyond = (largest >= rows) | (np.minimum(sources.values, targets.values) < 0)
        if not beyond.any():
            return
        at = int(np.flatnonzero(beyond)[0])
        fault = f"the node {largest[at]} has no row among {rows:,} rows of features"
    hint = f"number nodes from 0 in the order of {feature_file.name if feature_file else 'the features'}"
    raise InputError(fault, path=table.path, line=int(table.lines[at]), hint=hint)


def _skipped(name: str, loops: int, duplicates: int) -> list[str]:
    notes = [f"{name}: {loops:,} self-loops dropped"] if loops else []
    return notes + ([f"{name}: {duplicates:,} duplicate edges dropped"] if duplicates else [])


def _summary(
    parts: tuple[Pairs, Pairs, Pairs, Pairs], n_nodes: int, features: SparseFeatures | None, directed: bool
) -> str:
    sizes = ", ".join(
        f"{name} {len(part):,}" for name, part in zip(("train", "valid", "test", "canaries"), parts, strict=True)
    )
    content = "without features" if features is None else f"{features.n_cols:,} features"
    return f"{n_nodes:,} nodes, {content}; {'directed' if directed else 'undirected'} edges: {sizes}"
