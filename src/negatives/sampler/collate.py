"""Draw first, collate then: negatives drawn in the workers of a loader, and features asked for once for each item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from negatives.errors import ConfigError, InputError
from negatives.sampler.batch import whole
from negatives.sampler.core import Sampler
from negatives.types import Ids, Negatives, moved

Row = tuple[Any, Any, int]
"""Query id, or None; positive item id, or those of a sequence; number of the row in the training set."""


class Pairs(Dataset[Row]):
    """Training pairs as a loader reads them: each with its number, by which its negatives are drawn.

    Args:
        queries: ``(n,)`` query ids; None where the loop has none.
        positives: ``(n,)`` item ids, or ``n`` sequences of them of any lengths.

    >>> Pairs([7, 8], [[1, 2], [3]])[1]
    (8, [3], 1)
    """

    def __init__(self, queries: Ids | None, positives: Sequence[Any] | Ids) -> None:
        if queries is not None and len(queries) != len(positives):
            raise InputError(f"{len(queries)} queries for {len(positives)} positives", hint="give one each per row")
        self.queries, self.positives = queries, positives

    def __len__(self) -> int:
        return len(self.positives)

    def __getitem__(self, row: int) -> Row:
        return None if self.queries is None else self.queries[row], self.positives[row], row


@dataclass(frozen=True, slots=True)
class Collated:
    """A batch with its negatives and the features of all its items.

    Args:
        queries: ``(rows,)`` int64, or None.
        positives: ``(rows,)`` int64, or ``(rows, length)`` of sequences, 0 in padding.
        negatives: What the sampler drew.
        items: ``(n,)`` int64, every item of the batch once, in ascending order.
        features: What the features' function gave for ``items``; None without one.
        positive_at: Of the shape of ``positives``, the place of each in ``items``.
        negative_at: Of the shape of ``negatives.ids``, the place of each in ``items``; a pool is a view as there.
        examples: ``(rows,)`` int64, the numbers of the rows.
    """

    queries: Tensor | None
    positives: Tensor
    negatives: Negatives
    items: Tensor
    features: Any
    positive_at: Tensor
    negative_at: Tensor
    examples: Tensor

    def to(self, device: torch.device | str) -> Collated:
        """The same on another device; pools stay views."""
        return moved(self, torch.device(device))

    def pin_memory(self) -> Collated:
        """Called by a loader that pins; features that are tensors, alone or in mappings and lists, are pinned."""
        return Collated(
            self.queries, self.positives, self.negatives, self.items, _pinned(self.features),
            self.positive_at, self.negative_at, self.examples,
        )  # fmt: skip


@dataclass(slots=True)
class Collate:
    """A loader's ``collate_fn`` that draws negatives and gathers features, in whatever process it is called.

    Draws depend on the rows' numbers and the epoch alone, pools on the number of a batch's first row: they are the same
    without workers and with any number of them, so a sampler that looks at the model, or learns from the batches it
    sees, cannot serve here.

    Args:
        sampler: Draws without a model: ``uniform``, ``popularity``, ``softmax``, ``in_batch``, ``typed`` and others.
        features: From item ids ``(n,)`` to their features, for instance a padded batch of tokens.
        epoch: Set it before each epoch: ``loader.collate_fn.epoch = epoch``, without ``persistent_workers``.
        progress: Share of the training that is done, for schedules; set it likewise.

    Raises:
        ConfigError: The sampler needs the model, or learns.
    """

    sampler: Sampler
    features: Callable[[Tensor], Any] | None = None
    epoch: int = 0
    progress: float | None = None

    def __post_init__(self) -> None:
        if self.sampler.needs_scorer:
            raise ConfigError(
                "this sampler looks at the model, which a loader's worker does not have; draw in the training step, or "
                "choose one that does not, such as softmax or popularity"
            )
        if _remembers(self.sampler.proposal.state()):
            raise ConfigError(
                f"{type(self.sampler.proposal).__name__} learns from the batches, of which a worker sees some only; "
                "draw in the training step"
            )

    def __call__(self, rows: Sequence[Row]) -> Collated:
        """The batch of some rows of :class:`Pairs`."""
        queries, positives, numbers = zip(*rows, strict=True)
        examples = whole("example", list(numbers))
        of = None if queries[0] is None else whole("query", [int(one) for one in queries])
        items, mask = _padded(positives)
        self.sampler.jump(int(examples[0]))
        found = self.sampler(of, items, mask=mask, examples=examples, epoch=self.epoch, progress=self.progress)
        if mask is not None:
            items = items * mask
        drawn = found.ids if found.pool is None else found.pool
        every = torch.unique(torch.cat([(items if mask is None else items[mask]).flatten(), drawn.flatten()]))
        negative_at = torch.searchsorted(every, drawn.contiguous())
        return Collated(
            of,
            items,
            found,
            every,
            None if self.features is None else self.features(every),
            torch.searchsorted(every, items).clamp(max=max(0, every.numel() - 1)),
            negative_at if found.pool is None else negative_at.expand(found.ids.shape),
            examples,
        )


def _padded(positives: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
    """Items ``(rows,)``, or sequences ``(rows, length)`` padded with 0 and where they are."""
    if np.ndim(positives[0]) == 0:
        return whole("positive", [int(one) for one in positives]), None
    each = [whole("positive", one) for one in positives]
    items = torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
    lengths = torch.tensor([one.numel() for one in each])
    return items, torch.arange(items.shape[1]) < lengths[:, None]


def _remembers(state: Mapping[str, Any]) -> bool:
    return any(_remembers(one) if isinstance(one, Mapping) else True for one in state.values())


def _pinned(features: Any) -> Any:
    if isinstance(features, Tensor):
        return features.pin_memory()
    if isinstance(features, dict):
        return {name: _pinned(one) for name, one in features.items()}
    return type(features)(map(_pinned, features)) if type(features) in (list, tuple) else features
