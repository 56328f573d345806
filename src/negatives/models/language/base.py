"""What language models share: words in, vectors of prefixes out, runs of neighbouring positions read at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.errors import ConfigError
from negatives.models.tower import TowerModel, TowerSteps
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream

INPUTS = 1
"""Place of the dropout on the words that are read."""


@dataclass(frozen=True, slots=True)
class Layers(Settings):
    """The network between words and prefixes.

    Args:
        layers: Its depth.
        drop: Share of the elements of a vector that is left out in training.

    Raises:
        ConfigError: A number is out of range.
    """

    layers: int = 1
    drop: float = 0.0

    def __post_init__(self) -> None:
        if self.layers < 1 or not 0.0 <= self.drop < 1.0:
            raise ConfigError(
                f"layers must be at least 1 and drop from 0 to below 1, not {self.layers} and {self.drop}"
            )


class LanguageModel(TowerModel, ABC):
    """The query is a position of the training text, its vector that of all words up to there.

    Positions that follow one another are read as one run. The bias of a word begins at its log-probability by counts,
    so that no model has to learn frequencies first.

    Args:
        tokens: ``(n,)`` int64, the training text.
        counts: ``(n_items,)`` words of the training text.
        dim: Length of the vectors of words and prefixes.
        window: Words of one run in training; so many words are read before a position that is asked for by itself.
        drop: Share of the elements of a vector that is left out in training.
        steps: Step sizes of the tables of words, and clipping.
        seed: Seed of the initial values and of dropout.
    """

    feed = "text"

    def __init__(
        self,
        tokens: Tensor,
        counts: Tensor,
        dim: int,
        window: int,
        drop: float,
        steps: TowerSteps,
        seed: int,
    ) -> None:
        n = counts.numel()
        super().__init__(tokens.numel(), n, dim, True, max(dim, 1) ** -0.5, steps, seed)
        self.window, self.drop = window, drop
        random = generator(stream(seed, Purpose.INIT))
        self.word_table = nn.Parameter(torch.empty(n, dim).normal_(0, 1.0, generator=random) * 0.3)
        share = (counts.float() + 0.1) / (counts.sum() + 0.1 * n)
        self.item_table.data[:, dim] = share.log()
        self._tokens = tokens

    def vectors(self) -> dict[str, Tensor]:
        """``item``: words as they are predicted, without their bias; ``input``: words as they are read."""
        return {"item": self.item_table.detach()[:, : self.dim], "input": self.word_table.detach()}

    def sparse_parameters(self) -> list[nn.Parameter]:
        return [self.word_table]

    @abstractmethod
    def read(self, words: Tensor, start: Tensor | None = None) -> Tensor:
        """Vectors ``(runs, length, dim)`` after each word of ``words`` ``(runs, length)``.

        Args:
            words: Word ids.
            start: ``(runs,)`` int64 positions of the first words in the training text, in a training step, so that a
                model may go on where the last step ended; None for texts that begin here.
        """

    @abstractmethod
    def read_on(self, words: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Vectors ``(runs, length, dim)`` without dropout or gradients, and what the next call needs to go on.

        Args:
            words: ``(runs, length)`` word ids that follow those of the last call.
            state: What the last call gave; None at the beginning.
        """

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, dim + 1)`` of positions of the training text."""
        if self._tokens.device != queries.device:
            self._tokens = self._tokens.to(queries.device)
        if self._context is None:
            return self.with_one(self._alone(queries))
        runs = runs_of(queries)
        vectors = self.read(self._tokens[runs], runs[:, 0])
        return self.with_one(vectors.reshape(-1, self.dim))

    def embedded(self, words: Tensor) -> Tensor:
        """Vectors of the words that are read, ``(..., dim)``."""
        vectors = functional.embedding(words, self.word_table, sparse=True)
        return self.dropped(vectors, self.drop, INPUTS)

    def _alone(self, queries: Tensor) -> Tensor:
        """Each position by itself, with ``window`` words before it."""
        found = []
        for query in queries.tolist():
            words = self._tokens[max(0, query + 1 - self.window) : query + 1]
            found.append(self.read(words[None])[0, -1])
        return torch.stack(found)


def runs_of(queries: Tensor) -> Tensor:
    """Positions as runs ``(runs, length)`` of neighbours, all of one length.

    >>> runs_of(torch.tensor([4, 5, 6, 9, 10, 11])).tolist()
    [[4, 5, 6], [9, 10, 11]]
    """
    breaks = (queries.diff() != 1).nonzero()[:, 0] + 1
    first = int(breaks[0]) if breaks.numel() else queries.numel()
    return queries.view(-1, first)
