"""What the data itself calls a negative is none that other guards may suspect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.guards.base import Guard
from negatives.kernels import contains, contains_pool
from negatives.registry import Spec
from negatives.types import Candidates, Catalogue, Context, Csr, Negatives, State, less, shared_pool


@dataclass(slots=True)
class UnlessGiven(Guard):
    """Mark what the guards inside mark, but for the given negatives of the query.

    An item that scores as high as the positive is probably a right answer that nobody noted, which is why guards by
    score mark it; but one that the user was shown and did not take, or dislikes, is a negative however high it scores,
    and the most useful one. ``allow = (all inner guards allow) or i in G_u``.

    Args:
        guards: Guards, or their names or mappings with ``name`` and parameters.
        sets: Given negatives per query; those of the data when left out.

    Raises:
        ConfigError: No guards, or the data has no given negatives.

    >>> given = Csr.from_pairs(torch.tensor([0]), torch.tensor([7]), 1, 9)
    >>> guard = UnlessGiven([{"name": "score_bounds", "high": 0.5}], given)
    >>> row, ok = torch.tensor([0]), torch.ones(1, 2, dtype=torch.bool)
    >>> drawn = Candidates(torch.tensor([[7, 8]]), None, ok, torch.tensor([[0.9, 0.9]]), torch.tensor([1.0]))
    >>> guard.allow(Context(row, row, row), drawn)
    tensor([[ True, False]])
    """

    guards: Sequence[Guard | Spec]
    sets: Csr | None = None
    _own: bool = field(init=False, repr=False, compare=False)
    _excluded: tuple[Csr, Csr] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        from negatives.guards import registry

        self.guards = [one if isinstance(one, Guard) else build_part(registry, one) for one in self.guards]
        if not self.guards:
            raise ConfigError("unless_given needs guards inside, for instance guards=['relative_margin']")
        self._own = self.sets is not None

    @property
    def inner(self) -> list[Guard]:
        """The guards inside, built."""
        return [one for one in self.guards if isinstance(one, Guard)]

    @property
    def needs_scores(self) -> bool:
        return any(one.needs_scores for one in self.inner)

    @property
    def keeps_log_q(self) -> bool:
        return all(one.keeps_log_q for one in self.inner)

    def bind(self, catalogue: Catalogue) -> None:
        """Bind the guards inside, and take the given negatives of the data."""
        for one in self.inner:
            one.bind(catalogue)
        if not self._own:
            self.sets = catalogue.given
        self._ready()

    def excluded(self) -> Csr | None:
        """What the only guard inside leaves out of the draws already, but for given negatives."""
        if len(self.inner) != 1 or (found := self.inner[0].excluded()) is None:
            return None
        if self._excluded is None or self._excluded[0] is not found:
            self._excluded = found, less(found, self._ready())
        return self._excluded[1]

    def observe(self, context: Context, negatives: Negatives) -> None:
        """Show the negatives to the guards inside."""
        for one in self.inner:
            one.observe(context, negatives)

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        sets, pool = self._ready(), shared_pool(candidates.ids)
        if pool is not None:
            spared = contains_pool(sets, context.queries, pool)
        else:
            spared = contains(sets, context.queries, candidates.ids)
        marks = [one.allow(context, candidates).expand(candidates.ok.shape) for one in self.inner]
        allowed: Tensor = torch.stack(marks).all(0) | spared
        return allowed

    def state(self) -> State:
        """State of every guard inside by its position."""
        return {str(place): one.state() for place, one in enumerate(self.inner)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        for place, one in enumerate(self.inner):
            one.load_state(state.get(str(place), {}))

    def _ready(self) -> Csr:
        if self.sets is None:
            raise ConfigError(
                "unless_given has no given negatives: say with reading.shown or reading.dislike which rows are, or "
                "hand over sets=..."
            )
        return self.sets
