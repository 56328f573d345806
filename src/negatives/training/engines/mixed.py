"""One step of a model whose tables move row by row and whose other parameters move as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from negatives import kernels
from negatives.models import Model
from negatives.training.engines.base import Update
from negatives.training.engines.dense import DenseOptimiser
from negatives.training.engines.divided import Divided, Touched
from negatives.training.optimisers import RowOptimiser
from negatives.types import State


@dataclass(slots=True)
class MixedOptimiser:
    """Tables with sparse gradients move by the lazy form of the optimiser, whatever part of the model has read them.

    Args:
        model: The model, which says which tables these are, and their steps.
        update: Names the optimiser.
        apart: Parameters that somebody else moves.
    """

    model: Model
    update: Update
    apart: Collection[nn.Parameter] = ()
    _rows: dict[str, RowOptimiser] = field(init=False)
    _dense: DenseOptimiser | None = field(init=False)

    def __post_init__(self) -> None:
        rule = self.model.table_steps.table_optimiser or self.update.optimiser
        sparse, apart = ({id(one) for one in some} for some in (self.model.sparse_parameters(), self.apart))
        named = {name: one for name, one in self.model.named_parameters() if one.requires_grad and id(one) not in apart}
        tables = {name: one for name, one in named.items() if id(one) in sparse}
        self._rows = {name: RowOptimiser(one.data, rule, self.update.weight_decay) for name, one in tables.items()}
        rest = [one for one in named.values() if id(one) not in sparse]
        self._dense = DenseOptimiser(rest, self.update) if rest else None

    def forget(self) -> None:
        """Drop the gradients of the step before."""
        for parameter in self.model.parameters():
            parameter.grad = None

    def step(self, lr: float, divided: Divided) -> None:
        """One update by the parameters' gradients, of which each process has a part; clipped when they are whole."""
        steps, tables = self.model.table_steps, {name: rows.table for name, rows in self._rows.items()}
        touched = divided.sum_rows(self._touched(tables), tables)
        dense = [] if self._dense is None else self._dense.parameters
        divided.sum_gradients(dense)
        if steps.max_norm is not None:
            nn.utils.clip_grad_norm_([one for one in dense if one.grad is not None], steps.max_norm)
        for name, (rows, grads) in touched.items():
            self._rows[name].step(rows, grads, lr * steps.table_rate)
        if self._dense is not None:
            self._dense.step(lr)

    def state(self) -> State:
        """Moments of the tables, and of the rest."""
        return {
            "rows": {name: rows.state() for name, rows in self._rows.items()},
            "dense": {} if self._dense is None else self._dense.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        for name, rows in self._rows.items():
            rows.load_state(state["rows"][name])
        if self._dense is not None:
            self._dense.load_state(state["dense"])

    def _touched(self, tables: Mapping[str, Tensor]) -> dict[str, Touched | None]:
        named, found = dict(self.model.named_parameters()), {}
        for name, table in tables.items():
            grad = named[name].grad
            found[name] = None if grad is None else kernels.sum_rows(grad._indices()[0], grad._values(), len(table))
        return found
