"""Self-attention over the history, by the block that current recommenders share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.sequence.base import INPUTS, Reading, SequenceModel
from negatives.models.sequence.runs import Runs
from negatives.models.settings import Prior
from negatives.models.steps import TowerSteps
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream


@dataclass(frozen=True, slots=True)
class Blocks(Settings):
    """Blocks of self-attention.

    Args:
        layers: Number of blocks.
        heads: Heads of the attention of each block.
        wide: Width of the feed-forward part, in multiples of ``dim``.
        gated: Multiply what each part adds by a gate that reads what it is added to.

    Raises:
        ConfigError: A number is below 1.
    """

    layers: int = 2
    heads: int = 4
    wide: int = 2
    gated: bool = True

    def __post_init__(self) -> None:
        for name, number in (("layers", self.layers), ("heads", self.heads), ("wide", self.wide)):
            if number < 1:
                raise ConfigError(f"{name} is {number}; it must be at least 1")


class Block(nn.Module):
    """Causal self-attention and a gated feed-forward part, each added to what it reads after normalisation.

    How far back an item stands is a number per head that is added to its logit.

    Args:
        dim: Length of the vectors.
        length: Longest run.
        shape: Heads and widths.
    """

    def __init__(self, dim: int, length: int, shape: Blocks) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.inner, self.outer = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 2 * shape.wide * dim), nn.Linear(shape.wide * dim, dim)
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2 * shape.gated))
        self.distances = nn.Parameter(torch.zeros(shape.heads, length))

    def attended(self, vectors: Tensor, runs: Runs) -> Tensor:
        """What the attention adds to ``vectors`` ``(tokens, dim)``."""
        parts = runs.padded(self.inner(self.norms[0](vectors)))
        found: Tensor = self.outer(runs.flat([self._mixed(part) for part in parts]))
        return found

    def transformed(self, vectors: Tensor) -> Tensor:
        """What the feed-forward part adds to ``vectors`` ``(tokens, dim)``."""
        gate, value = self.wide(self.norms[1](vectors)).chunk(2, -1)
        found: Tensor = self.narrow(functional.silu(gate) * value)
        return found

    def added(self, vectors: Tensor, more: Tensor, place: int) -> Tensor:
        """``more`` added to ``vectors``, through the gate of its place where there is one."""
        return vectors + (torch.sigmoid(self.gates[place](vectors)) * more if len(self.gates) else more)

    def _mixed(self, part: Tensor) -> Tensor:
        """Attention within runs ``(runs, length, 3 * dim)``, ``(runs, length, dim)``."""
        runs, length, width = part.shape
        query, key, value = part.view(runs, length, 3, self.heads, width // 3 // self.heads).permute(2, 0, 3, 1, 4)
        each = torch.arange(length, device=part.device)
        back = each[:, None] - each
        mask = self.distances[:, back.clamp(min=0)].masked_fill(back < 0, -torch.inf).to(part.dtype)
        mixed = functional.scaled_dot_product_attention(query, key, value, mask.expand(runs, -1, -1, -1))
        return mixed.transpose(1, 2).reshape(runs, length, width // 3)


class SasRec(SequenceModel):
    """Self-attentive sequential recommendation.

    Args:
        histories: What each query has gone with, the oldest first.
        dim: Length of the vectors of items and histories.
        similarity: ``"dot"`` or ``"cosine"``.
        blocks: Depth, heads and widths.
        reading: Length of what is read, and dropout.
        prior: Term of the score for an item's popularity.
        steps: Step size of the item table, and clipping.
        seed: Seed of the initial values and of dropout.

    Raises:
        ConfigError: ``dim`` is not a multiple of the heads.

    Source: Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018; blocks as in Tikhonovich et al.,
    eSASRec, RecSys 2025: normalisation before each part, SwiGLU (Shazeer, 2020), and the gates of LiGR (Borisyuk et
    al., 2025). Differs: an item's distance has the place of a vector for each position, items are read by direction,
    and scores may be cosines.
    """

    def __init__(
        self,
        histories: Histories,
        dim: int = 128,
        similarity: str = "cosine",
        blocks: Blocks = Blocks(),
        reading: Reading = Reading(),
        prior: Prior = Prior(),
        steps: TowerSteps = TowerSteps(),
        seed: int = 0,
    ) -> None:
        super().__init__(histories, dim, similarity, reading, prior, steps, seed)
        if dim % blocks.heads:
            raise ConfigError(f"dim {dim} is not a multiple of heads {blocks.heads}")
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
            self.blocks = nn.ModuleList(Block(dim, self.window, blocks) for _ in range(blocks.layers))
        self.norm = nn.LayerNorm(dim)
        random = generator(stream(seed, Purpose.INIT, 1))
        for name, module in self.blocks.named_modules():
            if isinstance(module, nn.Linear):
                adds = name.endswith(("outer", "narrow"))
                scale = (2 * blocks.layers) ** -0.5 if adds else 1.0
                module.weight.data.normal_(0, scale * module.in_features**-0.5, generator=random)
                module.bias.data.zero_()

    def read(self, vectors: Tensor, runs: Runs) -> Tensor:
        """See :meth:`SequenceModel.read`."""
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            place = INPUTS + 1 + 2 * layer
            vectors = block.added(vectors, self.dropped(block.attended(vectors, runs), self.drop, place), 0)
            vectors = block.added(vectors, self.dropped(block.transformed(vectors), self.drop, place + 1), 1)
        found: Tensor = self.norm(vectors)
        return found
