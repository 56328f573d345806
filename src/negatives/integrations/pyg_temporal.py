"""Adaptive negatives for edges with times, such as those of a ``TemporalData`` of PyTorch Geometric.

    negatives = TemporalNegatives(data.src, data.dst, data.t, num_nodes, "uniform")
    for batch in TemporalDataLoader(data, batch_size=200):
        batch.neg_dst = negatives(batch.src, batch.dst, batch.t).ids[:, 0]
        batch.n_id = torch.cat([batch.n_id, batch.neg_dst]).unique()

The loader's own negatives are drawn from the destinations of all times: one that first comes later than the edge is
told apart by its time alone. Here a wrong destination has been a destination before the time of the edge, and is not
linked to the source at that very time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError
from negatives.integrations.pyg import Decode, Embedded, inner_product
from negatives.proposals import rejection
from negatives.proposals.base import Proposal
from negatives.randomness import uniforms
from negatives.registry import Part, Spec
from negatives.sampler import build
from negatives.sampler.batch import whole
from negatives.sampler.build import resolve
from negatives.types import Catalogue, Context, Csr, Ids, Negatives, State, within


@dataclass(slots=True)
class Existing(Proposal):
    """Draw uniformly from the items that exist at the time of the query.

    ``q(i | u) = 1 / n_u`` for the first ``n_u`` items of the order in which they came.

    Args:
        order: ``(m,)`` int64 items, the oldest first.
        existing: ``(n_queries,)`` int64, how many of them exist at the time of each query.
        n_items: Number of items.
    """

    order: Tensor
    existing: Tensor
    n_items: int
    _rank: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rank = torch.full((self.n_items,), self.n_items)
        self._rank[self.order] = torch.arange(len(self.order))

    @property
    def conditional(self) -> bool:
        """True: by the time of the query."""
        return True

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        if exclude is not None:
            return rejection.draw_allowed(self, context, k, key, exclude)
        uniform = uniforms(key, context.examples[:, None], torch.arange(k, device=context.device))
        there = self.existing[context.queries][:, None]
        ids = self.order[(uniform * there).long().clamp(max=max(0, len(self.order) - 1))]
        return torch.where(there > 0, ids, -1), self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """``-log n_u`` for items that exist, minus infinity for others."""
        there = self.existing[context.queries][:, None]
        return torch.where(self._rank[ids] < there, -there.float().log(), -torch.inf)

    def empty(self, context: Context) -> Tensor | None:
        """Rows at whose time there is nothing yet."""
        return self.existing[context.queries] == 0


class TemporalNegatives:
    """Draws wrong destinations for edges with times.

    Args:
        src: ``(n,)`` source of each edge, ids of any whole-number type.
        dst: ``(n,)`` destination.
        t: ``(n,)`` time; of any order.
        num_nodes: Number of nodes.
        sampler: A preset's name, or parts as in a configuration, whose proposal is uniform.
        decode: What scores an edge, for samplers that ask.
        seed: Seed of all draws.

    Raises:
        InputError: The columns differ in length, or hold a node that does not exist.
        ConfigError: The sampler is not known, its proposal is not uniform, or it shares a pool.
    """

    timed = True

    def __init__(
        self,
        src: Ids,
        dst: Ids,
        t: Tensor,
        num_nodes: int,
        sampler: Spec = "uniform",
        decode: Decode = inner_product,
        seed: int = 0,
    ) -> None:
        src, dst = whole("source", src), whole("destination", dst)
        t = torch.as_tensor(t, device=src.device)
        if not src.numel() == dst.numel() == t.numel():
            raise InputError(f"{src.numel()} sources, {dst.numel()} destinations and {t.numel()} times; give as many")
        within("source", src, num_nodes)
        within("destination", dst, num_nodes)
        parts = resolve(sampler)
        if Part.of(parts.get("proposal", "uniform")).name != "uniform" or "pool" in parts:
            raise ConfigError("what exists depends on the time; choose a sampler of uniform candidates for each row")
        self.times, when = torch.unique(t, return_inverse=True)
        self.num_nodes, self.decode = num_nodes, decode
        self.codes, query = torch.unique(when * num_nodes + src, return_inverse=True)
        known = Csr.from_pairs(query.cpu(), dst.cpu(), len(self.codes), num_nodes).to(src.device)
        first = torch.full((num_nodes,), len(self.times), device=src.device)
        first.scatter_reduce_(0, dst, when, "amin")
        seen, order = first.sort(stable=True)
        self.sampler = build(parts, seed)
        moments = self.codes // num_nodes
        there = torch.searchsorted(seen, moments)  # those that came strictly before
        self.sampler.proposal = Existing(order[seen < len(self.times)], there, num_nodes)
        counts = torch.bincount(dst, minlength=num_nodes)
        self.sampler.bind(Catalogue(len(self.codes), num_nodes, counts, known))

    def __call__(self, src: Ids, dst: Ids, t: Tensor, z: Tensor | None = None, *, epoch: int = 0) -> Negatives:
        """Wrong destinations ``ids (rows, k)`` for edges; ``ok`` is False where there is none yet.

        Args:
            src: ``(rows,)`` sources.
            dst: ``(rows,)`` destinations.
            t: ``(rows,)`` times.
            z: ``(num_nodes, d)`` embeddings as they are now, for samplers that ask.
            epoch: Epoch, counted from zero.

        Raises:
            InputError: No edge of the source at that time was given at the start.
        """
        src, t = whole("source", src, self.codes.device), torch.as_tensor(t, device=self.codes.device)
        when = torch.searchsorted(self.times, t).clamp(max=max(0, len(self.times) - 1))
        code = when * self.num_nodes + src
        queries = torch.searchsorted(self.codes, code).clamp(max=max(0, len(self.codes) - 1))
        strange = ((self.codes[queries] != code) | (self.times[when] != t)).nonzero()[:, 0]
        if strange.numel():
            at = int(strange[0])
            raise InputError(f"no edge of node {int(src[at])} at time {t[at].item()} was given", hint="give all edges")
        scorer = None if z is None else Embedded(z.detach(), self.decode, self.codes % self.num_nodes)
        return self.sampler(queries, dst, scorer, epoch=epoch)

    @property
    def needs_scorer(self) -> bool:
        """Whether draws look at embeddings."""
        return self.sampler.needs_scorer

    def of_batch(self, src: Tensor, dst: Tensor, times: Tensor | None, epoch: int) -> Negatives:
        """Wrong destinations for a batch of a loader; see :func:`negatives.integrations.pyg.with_negatives`."""
        if times is None:
            raise InputError("these edges have no times", hint="give the loader edge_label_time, or use LinkNegatives")
        return self(src, dst, times, epoch=epoch)

    def state(self) -> State:
        """All that must be remembered to draw on where it was."""
        return self.sampler.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self.sampler.load_state(state)
