"""A long short-term memory network that goes on from batch to batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from negatives.models.language.base import INPUTS, LanguageModel, Layers
from negatives.models.steps import TowerSteps
from negatives.randomness import Purpose, generator, stream


class LstmModel(LanguageModel):
    """Prefixes by an LSTM; gradients go back to the beginning of the window, the state further (truncated BPTT).

    The state of every stream is kept with the model, so that a resumed run goes on with it.

    Args:
        tokens: ``(n,)`` int64, the training text.
        counts: ``(n_items,)`` words of the training text.
        window: Words of one run in training.
        streams: Runs of one training step.
        dim: Length of the vectors of words and prefixes.
        network: Layers and dropout.
        steps: Step sizes of the tables of words, and clipping.
        seed: Seed of the initial values and of dropout.

    Source: Hochreiter and Schmidhuber, 1997; Zaremba et al., Recurrent Neural Network Regularization, 2014.
    """

    def __init__(
        self,
        tokens: Tensor,
        counts: Tensor,
        window: int = 35,
        streams: int = 32,
        dim: int = 256,
        network: Layers = Layers(),
        steps: TowerSteps = TowerSteps(max_norm=1.0),
        seed: int = 0,
    ) -> None:
        super().__init__(tokens, counts, dim, window, network.drop, steps, seed)
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
            self.cells = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(network.layers))
        random = generator(stream(seed, Purpose.INIT, 2))
        for parameter in self.cells.parameters():
            parameter.data.uniform_(-(dim**-0.5), dim**-0.5, generator=random)
        self.register_buffer("state", torch.zeros(2, network.layers, streams, dim))
        self.register_buffer("next", torch.full((streams,), -1))

    def read(self, words: Tensor, start: Tensor | None = None) -> Tensor:
        """See :meth:`LanguageModel.read`; streams that follow the last step's go on with its state."""
        state = self._begin(words, start)
        vectors, kept = self.embedded(words), []
        for place, cell in enumerate(self.cells):
            hidden = None if state is None else (state[0, place][None], state[1, place][None])
            vectors, (h, c) = cell(vectors, hidden)
            kept.append(torch.stack([h[0], c[0]]))
            vectors = self.dropped(vectors, self.drop, INPUTS + 1 + place)
        if start is not None:
            self._remember(torch.stack(kept, 1).detach(), start + words.shape[1])
        return vectors

    @torch.no_grad()
    def read_on(self, words: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See :meth:`LanguageModel.read_on`; the state is ``(2, layers, runs, dim)``."""
        vectors, kept = self.word_table[words], []
        for place, cell in enumerate(self.cells):
            hidden = None if state is None else (state[0, place][None], state[1, place][None])
            vectors, (h, c) = cell(vectors, hidden)
            kept.append(torch.stack([h[0], c[0]]))
        return vectors, torch.stack(kept, 1)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in PyTorch; the saved streams may be more or fewer than the model was built for."""
        for name in ("state", "next"):
            if name in state_dict:
                setattr(self, name, getattr(self, name).new_empty(state_dict[name].shape))
        return super().load_state_dict(state_dict, strict, assign)

    def _begin(self, words: Tensor, start: Tensor | None) -> Tensor | None:
        if start is None:
            return None
        streams = words.shape[0]
        if self.next.numel() != streams:
            return None
        goes_on = (self.next == start).to(self.state.dtype)
        state: Tensor = self.state * goes_on[None, None, :, None]
        return state

    def _remember(self, state: Tensor, following: Tensor) -> None:
        self.state, self.next = state, following
