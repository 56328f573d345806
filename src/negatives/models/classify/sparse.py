"""A classifier of sparse rows: a weighted sum of feature vectors, a non-linear layer, and a table of labels.

``f(x) = relu(sum_j x_j e_j + c)``, and with ``layers`` above one residual layers ``f <- f + relu(A f + a)`` on top.
Without ``relu`` it is a linear classifier whose matrix has the rank ``dim``. The feature vectors are the embedding
bag of fastText (Joulin et al., 2017) and of the towers of extreme classification (for instance DeepXML, Dahiya et
al., WSDM 2021); features and vector elements are dropped in training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.data.neighbours import with_votes
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.tower import TowerModel
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr

FEATURES, HIDDEN = 1, 2


class SparseClassifier(TowerModel):
    """Sparse features to labels.

    Args:
        features: Features of all rows, one row per query.
        n_items: Number of labels.
        dim: Length of the vectors.
        relu: Pass the sum of feature vectors through a rectifier.
        layers: 1, or more for residual layers.
        drop_features: Share of a row's features that is left out in training.
        drop: Share of the elements of a vector that is left out in training.
        bias: A bias per label.
        item_init: Standard deviation of the initial label vectors; ``dim ** -0.5`` when None.
        table_rate: Factor on the step size of labels and features.
        table_optimiser: Update rule of labels and features; that of the run when None.
        neighbours: Add the labels of so many nearest training rows to a row's features; costs the square of the rows.
        known: Labels of the training rows, for the neighbours.
        seed: Seed of the initial values and of dropout.

    Raises:
        ConfigError: A share is not in ``[0, 1)``, or ``layers`` is below 1.
    """

    feed = "grouped"

    def __init__(
        self,
        features: SparseFeatures,
        n_items: int,
        dim: int = 256,
        relu: bool = True,
        layers: int = 1,
        drop_features: float = 0.0,
        drop: float = 0.0,
        bias: bool = True,
        item_init: float | None = None,
        table_rate: float = 1.0,
        table_optimiser: str | None = None,
        neighbours: int = 0,
        known: Csr | None = None,
        seed: int = 0,
    ) -> None:
        if neighbours and known is not None:
            features = with_votes(features, known, neighbours)
        item_init = max(dim, 1) ** -0.5 if item_init is None else item_init
        super().__init__(features.n_rows, n_items, dim, bias, item_init, table_rate, table_optimiser, seed=seed)
        for name, share in (("drop_features", drop_features), ("drop", drop)):
            if not 0.0 <= share < 1.0:
                raise ConfigError(f"{name} is {share}; a share lies between 0 and 1")
        if layers < 1:
            raise ConfigError(f"layers is {layers}; it must be at least 1")
        self.relu, self.drop_features, self.drop = relu, drop_features, drop
        random = generator(stream(seed, Purpose.INIT))
        rows = torch.empty(max(1, features.n_cols), dim).normal_(0, dim**-0.5, generator=random)
        self.feature_table = nn.Parameter(rows)
        self.shift = nn.Parameter(torch.zeros(dim))
        more = [torch.empty(dim, dim).normal_(0, dim**-0.5, generator=random) for _ in range(layers - 1)]
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
        index, values, offsets = rows_of(self._features, queries)
        return self.encode_bags(index, values, offsets)

    def encode_bags(self, index: Tensor, values: Tensor, offsets: Tensor) -> Tensor:
        """Vectors ``(rows, dim + 1)`` of any rows.

        Args:
            index: ``(nnz,)`` int64 features, row by row.
            values: ``(nnz,)`` float32.
            offsets: ``(rows,)`` int64, where each row begins.
        """
        values = self.dropped(values, self.drop_features, FEATURES)
        vectors = functional.embedding_bag(
            index, self.feature_table, offsets, mode="sum", per_sample_weights=values, sparse=True
        )
        vectors = vectors + self.shift
        vectors = self.dropped(functional.relu(vectors) if self.relu else vectors, self.drop, HIDDEN)
        for place, (weight, shift) in enumerate(zip(self.weights, self.shifts, strict=True)):
            more = functional.relu(vectors @ weight.T + shift)
            vectors = vectors + self.dropped(more, self.drop, HIDDEN + 1 + place)
        return self.with_one(vectors)


def rows_of(features: SparseFeatures, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features ``(nnz,)`` int64, values ``(nnz,)`` and offsets ``(rows,)`` of some rows.

    >>> x = SparseFeatures(torch.tensor([0, 1, 3]), torch.tensor([5, 6, 7], dtype=torch.int32), torch.ones(3), 8)
    >>> rows_of(x, torch.tensor([1, 0]))[0].tolist()
    [6, 7, 5]
    """
    start = features.indptr[queries]
    lengths = features.indptr[queries + 1] - start
    offsets = lengths.cumsum(0) - lengths
    at = torch.repeat_interleave(start - offsets, lengths)
    at += torch.arange(at.numel(), device=at.device)
    return features.indices[at].long(), features.values[at], offsets


__all__ = ["SparseClassifier", "rows_of"]
