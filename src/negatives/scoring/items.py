"""Vectors of items, from a table or from an encoder that is asked no more often than it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError, InputError

Encoder = Callable[[Tensor], Tensor]
"""From ids ``(n,)`` int64 to vectors ``(n, d)``."""
BLOCK = 8192


@dataclass(slots=True)
class Items:
    """Vectors of items by id, detached. An encoder sees each item once as long as this object lives.

    Args:
        source: A table ``(n_items, d)``, a ``nn.Embedding``, or an encoder: a function or module from ids ``(n,)`` to
            vectors ``(n, d)``.
        asked: How many items the encoder was given so far.

    Raises:
        ConfigError: ``source`` is none of these.

    >>> encoder = Items(lambda ids: torch.stack([ids.float(), torch.ones(len(ids))], 1))
    >>> encoder.of(torch.tensor([[3, 3], [5, 3]])).shape, encoder.asked
    (torch.Size([2, 2, 2]), 2)
    """

    source: Tensor | nn.Module | Encoder
    asked: int = 0
    _ids: Tensor | None = field(default=None, init=False, repr=False)
    _vectors: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.source, nn.Embedding):
            self.source = self.source.weight
        if isinstance(self.source, Tensor) and self.source.dim() != 2:
            raise ConfigError(f"a table of items has the shape (n_items, d), not {tuple(self.source.shape)}")
        if not isinstance(self.source, Tensor) and not callable(self.source):
            raise ConfigError(
                f"items is a {type(self.source).__name__}; give a table (n_items, d), an nn.Embedding, or a function "
                "from ids (n,) to vectors (n, d)"
            )

    @property
    def table(self) -> Tensor | None:
        """The whole table ``(n_items, d)``, detached; None where there is an encoder instead."""
        return self.source.detach() if isinstance(self.source, Tensor) else None

    @torch.no_grad()
    def of(self, ids: Tensor) -> Tensor:
        """Vectors ``(..., d)`` of ``ids`` ``(...)``."""
        if (table := self.table) is not None:
            return table[ids]
        vectors, places = self.distinct(ids)
        return vectors[places]

    @torch.no_grad()
    def distinct(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """A table ``(m, d)`` that holds the vectors of ``ids``, and the row of each id in it, of the shape of ``ids``.

        What has been encoded before stands in the table already.
        """
        if (table := self.table) is not None:
            return table, ids
        wanted = torch.unique(ids)
        if self._ids is None or self._vectors is None:
            self._ids, self._vectors = wanted, self._encoded(wanted)
        else:
            new = wanted[~torch.isin(wanted, self._ids)]
            if new.numel():
                joined, order = torch.cat([self._ids, new]).sort()
                self._ids, self._vectors = joined, torch.cat([self._vectors, self._encoded(new)])[order]
        return self._vectors, torch.searchsorted(self._ids, ids.contiguous())

    def _encoded(self, ids: Tensor) -> Tensor:
        assert callable(self.source)
        parts = [self.source(some) for some in torch.split(ids, BLOCK)]
        self.asked += ids.numel()
        vectors = parts[0] if len(parts) == 1 else torch.cat(parts)
        if vectors.dim() != 2 or vectors.shape[0] != ids.numel():
            raise InputError(
                f"the encoder of items gave the shape {tuple(vectors.shape)} for {ids.numel()} ids",
                hint=f"it must give one vector for each id, ({ids.numel()}, d)",
            )
        return vectors.detach()
