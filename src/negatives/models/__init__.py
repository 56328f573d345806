"""Models that satisfy :class:`negatives.types.Scorer`; one file each, one row below."""

from __future__ import annotations

from negatives.models.base import Model, TableModel
from negatives.registry import Registry

registry: Registry[Model] = Registry(
    "models",
    (
        ("mf", "negatives.models.factorization:MatrixFactorization"),
        ("history", "negatives.models.history:HistoryTower"),
        ("lightgcn", "negatives.models.lightgcn:LightGCN"),
        ("two_tower", "negatives.models.two_tower:TwoTower"),
    ),
)

__all__ = ["Model", "TableModel", "registry"]
