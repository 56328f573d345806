"""A fingerprint of data as it was read, by which one knows whether a run would go on with the same.

Numbers are summed under weights that no two places of a block share, modulo 2^64: at the speed of the memory, and any
single change shows for certain, because every weight is odd. The sums of the blocks go into a SHA-256. It tells data
that has changed, not data that somebody has forged.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from negatives.data.corpus.encoded import Corpus
from negatives.types import raw

BLOCK = 1 << 16
"""Words of eight bytes that are summed at a time."""
TEXTS = 1 << 14
"""Texts that are joined at a time."""
LABELS = ("name", "notes")
"""Fields that say what data is called and how it was read, which may change when it is moved."""


def digest(data: object) -> str:
    """A fingerprint of tensors, arrays, tables and texts, in dataclasses, mappings and sequences of any depth.

    >>> import torch
    >>> digest({"a": torch.arange(3)}) == digest({"a": torch.arange(3)}) != digest({"a": torch.arange(4)})
    True
    """
    found = hashlib.sha256()
    for piece in _pieces(data, ""):
        found.update(piece)
    return found.hexdigest()


def _pieces(value: Any, place: str) -> Iterable[bytes]:
    """What goes into the fingerprint; objects of unknown kinds count by their kind alone."""
    yield f"{place}:{type(value).__name__};".encode()
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided:
            value = value.to_dense()
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield _sums(raw(value))
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype} {value.shape}".encode()
        yield _sums(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    elif isinstance(value, pl.DataFrame):
        for column in value.get_columns():
            yield from _pieces(column, f"{place}.{column.name}")
    elif isinstance(value, pl.Series):
        yield from _series(value)
    elif value is None or isinstance(value, (bool, int, float, str, bytes)):
        yield repr(value).encode("utf-8", "surrogatepass")
    elif isinstance(value, Corpus):
        yield from _fields(value, place)
        if value.n_tokens:
            yield _sums(np.memmap(value.path, np.uint8, "r", shape=(4 * value.n_tokens,)))
    elif dataclasses.is_dataclass(value):
        yield from _fields(value, place)
    elif isinstance(value, Mapping):
        yield from _sequence([str(key) for key in value], f"{place}.keys")
        yield from _sequence(list(value.values()), place)
    elif isinstance(value, (list, tuple)):
        yield from _sequence(value, place)
    elif isinstance(value, (set, frozenset)):
        yield from _sequence(sorted(map(repr, value)), place)


def _fields(value: Any, place: str) -> Iterable[bytes]:
    for field in dataclasses.fields(value):
        if field.name not in LABELS and not field.name.startswith("_"):  # what is worked out later is no data
            yield from _pieces(getattr(value, field.name), f"{place}.{field.name}")


def _sequence(value: Sequence[Any], place: str) -> Iterable[bytes]:
    yield str(len(value)).encode()
    if value and all(isinstance(one, str) for one in value):
        for first in range(0, len(value), TEXTS):
            yield _texts(value[first : first + TEXTS])
    elif value and all(isinstance(one, (int, float)) for one in value):
        yield repr(value).encode()
    else:
        yield from (piece for number, one in enumerate(value) for piece in _pieces(one, f"{place}.{number}"))


def _series(value: pl.Series) -> Iterable[bytes]:
    yield f"{value.dtype} {len(value)}".encode()
    if value.dtype.is_numeric() and value.null_count() == 0:
        yield _sums(np.ascontiguousarray(value.to_numpy()).view(np.uint8))
        return
    for first in range(0, len(value), TEXTS):
        part = value.slice(first, TEXTS)
        texts = part if part.dtype == pl.String else pl.Series([str(one) for one in part.to_list()], dtype=pl.String)
        yield _texts(texts.fill_null("\1").to_list())


def _texts(texts: Sequence[str]) -> bytes:
    raw = "\0".join(texts).encode("utf-8", "surrogatepass")
    return _sums(np.frombuffer(raw, np.uint8)) if raw else b""


def _sums(raw: npt.NDArray[np.uint8]) -> bytes:
    """Weighted sums of blocks, 8 bytes each, and what is left over in the end as it is."""
    whole = len(raw) // 8 * 8
    words, weights = raw[:whole].view(np.uint64), _weights()
    sums = [np.dot(part, weights[: len(part)]) for part in np.split(words, range(BLOCK, len(words), BLOCK))]
    return np.array(sums, np.uint64).tobytes() + raw[whole:].tobytes()


@cache
def _weights() -> npt.NDArray[np.uint64]:
    """``(BLOCK,)`` odd numbers that look random (SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = np.arange(1, BLOCK + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    odd: npt.NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)
    return odd
