"""Noise sentences of an n-gram model, drawn anew from time to time, from a model that learns what fooled the scorer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from negatives.data.ngrams import LONGEST, Ngram, Sentences
from negatives.errors import ConfigError
from negatives.randomness import Purpose, stream

Score = Callable[[Sentences], Tensor]
"""Scores ``(n,)`` of sentences; above zero the sentence is taken for real."""


class NoiseBank(nn.Module):
    """So many noise sentences at a time, each drawn from an n-gram model.

    At each renewal the sentences that the scorer takes for real join the text of the first n-gram model, and the new
    sentences come from what is estimated from both: where the scorer errs, noise becomes more likely. The sentences
    stand in the module's state, so that a resumed run goes on with them.

    Args:
        start: The n-gram model before any renewal.
        size: Noise sentences that are held.
        every: Training steps between two renewals.
        reestimate: False draws new sentences from the first model at each renewal.
        longest: Words of a sentence, its end among them.
        seed: Seed of the draws.

    Raises:
        ConfigError: A number is below 1.
    """

    def __init__(
        self,
        start: Ngram,
        size: int,
        every: int,
        reestimate: bool = True,
        longest: int = LONGEST,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if min(size, every, longest) < 1:
            raise ConfigError(
                f"noise sentences: size, every and longest are {size}, {every}, {longest}; give 1 or more"
            )
        self.start, self.size, self.every, self.reestimate = start, size, every, reestimate
        self.longest, self.seed = longest, seed
        self.words: Tensor
        self.lengths: Tensor
        self.renewals: Tensor
        self.register_buffer("words", torch.full((size, longest), start.end, dtype=torch.int32))
        self.register_buffer("lengths", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("renewals", torch.tensor(-1))

    def pick(self, rows: Tensor) -> Sentences:
        """Some of the sentences; the first are drawn when they are first asked for."""
        if int(self.renewals) < 0:
            self._draw(self.start, 0)
        lengths = self.lengths[rows]
        width = int(lengths.max()) if rows.numel() else 1
        return Sentences(self.words[rows, :width].long(), lengths)

    def follow(self, step: int, score: Score) -> None:
        """Renew the sentences if the training step is due for it."""
        number = step // self.every
        if number == int(self.renewals):
            return
        fooled = self._fooled(score) if self.reestimate and number > 0 else torch.empty(0, dtype=torch.int64)
        self._draw(self.start.with_more(fooled) if fooled.numel() else self.start, number)

    def _fooled(self, score: Score) -> Tensor:
        """Text ``(n,)`` of the sentences that are taken for real."""
        held = self.pick(torch.arange(self.size, device=self.lengths.device))
        taken = (score(held) > 0).nonzero()[:, 0]
        device = held.lengths.device
        return held.pick(taken.to(device)).to("cpu").text() if taken.numel() else taken

    def _draw(self, model: Ngram, number: int) -> None:
        drawn = model.draw(self.size, stream(self.seed, Purpose.NOISE, number), self.longest)
        self.words.fill_(self.start.end)
        self.words[:, : drawn.words.shape[1]] = drawn.words.to(self.words)
        self.lengths.copy_(drawn.lengths)
        self.renewals.fill_(number)
