"""Groups of options that several models share; a configuration names their fields flat."""

from __future__ import annotations

from dataclasses import dataclass

from negatives.errors import ConfigError
from negatives.parameters import Settings


@dataclass(frozen=True, slots=True)
class ItemLength(Settings):
    """How far the length of an item's vector counts under the cosine; see :class:`negatives.models.Model`.

    Args:
        item_length: Its power in training.
        ranking_length: Its power in the final ranking; as in training when None.
    """

    item_length: float = 0.0
    ranking_length: float | None = None


@dataclass(frozen=True, slots=True)
class Smoothing(Settings):
    """Linear propagation ``sum_l w_l Â^l E`` with ``Â = D^-a A D^-b`` (He et al., 2020; Lee et al., 2024).

    Args:
        layers: Number of propagation steps.
        own_share: Weight of layer 0; the other layers share the rest equally. None for equal weights.
        own_power: ``a``, power of the degree of the node that receives.
        other_power: ``b``, power of the degree of the node that sends.

    Raises:
        ConfigError: ``layers`` is below 0.
    """

    layers: int = 3
    own_share: float | None = None
    own_power: float = 0.5
    other_power: float = 0.5

    def __post_init__(self) -> None:
        if self.layers < 0:
            raise ConfigError(f"layers is {self.layers}; it must be at least 0")

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
        init: Their standard deviation.
        spectral: Start from singular vectors of the normalised graph rather than from noise.
    """

    init: float = 0.1
    spectral: bool = True
