"""A distribution that is the same for every query, as a table: what several proposals are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import AliasTable, build_alias, draw_alias, excluded_mass
from negatives.proposals.rejection import blocks, conditional_log_q, excluded_mask
from negatives.types import Catalogue, Context, Csr

NEARLY_ALL = 0.9
"""Above this excluded share, what is left is summed by itself, for ``1 - x`` would lose digits."""


def check_counts(counts: Tensor, name: str) -> Tensor:
    """The counts ``(n_items,)`` if they can serve, else a clear error.

    Raises:
        ConfigError: They are empty, negative, not finite, or not one-dimensional.
    """
    if counts.dim() != 1 or counts.numel() == 0:
        raise ConfigError(f"{name}: counts must be one number per item, not a tensor of shape {tuple(counts.shape)}")
    if bool((counts < 0).any()) or not bool(torch.isfinite(counts).all()):
        raise ConfigError(f"{name}: counts must be finite and not negative")
    return counts


def counts_from(given: Tensor | None, catalogue: Catalogue, name: str) -> Tensor:
    """The counts that were given, else those of the training data.

    Raises:
        ConfigError: The number of counts is not the number of items.
    """
    if given is not None and given.numel() != catalogue.n_items:
        raise ConfigError(
            f"{name} was given {given.numel()} counts but the data has {catalogue.n_items} items; "
            "leave counts out to take those of the data"
        )
    return catalogue.counts if given is None else given


@dataclass(slots=True)
class ItemMass:
    """Probabilities of all items, and the share that is excluded per query, remembered once computed.

    Args:
        probability: ``(n_items,)`` float32, sums to 1.
    """

    probability: Tensor
    _of: Csr | None = field(default=None, init=False, repr=False)
    _rest: Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False)

    def log_prob(self, ids: Tensor) -> Tensor:
        """Log-probability of each id, in the shape of ``ids``; id -1 is read as 0."""
        return self.probability[ids.clamp(min=0)].log_()

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """``(rows,)`` float32, ``log(1 - Q(excluded))`` of each row's query; -inf when nothing is left.

        Raises:
            ConfigError: ``exclude`` speaks of another number of items.
        """
        if exclude.n_cols != self.probability.numel():
            raise ConfigError(
                f"known positives over {exclude.n_cols} items do not fit a proposal over "
                f"{self.probability.numel()}; build both from the same data"
            )
        if self._of is not exclude:
            self._of = exclude
            self._rest = torch.full((exclude.n_rows,), torch.nan, device=context.device)
        rest = self._rest[context.queries]
        missing = rest.isnan()
        if bool(missing.any()):
            queries = context.queries[missing]
            self._rest[queries] = self._remaining(exclude, queries).log().float()
            rest = self._rest[context.queries]
        return rest

    def _remaining(self, exclude: Csr, queries: Tensor) -> Tensor:
        rest = 1.0 - excluded_mass(exclude, queries, self.probability)
        nearly_all = (rest < 1.0 - NEARLY_ALL).nonzero()[:, 0]
        for part in blocks(nearly_all, exclude.n_cols):
            gone = excluded_mask(exclude, queries[part])
            rest[part] = self.probability.double().expand(gone.shape).masked_fill(gone, 0.0).sum(1)
        return rest


@dataclass(slots=True)
class StaticTable:
    """An alias table with the exact log-probability of its draws, also under exclusion.

    Args:
        alias: The table.
    """

    alias: AliasTable
    mass: ItemMass = field(init=False)

    def __post_init__(self) -> None:
        self.mass = ItemMass(self.alias.probability)

    @classmethod
    def of(cls, weights: Tensor, name: str) -> StaticTable:
        """Build from weights ``(n_items,)``.

        Raises:
            ConfigError: A weight is negative or not finite, or all are zero.
        """
        try:
            return cls(build_alias(weights))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error

    @property
    def n_items(self) -> int:
        return self.alias.probability.numel()

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None) -> tuple[Tensor, Tensor]:
        """What :meth:`negatives.proposals.base.Proposal.draw` promises."""
        log_rest = None if exclude is None else self.mass.log_allowed(context, exclude)
        owners = None if exclude is None else context.queries
        ids = draw_alias(self.alias, context.examples, k, key, queries=owners, known=exclude)
        log_q = self.mass.log_prob(ids)
        return ids, log_q if log_rest is None else conditional_log_q(log_q, log_rest, ids)
