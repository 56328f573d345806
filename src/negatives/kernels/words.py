"""The façade over the kernels of word vectors: keep words, and train on windows of text in place.

A batch is a run of kept words in the order of the text. ``examples`` names each one: sentence times 2^16 plus the
place in the sentence, so words of one sentence stand together and windows never cross its ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve
from negatives.kernels.hogwild import LossKernel
from negatives.types import Negatives

LOSS = LossKernel("logistic")
"""What :func:`train_windows_` minimises."""
PLACES = 1 << 16
"""Places of a sentence that an example number can tell apart."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of one batch: around word ``r`` up to ``1 + hash(key, examples[r]) % width`` words on each side.

    Args:
        words: ``(rows,)`` int64, the kept words in the order of the text.
        examples: ``(rows,)`` int64, ``sentence * 2^16 + place``.
        width: Largest number of words on each side.
        key: Random stream of the widths.
        mean: Average the words of a window into one input (CBOW) instead of taking each by itself (skip-gram).
        first: First word that is a centre; the others are only seen from there.
        stop: Word after the last centre; None for the end.
    """

    words: Tensor
    examples: Tensor
    width: int
    key: int
    mean: bool = False
    first: int = 0
    stop: int | None = None

    @property
    def centres(self) -> range:
        """Places of the centres; negatives have one row for each."""
        return range(self.first, self.words.numel() if self.stop is None else min(self.stop, self.words.numel()))


def keep_words(tokens: Tensor, bounds: Tensor, first: int, keep: Tensor, key: int) -> tuple[Tensor, Tensor]:
    """Drop frequent words at random: word ``w`` stays where ``hash(key, example) / 2^32 < keep[w] / 2^32``.

    Args:
        tokens: ``(n,)`` int32, whole sentences.
        bounds: ``(sentences + 1,)`` int64, where each sentence begins in ``tokens``.
        first: Number of the first sentence.
        keep: ``(n_words,)`` int64, ``2^32`` times the chance to stay.
        key: Random stream.

    Returns:
        Words and examples ``(rows,)`` int64; a sentence of which fewer than two words stay is left out.
    """
    found: tuple[Tensor, Tensor] = serve("words", tokens).keep_words(tokens, bounds, first, keep, key)
    return found


def train_windows_(inputs: Tensor, outputs: Tensor, windows: Windows, negatives: Negatives, lr: float) -> None:
    """One pass of stochastic gradient descent on the logistic loss over all windows, in place.

    Every word of the window around centre ``w`` is an input, ``w`` and the row's negatives are the outputs:
    ``-log σ(<x, y_w>) - sum_j weight_j log σ(-<x, y_j>)``. A window is one small matrix product, as all its inputs
    share their negatives. Rows are updated window by window; several threads write without locks (Hogwild), so only
    one thread gives the same bits every time. A negative that equals the centre is skipped.

    Args:
        inputs: ``(n_words, d)`` float32.
        outputs: ``(n_words, d)`` float32.
        windows: The windows.
        negatives: ``ids``, ``ok`` and ``weight`` ``(rows, k)``.
        lr: Step size.

    Source: Mikolov et al., NIPS 2013; shared negatives after Ji et al., Parallelizing Word2Vec in Shared and
    Distributed Memory, IEEE TPDS 2019.
    """
    _check(windows, negatives)
    serve("words", inputs).train_windows_(inputs.detach(), outputs.detach(), windows, negatives, lr)


def window_starts(windows: Windows) -> Tensor:
    """``(centres + 1,)`` int64, where the inputs of each window begin: one for each word, one in all with ``mean``."""
    found: Tensor = serve("words", windows.words).window_starts(windows)
    return found


def window_scores(inputs: Tensor, outputs: Tensor, windows: Windows, ids: Tensor) -> Tensor:
    """``(inputs of all windows, 1 + k)`` scores with the centre and with the ``ids`` ``(rows, k)``."""
    found: Tensor = serve("words", inputs).window_scores(inputs.detach(), outputs.detach(), windows, ids)
    return found


def window_update_(inputs: Tensor, outputs: Tensor, windows: Windows, ids: Tensor, grad: Tensor, lr: float) -> None:
    """Gradient descent in place from ``grad``, the gradient of what :func:`window_scores` gives."""
    serve("words", inputs).window_update_(inputs.detach(), outputs.detach(), windows, ids, grad, lr)


def _check(windows: Windows, negatives: Negatives) -> None:
    if windows.examples.numel() != windows.words.numel() or negatives.ids.shape[0] != len(windows.centres):
        raise ValueError("words, examples and negatives must have the same number of rows")
    if windows.width < 1:
        raise ValueError(f"a window must reach at least one word to each side, not {windows.width}")


def chances(counts: Tensor, sample: float) -> Tensor:
    """Chance of each word to stay, times ``2^32``: ``min(1, sqrt(t / f) + t / f)`` as in word2vec's code.

    Args:
        counts: ``(n_words,)`` how often each word occurs.
        sample: ``t``, the share of the text above which words are thinned out; 0 keeps all.
    """
    if sample <= 0.0:
        return torch.full(counts.shape, 1 << 32, dtype=torch.int64)
    share = counts.double().clamp(min=1) / (sample * counts.sum())
    return ((share.sqrt() + 1) / share).clamp(max=1.0).mul(2.0**32).to(torch.int64)
