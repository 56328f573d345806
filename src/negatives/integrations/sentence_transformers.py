"""Hard negatives that follow the model while Sentence Transformers trains.

Mined anew from all documents, between epochs or every so many steps:

    negatives = Remining(queries, documents, positives, Mining(num_negatives=4), model)
    trainer = SentenceTransformerTrainer(
        model, args, train_dataset=negatives.dataset(), loss=loss, callbacks=[negatives.callback(steps=100)]
    )

Or drawn for each batch by any sampler, when it is collated:

    drawing = TextDrawing(queries, documents, positives, "dns", model)
    trainer = SentenceTransformerTrainer(
        model, args, train_dataset=drawing.dataset(), loss=loss, data_collator=drawing, callbacks=[drawing.callback()]
    )

``mine_hard_negatives`` mines once, before training; what is hard for the model changes from the first steps on. Here
the columns ``negative_1 ... negative_k`` always hold what is hard now. Both keep their state in the trainer's
checkpoints. Both work in the trainer's own process, with ``dataloader_num_workers=0``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from negatives import kernels
from negatives.errors import ConfigError
from negatives.integrations.hugging_face import keep, kept
from negatives.integrations.text_drawing import INSTALL, TextDrawing
from negatives.integrations.upstream import base, fault
from negatives.mining import Mined, Mining, mine
from negatives.mining.encoders import sentence_embedder
from negatives.mining.identical import own_documents
from negatives.mining.vectors import BLOCK
from negatives.randomness import Purpose, stream
from negatives.types import Csr, State, union

TrainerCallback, BROKEN = base("TrainerCallback", "transformers")


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
        ConfigError: Sentence Transformers is missing or broken.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    positives: Csr
    mining: Mining
    model: Any
    rounds: int = 0
    filled: int = 0
    _ids: torch.Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False)
    _older: torch.Tensor | None = field(default=None, init=False, repr=False)
    _resumed: torch.Tensor | None = field(default=None, init=False, repr=False)
    _first: torch.Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if BROKEN is not None:
            raise fault("Remining", INSTALL, BROKEN)
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
        self._older = self._ids
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

    def callback(self, every: int = 1, steps: int | None = None) -> Remine:
        """A callback that mines anew while the trainer trains, and keeps the state in its checkpoints.

        Args:
            every: At the beginning of every so many epochs after the first.
            steps: After every so many steps; between epochs only when None.
        """
        return Remine(self, every, steps)

    def state(self) -> State:
        """Rounds, the documents that stand as negatives, and those of a batch that the trainer holds already."""
        older = {} if self._older is None else {"older": self._older}
        return {"rounds": self.rounds, "filled": self.filled, "ids": self._ids} | older

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self.rounds, self.filled, self._ids = state["rounds"], state["filled"], state["ids"]
        self._resumed = self._older = state.get("older")

    def begin_epoch(self) -> None:
        """The trainer begins to read an epoch. It reads a batch ahead, so the first one after a resume is of before."""
        self._first, self._resumed = self._resumed, None

    def _fill(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Texts in place of rows."""
        ids = self._ids if self._first is None else self._first
        self._first = self._older = None
        found = dict(batch)
        for name, column in batch.items():
            if name.startswith("negative_"):
                place = int(name.rpartition("_")[2]) - 1
                found[name] = [self.documents[int(ids[int(row), place])] for row in column]
        return found


class Remine(TrainerCallback):  # type: ignore[misc,valid-type]
    """Mines anew between epochs, and every so many steps; keeps the state in the trainer's checkpoints.

    Args:
        negatives: What to mine for.
        every: Epochs between two minings.
        steps: Steps between two minings within an epoch; None for none.
        name: Of the file in a checkpoint.

    Raises:
        ConfigError: A number is below one; on a resume, the checkpoint holds no such state.
    """

    def __init__(self, negatives: Remining, every: int = 1, steps: int | None = None, name: str = "negatives") -> None:
        for what, value in (("every", every), ("steps", steps)):
            if value is not None and value < 1:
                raise ConfigError(f"{what} is {value}; it must be at least 1")
        self.negatives, self.every, self.steps, self.name = negatives, every, steps, name

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        if state.global_step > 0:
            self.negatives.load_state(kept(args, state.global_step, self.name))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        self.negatives.begin_epoch()
        epoch = round(state.epoch or 0)
        begins = abs((state.epoch or 0) - epoch) < 1e-6  # else an epoch that was interrupted goes on
        if model is not None and begins and epoch > 0 and epoch % self.every == 0:
            self.negatives.mine(model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        if model is not None and self.steps and state.global_step % self.steps == 0:
            self.negatives.mine(model)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        keep(args, state.global_step, self.name, self.negatives.state())


__all__ = ["Remine", "Remining", "TextDrawing"]
