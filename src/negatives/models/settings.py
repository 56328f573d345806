"""Groups of options that several models share; a configuration names their fields flat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from negatives.errors import ConfigError
from negatives.models.propagation import edge_weights
from negatives.parameters import Settings


@dataclass(frozen=True, slots=True)
class ItemLength(Settings):
    """How far the length of an item's vector counts under the cosine; see :class:`negatives.models.Model`.

    Args:
        item_length: Power of the length of an item's vector in training; 0 for the plain cosine.
        ranking_length: Power of that length in the final ranking; as in training when None.
    """

    item_length: float = 0.0
    ranking_length: float | None = None


@dataclass(frozen=True, slots=True)
class Prior(Settings):
    """A term of the score for how often an item is taken, which a cosine cannot tell.

    ``s(u, i) = ... + g log(1 + count_i)``. Under a softmax of temperature ``T`` an item's prior weight is then
    ``(1 + count)^(g/T)``, and the vectors learn what is left to say. It is an additional column of both encodings, so
    that scores stay inner products.

    Args:
        popularity: ``g``, weight of the term for an item's count; 0 for none.

    Raises:
        ConfigError: It is below 0.
    """

    popularity: float = 0.0

    def __post_init__(self) -> None:
        if self.popularity < 0:
            raise ConfigError(f"popularity is {self.popularity}; it must be at least 0")

    def column(self, counts: Tensor) -> Tensor:
        """``(n_items,)`` terms of all items, from their counts ``(n_items,)``."""
        return self.popularity * counts.float().log1p()

    def of_queries(self, vectors: Tensor) -> Tensor:
        """Encodings ``(..., d)`` of queries with a column of ones; unchanged where there is no term."""
        return functional.pad(vectors, (0, 1), value=1.0) if self.popularity else vectors

    def of_items(self, vectors: Tensor, terms: Tensor) -> Tensor:
        """Encodings ``(..., d)`` of items with their terms ``(...)``; unchanged where there are none."""
        return torch.cat([vectors, terms[..., None].to(vectors.dtype)], -1) if self.popularity else vectors


@dataclass(frozen=True, slots=True)
class Smoothing(Settings):
    """Linear propagation ``sum_l w_l Â^l E`` with ``Â = D^-a A D^-b`` (He et al., 2020; Lee et al., 2024).

    Args:
        layers: Number of propagation steps.
        own_share: Weight of layer 0; the other layers share the rest equally. None for equal weights.
        own_power: ``a``, power of the degree of the node that receives.
        other_power: ``b``, power of the degree of the node that sends.
        leave_one_out: While training, take what a row's own edge brings out of the last hop of both its encodings. A
            pair that is to be found has no edge; with it, a model reads the answer off its input. Longer paths over
            that edge stay. The papers leave it in.

    Raises:
        ConfigError: ``layers`` is below 0.
    """

    layers: int = 3
    own_share: float | None = None
    own_power: float = 0.5
    other_power: float = 0.5
    leave_one_out: bool = False

    def __post_init__(self) -> None:
        if self.layers < 0:
            raise ConfigError(f"layers is {self.layers}; it must be at least 0")

    @property
    def drops_edges(self) -> bool:
        """Whether there is an edge to take out."""
        return self.leave_one_out and self.layers > 0

    def own_edge(self, sent: Tensor, own: Tensor, other: Tensor) -> Tensor:
        """What a row's own edge brings, ``(rows, dim)``.

        Args:
            sent: ``(rows, dim)``, what the other end sends on its last hop.
            own: ``(rows,)`` degrees of the nodes that receive.
            other: ``(rows,)`` degrees of the nodes that send.
        """
        return sent * edge_weights(own, other, self.own_power, self.other_power)[:, None]

    def weights(self) -> list[float]:
        """``w_0 ... w_L``.

        >>> Smoothing(layers=2, own_share=0.5).weights()
        [0.5, 0.25, 0.25]
        """
        first = 1 / (self.layers + 1) if self.own_share is None else self.own_share
        return [first] + [(1 - first) / self.layers] * self.layers if self.layers else [1.0]


@dataclass(frozen=True, slots=True)
class Start(Settings):
    """Initial values of free vectors.

    Args:
        init: Standard deviation of the initial values.
        spectral: Start from singular vectors of the normalised graph rather than from noise.
    """

    init: float = 0.1
    spectral: bool = True
