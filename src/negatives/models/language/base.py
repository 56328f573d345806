"""What language models share: words in, vectors of prefixes out, runs of neighbouring positions read at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.steps import TowerSteps
from negatives.models.tower import TowerModel
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream
from negatives.types import finite

STREAMS = 32
"""Streams of a text that are evaluated side by side; each loses the words before its beginning."""
CELLS = 1 << 22
"""Scores that are held at a time."""
INPUTS = 1
"""Place of the dropout on the words that are read."""


@dataclass(frozen=True, slots=True)
class Layers(Settings):
    """The network between words and prefixes.

    Args:
        layers: Depth of the network, one or more layers.
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


class TextModel(Model, ABC):
    """A model of running text that is judged by the probabilities of its words."""

    @abstractmethod
    def log_probs(self, words: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """Exact log-probability of each word of a text given those before it, and the logarithm of its normaliser.

        Args:
            words: ``(n,)`` int64.
            end: Id of the end of a line, which stands before the text.

        Returns:
            Two tensors ``(n,)`` float64 on the CPU.

        Raises:
            NonFiniteScores: A probability is NaN or 0.
        """

    @abstractmethod
    def following(self, words: Tensor) -> Tensor:
        """Log-probabilities ``(n_items,)`` of all words after some words ``(n,)`` int64, on the CPU."""


class LanguageModel(TowerModel, TextModel, ABC):
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
    named_rows: ClassVar = {"word_table": ("item",), "item_table": ("item",)}

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

    def kept(self) -> dict[str, Any]:
        """No text: prefixes are read as they are asked for."""
        return {**self.given, "tokens": torch.empty(0, dtype=torch.int64)}

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

    @torch.no_grad()
    def log_probs(self, words: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """See :meth:`TextModel.log_probs`; long texts are read as several streams side by side."""
        self.refresh()
        table = self.item_table.detach()
        return exact(prefixes(self, words.to(table.device), end), table)

    @torch.no_grad()
    def following(self, words: Tensor) -> Tensor:
        """See :meth:`TextModel.following`; ``window`` words are read."""
        self.refresh()
        vectors, _ = self.read_on(words[None, -self.window :].to(self.item_table.device), None)
        return (self.with_one(vectors[0, -1:]) @ self.item_table.T)[0].log_softmax(0).cpu()

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


def prefixes(model: LanguageModel, words: Tensor, end: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Vectors ``(rows, d)`` of the prefixes of a text, with the words after them, every word once.

    Args:
        model: The model.
        words: ``(n,)`` int64 on the model's device.
        end: Id of the end of a line, which stands before the text.
    """
    before = torch.cat([words.new_full((1,), end), words[:-1]])
    streams = max(1, min(STREAMS, words.numel() // (4 * model.window)))
    length = words.numel() // streams
    parts = [(slice(0, streams * length), streams), (slice(streams * length, words.numel()), 1)]
    for some, runs in parts:
        read, right = before[some].view(runs, -1), words[some].view(runs, -1)
        state: Tensor | None = None
        for at in range(0, read.shape[1], model.window):
            vectors, state = model.read_on(read[:, at : at + model.window], state)
            yield model.with_one(vectors.reshape(-1, model.dim)), right[:, at : at + model.window].reshape(-1)


def exact(blocks: Iterator[tuple[Tensor, Tensor]], table: Tensor) -> tuple[Tensor, Tensor]:
    """Exact log-probabilities of words, and the logarithms of their normalisers, each ``(n,)`` float64 on the CPU.

    Args:
        blocks: Vectors ``(rows, d)`` of prefixes with the ids ``(rows,)`` of the words after them.
        table: ``(n_words, d)``, all words.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    columns = table.T.contiguous()
    none = torch.empty(0, dtype=torch.float64)
    log_p, log_z = [], []
    step = max(1, CELLS // len(table))
    for vectors, words in blocks:
        for at in range(0, words.numel(), step):
            scores = vectors[at : at + step] @ columns
            total = scores.logsumexp(1).double()
            right = scores.gather(1, words[at : at + step, None])[:, 0].double()
            log_p.append((right - total).cpu())
            log_z.append(total.cpu())
    found = finite(torch.cat([none, *log_p]), "scores")
    return found, torch.cat([none, *log_z])
