"""A classifier of sparse rows: a weighted sum of feature vectors, a non-linear layer, and a table of labels.

``f(x) = relu(sum_j x_j e_j + c)``, and with ``layers`` above one residual layers ``f <- f + relu(A f + a)`` on top.
Without ``relu`` it is a linear classifier whose matrix has the rank ``dim``. The feature vectors are the embedding
bag of fastText (Joulin et al., 2017) and of the towers of extreme classification (for instance DeepXML, Dahiya et
al., WSDM 2021); features and vector elements are dropped in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import pad

from negatives.data.neighbours import Neighbours, beside, with_votes
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.dropout import Among
from negatives.models.kept_rows import kept_rows
from negatives.models.restoring import is_restoring
from negatives.models.steps import TowerSteps
from negatives.models.tower import TowerModel
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr

FEATURES, HIDDEN = 1, 2


@dataclass(frozen=True, slots=True)
class SparseTower(Settings):
    """From a row's features to its vector.

    Args:
        relu: Pass the sum of feature vectors through a rectifier.
        layers: 1, or more for residual layers.
        drop_features: Share of a row's features that is left out in training.
        drop: Share of the elements of a vector that is left out in training.
        neighbours: Add the labels of so many nearest training rows to a row's features; costs the square of the rows.

    Raises:
        ConfigError: A share is not in ``[0, 1)``, or ``layers`` is below 1.
    """

    relu: bool = True
    layers: int = 1
    drop_features: float = 0.0
    drop: float = 0.0
    neighbours: int = 0

    def __post_init__(self) -> None:
        for name, share in (("drop_features", self.drop_features), ("drop", self.drop)):
            if not 0.0 <= share < 1.0:
                raise ConfigError(f"{name} is {share}; a share lies between 0 and 1")
        if self.layers < 1:
            raise ConfigError(f"layers is {self.layers}; it must be at least 1")


@dataclass(frozen=True, slots=True)
class LabelTable(Settings):
    """The vectors of the labels.

    Args:
        bias: A bias per label.
        item_init: Standard deviation of the initial label vectors; ``dim ** -0.5`` when None.
    """

    bias: bool = True
    item_init: float | None = None


class SparseClassifier(TowerModel):
    """Sparse features to labels.

    Args:
        features: Features of all rows, one row per query.
        n_items: Number of labels.
        known: Labels of the training rows, for the neighbours.
        dim: Length of the vectors.
        tower: Layers, dropout and neighbours.
        labels: Vectors of the labels.
        steps: Step sizes of labels and features.
        seed: Seed of the initial values and of dropout.
    """

    feed = "grouped"
    named_rows: ClassVar = {"feature_table": ("feature", "item"), "item_table": ("item",)}

    def __init__(
        self,
        features: SparseFeatures,
        n_items: int,
        known: Csr | None = None,
        dim: int = 256,
        tower: SparseTower = SparseTower(),
        labels: LabelTable = LabelTable(),
        steps: TowerSteps = TowerSteps(),
        seed: int = 0,
    ) -> None:
        self._near = Neighbours(features, known) if tower.neighbours and known is not None else None
        if is_restoring() and known is not None and tower.neighbours:  # its own rows are not asked for
            features = replace(features, n_cols=features.n_cols + known.n_cols)
        elif tower.neighbours and known is not None:
            features = with_votes(features, known, tower.neighbours)
        item_init = max(dim, 1) ** -0.5 if labels.item_init is None else labels.item_init
        super().__init__(features.n_rows, n_items, dim, labels.bias, item_init, steps, seed)
        self.tower = tower
        random = generator(stream(seed, Purpose.INIT))
        rows = torch.empty(max(1, features.n_cols), dim).normal_(0, dim**-0.5, generator=random)
        self.feature_table = nn.Parameter(rows)
        self.shift = nn.Parameter(torch.zeros(dim))
        more = [torch.empty(dim, dim).normal_(0, dim**-0.5, generator=random) for _ in range(tower.layers - 1)]
        self.weights = nn.ParameterList(nn.Parameter(one) for one in more)
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(dim)) for _ in more)
        self._features = features

    def sparse_parameters(self) -> list[nn.Parameter]:
        return [self.feature_table]

    def refresh(self, context: Context | None = None) -> None:
        super().refresh(context)
        if self._features.values.device != self.feature_table.device:
            self._features = self._features.to(self.feature_table.device)

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, dim + 1)`` of rows of the data."""
        some = self._features.pick(queries)
        return self.encode_bags(some.indices.long(), some.values, some.indptr[:-1])

    def encode_part(self, queries: Tensor, rows: slice) -> Tensor:
        """See :meth:`Model.encode_part`; no other row is encoded."""
        ends = pad(self._features.indptr.diff()[queries].cumsum(0), (1, 0))
        some = self._features.pick(queries[rows])
        first, stop, total = ends[[rows.start, rows.stop, -1]].tolist()
        among = Among(total, slice(first, stop)), Among(queries.numel(), rows)
        return self.encode_bags(some.indices.long(), some.values, some.indptr[:-1], among)

    def encode_rows(self, features: SparseFeatures) -> Tensor:
        """Vectors ``(rows, dim + 1)`` of rows that came after training, from their features."""
        if self._near is not None:
            votes = self._near.votes_of(features, self.tower.neighbours)
            features = beside(features, [votes], votes.shape[1])
        return self.encode_bags(features.indices.long(), features.values, features.indptr[:-1])

    def kept(self) -> dict[str, Any]:
        """Training rows where they vote for new ones, else no rows."""
        return kept_rows(self.given, votes=self._near is not None)

    def encode_bags(
        self,
        index: Tensor,
        values: Tensor,
        offsets: Tensor,
        among: tuple[Among | None, Among | None] = (None, None),
    ) -> Tensor:
        """Vectors ``(rows, dim + 1)`` of any rows.

        Args:
            index: ``(nnz,)`` int64 features, row by row.
            values: ``(nnz,)`` float32.
            offsets: ``(rows,)`` int64, where each row begins.
            among: Which features of a step these are, and which rows, where they are not all.
        """
        values = self.dropped(values, self.tower.drop_features, FEATURES, among[0])
        vectors = functional.embedding_bag(
            index, self.feature_table, offsets, mode="sum", per_sample_weights=values, sparse=True
        )
        vectors = vectors + self.shift
        vectors = functional.relu(vectors) if self.tower.relu else vectors
        vectors = self.dropped(vectors, self.tower.drop, HIDDEN, among[1])
        for place, (weight, shift) in enumerate(zip(self.weights, self.shifts, strict=True)):
            more = functional.relu(vectors @ weight.T + shift)
            vectors = vectors + self.dropped(more, self.tower.drop, HIDDEN + 1 + place, among[1])
        return self.with_one(vectors)
