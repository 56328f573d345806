"""Popular items first: a geometric distribution over popularity ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals import Proposal, rejection
from negatives.randomness import uniforms
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Geometric(Proposal):
    """Draw the item of popularity rank ``r = 0, 1, ...`` with chance ``q(r) ∝ exp(-r / λ)``, ``λ = share · n_items``.

    Source: Rendle and Freudenthaler, Improving pairwise learning for item recommendation from implicit feedback, WSDM
    2014; the static one of its two samplers.

    Args:
        share: ``λ`` as a share of the items.

    Raises:
        ConfigError: ``share`` is not above zero, or nothing was bound before the first draw.
    """

    share: float = 0.1
    _order: Tensor | None = field(default=None, init=False, repr=False)
    _rank: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.share < math.inf:
            raise ConfigError(f"geometric: share is {self.share}; it must be above 0")

    def bind(self, catalogue: Catalogue) -> None:
        """Rank the items by their training counts; the lower id stands first of equals."""
        self._order = catalogue.counts.argsort(descending=True, stable=True)
        self._rank = self._order.argsort()

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`; by inversion, and by rejection where items are excluded."""
        if exclude is not None:
            return rejection.draw_allowed(self, context, k, key, exclude)
        order = self._bound(self._order)
        uniform = uniforms(key, context.examples[:, None], torch.arange(k, device=context.device))
        scale, n = self.share * order.numel(), order.numel()
        ranks = (-scale * torch.log1p(uniform * math.expm1(-n / scale))).long().clamp(max=n - 1)
        return order[ranks], self._log_q(ranks, n)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`."""
        rank = self._bound(self._rank)
        return self._log_q(rank[ids], rank.numel())

    def _log_q(self, ranks: Tensor, n: int) -> Tensor:
        """``-r/λ + log(1 - exp(-1/λ)) - log(1 - exp(-n/λ))``."""
        scale = self.share * n
        shift = math.log(-math.expm1(-1 / scale)) - math.log(-math.expm1(-n / scale))
        return (shift - ranks.double() / scale).float()

    def _bound(self, table: Tensor | None) -> Tensor:
        if table is None:
            raise ConfigError("geometric knows no items yet; bind the sampler to the data")
        return table


__all__ = ["Geometric"]
