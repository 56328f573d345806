"""A query is a sequence: the items that a user took last, the latest first, each place with a weight of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.models import Model
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr


class RecentItems(Model):
    """``e = b + sum_p w_p v_{h_p}``, where ``h_1, h_2, ...`` are the last items before the one that is predicted.

    In training, a row's items are those before its own positive; those of the same time, as of one basket, are not.
    Items meet the query by a second table: ``s(u, i) = <e, q_i>``.

    Source: in the manner of He and McAuley, Fusing similarity models with Markov chains, ICDM 2016 (Fossil), without
    the user's own weights.

    Args:
        known: Known pairs of the training part.
        known_times: ``(nnz,)`` float64, the time of each pair of ``known``, in its order.
        dim: Length of an embedding.
        length: How many items are looked at.
        decay: Weights begin as ``decay^(p - 1)``.
        seed: Seed of the initial values.

    Raises:
        ConfigError: There is not one time for each pair, or ``length`` is below 1.
    """

    inner_product = True

    def __init__(
        self,
        known: Csr,
        known_times: Tensor,
        dim: int = 32,
        length: int = 8,
        decay: float = 0.7,
        seed: int = 0,
    ) -> None:
        super().__init__(known.n_rows, known.n_cols, dim)
        if known_times.shape != (known.nnz,) or length < 1:
            raise ConfigError(f"recent_items: {tuple(known_times.shape)} times of {known.nnz} pairs, length {length}")
        random = generator(stream(seed, Purpose.INIT))
        self.item_table = nn.Parameter(torch.empty(known.n_cols, dim).normal_(0, 0.1, generator=random))
        self.past_table = nn.Parameter(torch.empty(known.n_cols, dim).normal_(0, 0.1, generator=random))
        self.start = nn.Parameter(torch.empty(dim).normal_(0, 0.1, generator=random))
        self.weights = nn.Parameter(decay ** torch.arange(length, dtype=torch.float32))
        self._trained = known, known_times
        self._context: Context | None = None
        for name in ("_begin", "_codes", "_past", "_own"):
            self.register_buffer(name, None, persistent=False)
        self._take(known, known_times)

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the histories; pairs that training did not know are the latest."""
        own, own_times = self._trained
        codes, asked = pair_codes(own), pair_codes(known)
        places = torch.searchsorted(codes, asked).clamp(max=codes.numel() - 1)
        later = torch.full(asked.shape, torch.inf, dtype=torch.float64)
        self._take(known, torch.where(codes[places] == asked, own_times.double()[places], later))

    def _take(self, known: Csr, times: Tensor) -> None:
        """Lay the histories out, by query and time."""
        queries = torch.arange(known.n_rows).repeat_interleave(known.lengths())
        order = times.argsort(stable=True)
        order = order[queries[order].argsort(stable=True)]
        times = times[order]
        fresh = torch.ones(len(order), dtype=torch.bool)
        fresh[1:] = (times[1:] != times[:-1]) | (queries[1:] != queries[:-1])
        places = torch.arange(len(order))
        device = self.start.device
        self._begin = known.indptr.to(device)
        self._codes = pair_codes(known).to(device)  # (nnz,) pairs in the order of ``known``
        self._past = known.indices.long()[order].to(device)  # (nnz,) items by query and time
        own = torch.empty_like(places)
        own[order] = (places * fresh).cummax(0).values
        self._own = own.to(device)  # (nnz,) for each pair of ``known``, where its own time begins in ``_past``

    def refresh(self, context: Context | None = None) -> None:
        """Remember the batch, whose rows see what was before their positives; None for all that is known."""
        self._context = context

    def encode_queries(self, queries: Tensor) -> Tensor:
        """See :meth:`Model.encode_queries`."""
        steps = torch.arange(1, self.weights.numel() + 1, device=queries.device)
        places = self._ends(queries)[:, None] - steps
        there = places >= self._begin[queries, None]
        vectors = self.past_table[self._past[places.clamp(min=0)]]
        return self.start + torch.einsum("rp,rpd->rd", self.weights * there, vectors)

    def encode_items(self, items: Tensor) -> Tensor:
        """See :meth:`Model.encode_items`."""
        return self.item_table[items]

    def _ends(self, queries: Tensor) -> Tensor:
        """``(rows,)`` place in ``_past`` behind the last item that each row sees."""
        ends = self._begin[queries + 1]
        if self._context is None or queries is not self._context.queries:
            return ends
        asked = queries * self.n_items + self._context.positives
        places = torch.searchsorted(self._codes, asked).clamp(max=self._codes.numel() - 1)
        return torch.where(self._codes[places] == asked, self._own[places], ends)


def pair_codes(known: Csr) -> Tensor:
    """``(nnz,)`` int64, one number for each pair, rising."""
    queries = torch.arange(known.n_rows).repeat_interleave(known.lengths())
    return queries * known.n_cols + known.indices


__all__ = ["RecentItems"]
