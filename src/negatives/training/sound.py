"""What a file of a run must keep so that nothing in it leads a kernel astray; files may come from anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from negatives.data.columns import BAGS, KINDS
from negatives.data.cooccurrence import Cooccurrence
from negatives.data.features import Feature, Features
from negatives.data.histories import Histories
from negatives.data.ngrams import Sentences
from negatives.data.pairs import SparseFeatures
from negatives.types import Csr


def sound(value: Any) -> Any:
    """A table that :mod:`negatives.training.kept` has made, once its parts fit together.

    Raises:
        ValueError: They do not; says which.

    >>> sound(Csr(torch.tensor([0, 1]), torch.tensor([7], dtype=torch.int32), 3))
    Traceback (most recent call last):
    ...
    ValueError: an index lies outside its table
    """
    RULES[type(value)](value)
    return value


def finite(tensor: Tensor) -> bool:
    """Whether every number is finite; whole numbers are. One pass, without memory of its own."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor)  # NaN goes through both
    return bool(torch.isfinite(low)) and bool(torch.isfinite(high))


def ends_fit(starts: Tensor, count: int) -> None:
    """Bounds ``(n + 1,)`` of consecutive parts of ``count`` things.

    Raises:
        ValueError: They are none.
    """
    _like(starts, 1, torch.int64, torch.int32)
    if not starts.numel() or starts[0] != 0 or starts[-1] != count or bool((starts.diff() < 0).any()):
        raise ValueError("the bounds of its rows do not fit")


def _csr(value: Csr | SparseFeatures) -> None:
    if type(value.n_cols) is not int or not 0 <= value.n_cols < 1 << 63:
        raise ValueError("its number of columns is none")
    _like(value.indices, 1, torch.int32, torch.int64)
    ends_fit(value.indptr, len(value.indices))
    _inside(value.indices, value.n_cols)


def _histories(value: Histories) -> None:
    if type(value.n_items) is not int:
        raise ValueError("its number of items is none")
    _like(value.items, 1, torch.int64)
    ends_fit(value.indptr, len(value.items))
    _inside(value.items, value.n_items)


def _features(value: SparseFeatures) -> None:
    _csr(value)
    _like(value.values, 1, torch.float32, torch.float64)
    _same(value.values, value.indices)


def _feature(value: Feature) -> None:
    if (
        value.kind not in KINDS
        or (value.kind in BAGS) is (value.bag is None)
        or (value.bag is None) is (value.dense is None)
    ):
        raise ValueError("a column of features is of no kind")
    if value.bag is not None and value.scale is not None:
        _like(value.scale, 1, torch.float32)
        if len(value.scale) != value.bag.n_cols or (value.words is not None and len(value.words) != value.bag.n_cols):
            raise ValueError("its parts differ in length")
    if value.dense is not None:
        _like(value.dense, 2, torch.float32)
    if value.kind == "number":
        _like(value.scale, 1, torch.float64)


def _described(value: Features) -> None:
    for one in value.columns:
        rows = one.bag.n_rows if one.bag is not None else 0 if one.dense is None else len(one.dense)
        if rows != value.n_rows:
            raise ValueError("its parts differ in length")


def _sentences(value: Sentences) -> None:
    _like(value.words, 2, torch.int64, torch.int32)
    _like(value.lengths, 1, torch.int64)
    _same(value.words, value.lengths)
    _inside(value.words, None)
    _inside(value.lengths, value.words.shape[1] + 1)


def _cooccurrence(value: Cooccurrence) -> None:
    for ids in (value.rows, value.cols):
        _like(ids, 1, torch.int32)
        _same(ids, value.counts)
        _inside(ids, None)
    _like(value.counts, 1, torch.float32)


def _like(value: Any, dimensions: int, *types: torch.dtype) -> None:
    if not isinstance(value, Tensor) or value.dim() != dimensions or value.dtype not in types:
        raise ValueError("a part is of another type or shape")


def _same(left: Tensor, right: Tensor) -> None:
    if not isinstance(right, Tensor) or len(left) != len(right):
        raise ValueError("its parts differ in length")


def _inside(ids: Tensor, size: int | None) -> None:
    """Ids from 0 to below ``size``, which may be open."""
    if ids.numel() and (int(ids.min()) < 0 or (size is not None and int(ids.max()) >= size)):
        raise ValueError("an index lies outside its table")


RULES: dict[type, Callable[[Any], None]] = {
    Csr: _csr,
    Histories: _histories,
    SparseFeatures: _features,
    Feature: _feature,
    Features: _described,
    Sentences: _sentences,
    Cooccurrence: _cooccurrence,
}
