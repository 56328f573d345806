"""Out after a number of strikes: what keeps outscoring the positive is probably a right answer itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.guards import Guard
from negatives.types import Candidates, Catalogue, Context, Negatives, State


def nothing() -> Tensor:
    """No pair yet."""
    return torch.empty(0, dtype=torch.int64)


@dataclass(slots=True)
class Strikes(Guard):
    """Leave out an item that, as a negative of this query, has outscored the positive ``most`` times.

    Which items are out is settled before a batch is drawn, so ``log_q`` keeps its promise over those that stay. What is
    remembered grows with the pairs that had a strike, 16 bytes each.

    Args:
        most: Strikes after which an item is out.

    Raises:
        ConfigError: ``most`` is below 1, or the scores are missing.
    """

    most: int = 3
    _n_items: int = field(default=0, init=False, repr=False)
    _pairs: Tensor = field(default_factory=nothing, init=False, repr=False)
    _strikes: Tensor = field(default_factory=nothing, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError(f"strikes: most is {self.most}; it must be at least 1")

    @property
    def needs_scores(self) -> bool:
        """True: the sampler scores the candidates, so that :meth:`observe` has something to learn from."""
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Begin anew, without a strike."""
        self._n_items = catalogue.n_items
        self._pairs, self._strikes = nothing(), nothing()

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        if candidates.scores is None:
            raise ConfigError("strikes needs the scores of the candidates")
        out = self._pairs[self._strikes >= self.most]
        return ~torch.isin(self._codes(context.queries[:, None], candidates.ids), out)

    def observe(self, context: Context, negatives: Negatives) -> None:
        """Count every negative that scores above its row's positive."""
        if negatives.scores is None or negatives.positive_scores is None:
            raise ConfigError("strikes needs the scores of the negatives; choose a selection that hands them on")
        struck = negatives.ok & (negatives.scores > negatives.positive_scores[:, None])
        codes = self._codes(context.queries[:, None], negatives.ids)[struck]
        every = torch.cat([self._pairs, codes])
        self._pairs, places = torch.unique(every, return_inverse=True)
        counted = torch.cat([self._strikes, torch.ones_like(codes)])
        self._strikes = torch.zeros_like(self._pairs).index_add_(0, places, counted)

    def state(self) -> State:
        """Pairs with their strikes."""
        return {"pairs": self._pairs, "strikes": self._strikes}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._pairs, self._strikes = state["pairs"], state["strikes"]

    def _codes(self, queries: Tensor, items: Tensor) -> Tensor:
        return queries * self._n_items + items


__all__ = ["Strikes"]
