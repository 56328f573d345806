"""What skip-gram and CBOW share: an input and an output vector per word, trained on windows of text."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

import torch
from torch import nn

from negatives.errors import ConfigError
from negatives.models.base import TableModel
from negatives.randomness import Purpose, generator, stream


class WindowModel(TableModel, ABC):
    """Input vectors start uniform in ``±1/(2 dim)``, output vectors at zero, as in word2vec.

    With negatives by count, scores become shifted pointwise mutual information (Levy and Goldberg, NIPS 2014).

    Args:
        n_items: Size of the vocabulary; its words are queries and items.
        dim: Length of a vector.
        window: Largest number of words on each side; each window's own reach is drawn from 1 to this.
        seed: Seed of the initial values.

    Raises:
        ConfigError: The window is below 1.
    """

    engine = "windows"
    feed = "corpus"
    association = True
    mean: ClassVar[bool]
    """Average the words of a window into one input."""

    def __init__(self, n_items: int, dim: int = 100, window: int = 5, seed: int = 0) -> None:
        super().__init__(n_items, n_items, dim, "dot")
        if not 1 <= window <= 100:
            raise ConfigError(f"window is {window}; it must lie between 1 and 100")
        self.window = window
        random = generator(stream(seed, Purpose.INIT))
        self.query_table = nn.Parameter(torch.empty(n_items, dim).uniform_(-0.5 / dim, 0.5 / dim, generator=random))
        self.item_table = nn.Parameter(torch.zeros(n_items, dim))
