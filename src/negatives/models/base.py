"""What every model offers to the sampler, the training loop and the evaluator.

Every model promises:

- **Shapes.** :meth:`Model.encode_queries` gives ``(rows, width)`` and :meth:`Model.encode_items` ``(..., width)`` with
  one width, which may exceed ``dim`` by a bias or a second part. :meth:`Model.score` gives ``(rows,)`` for pairs and
  ``(rows, k)`` for candidates per query or a shared pool; the three agree, with and without gradients. float32.
- **Refresh.** Encodings and scores are asked for after :meth:`Model.refresh`, and again after weights have changed, the
  model was moved, restored or extended. ``refresh(context)`` is a training step: dropout, and the batch's own positives
  left out of what the model reads. ``refresh(None)`` is the model as it is used: no dropout, the same every time.
- **Parts.** :meth:`Model.encode_part` gives the vectors, in training too, that :meth:`Model.encode_queries` gives for
  the same rows among all of a step, up to rounding; so several processes train one model.
- **Tables.** :meth:`Model.tables` is ``(n_queries, width)`` and ``(n_items, width)``, without gradients, after
  ``refresh(None)``; a model whose score is an inner product is ranked by theirs. They share no memory with the weights.
- **Answers.** :meth:`Model.answers` is what evaluation asks: by the tables, or as a model without tables says.
- **Device.** ``model.to(device)`` moves parameters and buffers, ``refresh`` or the first encoding the data it holds.
  Ids come from the caller on that device, and all results are there.
- **State.** ``state_dict`` holds all that training changes. Loaded into a model that was built from the same facts and
  options, whatever its seed, it gives the same scores and the same next step, bit for bit.
- **Extend.** :meth:`Model.extend` changes no weight and no size; after it, as after ``refresh``, encodings may differ.
- **Kept.** A model that is built again from what :meth:`Model.kept` gives, with the saved state and the same
  ``extend``, answers alike; it holds what answering needs and no more of the training data than that. Weights that
  :meth:`Model.write_files` has written need not be in that state.
- **Seed.** The same facts, options and seed give the same weights; another seed gives others where any are drawn.
  Dropout depends on the seed and the step alone. No global random state is read or changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives import kernels
from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.answers import Answers, answers_of_tables
from negatives.models.steps import TowerSteps
from negatives.models.tables import table_scores
from negatives.types import Context, Csr, shared_pool

SIMILARITIES = ("dot", "cosine")


class Model(nn.Module, ABC):
    """A scorer of queries and items by the inner product of two embeddings.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        item_length: With cosine, the power ``g`` to which the length of an item's vector counts:
            ``s = <p, q> / (|p| |q|^(1 - g))``. 0 is the plain cosine.
        ranking_length: The same power for the final ranking; as in training when None.

    Raises:
        ConfigError: The similarity is not known, or ``dim`` is below 1.
    """

    engine: ClassVar[str] = "autograd"
    """Name of the engine that trains it, a row of :data:`negatives.training.engines.registry`."""
    feed: ClassVar[str] = "pairs"
    """What it is trained on, one of the feeds that a task offers: ``pairs`` of a query and its item, pairs ``grouped``
    by query, ``sequences`` of each query's items, ``triples``, ``edges`` of a graph or ``walks`` over it, a ``corpus``
    of sentences, ``cells`` of co-occurrence, or running ``text``."""
    inner_product: ClassVar[bool] = False
    """Whether :meth:`score` is the inner product of :meth:`encode_queries` and :meth:`encode_items` and nothing more,
    so that an engine may multiply the encodings itself."""
    association: ClassVar[bool] = False
    """Whether a score says how much more often an item goes with a query than with others, ``log p(i | q) / p(i)``, so
    that the logarithm of the item's count turns it into a probability."""

    named_rows: ClassVar[Mapping[str, tuple[str, ...]]] = {"query_table": ("query",), "item_table": ("item",)}
    """Kind of the rows of a parameter, or kinds that stand below one another, so that a later model may take over the
    rows of the same names; other parameters are taken over whole. ``query`` and ``item``, what :meth:`own_names`
    gives, or a kind that the task has names of."""
    table_steps: TowerSteps = TowerSteps()
    """Step sizes of tables beside those of the rest, and clipping, for engines that move tables row by row."""
    given: Mapping[str, Any] = {}
    """The facts that it was built from, by name."""

    def __init__(
        self,
        n_queries: int,
        n_items: int,
        dim: int,
        similarity: str = "dot",
        item_length: float = 0.0,
        ranking_length: float | None = None,
    ) -> None:
        super().__init__()
        self.item_length = item_length
        self.ranking_length = item_length if ranking_length is None else ranking_length
        if similarity not in SIMILARITIES:
            raise ConfigError(f"no similarity is called {similarity!r}; choose dot or cosine")
        if dim < 1:
            raise ConfigError(f"dim is {dim}; it must be at least 1")
        self.n_queries, self.n_items, self.dim, self.similarity = n_queries, n_items, dim, similarity

    @abstractmethod
    def encode_queries(self, queries: Tensor) -> Tensor:
        """Embeddings ``(rows, dim)`` of query ids ``(rows,)``; of unit length if the similarity is cosine."""

    @abstractmethod
    def encode_items(self, items: Tensor) -> Tensor:
        """Embeddings ``(..., dim)`` of item ids ``(...)``; of unit length if the similarity is cosine."""

    def encode_part(self, queries: Tensor, rows: slice) -> Tensor:
        """Embeddings of some rows of a step, each as :meth:`encode_queries` gives it among all of them.

        So several processes divide a step. A model that is told of the batch by :meth:`refresh` may know it as a
        whole, dropout too: its rows are then taken from the answer for all, unless it has a shorter way and says so
        here.

        Args:
            queries: ``(n,)`` int64, all queries of the step, as :meth:`encode_queries` would get them.
            rows: Which of them.
        """
        if type(self).refresh is Model.refresh:
            return self.encode_queries(queries[rows])
        return self.encode_queries(queries)[rows]

    def refresh(self, context: Context | None = None) -> None:
        """Recompute what all encodings of one step share.

        The loop calls it before each step with the batch, the evaluator with None.
        """

    def sparse_parameters(self) -> list[nn.Parameter]:
        """Tables whose gradient is sparse, so that only touched rows move; for engines that move tables row by row."""
        return []

    def penalty(self, context: Context) -> Tensor | None:
        """A differentiable regulariser of one batch, on the scale of the mean loss; None for none."""
        return None

    def extend(self, known: Csr) -> None:
        """Take in more known pairs without training, as graphs and histories can; others ignore it.

        Args:
            known: All pairs that are known when the model is used, over the same queries and items.
        """

    def extend_histories(self, histories: Histories) -> None:
        """As :meth:`extend`, where the order of what each query has gone with is known.

        Args:
            histories: All that is known when the model is used, over the same queries and items.
        """
        self.extend(histories.known())

    def kept(self) -> dict[str, Any]:
        """Facts from which it can be built again to be asked; smaller than those of training where it can be."""
        return dict(self.given)

    def write_files(self, folder: Path) -> frozenset[str]:
        """Write what of it has a file format of its own into the folder of a run.

        Within :func:`negatives.models.files_from` it is built from these files.

        Returns:
            Names of the weights that stand there, and need not stand among the others.
        """
        return frozenset()

    def own_names(self) -> dict[str, list[str]]:
        """Names by kind of rows that the model numbers itself, as an encoder its tokens."""
        return {}

    def fold_in(self, histories: Histories) -> Tensor | None:
        """Encodings ``(rows, width)`` of queries that came after training, from the items that each is known to go
        with; None where the model has no way to them. Asked after ``refresh(None)``.

        Args:
            histories: What each new query has gone with, the oldest first, over the model's items; a model that asks
                for no order reads ``histories.known()``.
        """
        return None

    def normalise(self, vectors: Tensor) -> Tensor:
        """Unit length for cosine models, unchanged for others."""
        return functional.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors

    def scaled_items(self, vectors: Tensor, power: float | None = None) -> Tensor:
        """Item vectors divided by ``|q|^(1 - g)`` for cosine models, unchanged for others."""
        power = self.item_length if power is None else power
        if self.similarity != "cosine" or power == 1.0:
            return vectors
        if power == 0.0:
            return self.normalise(vectors)
        lengths: Tensor = vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return vectors * lengths.pow(power - 1)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)``, of candidates per query ``(rows, k)`` or of a shared pool."""
        vectors = self.encode_queries(queries)
        if items.dim() == 1:
            return (vectors * self.encode_items(items)).sum(-1)
        pool = shared_pool(items)
        if pool is not None:
            return vectors @ self.encode_items(pool).T
        table = self.all_items()
        if table is not None:
            return table_scores(vectors, table, torch.arange(queries.numel(), device=queries.device), items)
        return torch.einsum("rd,rkd->rk", vectors, self.encode_items(items))

    def all_items(self) -> Tensor | None:
        """Encodings of all items ``(n_items, dim)`` where :meth:`refresh` has computed them, else None.

        With them, candidates per query are scored without gathering their encodings.
        """
        return None

    def score_all(self, queries: Tensor) -> Tensor:
        """Scores ``(rows, n_items)`` of queries ``(rows,)`` with every item."""
        return self.encode_queries(queries) @ self.encode_items(torch.arange(self.n_items, device=queries.device)).T

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """Final embeddings of all queries ``(n_queries, dim)`` and of all items ``(n_items, dim)``."""
        self.refresh()
        device = device_of(self)
        return (
            self.encode_queries(torch.arange(self.n_queries, device=device)),
            self.encode_items(torch.arange(self.n_items, device=device)),
        )

    @torch.no_grad()
    def answers(self) -> Answers:
        """The model as it is used: scores of queries with all items and of pairs, by the tables.

        A model that has a shorter way to its scores than two tables says so here.
        """
        queries, items = self.tables()
        return answers_of_tables(queries.cpu(), items.cpu())

    def vectors(self) -> dict[str, Tensor]:
        """Vectors that other programs may want, by kind: ``query`` and ``item``, or what a model has instead."""
        queries, items = self.tables()
        return {"query": queries, "item": items}


def extend(model: Model, known: Csr | Histories | None) -> None:
    """Give a model all that is known when it is used, with the order where that is known; None changes nothing."""
    if isinstance(known, Histories):
        model.extend_histories(known)
    elif known is not None:
        model.extend(known)


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are, or what it holds instead; the CPU where it holds nothing."""
    found = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if found is None else found.device


class TableModel(Model, ABC):
    """A model that is two tables of free vectors; the loop updates their rows without autograd."""

    engine = "rows"
    query_table: nn.Parameter
    item_table: nn.Parameter

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.normalise(self.query_table[queries])

    def encode_items(self, items: Tensor) -> Tensor:
        return self.normalise(self.item_table[items])

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """As :meth:`Model.score`; pairs and candidates per query are scored by a kernel that gathers nothing."""
        pairs = items.dim() == 1
        if shared_pool(items) is not None or torch.is_grad_enabled() or (pairs and self.similarity == "cosine"):
            return Model.score(self, queries, items)
        if pairs:
            return self.score(queries, items[:, None])[:, 0]
        scores = kernels.gather_scores(self.query_table, self.item_table, queries, items)
        if self.similarity == "cosine":
            scores /= self.query_table[queries].norm(dim=1, keepdim=True).clamp(min=1e-12)
            scores /= self.item_table.norm(dim=1).clamp(min=1e-12)[items]
        return scores
