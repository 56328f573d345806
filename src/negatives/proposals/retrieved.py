"""A window of each query's nearest items, found anew by the model while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import contains, top_k
from negatives.kernels.precision import in_float32
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import conditional_log_q, derived, some_rows
from negatives.proposals.seen_batch import all_vectors
from negatives.proposals.static import StaticTable
from negatives.randomness import bits, bounded
from negatives.types import Catalogue, Context, Csr, Scorer, State, finite

BLOCK = 512


@dataclass(slots=True)
class Retrieved(Proposal):
    """Draw uniformly from the items that the model ranked ``start`` to ``stop - 1`` for the query (ANCE).

    Every ``every`` steps all items and all training queries are encoded and searched, exactly and block by block;
    between two searches the windows are stale, as in the paper. Before the first, the most frequent items stand for
    the nearest. Known positives are not in a window. ``q(i | u)`` is
    one over the size of the window for its items and zero elsewhere, so mix with ``uniform`` for estimates over all
    items.

    With ``shared``, one pool serves the batch: ``k / rows`` draws from the window of each of its rows, at least one.
    Its ``log_q`` is the chance over random batches, ``q(i) = sum_u f_u q(i | u)`` with ``f_u`` the query's share of
    the training pairs.

    Differs from the paper: the search is exact and runs in the training step, so that nothing is approximate.

    Source: Xiong et al., 2021, "Approximate nearest neighbor negative contrastive learning for dense text retrieval".

    Args:
        start: First rank, from 0.
        stop: Rank after the last.
        every: Steps between two searches.
        shared: One pool for the batch in place of draws per row.

    Raises:
        ConfigError: The window is empty, or the data is not known.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"stop": Range(0.5, 4.0, whole=True, relative=True)}
    start: int = 0
    stop: int = 50
    every: int = 50
    shared: bool = False
    _known: Csr | None = field(default=None, init=False, repr=False)
    _n_items: int = field(default=0, init=False, repr=False)
    _windows: Tensor | None = field(default=None, init=False, repr=False)
    _counts: Tensor | None = field(default=None, init=False, repr=False)
    _marginal: StaticTable | None = field(default=None, init=False, repr=False)
    _due: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop or self.every < 1:
            raise ConfigError(
                f"retrieved: start {self.start}, stop {self.stop}, every {self.every}; "
                "0 <= start < stop and every >= 1 are needed"
            )

    @property
    def conditional(self) -> bool:
        return not self.shared

    @property
    def needs_queries(self) -> bool:
        """True: what was retrieved stands by query, also where all share it."""
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Take the known positives, which stay out of the windows.

        Raises:
            ConfigError: The data has no known positives.
        """
        if catalogue.known is None:
            raise ConfigError("retrieved needs the known positives of the data; this data has none")
        self._known, self._n_items, self._counts = catalogue.known, catalogue.n_items, catalogue.counts
        self._windows, self._marginal, self._due = None, None, 0

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Search anew when it is time."""
        if self._windows is not None and context.step < self._due:
            return
        known = self._bound()
        asked = torch.nonzero(known.lengths() > 0)[:, 0]
        columns = all_vectors(scorer, self._n_items, context.device).T.contiguous()
        if self._windows is None:
            shape = known.n_rows, self.stop - self.start
            self._windows = torch.full(shape, -1, dtype=torch.int32, device=context.device)
        windows = self._windows
        for part in torch.split(asked, BLOCK):
            vectors = finite(scorer.encode_queries(part).detach().float(), "vectors of queries")
            with in_float32(vectors):
                scores = vectors @ columns
            found = top_k(scores, min(self.stop, self._n_items), exclude=known, queries=part)[0][:, self.start :]
            windows[part, : found.shape[1]] = found.to(torch.int32)
        self._marginal = None
        self._due = context.step + self.every

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        if self.shared:
            return self._static().draw(context, k, key, exclude)
        rows = self._rows(context.queries)
        ids = _pick(rows, self._allowed(rows, context.queries, exclude), context.examples, k, key)
        log_prob = self.log_prob(ids.clamp(min=0), context)
        log_rest = torch.zeros(context.rows, device=context.device)
        if exclude is not None:
            log_rest = self.log_allowed(context, exclude).clamp(min=-1e30)
        return ids, conditional_log_q(log_prob, log_rest, ids)

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`; as many items for each row, or one for each of ``k`` rows."""
        context = context.take(some_rows(context, k, derived(key, 0)))
        rows = self._rows(context.queries)
        found = _pick(rows, rows >= 0, context.examples, k // context.rows, key)
        ids = found[found >= 0]
        return ids, self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the windows as they stand, or over random batches if shared."""
        if self.shared:
            return self._static().mass.log_prob(ids)
        rows = self._rows(context.queries)
        inside = torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
        for slot in range(rows.shape[1]):
            inside |= ids == rows[:, slot : slot + 1]
        sizes = (rows >= 0).sum(1, keepdim=True).clamp(min=1).double().log().float()
        return torch.where(inside, -sizes, -torch.inf)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries with an empty window."""
        return None if self.shared else (self._rows(context.queries) < 0).all(1)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        if self.shared:
            return self._static().mass.log_allowed(context, exclude)
        rows = self._rows(context.queries)
        left = self._allowed(rows, context.queries, exclude).sum(1).double()
        return (left / (rows >= 0).sum(1).clamp(min=1)).log().float()

    def state(self) -> State:
        """The windows, and when they are searched anew."""
        return {"due": self._due} if self._windows is None else {"due": self._due, "windows": self._windows.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._due, self._marginal = int(state["due"]), None
        self._windows = state["windows"].clone() if "windows" in state else None

    def _bound(self) -> Csr:
        if self._known is None:
            raise ConfigError("retrieved does not know the data; bind the sampler to it")
        return self._known

    def _rows(self, queries: Tensor) -> Tensor:
        """Windows ``(rows, width)`` of some queries, -1 where there is no item."""
        if self._windows is not None:
            return self._windows[queries].to(torch.int64)
        known = self._bound()
        assert self._counts is not None
        scores = self._counts.float().expand(queries.numel(), -1)
        found = top_k(scores, min(self.stop, self._n_items), exclude=known, queries=queries)[0]
        return found[:, self.start :]

    def _allowed(self, rows: Tensor, queries: Tensor, exclude: Csr | None) -> Tensor:
        """``(rows, width)`` bool: slots that hold an item which is not excluded; known positives are not there."""
        if exclude is None or exclude is self._known:
            return rows >= 0
        return (rows >= 0) & ~contains(exclude, queries, rows.clamp(min=0))

    def _static(self) -> StaticTable:
        """Chance of each item over random batches."""
        if self._marginal is None:
            known = self._bound()
            queries = torch.nonzero(known.lengths() > 0)[:, 0]
            mass = torch.zeros(self._n_items, dtype=torch.float64, device=queries.device)
            for start in range(0, queries.numel(), 8 * BLOCK):
                some = queries[start : start + 8 * BLOCK]
                windows = self._rows(some)
                share = known.lengths()[some].double() / (windows >= 0).sum(1).clamp(min=1)
                mass.index_add_(0, windows.clamp(min=0).flatten(), (share[:, None] * (windows >= 0)).flatten())
            if not bool(mass.any()):
                raise ConfigError(
                    f"retrieved: no query has an item from rank {self.start} on that it does not know; lower start, or "
                    "choose another sampler"
                )
            self._marginal = StaticTable.of(mass, "retrieved")
        return self._marginal


def _pick(rows: Tensor, allowed: Tensor, examples: Tensor, k: int, key: int) -> Tensor:
    """``(n, k)`` uniform draws with replacement from the allowed slots of each row; -1 where there is none."""
    counts = allowed.sum(1, keepdim=True)
    nth = bounded(bits(key, examples[:, None], torch.arange(k, device=rows.device)), counts)
    order = torch.argsort((~allowed).to(torch.int8), dim=1, stable=True)
    places = order.gather(1, nth)
    return torch.where(counts > 0, rows.gather(1, places), -1)
