"""A score for a whole sentence: how much more likely it is real than noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from negatives.data.ngrams import Sentences
from negatives.models.base import Model
from negatives.models.language.noise import NoiseBank
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, shared_pool

ITSELF = 0
"""The item that stands for the query's own sentence; the items after it are noise sentences."""
BLOCK = 512
"""Sentences that are scored at a time where no gradients are needed."""


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
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
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
        # what is behind the end is not read
        read, _ = rnn.pad_packed_sequence(self.reader(packed)[0], batch_first=True)
        inside = torch.arange(read.shape[1], device=read.device) < sentences.lengths[:, None]
        top = read.masked_fill(~inside[:, :, None], -torch.inf).amax(1)
        scores: Tensor = self.outer(torch.relu(self.inner(top)))[:, 0]
        return scores


class SentenceModel(Model):
    """Tells real sentences from noise: the query is a real sentence, the items are itself and the noise sentences.

    ``s(x, 0) = f(x)`` and ``s(x, j) = f(y_j)`` for noise sentence ``y_j``, with ``f`` of :class:`SentenceScorer`. Under
    the loss ``logistic`` with ``mean``, noise that a sampler draws evenly and no re-estimation, the optimum is
    ``f(x) = log p(x) / q(x)``: with the exact ``q`` of the n-gram model it gives ``log p`` back. A selection by score
    makes the noise harder than ``q``, and the scores only tell the two apart.

    Args:
        real: The real sentences, one for each query.
        noise: The noise sentences; None for a model that is only asked.
        n_words: Number of words.
        dim: Length of the vectors of words and of each direction.
        seed: Seed of the initial values.

    Source: noise-contrastive estimation, Gutmann and Hyvärinen, JMLR 2012; noise that is re-estimated while training,
    as in dynamic NCE, Wang and Ou, Improved Training of Neural Trans-dimensional Random Field Language Models, 2018.
    There the noise model follows the data by likelihood; here it follows the errors of the scorer.
    """

    named_rows: ClassVar = {"scorer.words": ("word",)}

    def __init__(self, real: Sentences, noise: NoiseBank | None, n_words: int, dim: int = 64, seed: int = 0) -> None:
        super().__init__(real.lengths.numel(), 1 + (0 if noise is None else noise.size), dim)
        self.scorer, self.noise = SentenceScorer(n_words, dim, seed), noise
        self._words: Tensor
        self._lengths: Tensor
        self.register_buffer("_words", real.words, persistent=False)
        self.register_buffer("_lengths", real.lengths, persistent=False)

    def kept(self) -> dict[str, Any]:
        """No sentences: the scorer reads those that it is asked about."""
        nothing = torch.empty(0, 1, dtype=torch.int64)
        return {**self.given, "real": Sentences(nothing, nothing[:, 0]), "noise": None}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in PyTorch; noise sentences are left out where the model has none."""
        if self.noise is None:
            state_dict = {name: one for name, one in state_dict.items() if not name.startswith("noise.")}
        return super().load_state_dict(state_dict, strict, assign)

    def refresh(self, context: Context | None = None) -> None:
        """Draw new noise sentences where they are due; the evaluator, which gives no batch, changes nothing."""
        if context is not None and self.noise is not None:
            self.noise.follow(context.step, self.told)

    def vectors(self) -> dict[str, Tensor]:
        """``word``: the vectors of the words that the scorer reads."""
        return {"word": self.scorer.words.detach()}

    def encode_queries(self, queries: Tensor) -> Tensor:
        """``(f(x), 1)`` ``(rows, 2)``: the inner product with an item's vector is the score."""
        own = self._of_real(queries)
        return torch.stack([own, torch.ones_like(own)], -1)

    def encode_items(self, items: Tensor) -> Tensor:
        """``(1, 0)`` of the query's own sentence, ``(0, f(y))`` of noise sentences, ``(..., 2)``."""
        own = items == ITSELF
        return torch.stack([own.float(), self._of_noise(items).masked_fill(own, 0.0)], -1)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """See :meth:`Model.score`; every sentence is read once, and a query's own only where it is asked for."""
        pool = shared_pool(items)
        own = items == ITSELF
        if bool(own.all()):
            return self._of_real(queries).view(-1, *[1] * (items.dim() - 1)).expand(items.shape)
        found = self._of_noise(items) if pool is None else self._of_noise(pool).expand(items.shape)
        if bool(own.any()):
            found = torch.where(own, self._of_real(queries).view(-1, *[1] * (items.dim() - 1)), found)
        return found

    @torch.no_grad()
    def told(self, sentences: Sentences) -> Tensor:
        """Scores ``(n,)`` on the CPU of any sentences; above zero the sentence is taken for real."""
        device = self.scorer.words.device
        rows = torch.arange(sentences.lengths.numel(), device=sentences.lengths.device)
        blocks = [self.scorer(sentences.pick(some).to(device)) for some in torch.split(rows, BLOCK)]
        return torch.cat(blocks).cpu() if blocks else torch.empty(0)

    def _of_real(self, queries: Tensor) -> Tensor:
        found: Tensor = self.scorer(Sentences(self._words, self._lengths).pick(queries))
        return found

    def _of_noise(self, items: Tensor) -> Tensor:
        assert self.noise is not None
        found: Tensor = self.scorer(self.noise.pick((items.reshape(-1) - 1).clamp(min=0)))
        return found.view(items.shape)
