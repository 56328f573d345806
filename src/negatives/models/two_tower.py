"""Two towers over features: recommendation that also ranks items, and answers users, whom nobody has met before.

``q_i = f(x_i) [+ free vector of i]`` where ``x_i`` is what is known of the item, and
``p_u = mean of the user's items [+ free vector of u] + g(y_u)`` where ``y_u`` is what is known of the user. In the
spirit of DropoutNet (Volkovs et al., NeurIPS 2017) what only warm rows have, the free vector of an item, and the items
and the free vector of a user, is left out for a random share of them in each step, so that the features alone must
answer as well; cold ones never have it. Differs from DropoutNet: towers are trained from interactions alone, not
towards the vectors of another model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from negatives.data.features import Feature, Features
from negatives.data.histories import Histories
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.base import Model, device_of
from negatives.models.feature_tower import Content, FeatureTower
from negatives.models.propagation import bipartite
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream, uniforms
from negatives.types import Context, Csr


@dataclass(frozen=True, slots=True)
class Towers(Settings):
    """What the towers are made of.

    Args:
        free_items: Add a free vector to warm items.
        drop_free: Share of the items whose free vector is left out in a training step.
        own: Weight of the free vector of a warm query beside the mean of its items' vectors.
        drop_history: Share of the rows of a training step that features alone must answer, where queries have some.
        hidden: Width of the layers between features and vector; 0 for none, so that the map is linear.
        layers: How many such layers there are.

    Raises:
        ConfigError: A share is not from 0 to 1, or a width is below 0.
    """

    free_items: bool = False
    drop_free: float = 0.5
    own: float = 0.0
    drop_history: float = 0.3
    hidden: int = 0
    layers: int = 1

    def __post_init__(self) -> None:
        for name in ("drop_free", "drop_history"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if self.hidden < 0 or self.layers < 1:
            raise ConfigError(f"hidden is {self.hidden} and layers is {self.layers}; give at least 0 and 1")


class TwoTower(Model):
    """Tower of features for items; history, features or both for queries.

    Args:
        known: Known pairs of the training part.
        item_features: What is known of every item; without a column each item has a free vector instead.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        query_features: What is known of every query, or None.
        towers: Free vectors, what is dropped in training, and hidden layers.
        seed: Seed of the initial values.
    """

    inner_product = True
    named_rows: ClassVar = {
        **Model.named_rows,
        "item_tower.words": ("item value",),
        "query_tower.words": ("query value",),
    }

    def __init__(
        self,
        known: Csr,
        item_features: Features | SparseFeatures,
        dim: int = 128,
        similarity: str = "cosine",
        query_features: Features | None = None,
        towers: Towers = Towers(),
        seed: int = 0,
    ) -> None:
        super().__init__(known.n_rows, known.n_cols, dim, similarity)
        if isinstance(item_features, SparseFeatures):
            item_features = Features(item_features.n_rows, (Feature("words", "text", item_features),))
        random = generator(stream(seed, Purpose.INIT))
        self.item_features, self.query_features, self.towers, self.seed = item_features, query_features, towers, seed
        self.item_tower = FeatureTower(item_features, dim, towers.hidden, towers.layers, random)
        free = torch.zeros(known.n_cols, dim)
        if not item_features.columns:
            free.normal_(0, dim**-0.5, generator=random)
        self.item_table = nn.Parameter(free) if towers.free_items or not item_features.columns else None
        own_vectors = torch.empty(known.n_rows, dim).normal_(0, 0.1, generator=random)
        self.query_table = nn.Parameter(own_vectors) if towers.own else None
        self.query_tower: FeatureTower | None = None
        self._of_queries: Content | None = None
        if query_features is not None:
            self.query_tower = FeatureTower(query_features, dim, towers.hidden, towers.layers, random)
            self._of_queries = Content(query_features)
        self._of_items = Content(item_features)
        self.extend(known)
        self._warm = torch.bincount(known.indices.long(), minlength=known.n_cols) > 0
        self._met = known.lengths() > 0
        self._context: Context | None = None
        self._items: Tensor = torch.empty(0)
        self._sums: Tensor = torch.empty(0)

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the histories of the queries; which items and queries are warm stays as trained."""
        self._sum = bipartite(known, 0.0, 0.0)
        self._lengths = known.lengths()

    def own_names(self) -> dict[str, list[str]]:
        """Columns and values that the towers have vectors of."""
        found = {"item value": self.item_tower.names()}
        return found if self.query_tower is None else found | {"query value": self.query_tower.names()}

    def refresh(self, context: Context | None = None) -> None:
        """Encode all items and sum them up per query; a context's positives are left out of their sums."""
        device = device_of(self)
        self._of_items, self._sum = self._of_items.to(device), self._sum.to(device)
        self._warm, self._met, self._lengths = (one.to(device) for one in (self._warm, self._met, self._lengths))
        if self._of_queries is not None:
            self._of_queries = self._of_queries.to(device)
        self._context = context
        vectors = self._of_items.every(self.item_tower)
        if self.item_table is not None:
            vectors = vectors + self.item_table * self._free_mask(context)[:, None]
        self._items = self.normalise(vectors)
        self._sums = self._sum @ self._items

    def _free_mask(self, context: Context | None) -> Tensor:
        if context is None or not self.item_features.columns:
            return self._warm.float()
        key = stream(self.seed, Purpose.DROPOUT, context.epoch)
        step = torch.tensor(context.step, device=self._warm.device)
        draws = uniforms(key, step, torch.arange(self.n_items, device=self._warm.device))
        return (self._warm & (draws >= self.towers.drop_free)).float()

    def encode_queries(self, queries: Tensor) -> Tensor:
        lengths, sums = self._lengths[queries], self._sums[queries]
        training = self._context is not None and queries is self._context.queries
        if training and self._context is not None:
            lengths, sums = lengths - 1, sums - self._items[self._context.positives]
        vectors = sums / lengths.clamp(min=1)[:, None]
        if self.query_table is not None:
            vectors = vectors + self.towers.own * self.query_table[queries] * self._met[queries, None]
        if self.query_tower is None or self._of_queries is None:
            return self.normalise(vectors)
        if training and self._context is not None:
            vectors = vectors * self._kept(self._context)[:, None]
        return self.normalise(vectors + self._of_queries.some(self.query_tower, queries))

    def _kept(self, context: Context) -> Tensor:
        """``(rows,)`` float32, 0 for rows that features alone must answer."""
        key = stream(stream(self.seed, Purpose.DROPOUT, context.epoch), Purpose.DROPOUT, 1)
        return (uniforms(key, context.examples, 0) >= self.towers.drop_history).float()

    def encode_items(self, items: Tensor) -> Tensor:
        return self._items[items]

    def fold_in(self, histories: Histories, features: Features | None = None) -> Tensor:
        """As for queries of the training part, but without a free vector.

        Args:
            histories: Known items of each query.
            features: What is known of each query, read by those of training; None for nothing.
        """
        known = histories.known()
        sums = bipartite(known, 0.0, 0.0) @ self._items
        vectors = sums / known.lengths().clamp(min=1)[:, None]
        if features is not None and self.query_tower is not None:
            vectors = vectors + self.query_tower(features.sparse(), features.dense())
        return self.normalise(vectors)
