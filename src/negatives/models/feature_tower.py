"""From features to vectors: the values of bags have vectors that are summed, numbers go through a linear map."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.data.features import Features
from negatives.data.pairs import SparseFeatures
from negatives.models.propagation import matrix_of


class FeatureTower(nn.Module):
    """``x = E^T b + W^T z``, then hidden layers ``x <- A relu(x)``, for bags ``b`` at unit length and numbers ``z``.

    As the tower of the deep network of Covington et al., RecSys 2016, there with bags at their mean.

    Args:
        features: Whose numbering the tables have.
        dim: Length of a vector.
        hidden: Width of the layers between features and vector; 0 for none.
        layers: How many there are.
        random: Of the initial values.
    """

    def __init__(self, features: Features, dim: int, hidden: int, layers: int, random: torch.Generator) -> None:
        super().__init__()
        width = hidden or dim
        self.width = width
        self.words, self.numbers = (_table(rows, width, random) for rows in (features.n_cols, features.width))
        sizes = [hidden] * layers + [dim] if hidden else []
        self.layers = nn.ParameterList(
            torch.empty(before, after).normal_(0, (2.0 / before) ** 0.5, generator=random)
            for before, after in pairwise(sizes)
        )
        self._names = [
            f"{one.name}={word}"
            for one in features.columns
            if one.bag is not None
            for word in (range(one.bag.n_cols) if one.words is None else one.words)
        ]

    def names(self) -> list[str]:
        """Column and value that each row of :attr:`words` stands for."""
        return self._names

    def forward(self, bags: SparseFeatures, numbers: Tensor) -> Tensor:
        """Vectors ``(n, dim)`` of rows of features ``(n, n_cols)`` and ``(n, width)``."""
        if self.words is None:
            sums = numbers.new_zeros(bags.n_rows, self.width)
        else:
            sums = functional.embedding_bag(
                bags.indices.long(), self.words, bags.indptr[:-1], mode="sum", per_sample_weights=bags.values
            )
        return self.deeper(sums, numbers)

    def deeper(self, sums: Tensor, numbers: Tensor) -> Tensor:
        """What becomes of the summed bags ``(n, hidden or dim)`` and the numbers ``(n, width)``."""
        vectors = sums if self.numbers is None else sums + numbers @ self.numbers
        for layer in self.layers:
            vectors = functional.relu(vectors) @ layer
        return vectors


def _table(rows: int, width: int, random: torch.Generator) -> nn.Parameter | None:
    return nn.Parameter(torch.empty(rows, width).normal_(0, width**-0.5, generator=random)) if rows else None


class Content:
    """Features of all rows as a tower reads them, on the device of the tower.

    Args:
        features: What is known of each row.
    """

    def __init__(self, features: Features) -> None:
        self._bags, self._numbers = features.sparse(), features.dense()
        self._matrix = matrix_of(self._bags) if self._bags.n_cols else None

    def to(self, device: torch.device) -> Content:
        """This, with its tensors on a device."""
        self._bags, self._numbers = self._bags.to(device), self._numbers.to(device)
        self._matrix = None if self._matrix is None else self._matrix.to(device)
        return self

    def every(self, tower: FeatureTower) -> Tensor:
        """Vectors of all rows; one product with a sparse matrix."""
        if self._matrix is None or tower.words is None:
            return tower(self._bags, self._numbers)  # type: ignore[no-any-return]
        return tower.deeper(self._matrix @ tower.words, self._numbers)

    def some(self, tower: FeatureTower, rows: Tensor) -> Tensor:
        """Vectors ``(n, dim)`` of rows ``(n,)``."""
        return tower(self._bags.pick(rows), self._numbers[rows])  # type: ignore[no-any-return]
