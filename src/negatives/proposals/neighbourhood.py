"""Items near the query in a graph of the items: hard because they are related, false because the link is not there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import derived
from negatives.proposals.sets import AllowedShares, allowed_share, draw_members, members_log_prob, with_log_q
from negatives.randomness import Purpose, stream, uniforms
from negatives.types import Catalogue, Context, Csr

BLOCK = 256
"""Items whose neighbourhoods are gathered at a time."""


@dataclass(slots=True)
class Neighbourhood(Proposal):
    """Draw uniformly among the items within ``hops`` steps of the query's anchor, or of the row's positive.

    ``q(i | u) = 1 / |N|`` for ``i`` in ``N``, the items reached by 1 to ``hops`` steps in the training graph, the start
    itself left out. Neighbourhoods above ``most`` items are cut to ``most`` of them once, at even distances from a
    random start, so that tables stay small and the probability stays exact. A query without neighbours draws nothing;
    mix with ``uniform``.

    Source: Ahrabian et al., 2020, "Structure aware negative sampling in knowledge graphs" (SANS), which draws from the
    head's ``k`` hops, or walks there at random where ``k`` hops are too many to store.

    Args:
        hops: Steps, from 1.
        around: ``"anchor"``: what the query is about (the head entity, the word, the node); ``"positive"``: the row's
            right answer.
        most: Items kept of a neighbourhood.

    Raises:
        ConfigError: A value is out of range, or the data has no graph of items or no anchors.
    """

    hops: int = 2
    around: str = "anchor"
    most: int = 1000
    _anchors: Tensor | None = field(default=None, init=False, repr=False)
    _sets: Csr | None = field(default=None, init=False, repr=False)
    _shares: AllowedShares = field(default_factory=AllowedShares, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.around not in ("anchor", "positive"):
            raise ConfigError(f"neighbourhood: around is {self.around!r}; choose anchor or positive")
        if self.hops < 1 or self.most < 1:
            raise ConfigError(f"neighbourhood: hops is {self.hops} and most is {self.most}; both must be at least 1")

    @property
    def conditional(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Gather the neighbourhoods from the training graph."""
        if catalogue.item_graph is None:
            raise ConfigError(
                "neighbourhood needs a graph of the items, and this data has none; choose another sampler"
            )
        if self.around == "anchor" and catalogue.query_anchors is None:
            raise ConfigError("neighbourhood needs queries with an anchor; give around=positive")
        self._anchors, self._shares = catalogue.query_anchors, AllowedShares()
        self._sets = within(catalogue.item_graph.to("cpu"), self.hops, self.most)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        sets, owners = self._ready(context)
        ids = draw_members(sets, owners, context, k, key, exclude)
        log_rest = None if exclude is None else self.log_allowed(context, exclude)
        return with_log_q(ids, members_log_prob(sets, owners, ids.clamp(min=0)), log_rest)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`."""
        return members_log_prob(*self._ready(context), ids)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries without neighbours."""
        sets, owners = self._ready(context)
        return sets.lengths()[owners] == 0

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        if self.around == "positive":
            return allowed_share(*self._ready(context), exclude, context.queries)
        return self._shares.get(*self._ready(context), exclude, context.queries)

    def _ready(self, context: Context) -> tuple[Csr, Tensor]:
        """The neighbourhoods, and whose is meant in each row; the last one is empty, for queries without an anchor."""
        if self._sets is None:
            raise ConfigError("neighbourhood does not know the graph; bind the sampler to the data")
        if self.around == "positive":
            return self._sets, context.positives
        assert self._anchors is not None
        owners = self._anchors[context.queries]
        return self._sets, torch.where(owners >= 0, owners, self._sets.n_rows - 1)


def within(graph: Csr, hops: int, most: int) -> Csr:
    """Items reached from each item by 1 to ``hops`` steps, without itself, at most ``most`` of them.

    Ways of more than one step go through at most ``most`` neighbours of an item.

    One more row than the graph has, empty, stands for no item.

    >>> chain = Csr.from_pairs(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1]), 3, 3)
    >>> [within(chain, 2, 9).row(item).tolist() for item in range(4)]
    [[1, 2], [0, 2], [0, 1], []]
    """
    from scipy import sparse

    n = graph.n_rows
    key, ones = stream(0, Purpose.NEIGHBOURS), np.ones(graph.nnz, np.float32)
    build: Any = sparse.csr_matrix
    matrix = build((ones, graph.indices.numpy(), graph.indptr.numpy()), shape=(n, graph.n_cols))
    thinned = matrix
    if hops > 1 and int(graph.lengths().max() if n else 0) > most:
        rows, cols = _cut(matrix, 0, most, derived(key, 0))
        thinned = build((np.ones(len(rows), np.float32), (rows.numpy(), cols.numpy())), shape=matrix.shape)
    sizes, columns = [torch.zeros(1, dtype=torch.int64)], []
    for first in range(0, n, BLOCK):
        reached = near = matrix[first : first + BLOCK]
        for _ in range(hops - 1):
            near = near @ thinned
            reached = reached + near
        rows, cols = _cut(reached, first, most, derived(key, 1))
        sizes.append(torch.bincount(rows, minlength=reached.shape[0]))
        columns.append(cols.to(torch.int32))
    sizes.append(torch.zeros(1, dtype=torch.int64))
    return Csr(torch.cat(sizes).cumsum(0), torch.cat(columns) if columns else torch.empty(0, dtype=torch.int32), n)


def _cut(reached: Any, first: int, most: int, key: int) -> tuple[Tensor, Tensor]:
    """At most ``most`` entries of each row of a sparse block, at even distances from a random start, sorted.

    Args:
        reached: SciPy matrix of the rows from ``first`` on.
        first: Number of its first row; an entry of a row's own column is left out.
        most: Entries to keep of a row.
        key: Random stream.
    """
    starts, width = torch.from_numpy(reached.indptr[:-1].astype(np.int64)), reached.shape[1]
    counts = torch.from_numpy(np.diff(reached.indptr).astype(np.int64))
    many, few = (counts > most).nonzero()[:, 0], (counts <= most).nonzero()[:, 0]
    chance = uniforms(key, many[:, None] + first, 0)
    places = ((torch.arange(most) + chance) * (counts[many, None] / most)).to(torch.int64)
    taken = starts[many, None] + torch.minimum(places, counts[many, None] - 1)
    rows = torch.repeat_interleave(few, counts[few])
    offset = torch.arange(rows.numel()) - (counts[few].cumsum(0) - counts[few]).repeat_interleave(counts[few])
    rows = torch.cat([rows, many.repeat_interleave(most)])
    at = torch.cat([starts[rows[: offset.numel()]] + offset, taken.flatten()])
    cols = torch.from_numpy(reached.indices[at.numpy()].astype(np.int64))
    other = cols != rows + first
    codes = (rows[other] * width + cols[other]).sort().values
    return codes // width, codes % width
