"""A run's vectors in the formats other programs read. One format, one function, one row of the table."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars
from torch import Tensor

from negatives.data.word_vectors import write_binary, write_text
from negatives.errors import ConfigError, InputError
from negatives.registry import suggest
from negatives.runs.ids import read_ids
from negatives.runs.names import words
from negatives.training import files
from negatives.training.run_folder import IDS, MODEL, RunFolder, plural
from negatives.training.sound import finite
from negatives.training.targets import Written, filling


@dataclass(frozen=True, slots=True)
class Vectors:
    """Named vectors of one kind.

    Args:
        kind: ``query``, ``item`` or another that the task has.
        names: ``(n,)`` text, by id.
        table: ``(n, d)`` float32.
    """

    kind: str
    names: polars.Series
    table: Tensor


def export(run: Path, format: str, out: Path | None, *, overwrite: bool = False) -> Path:
    """Write a run, or its vectors, for other programs.

    Args:
        run: A finished run's folder.
        format: A name in :data:`FORMATS` or :data:`WHOLE`.
        out: Folder to write to; None for ``export`` in the run's folder, where what was exported before is replaced.
        overwrite: Whether other files that are there may be replaced.

    Returns:
        The folder written to.

    Raises:
        ConfigError: The format is not known, or its package is not installed.
        InputError: The folder holds no finished run, its files do not fit together, or a file is there already.
    """
    if format not in (*FORMATS, *WHOLE):
        raise ConfigError(f"no format is called {format!r}; {suggest(format, (*FORMATS, *WHOLE))}")
    folder = RunFolder(run)
    folder.check_run()
    target = out if out is not None else folder.own("export")
    written = Written(target)
    with filling(target, overwrite=overwrite, own=written.own if out is None else None) as staging:
        _write(folder, format, staging)
        names = [target / path.relative_to(staging) for path in staging.rglob("*") if not path.is_dir()]
    if out is None:
        written.remember(names)
    return target


def _write(folder: RunFolder, format: str, target: Path) -> None:
    if format in WHOLE:
        WHOLE[format](folder.path, target)
        return
    names = read_ids(folder.path / IDS)
    tensors, _ = files.read_tensors(folder.path / MODEL)
    kinds = [kind for kind in names if plural(kind) in tensors]
    if not kinds:
        raise InputError("the run's model has no vectors", path=folder.path, hint="export a run of another model")
    FORMATS[format]([read_vectors(folder, kind) for kind in kinds], target)


def read_vectors(folder: RunFolder, kind: str) -> Vectors:
    """The vectors of one kind from a run's files.

    Raises:
        InputError: A file is missing or damaged, or names and vectors differ in number.
    """
    path = folder.path / MODEL
    tensors, _ = files.read_tensors(path)
    if plural(kind) not in tensors:
        raise InputError(f"holds no table {plural(kind)!r}", path=path, hint="train the run again")
    names = read_ids(folder.path / IDS)[kind]
    table = tensors[plural(kind)]
    if table.dim() != 2 or not table.is_floating_point() or not finite(table):
        raise InputError(f"{plural(kind)!r} is no table of finite numbers", path=path, hint="train the run again")
    table = table.float()
    if len(names) != table.shape[0]:
        raise InputError(
            f"{len(names)} {kind} names for {table.shape[0]} vectors", path=folder.path / IDS, hint="train again"
        )
    return Vectors(kind, names, table)


def _frame(vectors: Vectors) -> polars.DataFrame:
    values = polars.Series("vector", vectors.table.numpy(), dtype=polars.Array(polars.Float32, vectors.table.shape[1]))
    index = polars.int_range(len(vectors.names), eager=True, dtype=polars.Int64)
    kind = polars.Series("kind", [vectors.kind]).new_from_index(0, len(vectors.names))
    return polars.DataFrame([kind, index.alias("index"), vectors.names.alias("name"), values])


def _write_frame(frame: polars.DataFrame, path: Path) -> None:
    with files.replacing(path) as temporary:
        frame.write_parquet(temporary)


def _safetensors(found: list[Vectors], target: Path) -> None:
    """``vectors.safetensors`` with the tables, ``ids.parquet`` with kind, index and name."""
    files.write_tensors(target / "vectors.safetensors", {plural(one.kind): one.table for one in found})
    _write_frame(polars.concat([_frame(one).drop("vector") for one in found]), target / IDS)


def _parquet(found: list[Vectors], target: Path) -> None:
    """``vectors.parquet`` with kind, index, name and vector."""
    _write_frame(polars.concat([_frame(one) for one in found]), target / "vectors.parquet")


def _numpy(found: list[Vectors], target: Path) -> None:
    """``queries.npy`` and ``items.npy``; ``queries.json`` and ``items.json`` list the names of their rows."""
    for one in found:
        with files.replacing(target / f"{plural(one.kind)}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, one.table.contiguous().numpy())
        names = json.dumps(one.names.to_list(), ensure_ascii=False)
        files.write_bytes(target / f"{plural(one.kind)}.json", names.encode("utf-8", "surrogatepass"))


def _word2vec(found: list[Vectors], target: Path) -> None:
    """``queries.vec`` and ``items.vec``: a line with number and length, then name and numbers.

    The format separates by blanks, so blanks in names become underscores; names that then stand twice, and
    empty ones, get ``#`` and their index.
    """
    _lines(found, target, ".vec", header=True)


def _glove(found: list[Vectors], target: Path) -> None:
    """``queries.txt`` and ``items.txt``: name and numbers, without a first line; names as in :func:`_word2vec`."""
    _lines(found, target, ".txt", header=False)


def _lines(found: list[Vectors], target: Path, ending: str, header: bool) -> None:
    for one in found:
        path = target / f"{plural(one.kind)}{ending}"
        with files.replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            write_text(file, words(one.names), one.table, header)


def _word2vec_binary(found: list[Vectors], target: Path) -> None:
    """``queries.bin`` and ``items.bin``: the binary format of word2vec; names as in :func:`_word2vec`."""
    for one in found:
        with files.replacing(target / f"{plural(one.kind)}.bin") as temporary, temporary.open("wb") as file:
            write_binary(file, words(one.names), one.table)


def _faiss(found: list[Vectors], target: Path) -> None:
    """``queries.faiss`` and ``items.faiss``, exact inner-product indices by id, and ``ids.parquet``."""
    if importlib.util.find_spec("faiss") is None:
        raise ConfigError("the format faiss needs the package faiss-cpu; run: pip install 'negatives[ann]'")
    faiss = importlib.import_module("faiss")
    for one in found:
        index = faiss.IndexFlatIP(one.table.shape[1])
        index.add(one.table.contiguous().numpy())
        files.write_bytes(target / f"{plural(one.kind)}.faiss", faiss.serialize_index(index).tobytes())
    _write_frame(polars.concat([_frame(one).drop("vector") for one in found]), target / IDS)


def _later(place: str) -> Callable[[Path, Path], None]:
    """A function of another file, which is read when it is called."""
    module, _, name = place.partition(":")

    def write(run: Path, target: Path) -> None:
        getattr(importlib.import_module(module), name)(run, target)

    return write


FORMATS: dict[str, Callable[[list[Vectors], Path], None]] = {
    "safetensors": _safetensors,
    "parquet": _parquet,
    "numpy": _numpy,
    "word2vec": _word2vec,
    "word2vec-binary": _word2vec_binary,
    "glove": _glove,
    "faiss": _faiss,
}
"""Formats of a run's vectors."""

WHOLE: dict[str, Callable[[Path, Path], None]] = {
    "trec": _later("negatives.runs.trec:write_trec"),
    "sentence-transformers": _later("negatives.runs.exports.encoders:write_sentence_transformers"),
    "onnx": _later("negatives.runs.exports.onnx:write_onnx"),
    "hub": _later("negatives.runs.exports.hub:write_hub"),
}
"""Formats of a whole run: its ranking of the test part, its encoder, or all that answering needs."""
