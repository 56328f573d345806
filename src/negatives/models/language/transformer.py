"""A small transformer that reads windows of fixed length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.errors import ConfigError
from negatives.models.language.base import INPUTS, LanguageModel, Layers
from negatives.models.steps import TowerSteps
from negatives.randomness import Purpose, generator, stream


class Block(nn.Module):
    """Causal self-attention and two linear layers, each added to what it reads after normalisation.

    Args:
        dim: Length of the vectors.
        heads: Heads of the attention.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.inner, self.outer = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def attended(self, vectors: Tensor) -> Tensor:
        """What the attention adds to ``vectors`` ``(runs, length, dim)``."""
        runs, length, dim = vectors.shape
        parts = self.inner(self.norms[0](vectors)).view(runs, length, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        added: Tensor = self.outer(mixed.transpose(1, 2).reshape(runs, length, dim))
        return added

    def transformed(self, vectors: Tensor) -> Tensor:
        """What the linear layers add to ``vectors`` ``(runs, length, dim)``."""
        added: Tensor = self.narrow(functional.gelu(self.wide(self.norms[1](vectors))))
        return added


@dataclass(frozen=True, slots=True)
class Attention(Layers):
    """Blocks of self-attention.

    Args:
        heads: Heads of the attention of each block.
    """

    layers: int = 2
    heads: int = 4


class TransformerModel(LanguageModel):
    """Prefixes by causal self-attention within the window; each window begins anew.

    Args:
        tokens: ``(n,)`` int64, the training text.
        counts: ``(n_items,)`` words of the training text.
        window: Words of one run.
        dim: Length of the vectors of words and prefixes.
        network: Layers, heads, and dropout of what a block adds.
        steps: Step sizes of the tables of words, and clipping.
        seed: Seed of the initial values and of dropout.

    Raises:
        ConfigError: ``dim`` is not a multiple of the heads.

    Source: Vaswani et al., 2017; normalisation before each part as in Radford et al., 2019 (GPT-2).
    """

    def __init__(
        self,
        tokens: Tensor,
        counts: Tensor,
        window: int = 64,
        dim: int = 256,
        network: Attention = Attention(),
        steps: TowerSteps = TowerSteps(max_norm=1.0),
        seed: int = 0,
    ) -> None:
        super().__init__(tokens, counts, dim, window, network.drop, steps, seed)
        layers, heads = network.layers, network.heads
        if heads < 1 or dim % heads:
            raise ConfigError(f"dim {dim} is not a multiple of heads {heads}")
        random = generator(stream(seed, Purpose.INIT, 2))
        self.places = nn.Parameter(torch.empty(window, dim).normal_(0, 0.1, generator=random))
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
            self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                module.weight.data.normal_(0, dim**-0.5 / (2 * layers) ** 0.5, generator=random)
                module.bias.data.zero_()

    def read(self, words: Tensor, start: Tensor | None = None) -> Tensor:
        """See :meth:`LanguageModel.read`; at most ``window`` words."""
        vectors = self.embedded(words) + self.places[: words.shape[1]]
        for place, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            vectors = vectors + self.dropped(block.attended(vectors), self.drop, INPUTS + 1 + 2 * place)
            vectors = vectors + self.dropped(block.transformed(vectors), self.drop, INPUTS + 2 + 2 * place)
        found: Tensor = self.norm(vectors)
        return found

    @torch.no_grad()
    def read_on(self, words: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Vectors ``(runs, length, dim)`` without dropout; there is no state, each call begins anew."""
        context, self._context = self._context, None
        vectors = self.read(words)
        self._context = context
        return vectors, None
