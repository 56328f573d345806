"""Batches of triples: each asks for its tail, for its head, or for one of the two."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.randomness import Purpose, permutation, stream, uniforms
from negatives.registry import suggest
from negatives.training.feeds import Batch, Feed

SIDES = ("both", "bernoulli", "tail")


@dataclass(slots=True)
class TripleFeed(Feed):
    """Triples in a new random order in each epoch.

    * ``both``: each triple gives two examples, one that asks for its tail and one that asks for its head.
    * ``bernoulli``: each triple gives one. It asks for the head with the chance ``tph / (tph + hpt)``, where ``tph``
      is the mean number of tails per head of its relation and ``hpt`` that of heads per tail: the side with the
      fewer right answers is corrupted more often. The side is drawn anew in each epoch.
    * ``tail``: each triple gives one, which asks for the tail.

    Source of ``bernoulli``: Wang et al., Knowledge Graph Embedding by Translating on Hyperplanes, AAAI 2014.

    Args:
        tail_queries: ``(n,)`` int64 queries that ask for the tails.
        tails: ``(n,)`` int64.
        head_queries: ``(n,)`` int64 queries that ask for the heads.
        heads: ``(n,)`` int64.
        sides: One of :data:`SIDES`.
        head_chance: ``(n,)`` float64 chance that an example asks for the head; ``bernoulli`` needs it.

    Raises:
        ConfigError: The sides are not known.
    """

    tail_queries: Tensor
    tails: Tensor
    head_queries: Tensor
    heads: Tensor
    sides: str = "both"
    head_chance: Tensor | None = None

    def __post_init__(self) -> None:
        if self.sides not in SIDES:
            raise ConfigError(f"reading.sides: {self.sides!r} is not known; {suggest(self.sides, SIDES)}")

    @property
    def rows(self) -> int:
        return self.tails.numel() * (2 if self.sides == "both" else 1)

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        order = self.ordered(seed, epoch, lambda key: permutation(key, self.rows).to(self.tails.device))
        examples = order[index * batch_size : (index + 1) * batch_size]
        n = self.tails.numel()
        triples, for_head = examples % n, examples >= n
        if self.sides == "bernoulli":
            assert self.head_chance is not None
            for_head = uniforms(stream(seed, Purpose.SIDES, epoch), examples, 0) < self.head_chance[examples]
        queries = torch.where(for_head, self.head_queries[triples], self.tail_queries[triples])
        items = torch.where(for_head, self.heads[triples], self.tails[triples])
        return Batch(queries, items, examples)

    def to(self, device: torch.device) -> Feed:
        chance = None if self.head_chance is None else self.head_chance.to(device)
        tails, heads = (self.tail_queries, self.tails), (self.head_queries, self.heads)
        tail_queries, tail_items = (part.to(device) for part in tails)
        head_queries, head_items = (part.to(device) for part in heads)
        return TripleFeed(tail_queries, tail_items, head_queries, head_items, self.sides, chance)


def head_chances(heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
    """``tph / (tph + hpt)`` of each triple's relation, ``(n,)`` float64.

    >>> head_chances(torch.tensor([0, 0, 0]), torch.tensor([0, 0, 0]), torch.tensor([1, 2, 3])).tolist()
    [0.75, 0.75, 0.75]
    """
    n = 1 + int(relations.max()) if relations.numel() else 0
    width = 1 + int(torch.maximum(heads.max(), tails.max())) if heads.numel() else 1
    triples = torch.bincount(relations, minlength=n).double()
    n_heads, n_tails = (
        torch.bincount(torch.unique(relations * width + side) // width, minlength=n).double() for side in (heads, tails)
    )
    tails_per_head, heads_per_tail = triples / n_heads.clamp(min=1), triples / n_tails.clamp(min=1)
    return (tails_per_head / (tails_per_head + heads_per_tail).clamp(min=1e-12))[relations]
