"""Runs that answer a new row with labels: classification of texts, or of rows with named or numbered features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import polars as pl
import torch
from torch import Tensor

from negatives.answering.base import Run
from negatives.answering.forms import Field, Form, Question
from negatives.answering.held import Held
from negatives.answering.ranked import Ranked, by_scores, by_vectors
from negatives.data.bags import bags
from negatives.data.labelled import Weighting
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError, InputError

TEXT = Form("text", "a text to label", (Field("text", "the text"),))
FEATURES = Form(
    "features",
    "a row to label, by its features",
    (Field("features", "name:value, or a name alone for the value 1", many=True),),
)


@runtime_checkable
class RowEncoder(Protocol):
    """A model that takes in rows that came after training."""

    def encode_rows(self, features: SparseFeatures) -> Tensor:
        """Encodings ``(rows, width)``; of a model without vectors the scores ``(rows, n_items)``."""
        ...


class ClassifyRun(Run):
    """Rows and labels. Rows are asked by their text where the training rows were texts, else by their features."""

    forms: tuple[Form, ...] = (TEXT, FEATURES)
    items = "label"

    def __init__(self, held: Held) -> None:
        super().__init__(held)
        self.forms = (TEXT,) if held.more["texts"] else (FEATURES,)
        self._weighting = Weighting(held.more["kind"], held.more["idf"])
        self._features = held.names.get("feature")

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        vectors, table = self._encode(form, questions), self._table()
        if table is None:
            ids, scores, _ = by_scores(lambda rows: vectors[rows], len(vectors), k)
        else:
            ids, scores, _ = by_vectors(vectors, table, k)
        labels = [self.label(form, question) for question in questions]
        return Ranked(labels, ids, scores, self.names(self.items))

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        model = self.held.model
        if not isinstance(model, RowEncoder):
            raise ConfigError(f"the model {self.held.config.part('model')} cannot take in new rows")
        model.refresh()
        return model.encode_rows(self.rows(form, questions)).cpu()

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        vectors, table = self._encode(form, questions), self._table()
        ids = self.names(self.items).ids(items)
        return vectors.gather(1, ids[:, None])[:, 0] if table is None else (vectors * table[ids]).sum(1)

    def similar_table(self, kind: str) -> Tensor:
        """The vectors of the labels without their bias."""
        table = super().similar_table(kind)
        return table[:, : self.held.model.dim] if kind == self.items else table

    def rows(self, form: Form, questions: Sequence[Question]) -> SparseFeatures:
        """Weighted features of new rows; words and names that training never showed are left out.

        Raises:
            InputError: A feature is no number where features have no names, or its value is none.
        """
        if form is TEXT:
            words = self.names("feature").series.to_list()
            return self._weighting.of(bags(pl.Series([one["text"] for one in questions], dtype=pl.String), words))
        return self._weighting.of(self._given(questions))

    def _given(self, questions: Sequence[Question]) -> SparseFeatures:
        n = int(self.held.more["n_features"])
        sizes, indices, values = [0], [], []
        for question in questions:
            row: dict[int, float] = {}
            for written in question["features"]:
                name, colon, value = written.rpartition(":")
                name, number = (name, value) if colon else (written, "1")
                at = self._place(name, n)
                if at is not None:
                    row[at] = row.get(at, 0.0) + _number(written, number)
            indices += sorted(row)
            values += [row[at] for at in sorted(row)]
            sizes.append(len(indices))
        flat = torch.tensor(indices, dtype=torch.int32), torch.tensor(values, dtype=torch.float32)
        return SparseFeatures(torch.tensor(sizes), *flat, n)

    def _place(self, name: str, n: int) -> int | None:
        """Column of a feature by its name or number; None for one that training never showed."""
        if self._features is not None and (at := int(self._features.find([name])[0])) >= 0:
            return at
        if name.isdecimal() and self._features is None:
            return int(name) if int(name) < n else None
        if self._features is None:
            raise InputError(f"no feature {name!r}: features are numbers below {n:,}", hint="write for instance 17:0.5")
        return None

    def _table(self) -> Tensor | None:
        return self.held.tables.get(self.items)


def _number(written: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{value!r} in {written!r} is no number", hint="write name:value, as 17:0.5") from None
