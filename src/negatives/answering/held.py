"""What a run holds so that it can be asked, whether it was just trained or opened from a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from negatives.answering.names import Names
from negatives.config import RunConfig
from negatives.errors import ConfigError, InputError
from negatives.models import Model
from negatives.models import registry as models
from negatives.training.sound import finite
from negatives.types import Csr, State


@dataclass(frozen=True, slots=True)
class Kept:
    """What a task gives a run beside its model, so that it can be asked without the data.

    Args:
        names: Names ``(n,)`` by id of the kinds that are asked for or answered.
        known: Known items of each query when the model is used, or None where there is no such thing.
        more: What else its answers need: text, numbers, tensors, and the tables that :mod:`negatives.training.kept`
            can write.
    """

    names: Mapping[str, pl.Series]
    known: Csr | None = None
    more: State = field(default_factory=dict)


@dataclass
class Held:
    """A finished run.

    Args:
        config: With every field filled.
        metrics: What metrics.json holds.
        names: Names by kind, as the task calls its kinds.
        tables: Vectors ``(n, d)`` float32 by kind; they may be views of a file.
        known: Known items of each query when the model is used, or None where there is no such thing.
        more: What else the task keeps.
        make: Gives the trained model, built when it is first needed.
        path: The run's folder, None where it was not written.
    """

    config: RunConfig
    metrics: Mapping[str, Any]
    names: Mapping[str, Names]
    tables: Mapping[str, Tensor]
    known: Csr | None
    more: State
    make: Callable[[], Model]
    path: Path | None = None
    _sound: set[str] = field(default_factory=set, init=False, repr=False)
    """Kinds whose vectors have been looked at, which waits until they are needed: they may be large."""

    @cached_property
    def model(self) -> Model:
        """The trained model, as it is used."""
        return self.make()

    @cached_property
    def by_tables(self) -> bool:
        """Whether the inner products of the tables are the model's scores, so that it need not be built."""
        kind = models.get(str(self.config.part("model")))
        return kind.answers is Model.answers and kind.vectors is Model.vectors

    def table(self, kind: str) -> Tensor:
        """The vectors of a kind.

        Raises:
            ConfigError: The model has none.
        """
        if kind not in self.tables:
            has = f"it has those of {' and '.join(self.tables)}" if self.tables else "it has none at all"
            raise ConfigError(f"the model {self.config.part('model')} has no vectors of the kind {kind}; {has}")
        if kind not in self._sound:
            if not finite(self.tables[kind]):
                told = f"its vectors of the kind {kind} hold what is no finite number"
                raise InputError(told, path=self.path, hint="train the run again")
            self._sound.add(kind)
        return self.tables[kind]
