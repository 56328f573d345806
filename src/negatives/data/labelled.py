"""Rows with sparse features and labels: what classification trains and tests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import pad

from negatives.data.ids import Ids
from negatives.data.pairs import Pairs, SparseFeatures
from negatives.types import Catalogue, Csr


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """Rows as they stand in one file.

    Args:
        owners: ``(n,)`` int64, the row of each label.
        labels: ``(n,)`` names, or numbers from 0 to below ``n_labels``.
        content: Features of the rows, or one text per row.
        notes: What was read and how.
        n_labels: Number of labels where labels are numbers, else None.
        names: One name per row, or None.
        label_names: Names of numbered labels, or None.
        feature_names: Names of the features, or None.
        groups: What each row belongs to, a document for instance, or None.
    """

    owners: npt.NDArray[np.int64]
    labels: pl.Series
    content: SparseFeatures | pl.Series
    notes: tuple[str, ...] = ()
    n_labels: int | None = None
    names: pl.Series | None = None
    label_names: pl.Series | None = None
    feature_names: pl.Series | None = None
    groups: Ids | None = None

    @property
    def n_rows(self) -> int:
        return self.content.n_rows if isinstance(self.content, SparseFeatures) else len(self.content)


@dataclass(frozen=True, slots=True)
class Weighting:
    """Rows of unit length, with ``tf_idf`` after ``v = (1 + log tf) log((1 + n) / (1 + df))``.

    Args:
        kind: ``tf_idf``, or ``length`` for the length alone, or ``none``.
        idf: ``(n_features,)`` float32, ``log((1 + n) / (1 + df))``; None for other kinds.
    """

    kind: str = "none"
    idf: Tensor | None = None

    @staticmethod
    def learnt(features: SparseFeatures, train: Tensor, kind: str) -> Weighting:
        """That of a kind, with documents counted in some rows.

        Args:
            features: Features of all rows.
            train: ``(n,)`` int64 rows in which documents are counted.
            kind: As above.
        """
        if kind != "tf_idf":
            return Weighting(kind)
        counted = torch.zeros(features.n_rows, dtype=torch.bool)
        counted[train] = True
        df = torch.bincount(features.indices.long()[counted[features.owners]], minlength=features.n_cols).float()
        return Weighting(kind, torch.log((1 + train.numel()) / (1 + df)))

    def of(self, features: SparseFeatures) -> SparseFeatures:
        """The rows, weighted."""
        if self.kind == "none":
            return features
        values = features.values
        if self.idf is not None:
            logs = torch.where(values > 1, 1 + values.clamp(min=1e-12).log(), values)
            values = logs * self.idf[features.indices.long()]
        return replace(features, values=values).unit()


@dataclass(frozen=True, slots=True)
class LabelledData:
    """Rows of all parts in one numbering, and their labels by part.

    Args:
        name: Short name of the data.
        features: Features of all rows.
        row_names: Name of each row.
        label_names: Name of each label.
        parts: Pairs of a row and a label: ``train``, ``valid``, ``test``, and ``canaries``, pairs of training rows
            that are hidden to estimate false negatives.
        n_train: Number of rows with a pair in ``train``.
        notes: What was read and how.
        feature_names: Names of the features, or None.
        weighting: How the features were weighted.
        texts: Whether rows are texts, whose words are the features.
    """

    name: str
    features: SparseFeatures
    row_names: pl.Series
    label_names: pl.Series
    parts: dict[str, Pairs]
    n_train: int
    notes: tuple[str, ...] = ()
    feature_names: pl.Series | None = None
    weighting: Weighting = Weighting()
    texts: bool = False

    @property
    def n_rows(self) -> int:
        return self.features.n_rows

    @property
    def n_labels(self) -> int:
        return len(self.label_names)

    def known(self, parts: Iterable[str] = ("train",)) -> Csr:
        """Labels of each row in the named parts."""
        chosen = Pairs.joined(self.parts[name] for name in parts)
        return Csr.from_pairs(chosen.queries, chosen.items, self.n_rows, self.n_labels)

    def counts(self) -> Tensor:
        """Rows of each label in the training part, ``(n_labels,)`` int64."""
        return torch.bincount(self.parts["train"].items, minlength=self.n_labels)

    def catalogue(self) -> Catalogue:
        """What the parts of a sampler may know: the training part and nothing else."""
        return Catalogue(self.n_rows, self.n_labels, self.counts(), self.known())


def joined(features: list[SparseFeatures]) -> SparseFeatures:
    """Rows below one another; all have the same columns."""
    indptr = pad(torch.cat([one.indptr.diff() for one in features]).cumsum(0), (1, 0))
    indices, values = (torch.cat([getattr(one, part) for one in features]) for part in ("indices", "values"))
    return SparseFeatures(indptr, indices, values, features[0].n_cols)
