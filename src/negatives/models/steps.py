"""How the steps of a model's parts differ from one another."""

from __future__ import annotations

from dataclasses import dataclass

from negatives.parameters import Settings


@dataclass(frozen=True, slots=True)
class TowerSteps(Settings):
    """How the steps of a tower and of its tables differ from those of the run's optimiser.

    Args:
        table_rate: Factor on the step size of the item table and of tables with sparse gradients.
        table_optimiser: Update rule of these tables, ``sgd``, ``adagrad`` or ``adam``; that of the run when None.
        max_norm: Length to which the tower's gradient is clipped; None for none.
    """

    table_rate: float = 1.0
    table_optimiser: str | None = None
    max_norm: float | None = None
