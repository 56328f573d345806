"""What models of sequences share: one table of items that is read and predicted, and runs that are read once.

A row of a batch is a place in the history of a query, and its vector that of all items before it. Rows of one query
that follow one another are one run, which is read once, whatever number of rows it has. Between batches a query's
vector is that of its whole history.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.answers import Answers, answers_of_encoder
from negatives.models.base import Model
from negatives.models.dropout import Among, dropped, mask_of
from negatives.models.sequence.runs import Runs, starts_of, taken
from negatives.models.settings import Prior
from negatives.models.steps import TowerSteps
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context

INPUTS = 1
"""Place of the dropout on the items that are read; parts of a subclass have greater ones."""
TOKENS = 1 << 15
"""Items that are read at a time when many queries are asked for."""
START = 0.1
"""Standard deviation of the initial numbers of items."""


@dataclass(frozen=True, slots=True)
class Reading(Settings):
    """How much of a history is read, and what of it is left out in training.

    Args:
        window: Items of a history that are read, the most recent ones; also of one run in training.
        input_drop: Share of the numbers of an item's vector that is left out where it is read.
        drop: Share of what each further part adds that is left out.

    Raises:
        ConfigError: A number is out of range.
    """

    window: int = 50
    input_drop: float = 0.3
    drop: float = 0.3

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(f"window is {self.window}; it must be at least 1")
        for name, share in (("input_drop", self.input_drop), ("drop", self.drop)):
            if not 0 <= share < 1:
                raise ConfigError(f"{name} is {share}; it must be at least 0 and below 1")


class SequenceModel(Model, ABC):
    """``s(p, i) = <f(items before p), w_i>``, where ``f`` reads rows of the same table ``w``.

    A subclass says how a run is read, :meth:`read`. By cosine both vectors have length one; the loss has the
    temperature.

    Args:
        histories: What each query has gone with, the oldest first.
        dim: Length of the vectors of items and histories.
        similarity: ``"dot"`` or ``"cosine"``.
        reading: Length of what is read, and dropout.
        prior: Term of the score for an item's popularity.
        steps: Step size of the item table, and clipping.
        seed: Seed of the initial values and of dropout.
    """

    engine = "encoded"
    feed = "sequences"
    inner_product = True
    named_rows: ClassVar = {"item_table": ("item",), "terms": ("item",)}

    terms: Tensor

    def __init__(
        self,
        histories: Histories,
        dim: int,
        similarity: str = "cosine",
        reading: Reading = Reading(),
        prior: Prior = Prior(),
        steps: TowerSteps = TowerSteps(),
        seed: int = 0,
    ) -> None:
        super().__init__(histories.n_queries, histories.n_items, dim, similarity)
        self.window, self.drop, self.input_drop = reading.window, reading.drop, reading.input_drop
        self.prior, self.table_steps, self.seed = prior, steps, seed
        random = generator(stream(seed, Purpose.INIT))
        start = torch.empty(self.n_items, dim).normal_(0, START, generator=random)
        self.item_table = nn.Parameter(start)
        self.nothing = nn.Parameter(torch.zeros(dim))
        counts = torch.bincount(histories.items, minlength=self.n_items)
        self.register_buffer("terms", prior.column(counts), persistent=prior.popularity > 0)
        self._histories = histories
        self._context: Context | None = None
        self._among: Among | None = None

    @abstractmethod
    def read(self, vectors: Tensor, runs: Runs) -> Tensor:
        """Vectors ``(tokens, dim)`` after each token of runs.

        The vector of a token may depend on those before it in its run and on itself, on nothing else.

        Args:
            vectors: ``(tokens, dim)`` of the items that are read.
            runs: Which of them follow one another.
        """

    def sparse_parameters(self) -> list[nn.Parameter]:
        return [self.item_table]

    def refresh(self, context: Context | None = None) -> None:
        """Remember the batch, whose rows are places of histories; None switches dropout off."""
        self._context = context

    def extend_histories(self, histories: Histories) -> None:
        """Read these histories from now on."""
        self._histories = histories

    def kept(self) -> dict[str, Any]:
        """Of each history what is read of it."""
        own = self._histories
        first = torch.maximum(own.indptr[:-1], own.indptr[1:] - self.window)
        lengths = own.indptr[1:] - first
        indptr = functional.pad(lengths.cumsum(0), (1, 0))
        at = torch.arange(int(indptr[-1]), device=first.device) + torch.repeat_interleave(first - indptr[:-1], lengths)
        return {**self.given, "histories": Histories(indptr, own.items[at], own.n_items)}

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, width)`` of whole histories; of the rows of the batch, of what stands before their places.

        The rows of the batch are asked for by the very tensor that its context holds.
        """
        histories = self._on(queries.device)
        if self._context is not None and queries is self._context.queries:
            return self._of_places(histories, queries, self._context.examples, slice(0, queries.numel()))
        return self._of_ends(histories, queries)

    def encode_part(self, queries: Tensor, rows: slice) -> Tensor:
        """See :meth:`Model.encode_part`; only the runs of these rows are read."""
        if self._context is None or queries is not self._context.queries:
            return self.encode_queries(queries[rows])
        return self._of_places(self._on(queries.device), queries, self._context.examples, rows)

    def encode_items(self, items: Tensor) -> Tensor:
        vectors = functional.embedding(items, self.item_table, sparse=True)
        return self.prior.of_items(self.normalise(vectors), self.terms[items])

    @torch.no_grad()
    def fold_in(self, histories: Histories) -> Tensor:
        """As of the queries of the training part."""
        histories = histories.to(self.item_table.device)
        return self._of_ends(histories, torch.arange(histories.n_queries, device=histories.indptr.device))

    def answers(self) -> Answers:
        """Histories are read when they are asked for."""
        self.refresh()
        with torch.no_grad():
            items = self.encode_items(torch.arange(self.n_items, device=self.item_table.device))
        return answers_of_encoder(self, items)

    def dropped(self, values: Tensor, share: float, place: int) -> Tensor:
        """In training, zero a share of the values and scale up the others.

        Args:
            values: Of any shape; where the first dimension is that of the tokens that are read, a part of a batch
                loses what it would among all of it.
            share: Share of them.
            place: Number of the part that asks, above :data:`INPUTS`; the mask depends on it, the step and the seed.
        """
        among = self._among
        if among is not None and values.shape[0] != among.count:
            among = None
        return dropped(values, share, mask_of(self.seed, self._context, place, values.device), among)

    def vectors(self) -> dict[str, Tensor]:
        """``item``: the table by which items are read and predicted."""
        with torch.no_grad():
            return {"item": self.encode_items(torch.arange(self.n_items, device=self.item_table.device))}

    def _on(self, device: torch.device) -> Histories:
        if self._histories.items.device != device:
            self._histories = self._histories.to(device)
        return self._histories

    def _of_places(self, histories: Histories, queries: Tensor, places: Tensor, rows: slice) -> Tensor:
        """Vectors of some ``rows`` of what stands before places ``(n,)``; neighbours are read as one run.

        A run that a part ends in is read up to there, one that it begins in from its beginning.
        """
        begins = torch.ones_like(queries, dtype=torch.bool)
        begins[1:] = (queries[1:] != queries[:-1]) | (places[1:] != places[:-1] + 1)
        each = torch.arange(queries.numel(), device=queries.device)
        begins |= (each - each.where(begins, 0).cummax(0).values) % self.window == 0  # runs that are too long
        run, head = begins.cumsum(0) - 1, begins.nonzero()[:, 0]
        stop = places[functional.pad(head[1:], (0, 1), value=queries.numel()) - 1]
        first = torch.maximum(histories.indptr[queries[head]], stop - self.window)
        if rows == slice(0, queries.numel()):
            return self._read(histories, first, stop, run, places)
        begin = int(run[rows.start])
        some = slice(begin, int(run[rows.stop - 1]) + 1)
        lengths, stop = stop - first, stop[some].clone()
        stop[-1], first = places[rows.stop - 1], first[some]
        begins = starts_of(lengths)[some]
        self._among = Among(int(lengths.sum()), Runs.cut(begins, begins + stop - first).places)
        try:
            return self._read(histories, first, stop, run[rows] - begin, places[rows])
        finally:
            self._among = None

    def _of_ends(self, histories: Histories, queries: Tensor) -> Tensor:
        """Vectors ``(rows, width)`` of the whole histories of queries ``(rows,)``, block by block."""
        found = []
        for some in torch.split(queries, max(1, TOKENS // self.window)):
            stop = histories.indptr[some + 1]
            first = torch.maximum(histories.indptr[some], stop - self.window)
            run = torch.arange(some.numel(), device=some.device)
            found.append(self._read(histories, first, stop, run, stop))
        return torch.cat(found)

    def _read(self, histories: Histories, first: Tensor, stop: Tensor, run: Tensor, places: Tensor) -> Tensor:
        """Vectors ``(rows, width)`` of what stands before ``places`` ``(rows,)`` in the runs ``run`` ``(rows,)``."""
        runs = Runs.cut(first, stop)
        if not runs.blocks:
            return self.prior.of_queries(self.normalise(self.nothing.expand(places.numel(), -1)))
        items = functional.embedding(histories.items[runs.places], self.item_table, sparse=True)
        inputs = self.dropped(self.normalise(items) * self.dim**0.5, self.input_drop, INPUTS)
        outputs = self.read(inputs, runs)
        before = places - first[run]
        vectors = taken(outputs, self.nothing, (runs.starts[run] + before - 1).where(before > 0, -1))
        return self.prior.of_queries(self.normalise(vectors))
