"""A score for a whole sentence: how much more likely it is real than noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from negatives.data.ngrams import Sentences
from negatives.randomness import Purpose, generator, stream


class SentenceScorer(nn.Module):
    """An LSTM in both directions, the largest value of each element over the words, and two linear layers.

    Args:
        n_words: Number of words.
        dim: Length of the vectors of words and of each direction.
        seed: Seed of the initial values.
    """

    def __init__(self, n_words: int, dim: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.empty(n_words, dim))
        self.reader = nn.LSTM(dim, dim, batch_first=True, bidirectional=True)
        self.inner, self.outer = nn.Linear(2 * dim, dim), nn.Linear(dim, 1)
        random = generator(stream(seed, Purpose.INIT))
        for parameter in self.parameters():
            parameter.data.uniform_(-(dim**-0.5), dim**-0.5, generator=random)
        self.words.data.normal_(0, 0.3, generator=random)

    def forward(self, sentences: Sentences) -> Tensor:
        """Scores ``(n,)``."""
        vectors = nn.functional.embedding(sentences.words, self.words)
        packed = rnn.pack_padded_sequence(vectors, sentences.lengths.cpu(), batch_first=True, enforce_sorted=False)
        read, _ = rnn.pad_packed_sequence(
            self.reader(packed)[0], batch_first=True
        )  # what is behind the end is not read
        inside = torch.arange(read.shape[1], device=read.device) < sentences.lengths[:, None]
        top = read.masked_fill(~inside[:, :, None], -torch.inf).amax(1)
        scores: Tensor = self.outer(torch.relu(self.inner(top)))[:, 0]
        return scores


__all__ = ["SentenceScorer"]
