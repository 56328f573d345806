"""Every item alike: ``q(i) = 1 / N``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import draw_uniform
from negatives.proposals.base import Proposal
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Uniform(Proposal):
    """Draw every item with the same probability.

    ``q(i) = 1 / N``; with ``x`` items excluded for the query, ``1 / (N - x)``.

    Source: Rendle et al., 2009, "BPR: Bayesian personalized ranking from implicit feedback".

    Args:
        n_items: Number of items; taken from the data when left out.

    Raises:
        ConfigError: On a draw, when the number of items is not known or does not fit ``exclude``.

    >>> context = Context(torch.tensor([0]), torch.tensor([3]), torch.tensor([0]))
    >>> ids, log_q = Uniform(n_items=4).draw(context, 2, key=1)
    >>> log_q.exp().tolist()
    [[0.25, 0.25]]
    """

    n_items: int | None = None
    _of: Csr | None = field(default=None, init=False, repr=False, compare=False)
    _log_rest: Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False, compare=False)

    _log_q: Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False, compare=False)

    def bind(self, catalogue: Catalogue) -> None:
        """Take the number of items from the data, unless it was given."""
        self.n_items = self.n_items or catalogue.n_items

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        n_items = self._size(exclude)
        owners = None if exclude is None else context.queries
        ids = draw_uniform(context.examples, k, n_items, key, queries=owners, known=exclude)
        if exclude is None:
            return ids, self.log_prob(ids, context)
        self._remember(exclude)
        return ids, self._log_q[context.queries][:, None].expand(ids.shape)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """``-log N`` in the shape of ``ids``."""
        return torch.full((), -math.log(self.known_size()), device=ids.device).expand(ids.shape)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """``(rows,)``, ``log((N - x) / N)``; computed once for all queries."""
        self._remember(exclude)
        return self._log_rest[context.queries]

    def _remember(self, exclude: Csr) -> None:
        """What every draw looks up: per query, the log of the allowed share, and of the probability of an item."""
        if self._of is not exclude:
            self._of = exclude
            self._log_rest = ((exclude.n_cols - exclude.lengths()).double() / exclude.n_cols).log().float()
            log_q = -math.log(exclude.n_cols) - self._log_rest
            self._log_q = log_q.masked_fill_(log_q == math.inf, 0.0)

    def known_size(self) -> int:
        """Number of items.

        Raises:
            ConfigError: It is not known yet.
        """
        if not self.n_items or self.n_items < 1:
            raise ConfigError("uniform does not know the number of items; give n_items=N or bind the sampler")
        return self.n_items

    def _size(self, exclude: Csr | None) -> int:
        n_items = self.known_size()
        if exclude is not None and exclude.n_cols != n_items:
            raise ConfigError(
                f"known positives over {exclude.n_cols} items do not fit a proposal over {n_items}; "
                "build both from the same data"
            )
        return n_items
