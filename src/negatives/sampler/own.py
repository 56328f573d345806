"""A sampler for a training loop of one's own, in one call: ``negatives.sampler("dns", train=(users, items))``."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from negatives.control import build_part
from negatives.errors import ConfigError, InputError
from negatives.losses import registry as losses
from negatives.losses.base import Loss
from negatives.registry import Part, Spec
from negatives.sampler.batch import whole
from negatives.sampler.build import build, resolve
from negatives.sampler.core import Sampler
from negatives.sampler.files import from_file
from negatives.types import Catalogue, Csr, Ids


@runtime_checkable
class Sparse(Protocol):
    """A sparse matrix of SciPy."""

    shape: tuple[int, int]

    def tocoo(self) -> Any:
        """With ``row`` and ``col``."""
        ...


Train = tuple[Ids | None, Ids] | Csr | Catalogue | Sparse | Tensor
"""Pairs for training: query ids and item ids, or a table of them."""


def sampler(
    spec: Spec | PathLike[str],
    train: Train,
    *,
    n_queries: int | None = None,
    n_items: int | None = None,
    loss: Loss | Spec | None = None,
    seed: int = 0,
    total_steps: int | None = None,
    never: Ids | None = None,
) -> Sampler:
    """A sampler that knows its data, ready for a training loop of one's own.

    Args:
        spec: A preset's name (``negatives samplers`` lists them), the path of a TOML file, or the parts as
            :func:`negatives.sampler.build` takes them.
        train: The pairs of the training part: ``(queries, items)`` as tensors, arrays or lists of any whole-number
            type, ``(2, n)`` in one tensor, a :class:`Csr` or SciPy matrix of queries by items, or a :class:`Catalogue`
            where the parts need more than pairs. ``(None, items)`` where the loop has no query ids: the guard
            ``known_positives`` is then ``own_positive``.
        n_queries: Number of queries; one more than the highest id when left out. Give it where queries come later.
        n_items: Number of items, likewise. Every id below it may be drawn.
        loss: The loss that will be trained, or its name, for presets such as ``auto`` that have a form for each kind
            of loss: pairwise, pointwise, a softmax.
        seed: Seed of all draws.
        total_steps: Calls that the training will make, by which schedules know how far it is.
        never: Items that are not drawn, as :meth:`Sampler.never` takes them; padding, for instance.

    Raises:
        ConfigError: A name or key is not known, or the preset needs more than pairs.
        InputError: Ids do not go together or are out of range.

    >>> sampler("uniform", train=([0, 0, 1], [3, 2, 1]))([0, 0], [3, 2]).ids.shape
    torch.Size([2, 1])
    """
    known = _catalogue(train, n_queries, n_items)
    given = _read(spec)
    objective = loss if loss is None or isinstance(loss, Loss) else build_part(losses, loss)
    parts = resolve(given, objective)
    if known.known is None:
        parts["guards"] = [_without_queries(one) for one in parts.get("guards", ["known_positives"])]
    made = build(parts, seed, total_steps=total_steps)
    made.bind(known)
    made.never(never)
    return made


def _read(spec: Spec | PathLike[str]) -> Spec:
    if isinstance(spec, (Mapping, Part)):
        return spec
    path = fspath(spec)
    return from_file(Path(path))[0] if path.endswith(".toml") or not isinstance(spec, str) else path


def _without_queries(guard: Spec) -> Spec:
    return "own_positive" if Part.of(guard).name == "known_positives" else guard


def _catalogue(train: Train, n_queries: int | None, n_items: int | None) -> Catalogue:
    if isinstance(train, Catalogue):
        for name, asked, there in (("queries", n_queries, train.n_queries), ("items", n_items, train.n_items)):
            if asked is not None and asked != there:
                raise ConfigError(f"n_{name} is {asked}, and the catalogue has {there} {name}; leave it out")
        return train
    queries: Ids | None
    items: Ids
    if isinstance(train, Csr):
        queries, items = torch.repeat_interleave(train.lengths()), train.indices
        n_queries, n_items = n_queries or train.n_rows, n_items or train.n_cols
    elif isinstance(train, Sparse):
        found = train.tocoo()
        queries, items = found.row, found.col
        n_queries, n_items = n_queries or train.shape[0], n_items or train.shape[1]
    else:
        queries, items = _two(train)
    return _of_pairs(queries, items, n_queries, n_items)


def _two(train: Any) -> tuple[Ids | None, Ids]:
    try:
        queries, items = train
    except (TypeError, ValueError):
        told = f"{tuple(train.shape)}" if hasattr(train, "shape") else f"a {type(train).__name__}"
        raise InputError(f"train is {told}", hint="give (queries, items), one id each for every pair") from None
    return queries, items


def _of_pairs(queries: Ids | None, items: Ids, n_queries: int | None, n_items: int | None) -> Catalogue:
    right = whole("item", items, torch.device("cpu")).flatten()
    n = _number("n_items", "item", right, n_items)
    counts = torch.bincount(right, minlength=n)
    if queries is None:
        return Catalogue(n_queries or 0, n, counts)
    left = whole("query", queries, torch.device("cpu")).flatten()
    if left.shape != right.shape:
        raise InputError(f"train has {left.numel()} queries and {right.numel()} items", hint="give one each per pair")
    rows = _number("n_queries", "query", left, n_queries)
    return Catalogue(rows, n, counts, Csr.from_pairs(left, right, rows, n))


def _number(name: str, what: str, ids: Tensor, given: int | None) -> int:
    if not ids.numel() and given is None:
        raise InputError("train holds no pair", hint=f"give the pairs of the training part, or {name}=")
    low, high = (int(one) for one in torch.aminmax(ids)) if ids.numel() else (0, -1)
    if low < 0:
        raise InputError(f"train holds the {what} {low}", hint="ids are numbered from 0; leave padding out")
    if given is not None and high >= given:
        raise InputError(
            f"train holds the {what} {high}, and {name} is {given}", hint=f"give {name}={high + 1} or more"
        )
    return high + 1 if given is None else given


class Package(ModuleType):
    """The package :mod:`negatives.sampler`, which can be called as :func:`sampler`."""

    __call__ = staticmethod(sampler)
