"""The few types that every stage shares: what goes into a sampler and what comes out.

Shapes use ``rows`` for the examples of one batch, ``m`` for candidates and ``k`` for chosen negatives. The parts of a
sampler see rows one after another; a loop of one's own may give them as ``(batch, length)`` and is answered so.
A pool that the whole batch shares is still given as ``(rows, m)``: an expanded view whose first stride is
zero. :func:`shared_pool` recognises it, so that one matrix product scores it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError, NonFiniteScores
from negatives.parameters import Range
from negatives.randomness import Purpose, stream
from negatives.ranks import ALONE, Ranks

T = TypeVar("T")
Ids = Tensor | npt.NDArray[Any] | Sequence[int]
"""Ids as a loop has them: a tensor or array of any whole-number type, on any device, or a list."""
State = dict[str, Any]
"""What a part must remember: tensors, numbers, strings and nested dictionaries of them."""


def raw(tensor: Tensor) -> npt.NDArray[np.uint8]:
    """The bytes of a tensor's numbers, ``(n,)``, row by row; a view where it lies so in memory.

    >>> raw(torch.zeros(1, dtype=torch.int64).expand(0)).size, raw(torch.ones(1, dtype=torch.uint8).expand(3)).tolist()
    (0, [1, 1, 1])
    """
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.numel() < 2:  # its stride may be 0, and still it counts as contiguous
        flat = flat.as_strided(flat.shape, (1,))
    return flat.view(torch.uint8).numpy()


@dataclass(frozen=True, slots=True)
class Csr:
    """Sets of items per query, compressed by rows.

    Args:
        indptr: ``(n_rows + 1,)`` int64, start of each row in ``indices``.
        indices: ``(nnz,)`` int32 column ids, sorted and unique within each row.
        n_cols: Number of columns.
    """

    indptr: Tensor
    indices: Tensor
    n_cols: int

    @property
    def n_rows(self) -> int:
        return self.indptr.numel() - 1

    @property
    def nnz(self) -> int:
        return self.indices.numel()

    def row(self, index: int) -> Tensor:
        """Column ids of one row, ``(n,)`` int32."""
        return self.indices[int(self.indptr[index]) : int(self.indptr[index + 1])]

    def pick(self, rows: Tensor) -> Csr:
        """The sets of some rows ``(n,)`` int64, one after another.

        >>> Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([2, 0]), 2, 3).pick(torch.tensor([1])).row(0).tolist()
        [0]
        """
        lengths = self.lengths()[rows]
        indptr = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
        at = torch.repeat_interleave(self.indptr[rows] - indptr[:-1], lengths)
        return Csr(indptr, self.indices[at + torch.arange(at.numel(), device=at.device)], self.n_cols)

    def lengths(self) -> Tensor:
        """Number of columns in each row, ``(n_rows,)`` int64."""
        return self.indptr[1:] - self.indptr[:-1]

    def to(self, device: torch.device | str) -> Csr:
        """The same sets on another device."""
        return Csr(self.indptr.to(device), self.indices.to(device), self.n_cols)

    @staticmethod
    def from_pairs(rows: Tensor, cols: Tensor, n_rows: int, n_cols: int) -> Csr:
        """Build from int64 pairs ``(n,)``; duplicates are merged.

        Raises:
            InputError: A row or column is out of range.

        >>> Csr.from_pairs(torch.tensor([1, 0, 1]), torch.tensor([2, 1, 0]), 2, 3).row(1).tolist()
        [0, 2]
        """
        within("row", rows, n_rows)
        within("column", cols, n_cols)
        codes = torch.unique(rows.to(torch.int64) * n_cols + cols.to(torch.int64))
        counts = torch.bincount(codes // n_cols, minlength=n_rows)
        indptr = torch.zeros(n_rows + 1, dtype=torch.int64, device=rows.device)
        indptr[1:] = counts.cumsum(0)
        return Csr(indptr, (codes % n_cols).to(torch.int32), n_cols)


def union(tables: Sequence[Csr]) -> Csr:
    """Per row, the columns that stand in any of the tables.

    Raises:
        ConfigError: They have other numbers of rows or columns.

    >>> one, two = (Csr.from_pairs(torch.tensor([0]), torch.tensor([item]), 1, 4) for item in (3, 1))
    >>> union([one, two]).row(0).tolist()
    [1, 3]
    """
    rows, cols, n_rows, n_cols = _pairs_of(tables)
    return Csr.from_pairs(torch.cat(rows), torch.cat(cols), n_rows, n_cols)


def less(left: Csr, right: Csr) -> Csr:
    """Per row, the columns of ``left`` that do not stand in ``right``.

    Raises:
        ConfigError: They have other numbers of rows or columns.

    >>> one, two = (Csr.from_pairs(torch.tensor([0, 0]), torch.tensor(items), 1, 4) for items in ([0, 3], [3, 2]))
    >>> less(one, two).row(0).tolist()
    [0]
    """
    rows, cols, n_rows, n_cols = _pairs_of([left, right])
    codes = [each * n_cols + of for each, of in zip(rows, cols, strict=True)]
    kept = ~torch.isin(codes[0], codes[1])
    return Csr.from_pairs(rows[0][kept], cols[0][kept], n_rows, n_cols)


def _pairs_of(tables: Sequence[Csr]) -> tuple[list[Tensor], list[Tensor], int, int]:
    """Rows and columns of each table, int64, and the shape that they share."""
    shapes = {(one.n_rows, one.n_cols) for one in tables}
    if len(shapes) > 1:
        raise ConfigError(f"tables of queries by items have other sizes, {sorted(shapes)}; build all from one data")
    rows = [torch.repeat_interleave(one.lengths()) for one in tables]
    return rows, [one.indices.to(torch.int64) for one in tables], *shapes.pop()


def finite(values: Tensor, what: str) -> Tensor:
    """What the model gave, as it is.

    Raises:
        NonFiniteScores: A value is NaN or infinite.
    """
    total = float(values.sum())  # one pass; of finite values the sum may overflow, so only then is each looked at
    if not math.isfinite(total) and not bool(values.isfinite().all()):
        raise NonFiniteScores(
            f"the model's {what} hold NaN or infinity; lower the learning rate, or clip the gradients"
        )
    return values


def within(name: str, ids: Tensor, n: int, more: str = "") -> None:
    """Refuse ids, of any shape, that are not among ``0 .. n - 1``; ``more`` is what to do where there are more.

    Raises:
        InputError: Names the first such id and its place.
    """
    all_within((name, ids, n, more))


def all_within(*given: tuple[str, Tensor, int, str]) -> None:
    """:func:`within` for ids of several kinds on one device, which is waited for once.

    Raises:
        InputError: Names the first id that is out of range, and its place.
    """
    some = [one for one in given if one[1].numel()]
    ends = torch.stack([end for _, ids, *_ in some for end in torch.aminmax(ids)]).tolist() if some else []
    for (name, ids, n, more), low, high in zip(some, ends[::2], ends[1::2], strict=True):
        if low < 0 or high >= n:
            place = int(((ids < 0) | (ids >= n)).flatten().nonzero()[0, 0])
            raise InputError(
                f"{name} {int(ids.flatten()[place])} at place {place} is out of range",
                hint=(f"there are {n}, numbered from 0" if n else "there is none") + more,
            )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the parts of a sampler may know about the training data.

    Args:
        n_queries: Number of queries (users, head-relation pairs, words, ...).
        n_items: Number of items that may be drawn.
        counts: ``(n_items,)`` int64, how often each item is a positive in the training part.
        known: Positives known per query, or None where there is no such table.
        query_groups: ``(n_queries,)`` int64 group of each query (the relation of a head-relation pair, a category),
            or None.
        query_anchors: ``(n_queries,)`` int64 item that each query is about (the head entity, the word or node
            itself), -1 for none; or None.
        item_graph: Neighbours of each item in the training part, or None.
        item_groups: ``(n_items,)`` int64, items of one group are equally right (copies), -1 for no group; or None.
        query_kinds: ``(n_queries,)`` int64 kind of the items that can answer each query, -1 for any; or None.
        item_kinds: ``(n_items,)`` int64 kind of each item, -1 for one that fits no query that asks for a kind; or None.
        given: Items that each query is known not to go with, such as those it was shown and did not take; or None.
        top: Places at the top of a list that decide how the model is judged; None where nobody says.
    """

    n_queries: int
    n_items: int
    counts: Tensor
    known: Csr | None = None
    query_groups: Tensor | None = None
    query_anchors: Tensor | None = None
    item_graph: Csr | None = None
    item_groups: Tensor | None = None
    query_kinds: Tensor | None = None
    item_kinds: Tensor | None = None
    given: Csr | None = None
    top: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One batch for which negatives are wanted.

    Args:
        queries: ``(rows,)`` int64 query ids.
        positives: ``(rows,)`` int64 item ids, the right answer of each row.
        examples: ``(rows,)`` int64, index of each row in the training set; the random draws depend on it.
        seed: Seed of the run.
        epoch: Epoch, counted from zero.
        step: Training step, counted from zero.
        progress: Share of the training that is done, from 0 to 1; schedules read it.
        places: ``(rows,)`` int64, place of each row in the batch that came from the loop; None for all of it in order.
            What is asked of a scorer by place is right also where rows of one query have vectors of their own.
        ranks: The processes that share the training, each with rows of its own, for parts that learn from batches;
            this one alone where each has the whole batch.
        pools_from: What pools are counted from: 0 where all ranks draw the same, else a number of this rank's own.
    """

    queries: Tensor
    positives: Tensor
    examples: Tensor
    seed: int = 0
    epoch: int = 0
    step: int = 0
    progress: float = 0.0
    places: Tensor | None = None
    ranks: Ranks = ALONE
    pools_from: int = 0

    @property
    def rows(self) -> int:
        return self.queries.numel()

    @property
    def device(self) -> torch.device:
        return self.queries.device

    def key(self, purpose: Purpose) -> int:
        """The 64-bit random stream of this seed, purpose and epoch."""
        return stream(self.seed, purpose, self.epoch)

    def take(self, rows: Tensor) -> Context:
        """The context of some rows, given by their positions ``(n,)``."""
        parts = self.queries[rows], self.positives[rows], self.examples[rows]
        places = rows if self.places is None else self.places[rows]
        return replace(self, queries=parts[0], positives=parts[1], examples=parts[2], places=places)

    def pooled(self) -> Context:
        """One row that stands for the whole batch: its example is the step, or this rank's own number of it."""
        number = self.pools_from + self.step
        step = torch.full((1,), number, dtype=torch.int64, device=self.device)  # written there, not copied
        return replace(self.take(torch.arange(min(1, self.rows), device=self.device)), examples=step)

    def joined(self) -> Context:
        """The batch of all ranks, rank by rank; every rank must ask. What is asked of a scorer by place is lost."""
        if self.ranks.count == 1:
            return self
        own = torch.stack([self.queries, self.positives, self.examples], 1)
        queries, positives, examples = self.ranks.gathered(own).unbind(1)
        return replace(
            self, queries=queries, positives=positives, examples=examples, places=None, ranks=ALONE, pools_from=0
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items drawn for a batch, before the selection.

    Args:
        ids: ``(rows, m)`` int64 item ids; slots that could not be filled hold 0 and have ``ok`` False.
        log_q: ``(rows, m)`` float, log-probability of each draw given the query, or None if unknowable.
        ok: ``(rows, m)`` bool, False for what a guard has marked.
        scores: ``(rows, m)`` float, detached scores for the row's query, when some part asked for them.
        positive_scores: ``(rows,)`` float, detached scores of the positives, likewise.
        repeats: ``(rows, m)`` float, how many draws each slot stands for, as :class:`Negatives` has it.
    """

    ids: Tensor
    log_q: Tensor | None
    ok: Tensor
    scores: Tensor | None = None
    positive_scores: Tensor | None = None
    repeats: Tensor | None = None

    def take(self, rows: slice | Tensor) -> Candidates:
        """The candidates of some rows, given by their positions ``(n,)`` or a mask."""
        parts = {one.name: _taken(getattr(self, one.name), rows) for one in fields(self)}
        return replace(self, **parts)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Negatives:
    """What a sampler returns.

    Rows that were given as ``(batch, length)`` are answered so: read that for ``rows`` in all shapes below. Rows that
    are padding have False in ``mask``, False in all of ``ok``, and zeros elsewhere. :meth:`flat` gives the rows that
    count one after another, which is what losses look at.

    Args:
        ids: ``(rows, k)`` int64 item ids.
        log_q: ``(rows, k)`` float or None. For every allowed item ``i`` and any function ``f``, the sum
            ``(1/k) sum_j ok_j f(ids_j) / exp(log_q_j)`` is an unbiased estimate of ``sum_i f(i)``. For plain
            draws it is the exact log-probability given the query; None where the selection makes it
            unknowable.
        ok: ``(rows, k)`` bool, False where the slot must not count.
        weight: ``(rows, k)`` float, weight of each negative in the loss, or None for equal weights. No
            gradient flows through it.
        scores: ``(rows, k)`` float, detached scores if the sampler has them, else None.
        positive_scores: ``(rows,)`` float, detached scores of the positives if the sampler has them.
        positive_log_q: ``(rows,)`` float, log-probability that one draw gives the row's positive, if the sampler
            knows it and ``log_q`` is that of the same distribution.
        repeats: ``(rows, k)`` float, how many draws each slot stands for, where equal draws of a pool were made one;
            ``log_q`` says so already, and only signals read it. None where every slot is one draw.
        mask: ``(rows,)`` bool, False for rows that are padding; None where all count.
    """

    ids: Tensor
    log_q: Tensor | None
    ok: Tensor
    weight: Tensor | None = None
    scores: Tensor | None = None
    positive_scores: Tensor | None = None
    positive_log_q: Tensor | None = None
    repeats: Tensor | None = None
    mask: Tensor | None = None

    @property
    def k(self) -> int:
        return self.ids.shape[-1]

    @property
    def shape(self) -> torch.Size:
        """That of the rows: ``(rows,)`` or ``(batch, length)``."""
        return self.ids.shape[:-1]

    @property
    def pool(self) -> Tensor | None:
        """``(k,)`` ids when the whole batch shares its negatives, else None."""
        return shared_pool(self.ids)

    def take(self, rows: slice | Tensor) -> Negatives:
        """The negatives of some rows, given by their positions ``(n,)`` or a mask."""
        found = {one.name: _taken(getattr(self, one.name), rows) for one in fields(self)}
        return replace(self, **found)  # type: ignore[arg-type]

    def places(self) -> Tensor | None:
        """``(n,)`` int64, where the rows that count stand among all, one after another; None where all count."""
        return None if self.mask is None else self.mask.flatten().nonzero()[:, 0]

    def flat(self, places: Tensor | None = None) -> Negatives:
        """The rows that count, one after another: ids ``(n, k)`` and so on, without a mask; a pool stays one.

        ``places`` are :meth:`places`, from a caller who knows them.

        >>> ids, ok = torch.tensor([[[3], [4]]]), torch.tensor([[[True], [False]]])
        >>> Negatives(ids, None, ok, mask=ok[..., 0]).flat().ids.tolist()
        [[3]]
        """
        if self.mask is None and len(self.shape) == 1:
            return self
        at = self.places() if places is None else places
        held = {one.name: getattr(self, one.name) for one in fields(self)[:-1]}
        parts = {name: None if part is None else in_line(part, self.shape, at) for name, part in held.items()}
        found: Negatives = replace(self, mask=None, **parts)  # type: ignore[arg-type]
        if self.ok.stride(-1) == 0 and bool(found.ok[:, :1].all()):  # one flag for each row, and all are set
            ok = torch.ones((1, 1), dtype=torch.bool, device=self.ids.device)
            found = replace(found, ok=ok.expand(found.ids.shape))
        return found


def in_line(part: Tensor, shape: torch.Size, places: Tensor | None) -> Tensor:
    """The rows of a part ``(*shape, ...)`` at ``places`` ``(n,)``, or all, one after another; a pool stays a view.

    >>> in_line(torch.tensor([[3, 4], [5, 6]]), torch.Size([2, 2]), torch.tensor([0, 3])).tolist()
    [3, 6]
    """
    if (one := shared_pool(part)) is not None and part.dim() > len(shape):
        return one.expand(shape.numel() if places is None else places.numel(), -1)
    rows = part.flatten(0, len(shape) - 1)
    return rows if places is None else rows[places]


def _taken(part: Tensor | None, rows: slice | Tensor) -> Tensor | None:
    return None if part is None else part[rows]


def shared_pool(ids: Tensor) -> Tensor | None:
    """The ``(m,)`` pool behind an expanded ``(rows, m)`` view, or None if rows have ids of their own.

    Rows may be ``(batch, length)`` too.

    >>> shared_pool(torch.arange(3).expand(2, 3)).tolist()
    [0, 1, 2]
    >>> shared_pool(torch.zeros(2, 3, dtype=torch.int64)) is None
    True
    """
    rows = ids.shape[:-1]
    if rows and rows.numel() > 1 and not any(step for size, step in zip(rows, ids.stride(), strict=False) if size > 1):
        return ids[(0,) * len(rows)]
    return None


@runtime_checkable
class Scorer(Protocol):
    """What a sampler needs from a model. Any PyTorch module fits in a few lines."""

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Embeddings ``(rows, d)`` of query ids ``(rows,)``."""
        ...

    def encode_items(self, items: Tensor) -> Tensor:
        """Embeddings ``(..., d)`` of item ids ``(...)``."""
        ...

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of ``queries (rows,)`` with ``items``: ``(rows,)`` pairs or ``(rows, k)`` per query.

        A shared pool arrives as an expanded view (see :func:`shared_pool`).
        """
        ...


@dataclass(slots=True)
class Part:
    """Base of every exchangeable part of a sampler: it may need the catalogue, and it may have state."""

    tunable: ClassVar[Mapping[str, Range]] = {}
    """Numbers that are worth tuning, by parameter, and in what range; ``weights.0`` is the first of a list."""

    def bind(self, catalogue: Catalogue) -> None:
        """Learn about the data. Called once before the first draw; does nothing by default."""

    def to(self, device: torch.device) -> None:
        """Move all tensors that the part holds, in tables and inner parts too, to where the next batches are."""
        for name, held in _held(self):
            setattr(self, name, moved(held, device))

    def state(self) -> State:
        """All that the part must remember to go on exactly where it was."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""


def moved(value: T, device: torch.device) -> T:
    """A value with every tensor in it on ``device``; the same object where nothing has to move.

    Looks into parts and other dataclasses, lists, tuples and dictionaries. What is not frozen changes in place.
    """
    found: Any = value
    if isinstance(value, Tensor):
        pool = None if value.device == device else shared_pool(value)  # a copy of it would have rows of its own
        found = value.to(device) if pool is None else pool.to(device).expand(value.shape)
    elif isinstance(value, Part):
        value.to(device)
    elif isinstance(value, (list, tuple)):
        parts = [moved(one, device) for one in value]
        found = value if all(one is two for one, two in zip(parts, value, strict=True)) else type(value)(parts)
    elif isinstance(value, dict):
        found = {key: moved(one, device) for key, one in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {name: one for name, held in _held(value) if (one := moved(held, device)) is not held}
        if value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            found = replace(value, **changed) if changed else value
        else:
            for name, one in changed.items():
                setattr(value, name, one)
    return found  # type: ignore[no-any-return]


def _held(part: Any) -> list[tuple[str, Any]]:
    """Fields of a dataclass that have a value."""
    return [(one.name, getattr(part, one.name)) for one in fields(part) if hasattr(part, one.name)]
