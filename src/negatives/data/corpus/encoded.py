"""A text as word ids on disk: read in pieces, removed when nobody uses it any more."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from negatives.temporary import Passing

LONGEST = 10_000
"""Words of a sentence; longer ones are cut, as gensim does."""
TOKENS = "tokens.int32"

Ids = npt.NDArray[np.int32]
Bounds = npt.NDArray[np.int64]


class Folder:
    """A folder of its own below the system's temporary folder, removed with the object or at the end of the program.

    ``TMPDIR`` in the environment chooses another place. What a killed process has left goes with the next one's first.
    """

    def __init__(self) -> None:
        passing = Passing("corpus")
        self.name = str(passing.path)
        weakref.finalize(self, passing.remove)


@dataclass(slots=True)
class Corpus:
    """Sentences of word ids; ids count down the words by frequency.

    Args:
        folder: Where the ids lie; it is removed with the object.
        words: Names by id, the most frequent first.
        counts: ``(n_words,)`` int64, how often each occurs in the sentences.
        bounds: ``(sentences + 1,)`` int64, where each sentence begins.
        notes: What was kept and what was dropped.
        held: Sentences that are held out of the corpus: ids and bounds; both empty where nothing is held out.
    """

    folder: Folder
    words: list[str]
    counts: Tensor
    bounds: Bounds
    notes: list[str]
    held: tuple[Ids, Bounds] = field(default_factory=lambda: (np.empty(0, np.int32), np.zeros(1, np.int64)))

    @property
    def path(self) -> Path:
        """File of the ids, int32."""
        return Path(self.folder.name) / TOKENS

    @property
    def n_tokens(self) -> int:
        return int(self.bounds[-1])

    @property
    def n_sentences(self) -> int:
        return len(self.bounds) - 1

    def tokens(self, first: int, stop: int) -> tuple[Tensor, Tensor]:
        """Ids ``(n,)`` int32 of the sentences from ``first`` to before ``stop``, and their bounds within these."""
        bounds = self.bounds[first : stop + 1]
        begin, count = int(bounds[0]), int(bounds[-1] - bounds[0])
        ids = np.fromfile(self.path, np.int32, count, offset=4 * begin)
        return torch.from_numpy(ids), torch.from_numpy(bounds - begin)

    def blocks(self, size: int) -> Bounds:
        """Sentences at which blocks of about ``size`` tokens begin, and the number of sentences at the end."""
        starts = np.searchsorted(self.bounds, np.arange(0, self.n_tokens, max(1, size)), side="right") - 1
        return np.append(np.unique(starts), self.n_sentences)
