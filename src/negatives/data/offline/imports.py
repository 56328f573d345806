"""The offline graph: which module of the standard library imports which."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from negatives.data.offline.sources import mine
from negatives.data.offline.views import absolute, indicators, split_name
from negatives.data.pairs import SparseFeatures


@dataclass(frozen=True, slots=True)
class Imports:
    """Modules and what they import.

    Args:
        sources: ``(n,)`` int64, the importing modules.
        targets: ``(n,)`` int64, the imported ones.
        names: Names of the modules, sorted.
        features: Words of each module's own name and of what it defines.
        notes: What was read and what was left out.
    """

    sources: Tensor
    targets: Tensor
    names: pl.Series
    features: SparseFeatures
    notes: tuple[str, ...]


def module_imports(root: Path | None = None, cache: bool = True) -> Imports:
    """Imports between modules, wherever they stand in a file.

    A package stands for those of its modules that it imports by ``from . import``. Modules without Python sources,
    such as ``sys``, are nodes if someone imports them; names outside the standard library are left out and counted.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.
    """
    records = mine(root, cache)
    packages = {name.rpartition(".")[0] for name in records["module"].unique().to_list()} - {""}
    pairs = records.select("module", pl.col("imports")).explode("imports").drop_nulls().unique()
    modules = set(records["module"].to_list())
    known = modules | set(sys.stdlib_module_names)
    found, outside = set(), 0
    for module, name in pairs.iter_rows():
        target = _resolved(module, name, module in packages, known)
        outside += target is None
        if target is not None and target != module:
            found.add((module, target))
    names = sorted({name for pair in found for name in pair})
    place = {name: index for index, name in enumerate(names)}
    ends = torch.tensor([(place[source], place[target]) for source, target in sorted(found)], dtype=torch.int64)
    ends = ends.reshape(-1, 2)
    notes = (
        f"standard library: {len(names):,} modules, {len(found):,} imports between them",
        f"standard library: {outside:,} imports of other names left out",
    )
    return Imports(ends[:, 0], ends[:, 1], pl.Series("module", names), _words(records, names), notes)


def _resolved(module: str, name: str, is_package: bool, known: set[str]) -> str | None:
    """The longest known module that an import names; leading dots are relative to the importing module."""
    name = absolute(name, module, is_package)
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def _words(records: pl.DataFrame, names: list[str]) -> SparseFeatures:
    """Bag of words of each module's name and of the classes and functions that it defines."""
    defined = dict(records.group_by("module").agg("name").iter_rows())
    return indicators([_bag([name, *(defined.get(name) or ())]) for name in names])


def _bag(names: Iterable[str]) -> list[str]:
    return sorted({word for name in names if name for part in name.split(".") if part for word in split_name(part)})
