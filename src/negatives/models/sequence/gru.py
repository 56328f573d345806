"""A gated recurrent network over the history."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.sequence.base import INPUTS, Reading, SequenceModel
from negatives.models.sequence.runs import Runs
from negatives.models.settings import Prior
from negatives.models.steps import TowerSteps
from negatives.randomness import Purpose, generator, stream


class GruModel(SequenceModel):
    """A recurrent network reads the history item by item.

    Args:
        histories: What each query has gone with, the oldest first.
        dim: Length of the vectors of items and histories.
        similarity: ``"dot"`` or ``"cosine"``.
        layers: Networks above one another.
        reading: Length of what is read, and dropout.
        prior: Term of the score for an item's popularity.
        steps: Step size of the item table, and clipping.
        seed: Seed of the initial values and of dropout.

    Raises:
        ConfigError: ``layers`` is below 1.

    Source: Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016. Differs: a history
    is read from its beginning in each step, rather than on from where the last step ended, and the tables of items
    that are read and that are predicted are one.
    """

    def __init__(
        self,
        histories: Histories,
        dim: int = 128,
        similarity: str = "cosine",
        layers: int = 1,
        reading: Reading = Reading(),
        prior: Prior = Prior(),
        steps: TowerSteps = TowerSteps(),
        seed: int = 0,
    ) -> None:
        super().__init__(histories, dim, similarity, reading, prior, steps, seed)
        if layers < 1:
            raise ConfigError(f"layers is {layers}; it must be at least 1")
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
            self.cells = nn.ModuleList(nn.GRU(dim, dim, batch_first=True) for _ in range(layers))
            self.end = nn.Linear(dim, dim)
        random = generator(stream(seed, Purpose.INIT, 1))
        for parameter in [*self.cells.parameters(), *self.end.parameters()]:
            parameter.data.uniform_(-(dim**-0.5), dim**-0.5, generator=random)

    def read(self, vectors: Tensor, runs: Runs) -> Tensor:
        """See :meth:`SequenceModel.read`."""
        for layer, cell in enumerate(self.cells):
            vectors = runs.flat([cell(part)[0] for part in runs.padded(vectors)])
            vectors = self.dropped(vectors, self.drop, INPUTS + 1 + layer)
        found: Tensor = self.end(vectors)
        return found
