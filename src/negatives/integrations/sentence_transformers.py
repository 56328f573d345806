"""Hard negatives that are mined anew while Sentence Transformers trains.

    negatives = Remining(queries, documents, positives, Mining(num_negatives=4), model)
    trainer = SentenceTransformerTrainer(
        model, train_dataset=negatives.dataset(), callbacks=[negatives.callback()], loss=loss, args=args
    )

``mine_hard_negatives`` mines once, before training; what is hard for the model changes from the first epoch on. Here
the columns ``negative_1 ... negative_k`` of the data set always hold what was mined last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from negatives import kernels
from negatives.errors import ConfigError
from negatives.mining import Mined, Mining, mine
from negatives.mining.encoders import sentence_embedder
from negatives.mining.identical import own_documents
from negatives.mining.vectors import BLOCK
from negatives.randomness import Purpose, stream
from negatives.types import Csr, union

try:
    from transformers import TrainerCallback
except ImportError:  # the module can be read all the same
    TrainerCallback = object  # type: ignore[misc,assignment]
MISSING = "Remining needs more packages; run: pip install 'negatives[sentence-transformers]' datasets accelerate"


@dataclass(slots=True)
class Remining:
    """Training pairs whose hard negatives follow the model.

    Args:
        queries: Texts of the queries.
        documents: Texts of the documents.
        positives: Known pairs.
        mining: What to mine.
        model: A Sentence Transformers model, for the first mining.
        rounds: How often was mined.
        filled: Places in the last round that got a random document, because too few negatives were found.

    Raises:
        ConfigError: Sentence Transformers is not installed.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    positives: Csr
    mining: Mining
    model: Any
    rounds: int = 0
    filled: int = 0
    _ids: torch.Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False)

    def __post_init__(self) -> None:
        if TrainerCallback is object:
            raise ConfigError(MISSING)
        self.mine(self.model)

    @torch.no_grad()
    def mine(self, model: Any) -> Mined:
        """Mine with the model as it stands; the data set changes at once."""
        embedder = sentence_embedder("", model)
        was_training = model.training
        vectors = []
        for texts, kind in ((self.queries, "query"), (self.documents, "item")):
            blocks = [embedder.encode(texts[at : at + BLOCK], kind) for at in range(0, len(texts), BLOCK)]
            table = torch.nn.functional.normalize(torch.cat(blocks).float(), dim=1)
            vectors.append(np.ascontiguousarray(table.cpu().numpy()))
        model.train(was_training)
        own = own_documents(self.queries, self.documents, self.positives)
        mined = mine(vectors[0], vectors[1], self.positives, self.mining, identical=own)
        rows = torch.arange(len(self.queries))
        key = stream(self.mining.seed, Purpose.CANDIDATES, self.rounds)
        known = union([self.positives, own])
        width, n = mined.ids.shape[1], len(self.documents)
        random = kernels.draw_uniform(rows, width, n, key, queries=rows, known=known).clamp(min=0)
        self.filled = int((mined.ids < 0).sum())
        self._ids = torch.where(mined.ids < 0, random, mined.ids)
        self.rounds += 1
        return mined

    def dataset(self) -> Any:
        """A ``datasets.Dataset`` with the columns anchor, positive, negative_1, ..., negative_k."""
        from datasets import Dataset  # type: ignore[attr-defined]

        owners = torch.repeat_interleave(torch.arange(self.positives.n_rows), self.positives.lengths()).tolist()
        table: dict[str, list[Any]] = {
            "anchor": [self.queries[row] for row in owners],
            "positive": [self.documents[item] for item in self.positives.indices.tolist()],
        }
        # The table holds the row of the query; the transform puts the text of the moment in its place.
        table |= {f"negative_{place}": [str(row) for row in owners] for place in range(1, self._ids.shape[1] + 1)}
        found = Dataset.from_dict(table)
        found.set_transform(self._fill)
        return found

    def callback(self, every: int = 1) -> Remine:
        """A callback that mines anew at the beginning of every ``every``-th epoch after the first."""
        return Remine(self, every)

    def _fill(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        found = dict(batch)
        for name, column in batch.items():
            if name.startswith("negative_"):
                place = int(name.rpartition("_")[2]) - 1
                found[name] = [self.documents[int(self._ids[int(row), place])] for row in column]
        return found


class Remine(TrainerCallback):  # type: ignore[misc]
    """Mines anew between epochs.

    Args:
        negatives: What to mine for.
        every: Epochs between two minings.
    """

    def __init__(self, negatives: Remining, every: int = 1) -> None:
        self.negatives, self.every = negatives, every

    def on_epoch_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        epoch = round(state.epoch or 0)
        if model is not None and epoch > 0 and epoch % self.every == 0:
            self.negatives.mine(model)
