"""A small transformer that reads windows of fixed length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.errors import ConfigError
from negatives.models.language.base import INPUTS, LanguageModel
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


class TransformerModel(LanguageModel):
    """Prefixes by causal self-attention within the window; each window begins anew.

    Args:
        tokens: ``(n,)`` int64, the training text.
        counts: ``(n_items,)`` words of the training text.
        dim: Length of the vectors of words and prefixes.
        layers: Blocks.
        heads: Heads of the attention.
        window: Words of one run.
        drop: Share of the elements of what a block adds that is left out in training.
        table_rate: Factor on the step size of the tables of words.
        table_optimiser: Update rule of these tables.
        max_norm: Length to which the network's gradient is clipped.
        seed: Seed of the initial values and of dropout.

    Raises:
        ConfigError: A number is out of range.

    Source: Vaswani et al., 2017; normalisation before each part as in Radford et al., 2019 (GPT-2).
    """

    def __init__(
        self,
        tokens: Tensor,
        counts: Tensor,
        dim: int = 256,
        layers: int = 2,
        heads: int = 4,
        window: int = 64,
        drop: float = 0.0,
        table_rate: float = 1.0,
        table_optimiser: str | None = None,
        max_norm: float | None = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(tokens, counts, dim, window, drop, table_rate, table_optimiser, max_norm, seed)
        if layers < 1 or not 0.0 <= drop < 1.0:
            raise ConfigError(f"layers must be at least 1 and drop from 0 to below 1, not {layers} and {drop}")
        if heads < 1 or dim % heads:
            raise ConfigError(f"dim {dim} is not a multiple of heads {heads}")
        random = generator(stream(seed, Purpose.INIT, 2))
        self.places = nn.Parameter(torch.empty(window, dim).normal_(0, 0.1, generator=random))
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


__all__ = ["TransformerModel"]
