"""Small problems with everything that a part may ask for, and with the queries and items that parts trip over."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.models.factorization import MatrixFactorization
from negatives.randomness import Purpose, integers, stream
from negatives.types import Candidates, Catalogue, Context, Csr, less

QUERIES = 12
NOTHING, ALL_BUT_ONE, EVERYTHING = 0, 1, 2
"""Queries that know nothing, all items but one, and every item."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A catalogue and what surrounds it.

    Query 0 knows nothing, 1 all items but one, 2 every item; the others a part. Two items have count zero. One item
    has no neighbour in the graph; query 0 is about it, and alone in its group. One query has no anchor.

    Args:
        catalogue: Counts, known positives, groups, anchors, a graph of the items, groups of items, and kinds.
        excluded: Items that queries must not be given, other than the known ones; again with a query without any,
            one with a single item left and one with none left.
        seed: Seed of everything here.
    """

    catalogue: Catalogue
    excluded: Csr
    seed: int = 0

    @property
    def known(self) -> Csr:
        """The known positives."""
        assert self.catalogue.known is not None
        return self.catalogue.known

    @property
    def n_items(self) -> int:
        return self.catalogue.n_items

    def batch(self, rows: int = 48, step: int = 0, epoch: int = 0) -> Context:
        """A batch in which every query stands, each row with a positive that was seen in training."""
        places = torch.arange(rows)
        queries = places % QUERIES
        examples = places * 13 + 1 + step * rows * 13
        positives = torch.empty(rows, dtype=torch.int64)
        seen = self.catalogue.counts.nonzero()[:, 0]
        for row, query in enumerate(queries.tolist()):
            own = self.known.row(query).long()
            own = own[self.catalogue.counts[own] > 0]
            own = own if own.numel() else seen
            positives[row] = own[(row * 7 + step * 5 + row // QUERIES) % own.numel()]
        return Context(queries, positives, examples, self.seed, epoch, step)

    def every_pair(self) -> Context:
        """Every training pair once: each item is a positive as often as its count says, for all queries alike."""
        positives = torch.repeat_interleave(torch.arange(self.n_items), self.catalogue.counts)
        rows = torch.arange(positives.numel())
        return Context(rows % QUERIES, positives, rows, seed=self.seed + 11)

    def model(self) -> MatrixFactorization:
        """A model whose scores differ enough for hard items to be found."""
        model = MatrixFactorization(QUERIES, self.n_items, 8, init=0.5, seed=self.seed + 3)
        return model.to(self.catalogue.counts.device)


def problem(n_items: int = 20, seed: int = 0) -> Problem:
    """A problem of ``n_items`` items, 20 or more.

    >>> made = problem()
    >>> [made.known.row(query).numel() for query in (0, 1, 2)]
    [0, 19, 20]
    """
    places = torch.arange(n_items)
    counts = integers(stream(seed, Purpose.NOISE, 7), places, 0, 4000 // n_items) + 1
    counts[3] = counts[n_items - 2] = 0
    groups = torch.arange(QUERIES) // 6
    anchors = torch.arange(QUERIES) * 3 % (n_items - 2)
    groups[NOTHING], anchors[NOTHING], anchors[QUERIES - 1] = 2, n_items - 1, -1
    shares = torch.where(places % 4 == 3, -1, (places + seed) % (5 + seed))
    known, excluded = _sets(n_items, seed, 0), _sets(n_items, seed, 5)
    near = torch.cat([(places[:, None] + torch.tensor([1, 2, 5])) % (n_items - 1)], 1)[: n_items - 1]
    ends = torch.arange(n_items - 1).repeat_interleave(3), near.flatten()
    graph = Csr.from_pairs(torch.cat(ends), torch.cat(ends[::-1]), n_items, n_items)  # the last item stands alone
    asked, kinds = torch.arange(QUERIES) % 3 - 1, torch.where(places % 5 == 4, -1, places // 2 % 2)
    given = less(_sets(n_items, seed, 9), known)
    return Problem(
        Catalogue(QUERIES, n_items, counts, known, groups, anchors, graph, shares, asked, kinds, given), excluded, seed
    )


def _sets(n_items: int, seed: int, shift: int) -> Csr:
    """Items per query: none, all but one, all, every other, and about a fifth for the rest; queries turned by shift."""
    drawn = integers(stream(seed, Purpose.SPLIT, shift), torch.arange(QUERIES)[:, None], torch.arange(n_items), 5) == 0
    drawn[:, 5 + shift % 3] = True  # nobody's set is empty by chance, and one item is everybody's
    drawn[NOTHING], drawn[ALL_BUT_ONE], drawn[EVERYTHING] = False, True, True
    drawn[ALL_BUT_ONE, 4] = False
    drawn[3] = torch.arange(n_items) % 2 == 1
    rows, cols = drawn.nonzero(as_tuple=True)
    return Csr.from_pairs((rows + shift) % QUERIES, cols, QUERIES, n_items)


def candidates(made: Problem, context: Context, m: int = 9, *, shared: bool = False) -> Candidates:
    """Candidates with copies, marked slots, ties, the row's own positive, and scores of both signs.

    A shared pool is an expanded view.

    Args:
        made: The problem.
        context: The batch.
        m: Candidates per row.
        shared: One pool for the batch, in which nothing is marked yet.
    """
    rows, slots = context.examples[:, None], torch.arange(m)
    n, key = context.rows, stream(made.seed, Purpose.PROBES)
    ids = integers(key, rows[:1] if shared else rows, slots, made.n_items).expand(n, m)
    scores = (integers(key ^ 1, rows, slots, 9) - 4).float() / 2
    ok = integers(key ^ 2, rows, slots, 5) > 0
    if shared:
        ok = torch.ones((1, 1), dtype=torch.bool).expand(n, m)
    else:
        ids = ids.clone()
        ids[:, 2] = context.positives
    log_q = (integers(key ^ 3, rows[:1] if shared else rows, slots, 7) + 1).double().div(80).log().float()
    positive = (integers(key ^ 4, context.examples, 0, 9) - 4).float() / 2
    return Candidates(ids if shared else ids * ok, log_q.expand(n, m), ok, scores, positive)


def shuffled(rows: int) -> Tensor:
    """An order of ``rows`` rows that leaves few in their place."""
    return torch.argsort(torch.arange(rows) * 17 % 31, stable=True)
